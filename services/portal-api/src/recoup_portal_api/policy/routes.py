"""The merchant's settings, stop switch and sandbox clock, over HTTP."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Generic, TypeVar

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from recoup_events.settings import (
    EPOCH,
    MailSetting,
    MerchantSetting,
    PortalSetting,
    RecoverySetting,
    Setting,
    StopSetting,
)
from recoup_portal_api.access.domain import Principal
from recoup_portal_api.access.routes.api import ApiError, Db, Who, refused
from recoup_portal_api.policy import domain, handlers, store

router = APIRouter()

DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")

Value = TypeVar("Value", bound=Setting)


class Versioned(BaseModel, Generic[Value]):
    """A setting and its version; version 0 is the default, never set."""

    setting: str
    version: int
    value: Value


class ClockOut(BaseModel):
    """At real instant `origin_real` the clock shows `origin_merchant`; then it runs `rate` times as fast as real time.

    `advancing_hours`: merchant time by which it has yet to be moved on, a day a real second.
    """

    origin_real: datetime
    origin_merchant: datetime
    rate: float
    now: datetime
    advancing_hours: float = 0.0


def _written_out(value: object) -> object:
    """Let no number pass for an instant: pydantic would count seconds, or milliseconds, from 1970."""
    if not isinstance(value, str) or not DATED.match(value):
        raise ValueError("an instant is written out, for instance 2026-03-01T12:00:00Z")
    return value


class ClockIn(BaseModel, extra="forbid"):
    """Another rate, from 0 to 86,400; another instant, only while the clock has no cases."""

    rate: Annotated[float, Field(ge=0, le=domain.A_DAY, strict=True)] | None = None
    now: (
        Annotated[
            AwareDatetime,
            Field(ge=EPOCH, le=EPOCH + timedelta(days=365 * 200)),
            BeforeValidator(_written_out),
        ]
        | None
    ) = None


class Advance(BaseModel, extra="forbid"):
    """How far the clock is to be moved on, in hours of merchant time."""

    hours: Annotated[float, Field(gt=0, le=24 * 366, strict=True)]


async def _read(db: Db, who: Principal, name: str, model: type[Value]) -> Versioned[Value]:
    async with db.transaction([who.merchant_id]) as tx:
        found = await store.setting(tx, who.merchant_id, name)
    value = model.model_validate(found.value if found else {})
    return Versioned(setting=name, version=found.version if found else 0, value=value)


async def _write(db: Db, who: Principal, name: str, value: Value) -> Versioned[Value]:
    async with db.transaction([who.merchant_id]) as tx:
        outcome = await handlers.change(tx, who.actor, who.merchant_id, name, value)
    match outcome:
        case domain.Refused():
            raise refused(outcome)
        case domain.Changed(version) | domain.Unchanged(version):
            return Versioned(setting=name, version=version, value=value)


@router.get("/settings/merchant", tags=["settings"])
async def get_merchant(who: Who, db: Db) -> Versioned[MerchantSetting]:
    """Read who the merchant is."""
    return await _read(db, who, "merchant", MerchantSetting)


@router.put("/settings/merchant", tags=["settings"])
async def put_merchant(body: MerchantSetting, who: Who, db: Db) -> Versioned[MerchantSetting]:
    """Change name or time zone; `sandbox` stays as it is."""
    return await _write(db, who, "merchant", body)


@router.get("/settings/recovery", tags=["settings"])
async def get_recovery(who: Who, db: Db) -> Versioned[RecoverySetting]:
    """Read when to try again, when to stop, and what then."""
    return await _read(db, who, "recovery", RecoverySetting)


@router.put("/settings/recovery", tags=["settings"])
async def put_recovery(body: RecoverySetting, who: Who, db: Db) -> Versioned[RecoverySetting]:
    """Change mode, steps or tries, window, final action, precedence; of open cases too where `applies_to` says so."""
    return await _write(db, who, "recovery", body)


@router.get("/settings/mail", tags=["settings"])
async def get_mail(who: Who, db: Db) -> Versioned[MailSetting]:
    """Read sender, contact and messages."""
    return await _read(db, who, "mail", MailSetting)


@router.put("/settings/mail", tags=["settings"])
async def put_mail(body: MailSetting, who: Who, db: Db) -> Versioned[MailSetting]:
    """Change sender, contact and messages."""
    return await _write(db, who, "mail", body)


@router.get("/settings/portal", tags=["settings"])
async def get_portal(who: Who, db: Db) -> Versioned[PortalSetting]:
    """Read what the customer's pages ask for."""
    return await _read(db, who, "portal", PortalSetting)


@router.put("/settings/portal", tags=["settings"])
async def put_portal(body: PortalSetting, who: Who, db: Db) -> Versioned[PortalSetting]:
    """Change what the customer's pages ask for."""
    return await _write(db, who, "portal", body)


@router.get("/settings/stop", tags=["settings"])
async def get_stop(who: Who, db: Db) -> Versioned[StopSetting]:
    """Read the stop switch."""
    return await _read(db, who, "stop", StopSetting)


@router.put("/settings/stop", tags=["settings"])
async def put_stop(body: StopSetting, who: Who, db: Db) -> Versioned[StopSetting]:
    """Stop all charges, or those of some accounts; or let them go on."""
    return await _write(db, who, "stop", body)


@router.post("/stop", tags=["settings"])
async def stop(body: StopSetting, who: Who, db: Db) -> Versioned[StopSetting]:
    """Stop all charges, or those of some accounts; or let them go on. The same as PUT settings/stop."""
    return await _write(db, who, "stop", body)


async def _clock(db: Db, who: Principal) -> ClockOut:
    async with db.transaction([who.merchant_id]) as tx:
        clock = await store.clock(tx, who.merchant_id)
        remaining = await store.remaining_advance(tx, who.merchant_id)
        return ClockOut(
            **vars(clock), now=clock.at(tx.real_now), advancing_hours=remaining / timedelta(hours=1)
        )


@router.get("/sandbox/clock", tags=["sandbox"])
async def get_clock(who: Who, db: Db) -> ClockOut:
    """Read the merchant's clock; a live merchant's is real time."""
    return await _clock(db, who)


@router.put("/sandbox/clock", tags=["sandbox"])
async def put_clock(body: ClockIn, who: Who, db: Db) -> ClockOut:
    """Let a sandbox clock run at another rate, or show another instant before anything has happened on it."""
    async with db.transaction([who.merchant_id]) as tx:
        outcome = await handlers.set_clock(tx, who.actor, who.merchant_id, rate=body.rate, now=body.now)
    if isinstance(outcome, domain.Refused):
        raise refused(outcome)
    return await _clock(db, who)


@router.post("/sandbox/clock/advance", status_code=202, tags=["sandbox"])
async def advance(body: Advance, who: Who, db: Db) -> ClockOut:
    """Move a sandbox clock on: at most a day a real second, so that what lies between happens in its order.

    The first step is made within a fraction of a second, the others a second apart; several requests add up.
    """
    async with db.transaction([who.merchant_id]) as tx:
        outcome = await handlers.advance(tx, who.actor, who.merchant_id, timedelta(hours=body.hours))
    if isinstance(outcome, domain.Refused):
        raise refused(outcome)
    return await _clock(db, who)


@router.get("/settings/{setting}", tags=["settings"], include_in_schema=False)
async def get_unknown(setting: str, who: Who) -> None:
    """Say which settings there are."""
    raise ApiError(
        404, "not_found", f"there is no setting {setting[:50]!r}: merchant, recovery, mail, portal, stop"
    )
