"""One small world: a few customers whose renewals fail, four services, a gateway; a seed decides everything."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from practice_gateway.account import Account
from practice_gateway.events import Event
from practice_gateway.webhooks import signature
from recoup_events.settings import MerchantSetting, RecoverySetting
from recoup_events.values import RecoveryMode
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import AccountRef, NewAccount
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.gateways.stripe.events import envelope_of
from recoup_gateway_adapter.gateways.stripe.signature import is_signed
from recoup_gateway_adapter.ingest import store as ingest
from recoup_gateway_adapter.ingest.domain import Webhook
from recoup_portal_api.policy import handlers as policy

from .world_gateway import BEGINS, URL, Weather
from .world_services import ADAPTER, KEY, NOTIFIER, PORTAL, SCHEDULER, Bus, Mailbox, Services, Started

STORM = 48
"""Steps while things go wrong; then the world drains."""

EVENTS_AFTER = timedelta(minutes=61)
"""An event list is read once an hour."""

SOON = timedelta(days=5)
"""Nothing later is waited for: not the next month's renewals."""

GOES_ROUND = 6
"""From a webhook to what a charge came to."""

MOST_STEPS = 3000
POLICIES = (
    RecoverySetting(schedule_days=(1, 2), window_days=3),
    RecoverySetting(mode=RecoveryMode.SMART, max_tries=2, min_gap_hours=12, window_days=3),
)
"""Every other world leaves the choice of instants to the mind."""

CLOSED = ("recovered", "ended", "reversed")
DUE = {
    SCHEDULER: "SELECT min(due_at) AS timers FROM public.timers",
    ADAPTER: """
        SELECT (SELECT min(due_at) FROM public.untranslated) AS translate,
            (SELECT min(due_at) FROM public.joins) AS "join",
            (SELECT min(greatest(due_at, closed_until)) FROM public.gateway_work
             JOIN public.account_flow USING (merchant_id, account_id)) AS work
    """,
    NOTIFIER: "SELECT min(due_at) AS mail FROM public.mail_queue",
}
"""When each loop has something to do next, by its service's clock."""

LOOKED_AT = "SELECT greatest(max(looked_at), max(not_before)) FROM public.event_cursors"


