"""Liquid, for what merchants may edit: strict, bounded, and with no way out.

Promise: a template reaches its variables and nothing else, ends soon, and stays small; one that asks for an unknown
variable, filter or tag is refused, never rendered with a hole in it.
"""

from functools import cache, lru_cache
from typing import Any

from liquid import BoundTemplate, CachingDictLoader, Environment, Mode, StrictUndefined
from liquid.exceptions import LiquidError

from recoup_notifier.compose.words import partials

_TAGS = "content output illegal if unless case for break continue assign capture comment # echo render doc"
_FILTERS = (
    "append capitalize default downcase escape escape_once first last lstrip newline_to_br prepend rstrip size "
    "slice squish strip truncate truncatewords upcase url_encode "
    "plus minus times divided_by modulo round at_least at_most"
)
"""Without those whose result can be far larger than their input: a small template must not fill the memory."""


class BadTemplate(Exception):
    """A template can't be rendered; the message says where and why, in a few lines for its author."""


class _Bounded(Environment):
    loop_iteration_limit = 10_000
    local_namespace_limit = 200_000  # bytes
    output_stream_limit = 400_000  # bytes
    context_depth_limit = 10
    block_nesting_limit = 20


@cache
def _environment(part: str) -> Environment:
    environment = _Bounded(
        tolerance=Mode.STRICT,
        undefined=StrictUndefined,
        strict_filters=True,
        autoescape=part == "html",
        loader=CachingDictLoader(partials() if part == "html" else {}),
    )
    for name in set(environment.tags) - set(_TAGS.split()):
        del environment.tags[name]
    for name in set(environment.filters) - set(_FILTERS.split()):
        del environment.filters[name]
    return environment


@lru_cache(maxsize=512)
def _parsed(source: str, part: str) -> BoundTemplate:
    return _environment(part).from_string(source)


def render(source: str, part: str, variables: dict[str, Any]) -> str:
    """Render a template; `part` is subject, text or html, and only html is escaped.

    Raises:
        BadTemplate: it can't be parsed, asks for something unknown, or grows beyond the bounds.
    """
    try:
        return _parsed(source, part).render(**variables)
    except (LiquidError, ValueError, TypeError, ArithmeticError, RecursionError) as wrong:
        raise BadTemplate(f"{part}: {str(wrong)[:500]}") from wrong
