"""Recovery cases: where each stands, what happened and why; and the sum of them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from recoup_portal_api.access.routes.api import ApiError, Db, Who
from recoup_portal_api.merchant import domain
from recoup_portal_api.policy import store as policy
from recoup_portal_api.read_models import domain as models, store

router = APIRouter(tags=["cases"])

State = Literal["scheduled", "trying", "waiting", "ending", "recovered", "ended", "reversed"]


class Amount(BaseModel):
    """Integer minor units of an ISO 4217 currency, and the same with its digits."""

    minor: int
    currency: str
    amount: str


class Case(BaseModel):
    """A recovery case as it stands. `reason` says in a sentence why; instants are the merchant's time, UTC."""

    case_id: UUID
    state: str
    reason: str
    account_id: str
    customer_id: str
    invoice_id: str
    invoice_number: str | None
    subscription_id: str | None
    owed: Amount
    instrument: dict[str, Any] | None
    failed_at: datetime
    resolve_by: datetime
    next_try_at: datetime | None
    waiting_for: str | None
    final_action: str
    decline_code: str | None
    decline_class: str | None
    decline_action: str | None
    masked: bool
    tries_made: int
    tries_planned: int
    recovered: Amount | None
    recovered_by: str | None
    changed_at: datetime
    closed_at: datetime | None
    revision: int


class Line(BaseModel):
    """What happened, when (the merchant's time), and why in a sentence."""

    at: datetime
    what: str
    why: str
    details: dict[str, Any]


class CaseWithTimeline(Case):
    """A case and what happened to it, the earliest first."""

    timeline: list[Line]


class Cases(BaseModel):
    """Cases, the last to fail first; `next` goes into `cursor`."""

    cases: list[Case]
    next: str | None


class Summary(BaseModel):
    """All cases, by currency; `now` is the merchant's."""

    now: datetime
    currencies: list[domain.Totals]


@router.get("/cases")
async def list_cases(
    who: Who,
    db: Db,
    state: Annotated[State | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Cases:
    """List cases."""
    try:
        before = domain.read_cursor(cursor) if cursor else None
    except ValueError as wrong:
        raise ApiError(422, "invalid", str(wrong), field="cursor") from wrong
    async with db.transaction([who.merchant_id]) as tx:
        rows = await store.cases(tx, who.merchant_id, state=state, before=before, limit=limit)
    last = rows[-1] if len(rows) == limit else None
    return Cases(
        cases=[Case(**_case(row)) for row in rows],
        next=domain.cursor(last["failed_at"], last["case_id"]) if last else None,
    )


@router.get("/cases/{case_id}")
async def get_case(case_id: UUID, who: Who, db: Db) -> CaseWithTimeline:
    """Read a case and its timeline."""
    async with db.transaction([who.merchant_id]) as tx:
        row = await store.case(tx, who.merchant_id, case_id)
        if row is None:
            raise ApiError(404, "not_found", "there is no such case")
        happened = await store.timeline(tx, row)
    lines = [
        Line(
            at=line["at"],
            what=line["what"],
            why=models.why(line["what"], line["details"]),
            details=line["details"],
        )
        for line in happened
    ]
    return CaseWithTimeline(**_case(row), timeline=lines)


@router.get("/summary")
async def summary(who: Who, db: Db) -> Summary:
    """Add up all cases."""
    async with db.transaction([who.merchant_id]) as tx:
        now = (await policy.clock(tx, who.merchant_id)).at(tx.real_now)
        rows = await store.summary(tx, who.merchant_id, now)
    return Summary(now=now, currencies=domain.totals(rows))


def _case(row: store.Row) -> dict[str, Any]:
    recovered = row["recovered_minor"]
    return {
        **dict(row),
        "owed": _amount(row["owed_minor"], row["currency"]),
        "recovered": None if recovered is None else _amount(recovered, row["recovered_currency"]),
    }


def _amount(minor: int, currency: str) -> Amount:
    return Amount(minor=minor, currency=currency, amount=str(models.amount(minor, currency)))