@dataclass
class World:
    """A seed's world. `trace`: what was done, step by step.

    Args:
        skew: by how much a service's clock is wrong until the drain.
        happens: what is done to the world after a step, by the step's number, beside what the seed draws.
    """

    services: Services
    seed: int
    skew: dict[str, timedelta] = field(default_factory=dict)
    happens: Mapping[int, Callable[["World"], Awaitable[None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.practice = self.services.practice
        self.practice.draw = random.Random(self.seed * 7919 + 1)
        self.trace: list[str] = []
        self.practice.trace = self.trace
        self.merchant_id = f"m_{self.seed}"
        self.account: Account
        self.at = BEGINS
        self.mailbox = Mailbox()
        self.bus = Bus(self.practice)
        self.started = Started(self.services, self.bus, self.mailbox)
        self.due_again: list[Event] = []
        self.cards = self.refused = 0
        self.customers: list[str] = []
        self.new_card_of: set[str] = set()
        self.weather = Weather()

    @property
    def failed(self) -> set[str]:
        """Give the invoices that failed, as the gateway tells it, whether or not anybody hears it."""
        return self.practice.failed

    # --- a world's life ---------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Begin, storm, drain."""
        await self._begin()
        try:
            for number in range(STORM):
                await self._step()
                if number in self.happens:
                    await self.happens[number](self)
            await self._drain()
        finally:
            self.practice.close(self.account)

    async def _begin(self) -> None:
        draw = self.draw
        self.practice.weather, self.practice.crashing = Weather(), False
        await self.services.clear()
        skew, self.skew = self.skew, {}
        await self._set_clock(BEGINS)
        self.account = self.practice.open(str(self.seed), self.seed)
        portal, adapter = self.services.databases[PORTAL], self.services.databases[ADAPTER]
        async with portal.transaction(()) as tx:
            await policy.create_merchant(tx, "sim", self.merchant_id, MerchantSetting(name="World"))
            await policy.change(tx, "sim", self.merchant_id, "recovery", POLICIES[self.seed % 2])
        new = NewAccount(
            account_id=self.account.id, merchant_id=self.merchant_id, gateway="stripe", name="World", livemode=False,
            base_url=URL, api_version=None, collection_paused=False, api_key=self.account.api_key,
            webhook_secret="whsec_x",
        )  # fmt: skip
        async with adapter.transaction([self.merchant_id]) as tx:
            await accounts.put(tx, Vault.parse(f"k1={KEY}"), new)
        await self._quiet()
        await self._loop("cursor")  # it begins where the gateway's events begin
        await self.catch_up(PORTAL)
        await self._renew(draw.randint(1, 3))
        self.weather = Weather(
            lose_before=draw.choice((0, 0.02, 0.1)),
            lose_after=draw.choice((0, 0.05, 0.2)),
            refuse=draw.choice((0, 0.05)),
            fail=draw.choice((0, 0.05)),
            crash=draw.choice((0, 0.01, 0.04)),
            webhook_lost=draw.choice((0, 0.1, 0.3)),
            webhook_doubled=draw.choice((0, 0.2)),
            shuffled=draw.random() < 0.3,
        )
        self.practice.weather, self.practice.crashing = self.weather, True
        self.skew = skew
        await self._set_clock(self.at)
        self.trace.append(f"weather {self.weather}, clocks wrong by {skew}")

    async def _renew(self, count: int) -> None:
        renewals = await self.practice.renew(self.account, count, self.draw.randrange(1 << 30))
        self.customers += [one["customer"] for one in renewals]
        self.trace.append(f"renewals {[(one['invoice'], one['reason'], one['status']) for one in renewals]}")

    # --- steps -------------------------------------------------------------------------------------------------

    async def _step(self) -> None:
        draw = self.draw
        kinds = ["loop"] * 5 + ["webhooks"] * 3 + ["gateway", "advance"]
        backlog = self.started.backlog()
        kinds += ["consume"] * min(12, 3 * len(backlog))
        if self.cards < 2:
            kinds.append("card")
        match draw.choice(kinds):
            case "loop":
                await self._loop(draw.choice(sorted(self.started.loops)))
            case "consume":
                await self._consume(*draw.choice(backlog))
            case "webhooks":
                await self._deliver(draw.randint(1, 6))
            case "gateway":
                await self.practice.run_due(self.account)
            case "card" if draw.random() < 0.3:
                self.cards += 1
                customer = draw.choice(self.customers)
                self.trace.append(f"card of {customer}")
                self.new_card_of.add(customer)
                await self.practice.give_card(self.account, customer)
            case "advance":
                await self._advance(draw.choice((0, 0, 1, 30, 600, 7200, 40_000)))
            case _:
                pass

    async def _loop(self, name: str) -> Any:
        self.trace.append(name)
        return await self._surviving(self.started.loops[name])

    async def _surviving(self, step: Callable[[], Any]) -> Any:
        """Run a step; a crash ends every process with all its tasks, and they start again."""
        before, crashed = asyncio.all_tasks(), self.practice.crashed
        doing, dying = asyncio.ensure_future(step()), asyncio.create_task(crashed.wait())
        await asyncio.wait([doing, dying], return_when=asyncio.FIRST_COMPLETED)
        if not crashed.is_set():
            dying.cancel()
            return doing.result()
        left = asyncio.all_tasks() - before
        for task in left:
            task.cancel()
        await asyncio.gather(doing, *left, return_exceptions=True)
        crashed.clear()
        await self.services.reconnect()
        self.started.restart()
        return False

    async def _consume(self, service: str, topic: str, *, all_of_it: bool = False) -> None:
        records = self.bus.waiting(f"{service}.{topic}", topic)
        if not all_of_it:
            records = self._poll(records)
        self.trace.append(f"{service} consumes {len(records)} {topic}")
        await self._surviving(lambda: self.started.consume(service, topic, records))

    async def catch_up(self, service: str) -> None:
        """Let a service consume what it has not."""
        for name, topic in self.started.backlog():
            if name == service:
                await self._consume(name, topic, all_of_it=True)

    def _poll(self, records: list[Any]) -> list[Any]:
        """Give what a poll might bring: some partitions' next records; shuffled where the world is so."""
        draw = self.draw
        partitions = sorted({record.partition for record in records})
        chosen = set(draw.sample(partitions, draw.randint(1, len(partitions))))
        found = [record for record in records if record.partition in chosen]
        if len(chosen) == 1:
            found = found[: draw.randint(1, len(found))]
        if self.weather.shuffled:
            draw.shuffle(found)
        if draw.random() < 0.1:  # the same record twice in one batch
            found.append(draw.choice(found))
        return found

    async def _deliver(self, count: int) -> None:
        """Let some webhooks arrive, in any order; some are lost, some doubled."""
        sent, draw, weather = self.practice.sent, self.draw, self.weather
        arriving: list[Event] = []
        for _ in range(min(count, len(sent))):
            event = sent[draw.randrange(len(sent))]
            if draw.random() < weather.webhook_doubled:
                arriving.append(event)
            else:
                sent.remove(event)
                (self.due_again if draw.random() < weather.webhook_lost else arriving).append(event)
        await self._store(arriving)

    async def _store(self, events: list[Event]) -> None:
        seen = self._clock_of(ADAPTER).timestamp()
        signed = {event.id: signature(event.body, ["whsec_x"], int(self.at.timestamp())) for event in events}
        refused = [e for e in events if not is_signed(e.body, signed[e.id].encode(), ["whsec_x"], seen)]
        self.due_again += refused
        self.refused += len(refused)
        events = [event for event in events if event not in refused]
        if events:
            self.trace.append(f"webhooks {[event.type for event in events]}")
            webhooks = [self._webhook(event) for event in events]
            await self._surviving(lambda: ingest.store(self.services.databases[ADAPTER], webhooks))

    def _clock_of(self, service: str) -> datetime:
        return self.at + self.skew.get(service, timedelta(0))

    def _webhook(self, event: Event) -> Webhook:
        envelope = envelope_of(json.loads(event.body))
        account = AccountRef(self.account.id, self.merchant_id, "stripe")
        return Webhook(
            merchant_id=account.merchant_id, account_id=account.account_id, webhook_id=envelope.webhook_id,
            event_at=envelope.at, event_type=envelope.event_type, customer_id=envelope.customer_id, body=event.body,
        )  # fmt: skip

    async def _advance(self, further: float) -> None:
        """Let time pass until the next thing is due, and perhaps some more."""
        due = [*(await self._due_at()).values()]
        gateway = self.account.timers.next_due()
        if gateway is not None:
            due.append(datetime.fromtimestamp(gateway, UTC))
        following = min((at for at in due if at < self.at + SOON), default=self.at)
        await self._set_clock(max(self.at, following) + timedelta(seconds=further))
        self.trace.append(f"it is {self.at:%m-%d %H:%M:%S}")

    async def _set_clock(self, at: datetime) -> None:
        self.at = at
        await self.services.set_clock(at, self.skew)

    async def go_on(self, times: int) -> None:
        """Let everything run until the next thing is due, so many times."""
        for _ in range(times):
            for _ in range(GOES_ROUND):
                await self._all_once()
            await self.catch_up(PORTAL)
            await self._advance(1)

    # --- its end ------------------------------------------------------------------------------------------------

    async def _quiet(self) -> None:
        """Run everything that needs no time to pass, but the pages: nobody waits for what they show."""
        for _ in range(MOST_STEPS):
            if not await self._all_once():
                return
        raise AssertionError("it is never quiet")

    async def _all_once(self) -> bool:
        """Let everything run that has something to do, once; False when nothing had."""
        self.practice.sent, sent = [], self.practice.sent
        await self._store(sent)
        due = sorted(name for name, at in (await self._due_at()).items() if at <= self.at)
        due += [f"relay {name}" for name in sorted(self.started.announced)]
        for name in due:
            await self._loop(name)
        backlog = [one for one in self.started.backlog() if one[0] != PORTAL]
        for service, topic in backlog:
            await self._consume(service, topic, all_of_it=True)
        if due == ["work"] and not (sent or backlog):  # perhaps it waits for its account's pace
            await self._set_clock(self.at + timedelta(seconds=1))
        return bool(sent or due or backlog)

    async def _due_at(self) -> dict[str, datetime]:
        """Say when each loop that has anything to do is to do it, by the true clock."""
        rows = await asyncio.gather(*(self.services.admins[name].fetchrow(sql) for name, sql in DUE.items()))
        return {
            loop: at - self.skew.get(service, timedelta(0))
            for service, row in zip(DUE, rows, strict=True)
            for loop, at in (row or {}).items()
            if at is not None
        }

    async def _drain(self) -> None:
        """Nothing goes wrong any more; what was lost is sent again, or found in the gateway's own list of events."""
        self.practice.weather, self.practice.crashing, self.weather = Weather(), False, Weather()
        self.skew = {}
        await self._set_clock(self.at)
        self.trace.append("drain")
        kept = [event for event in self.due_again if self.draw.random() < 0.5]
        self.practice.sent += kept  # the others are never sent again: the event list has them
        await self._quiet()
        looked_at = await self.services.admins[ADAPTER].fetchval(LOOKED_AT)
        await self._set_clock(max(self.at, looked_at or self.at) + EVENTS_AFTER)
        await self._loop("cursor")
        for _ in range(120):
            await self._quiet()
            if await self._all_closed():
                break
            await self.practice.run_due(self.account)
            await self._advance(0)
        await self.catch_up(PORTAL)

    async def _all_closed(self) -> bool:
        states = await self.services.admins[SCHEDULER].fetch("SELECT invoice_id, state FROM public.cases")
        closed = {row["invoice_id"] for row in states if row["state"] in CLOSED}
        looked = await self.services.admins[ADAPTER].fetchval(
            "SELECT (SELECT count(*) FROM public.attempts) + (SELECT count(*) FROM public.joins)"
        )
        return closed >= self.failed and looked == 0
