"""Form bodies with bracketed names (`items[0][price]=…`) to nested values, as Stripe reads them."""

from collections.abc import Iterable
from typing import Any

from practice_gateway.errors import invalid_request

MAX_PAIRS = 2_000
MAX_DEPTH = 8


def decode(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nest a form.

    Raises:
        StripeError: 400, brackets that don't match, too deep or too many.
    """
    root: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs):
        if count >= MAX_PAIRS:
            raise invalid_request(f"A request has at most {MAX_PAIRS} parameters.")
        _place(root, _segments(name), value, name)
    return {name: _lists(value) for name, value in root.items()}


def _segments(name: str) -> list[str]:
    head, *rest = name.split("[")
    if not head or any(not part.endswith("]") for part in rest) or len(rest) > MAX_DEPTH:
        raise invalid_request(f"Invalid parameter name: {name[:100]}", param=name[:100])
    return [head, *(part[:-1] for part in rest)]


def _place(root: dict[str, Any], segments: list[str], value: str, name: str) -> None:
    target = root
    for position, segment in enumerate(segments[:-1]):
        key = segment or _open_slot(target, segments[position + 1])
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise invalid_request(f"Invalid parameter: {name[:100]}", param=name[:100])
    target[segments[-1] or str(len(target))] = value


def _open_slot(target: dict[str, Any], following: str) -> str:
    """Return the index for `a[][b]`: the last element while it has no `b` yet, else a new one."""
    last = str(len(target) - 1)
    if target and isinstance(target.get(last), dict) and following not in target[last]:
        return last
    return str(len(target))


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(item) for key, item in value.items()}
