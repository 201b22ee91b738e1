"""The scheduler's handlers on a real database, without a broker: events in, outbox out, a clock that is set."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from recoup_chassis import inbox
from recoup_chassis.batches import Subscription, customers_of
from recoup_chassis.postgres import Database
from recoup_chassis.timers import Dispatcher
from recoup_events import models as m
from recoup_events.envelope import read
from recoup_events.parts import DeclineFacts, Instrument, Invoice, Money
from recoup_events.settings import ClockSetting, MerchantSetting, RecoverySetting, Setting
from recoup_events.values import (
    Attribution,
    CardChange,
    Collection,
    FailureNature,
    FinalAction,
    FinalActionOutcome,
    fact_id,
)
from recoup_retry_scheduler.cases import handlers
from recoup_retry_scheduler.cases.domain.case import WakeKind
from recoup_retry_scheduler.subscriptions import SUBSCRIPTIONS

E = TypeVar("E", bound=m.Event)
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT = "acct_1"
_merchants = count(1)


def instrument(name: str) -> Instrument:
    """A card."""
    return Instrument(
        instrument_id=f"pm_{name}", brand="visa", fingerprint=f"fp_{name}", exp_month=3, exp_year=2028
    )


@dataclass
class Merchant:
    """A sandbox merchant with a clock of its own that stands still until it is set."""

    database: Database
    merchant_id: str = field(default_factory=lambda: f"m_{next(_merchants)}")
    now: datetime = T0
    _version: Any = field(default_factory=lambda: count(1))
    _dispatcher: Dispatcher = field(init=False)

    def __post_init__(self) -> None:
        kinds = [kind.value for kind in WakeKind]
        self._dispatcher = Dispatcher(self.database, handlers.timers_fired, name="cases", kinds=kinds)

    # --- what can be told ---------------------------------------------------------------------------------

    def failed(
        self,
        code: str = "insufficient_funds",
        *,
        customer: str = "cus_1",
        invoice: str | None = "in_1",
        card: str | None = "old",
        charge: str | None = None,
        asked: m.RetryDue | None = None,
        nature: FailureNature = FailureNature.RENEWAL,
    ) -> m.PaymentFailed:
        """A charge that failed; `asked` when it is a try of ours."""
        charge = charge or f"ch_{invoice}_{next(self._version)}"
        return m.PaymentFailed(
            **self.head(m.PaymentFailed, charge, customer),
            gateway="stripe",
            nature=nature,
            invoice=self._invoice(invoice) if invoice else None,
            charge_id=charge,
            amount=Money(minor=1999, currency="EUR"),
            instrument=instrument(card) if card else None,
            decline=DeclineFacts(code=code),
            attributed_to=Attribution.RECOUP if asked else Attribution.GATEWAY,
            try_id=asked.try_id if asked else None,
        )

    def paid(
        self,
        *,
        customer: str = "cus_1",
        invoice: str = "in_1",
        card: str = "old",
        charge: str = "ch_paid",
        asked: m.RetryDue | None = None,
        by: Attribution = Attribution.CUSTOMER,
    ) -> m.PaymentSucceeded:
        """A charge that passed."""
        return m.PaymentSucceeded(
            **self.head(m.PaymentSucceeded, charge, customer),
            gateway="stripe",
            invoice=self._invoice(invoice),
            charge_id=charge,
            amount=Money(minor=1999, currency="EUR"),
            instrument=instrument(card),
            attributed_to=Attribution.RECOUP if asked else by,
            try_id=asked.try_id if asked else None,
        )

    def gave(
        self, card: str = "new", *, customer: str = "cus_1", change: CardChange = CardChange.ADDED
    ) -> m.CardUpdated:
        """A card that a customer gave."""
        head = self.head(m.CardUpdated, f"{customer}_{card}_{change}", customer)
        return m.CardUpdated(**head, instrument=instrument(card), change=change)

    def done(self, due: m.FinalActionDue) -> m.FinalActionDone:
        """The final action, done."""
        return m.FinalActionDone(
            **self.head(m.FinalActionDone, f"{due.case_id}_{due.revision}", due.customer_id),
            case_id=due.case_id,
            revision=due.revision,
            invoice_id=due.invoice_id,
            action=due.action,
            outcome=FinalActionOutcome.DONE,
        )

    def head(self, event: type[m.Event], identity: str, customer: str) -> dict[str, Any]:
        return {
            "id": fact_id(self.merchant_id, event.TOPIC.name, identity),
            "time": self.now,
            "merchant_id": self.merchant_id,
            "customer_id": customer,
            "account_id": ACCOUNT,
        }

    def _invoice(self, invoice: str) -> Invoice:
        return Invoice(
            invoice_id=invoice,
            number=f"N-{invoice}",
            subscription_id=f"sub_{invoice}",
            owed=Money(minor=1999, currency="EUR"),
            collection=Collection.AUTOMATIC,
        )

    # --- what happens -------------------------------------------------------------------------------------

    async def set(self, name: str, setting: Setting) -> None:
        """Change a setting of the merchant's."""
        version = next(self._version)
        event = m.SettingsChanged(
            id=fact_id(self.merchant_id, "settings.changed", name, str(version)),
            time=self.now,
            merchant_id=self.merchant_id,
            version=version,
            setting=name,
            value=setting.model_dump(mode="json"),
        )
        async with self.database.transaction([self.merchant_id]) as tx:
            await handlers.settings_changed([event], tx)

    async def start(self, zone: str = "UTC", **recovery: Any) -> "Merchant":
        """Let the merchant's settings arrive."""
        await self.set("merchant", MerchantSetting(name="A merchant", sandbox=True, timezone=zone))
        await self._set_clock(self.now)
        if recovery:
            await self.set("recovery", RecoverySetting(**recovery))
        return self

    async def _set_clock(self, now: datetime) -> None:
        self.now = now
        await self.set("clock", ClockSetting(origin_real=T0, origin_merchant=now, rate=0))

    async def deliver(self, *events: m.Event) -> None:
        """Hand events of one type to their handler as a consumer does: one transaction, each event once."""
        async with self.database.transaction({event.merchant_id for event in events}) as tx:
            fresh = events if events[0].TOPIC.snapshot else await inbox.unseen(tx, events)
            await tx.lock_customers(customers_of(fresh))
            if fresh:
                done = SUBSCRIPTIONS[type(events[0])]
                handler = done.handler if isinstance(done, Subscription) else done
                await handler(fresh, tx)

    async def go(self, **span: float) -> None:
        """Let the merchant's clock advance, then fire what is due."""
        await self._set_clock(self.now + timedelta(**span))
        await self.fire()

    async def fire(self) -> None:
        """Fire the timers that are due now."""
        while await self._dispatcher.fire():
            pass

    # --- what can be seen ---------------------------------------------------------------------------------

    async def said(self, kind: type[E], customer: str | None = None) -> list[E]:
        """What was announced of a kind, in order."""
        rows = await self.database.pool.fetch("SELECT * FROM outbox ORDER BY outbox_id")
        found = []
        for row in rows:
            flat = row["headers"]
            flat = json.loads(flat) if isinstance(flat, str) else flat
            headers = [(name, value.encode()) for name, value in zip(flat[::2], flat[1::2], strict=True)]
            event = read(row["topic"], row["key"], headers, row["value"])
            if isinstance(event, kind) and event.merchant_id == self.merchant_id:
                found.append(event)
        return [event for event in found if customer in (None, getattr(event, "customer_id", None))]

    async def rows(self, query: str, *args: Any) -> Sequence[Any]:
        """Ask the database as the service, for this merchant."""
        async with self.database.transaction([self.merchant_id]) as tx:
            return list(await tx.fetch(query, *args))

    async def picture(self) -> object:
        """What must not depend on the order of events: cases, timers and ledger."""
        cases = await self.rows(
            "SELECT invoice_id, state, waiting_for, failed_at, resolve_by, next_try_at, wake_kind,"
            " recovered_minor, recovered_by, detail -> 'verdict' AS verdict FROM cases"
            " WHERE merchant_id = $1 ORDER BY invoice_id",
            self.merchant_id,
        )
        timers = await self.rows(
            "SELECT kind, count(*) FROM timers WHERE merchant_id = $1 GROUP BY kind ORDER BY kind",
            self.merchant_id,
        )
        charges = await self.rows(
            "SELECT charge_id, outcome, at FROM charges WHERE merchant_id = $1 ORDER BY charge_id, outcome",
            self.merchant_id,
        )
        return [[tuple(row) for row in rows] for rows in (cases, timers, charges)]


__all__ = ["UUID", "FinalAction"]
