"""From where an object is looked at: an account's store, an API version, and the address of its pages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from practice_gateway.versions import Version

if TYPE_CHECKING:
    from practice_gateway.account import Account

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """What a renderer may look up."""

    account: "Account"
    version: Version
    origin: str  # of the hosted pages, without a slash at the end


def list_of(data: list[Wire], url: str) -> Wire:
    """Return a list that is part of an object."""
    return {"object": "list", "data": data, "has_more": False, "total_count": len(data), "url": url}


def address(fields: dict[str, Any] | None) -> Wire:
    """Return an address with all its members."""
    found = fields or {}
    return {name: found.get(name) for name in ("city", "country", "line1", "line2", "postal_code", "state")}
