"""What a customer typed, read with the mistakes that people make."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from practice_gateway.cards.catalogue import BY_NUMBER, TestCard, passes_luhn

_EXPIRY = re.compile(r"\s*(\d{1,2})\s*[/.\- ]\s*(\d{4}|\d{2})\s*")


@dataclass(frozen=True, slots=True)
class TypedCard:
    """A test card with its expiry."""

    behaviour: TestCard
    exp_month: int
    exp_year: int
    name: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, in words for the customer."""

    text: str


def read(form: Mapping[str, object], now: float) -> TypedCard | Mistake:
    """Read number, expiry, cvc and name. now: merchant's Unix seconds."""
    number = re.sub(r"[\s-]", "", str(form.get("number", "")))
    behaviour = BY_NUMBER.get(number)
    if behaviour is None:
        if passes_luhn(number):
            return Mistake("This page takes test cards only, such as 4242 4242 4242 4242.")
        return Mistake("Your card number is invalid.")
    expiry = _EXPIRY.fullmatch(str(form.get("expiry", "")))
    if expiry is None or not 1 <= int(expiry[1]) <= 12:
        return Mistake("Your card's expiration date is incomplete.")
    month, year = int(expiry[1]), int(expiry[2])
    year = year if year >= 1000 else 2000 + year
    today = datetime.fromtimestamp(now, UTC)
    if (year, month) < (today.year, today.month):
        return Mistake("Your card's expiration year is in the past.")
    if not re.fullmatch(r"\d{3,4}", str(form.get("cvc", "")).strip()):
        return Mistake("Your card's security code is incomplete.")
    return TypedCard(behaviour, month, year, str(form.get("name", "")).strip()[:100])
