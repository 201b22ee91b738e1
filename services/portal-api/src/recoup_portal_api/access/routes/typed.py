"""Nothing sensitive where it does not belong: card numbers and check codes nowhere, secrets in their own fields only.

Promise: what a merchant's program sends is looked through before anything keeps, announces or logs it; the answer
names what was found, and never repeats it. A parameter that nobody knows is refused, for a filter with a slip in its
name would give everything; so is one that comes twice, for nobody can say which is meant.
"""

import json
from typing import Any
from urllib.parse import unquote_plus

from fastapi import Request

from recoup_events.sensitive import found_in
from recoup_portal_api.access.routes.api import ApiError

SECRET_FIELDS = frozenset({"api_key", "webhook_secret"})
"""Where a body's secrets belong; gateway-adapter alone keeps them, sealed."""


async def nothing_sensitive(request: Request) -> None:
    """Let a request pass that holds nothing it should not.

    Raises:
        ApiError: 422.
    """
    for where, text in (
        ("path", unquote_plus(request.url.path).encode()),
        ("query", unquote_plus(request.url.query).encode()),
        ("body", _without_secrets(await request.body())),
    ):
        if (found := found_in(text)) is not None:
            raise ApiError(422, "sensitive", f"{where}: holds {found}; it does not belong here", field=where)


async def nothing_unknown_or_twice(request: Request) -> None:
    """Let a request pass whose query has only parameters that its route knows, each of them once.

    Raises:
        ApiError: 422.
    """
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    given = [name for name, _ in request.query_params.multi_items()]
    if not known.issuperset(given):
        names = ", ".join(sorted(known)) or "none"
        raise ApiError(422, "invalid", f"query: has an unknown parameter; known here: {names}", field="query")
    if len(given) > len(set(given)):
        raise ApiError(422, "invalid", "query: has a parameter more than once", field="query")


def _without_secrets(body: bytes) -> bytes:
    """Give a body's text, escapes written out, without the fields that are for secrets."""
    try:
        parsed: Any = json.loads(body or b"null")
    except (ValueError, RecursionError):
        return body
    if isinstance(parsed, dict):
        parsed = {name: value for name, value in parsed.items() if name not in SECRET_FIELDS}
    return json.dumps(parsed, ensure_ascii=False).encode("utf-8", "surrogatepass")
