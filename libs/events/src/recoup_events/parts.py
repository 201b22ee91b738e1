"""The parts that several events share: money, instruments, invoices, declines."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from recoup_events.values import Collection

Id = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]
"""An identifier, ours or a gateway's: 1 to 255 characters, none of them a control character."""

Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
"""A sentence for people: no NUL, at most 2,000 characters."""


EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)


def _reckonable(instant: datetime) -> datetime:
    if not EARLIEST <= instant < LATEST:
        msg = "an instant from 1970 to 2299"
        raise ValueError(msg)
    return instant


Instant = Annotated[AwareDatetime, AfterValidator(_reckonable)]
"""An instant from 1970 to 2299: weeks and months can be added to it without leaving the calendar."""


class Part(BaseModel):
    """Frozen; fields of a later release are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Money(Part):
    """An amount in integer minor units (cents; yen have none) of an ISO 4217 currency, upper case."""

    minor: Annotated[int, Field(ge=0, le=10**15)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Instrument(Part):
    """A card or a bank mandate, without its number. `fingerprint` is the same for the same card everywhere."""

    instrument_id: Id
    kind: Id = "card"
    brand: Id | None = None
    funding: Id | None = None
    country: Id | None = None
    fingerprint: Id | None = None
    exp_month: Annotated[int, Field(ge=1, le=12)] | None = None
    exp_year: Annotated[int, Field(ge=1970, le=2200)] | None = None


class Invoice(Part):
    """What is owed, as the messenger saw it. `owed` is what remains due."""

    invoice_id: Id
    number: Id | None = None
    subscription_id: Id | None = None
    owed: Money
    collection: Collection = Collection.UNKNOWN
    next_gateway_try_at: Instant | None = None


class DeclineFacts(Part):
    """Why a charge failed, in the gateway's own words. `recoup_declines.lookup` says what follows from it."""

    code: Id | None = None
    advice: Id | None = None
    network_code: Id | None = None
    network_advice: Id | None = None
    requires_authentication: bool = False
