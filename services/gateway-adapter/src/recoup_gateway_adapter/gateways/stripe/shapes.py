"""Read Stripe's JSON without trusting it: whatever has another shape than expected reads as absent.

Promise: nothing here raises but `essential` and `money`, which name what is missing.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from recoup_chassis.errors import Unprocessable
from recoup_gateway_adapter.gateways.contract import Instrument, Money

Json = Mapping[str, Any]
"""A dict, as `json` reads it: told by that, for a look at an abstract class costs ten times as much."""

LATEST_INSTANT = 2**33
"""Seconds since 1970; far beyond any date that Stripe writes (the year 2242)."""

BRANDS = {"american express": "amex", "diners club": "diners", "mastercard": "mastercard"}
"""Cards and sources wrote brands for people; payment methods write them for programs (docs.stripe.com/api/cards)."""


def inner(value: Any, *path: str) -> Json:
    """Give the object at the path; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> Iterator[Json]:
    """Give the objects of a list, plain or in Stripe's `{"object": "list", "data": […]}`."""
    listed = value.get("data") if isinstance(value, dict) else value
    if isinstance(listed, list):
        yield from (row for row in listed if isinstance(row, dict))


def text(value: Any, limit: int = 255) -> str | None:
    """Give a string of 1 to `limit` characters without control characters and lone surrogates."""
    if not isinstance(value, str) or not value.strip():
        return None
    if value.isprintable():
        return value[:limit]
    cleaned = "".join(character for character in value if character >= " " and character != "\x7f")
    return cleaned[:limit].encode(errors="ignore").decode() or None


def ident(value: Any) -> str | None:
    """Give an id, written plainly or inside an expanded object; cut nothing, ids are exact."""
    plain = value.get("id") if isinstance(value, dict) else value
    if not isinstance(plain, str) or not 1 <= len(plain) <= 255 or not plain.isprintable():
        return None
    return plain


def whole(value: Any) -> int | None:
    """Give an integer between -10^15 and 10^15."""
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 10**15
    return value if is_whole else None


def instant(value: Any) -> datetime | None:
    """Give the instant of Unix seconds, UTC."""
    seconds = whole(value)
    if seconds is None or not 0 <= seconds < LATEST_INSTANT:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def money(minor: Any, currency: Any, what: str) -> Money:
    """Give an amount; a negative one reads as nothing.

    Raises:
        Unprocessable: amount or currency is missing.
    """
    amount, code = whole(minor), text(currency)
    if amount is None or code is None or len(code) != 3 or not (code.isascii() and code.isalpha()):
        raise Unprocessable("schema", f"{what} without amount and currency")
    return Money(max(0, amount), code.upper())


def essential(value: Any, what: str) -> str:
    """Give an id that must be there.

    Raises:
        Unprocessable: it is not.
    """
    found = ident(value)
    if found is None:
        raise Unprocessable("schema", f"{what} is missing")
    return found


def instrument(identity: Any, kind: Any, details: Json) -> Instrument | None:
    """Give an instrument from its id, its type and the object that describes it; None without an id."""
    found = ident(identity)
    if found is None:
        return None
    brand = text(details.get("brand") or details.get("type"))
    month, year = whole(details.get("exp_month")), whole(details.get("exp_year"))
    return Instrument(
        instrument_id=found,
        kind=text(kind) or "card",
        brand=BRANDS.get(brand.lower(), brand.lower()) if brand else None,
        funding=text(details.get("funding")),
        country=text(details.get("country")),
        fingerprint=text(details.get("fingerprint")),
        exp_month=month if month is not None and 1 <= month <= 12 else None,
        exp_year=year if year is not None and 1970 <= year <= 2200 else None,
    )
