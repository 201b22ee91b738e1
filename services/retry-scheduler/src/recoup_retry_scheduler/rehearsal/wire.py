"""The lines that `retry-scheduler decide` reads: `docs/decide.md`. Unknown fields are ignored.

Promise: what is taken is sound, and what is refused is told in a short sentence that names the field and never repeats
what was sent.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, BinaryIO, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

LONGEST_LINE = 64 * 1024
"""Bytes; a longer line is passed over."""

TOO_LONG = f"a line of at most {LONGEST_LINE} bytes is wanted"

LONGEST_NAME = 200
LONGEST_ERROR = 200
"""Characters."""

_FIRST, _LAST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


def _in_our_time(at: dt.datetime) -> dt.datetime:
    if _FIRST.year - 1 <= at.year <= _LAST.year:  # instants of one zone are compared four times as fast
        at = at.astimezone(dt.UTC)
        if _FIRST <= at < _LAST:
            return at
    raise ValueError("an instant of 2000 to 2099 is wanted")


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Text = Annotated[str, Field(max_length=LONGEST_NAME)] | None
Instant = Annotated[AwareDatetime, AfterValidator(_in_our_time)]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Policy(_Line):
    """How a merchant's failures are recovered from now on. `steps_days`: of mode `custom`, from the first failure."""

    type: Literal["policy"]
    merchant: Name
    mode: Literal["smart", "custom", "fixed", "even"] = "smart"
    max_tries: int = 3
    window_days: float = 14
    min_gap_hours: float = 10
    steps_days: Annotated[list[float], Field(min_length=1, max_length=15)] | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        _between("max_tries", self.max_tries, 0, 15)
        _between("window_days", self.window_days, 1, 60)
        _between("min_gap_hours", self.min_gap_hours, 0, 24 * self.window_days)
        before = 0.0
        for day in self.steps_days or ():
            _between("steps_days, which go up", day, before, self.window_days)
            before = day
        return self


def _between(name: str, given: float, least: float, most: float) -> None:
    if not least <= given <= most:
        nearest = most if given > most else least
        raise ValueError(f"{name}: {least:g} to {most:g} is possible; the nearest is {nearest:g}")


class Codes(_Line):
    """What a decline was told by."""

    code: Text = None
    advice: Text = None
    network_code: Text = None
    network_advice: Text = None


class Failure(Codes):
    """A payment's first failure: a case opens."""

    type: Literal["failure"]
    at: Instant
    case: Name
    merchant: Name
    customer: Name
    instrument: Name
    amount_minor: int | None = None
    currency: Text = None
    gateway: Text = None
    funding: Text = None
    brand: Text = None
    issuer: Text = None
    country: Text = None
    timezone: Text = None


class Outcome(Codes):
    """What became of a try."""

    type: Literal["outcome"]
    at: Instant
    case: Name
    success: bool


class Payment(_Line):
    """Another charge of a customer that passed."""

    type: Literal["payment"]
    at: Instant
    customer: Name
    instrument: Text = None


class CardUpdated(_Line):
    """A customer's new card or mandate."""

    type: Literal["card_updated"]
    at: Instant
    customer: Name
    instrument: Name


class CustomerPayday(_Line):
    """When a customer says that they are paid. `weekday`: Monday is 0."""

    type: Literal["customer_payday"]
    at: Instant
    customer: Name
    day_of_month: Annotated[int, Field(ge=1, le=31)] | None = None
    weekday: Annotated[int, Field(ge=0, le=6)] | None = None
    date: dt.date | None = None

    @model_validator(mode="after")
    def _says_a_day(self) -> Self:
        if self.day_of_month is None and self.weekday is None and self.date is None:
            raise ValueError("day_of_month, weekday or date: one is wanted")
        return self


class Sync(_Line):
    """Answer when all before is answered."""

    type: Literal["sync"]


Event = Failure | Outcome | Payment | CardUpdated | CustomerPayday
"""What happened at an instant."""

Line = Policy | Event | Sync
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])
_TYPES = "policy, failure, outcome, payment, card_updated, customer_payday or sync"


class Unreadable(Exception):
    """A line that is none of the wire's; its message is for whoever sent it."""


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Give lines and their numbers, from 1, each read when it is asked for; None for one that is too long."""
    number = 0
    while raw := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(raw) <= LONGEST_LINE:
            yield number, raw
            continue
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(LONGEST_LINE)
        yield number, None


def spelt(at: dt.datetime) -> str:
    """Spell an instant, UTC, in whole seconds."""
    return f"{at.isoformat()[:19]}Z"


def read(raw: bytes | str) -> Line:
    """Read one line.

    Raises:
        Unreadable: it is no JSON, of no known type, or a field of it is wrong.
    """
    try:
        return _LINE.validate_json(raw)
    except ValidationError as wrong:
        raise Unreadable(_first(wrong)) from None
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8") from None


def _first(wrong: ValidationError) -> str:
    error = wrong.errors(include_url=False, include_context=True, include_input=False)[0]
    match error["type"]:
        case "json_invalid":
            return "not JSON"
        case "union_tag_invalid" | "union_tag_not_found":
            return f"type: {_TYPES} is wanted"
        case "value_error":
            told = str(error["ctx"]["error"])
        case _:
            told = error["msg"]
    field = ".".join(str(part) for part in error["loc"][1:])
    return (f"{field}: {told}" if field else told)[:LONGEST_ERROR]
