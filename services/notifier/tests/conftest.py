"""A notifier without its broker: the handlers and the sender on a real database, and a real SMTP server to send to."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import pytest_asyncio
from aiosmtpd import smtp

from recoup_chassis.kafka import Subscription
from recoup_chassis.postgres import Database, Tx
from recoup_events.envelope import Tombstone
from recoup_events.models import CustomerUpdated, Event, RecoveryChanged, SettingsChanged
from recoup_events.parts import Instrument, Invoice, Money
from recoup_events.settings import MailSetting, MerchantSetting
from recoup_events.values import CaseState, FinalAction, Transition, fact_id
from recoup_local.pytest_plugin import ServiceDatabases
from recoup_notifier.channels.smtp import Server, Smtp
from recoup_notifier.compose.links import Links, SigningKey
from recoup_notifier.contacts.handlers import customer_erased
from recoup_notifier.correspondence.loop import Sender
from recoup_notifier.subscriptions import SUBSCRIPTIONS

SEED = "k1=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PORTAL = "https://pay.example"


@dataclass
class Sink:
    """A mail server that keeps what it takes, and answers as it is told."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    """By recipient: what RCPT is answered, one after the other, before they are taken."""
    connections: int = 0
    break_after_data: int = 0
    """So many of the next mails are taken, and the connection is broken instead of an answer."""
    while_taking: Callable[[], Any] | None = None

    def connected(self) -> smtp.SMTP:
        """Begin a connection."""
        self.connections += 1
        return smtp.SMTP(self, hostname="sink.example")

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, envelope: smtp.Envelope, address: str, options: Any
    ) -> str:
        """Answer as told."""
        if self.answers.get(address):
            return self.answers[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: smtp.Envelope) -> str:  # noqa: N802  # likewise
        """Keep a mail."""
        if self.while_taking is not None:
            await self.while_taking()
        assert isinstance(envelope.content, bytes)
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        self.envelopes.append((envelope.mail_from or "", envelope.rcpt_tos))
        if self.break_after_data:
            self.break_after_data -= 1
            server.transport.abort()
        return "250 taken"


@asynccontextmanager
async def sink_running() -> AsyncIterator[Sink]:
    """Run a mail server on a free port."""
    sink = Sink()
    server = await asyncio.get_running_loop().create_server(sink.connected, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class Bench:
    """One merchant, its customers and cases, on one database."""

    database: Database
    sender: Sender
    sink: Sink
    merchant_id: str
    owner_dsn: str
    _versions: Any = field(default_factory=lambda: count(1))

    async def deliver(self, *events: Event) -> None:
        """Hand events of one type to their handler, as the consumer does with a batch."""
        done = SUBSCRIPTIONS[type(events[0])]
        handler = done.handler if isinstance(done, Subscription) else done
        async with self.database.transaction({event.merchant_id for event in events}) as tx:
            await tx.lock_customers(
                (event.merchant_id, customer)
                for event in events
                if (customer := getattr(event, "customer_id", None)) is not None
            )
            await handler(events, tx)

    async def settle(self, **mail: Any) -> None:
        """Set the merchant's mail setting."""
        await self._set("mail", MailSetting.model_validate(mail).model_dump(mode="json"))

    async def introduce(self) -> None:
        """Make the merchant known."""
        merchant = MerchantSetting(name="Acme Kitchen", timezone="Europe/Rome")
        await self._set("merchant", merchant.model_dump(mode="json"))

    async def _set(self, setting: str, value: dict[str, Any]) -> None:
        version = next(self._versions)
        await self.deliver(
            SettingsChanged(
                id=fact_id(self.merchant_id, "settings.changed", setting, str(version)),
                time=datetime.now(UTC),
                merchant_id=self.merchant_id,
                version=version,
                setting=setting,
                value=value,
            )
        )

    async def customer(self, customer: str = "cus_1", **about: Any) -> None:
        """Make a customer known."""
        version = next(self._versions)
        known = {"email": f"{customer}@example.com", "name": "Anna Rossi", "locale": "en-GB", **about}
        await self.deliver(
            CustomerUpdated(
                id=fact_id(self.merchant_id, "customer.updated", customer, str(version)),
                time=datetime.now(UTC),
                merchant_id=self.merchant_id,
                customer_id=customer,
                account_id="acct_1",
                version=version,
                **known,
            )
        )

    async def erase(self, customer: str = "cus_1") -> None:
        """Erase a customer."""
        gone = Tombstone("customer.updated", f"{self.merchant_id}/{customer}", self.merchant_id, customer)
        async with self.database.transaction([self.merchant_id]) as tx:
            await customer_erased([gone], tx)

    def changed(
        self, revision: int, transition: Transition, state: CaseState, **about: Any
    ) -> RecoveryChanged:
        """Tell a change of the merchant's one case, or of the one that `case` numbers."""
        customer, number = about.pop("customer", "cus_1"), about.pop("case", 1)
        case = UUID(int=number)
        began = datetime.now(UTC).replace(microsecond=0)
        known: dict[str, Any] = {
            "reason": "told by a test",
            "invoice": Invoice(
                invoice_id=f"in_{number}",
                number=f"ACME-{number:04}",
                subscription_id="sub_1",
                owed=Money(minor=2900, currency="EUR"),
            ),
            "instrument": Instrument(instrument_id="pm_1", brand="visa"),
            "failed_at": began,
            "resolve_by": began + timedelta(days=14),
            "final_action": FinalAction.CANCEL,
            "decline_class": "insufficient_funds",
            "decline_action": "retry_scheduled",
        }
        return RecoveryChanged(
            id=fact_id(self.merchant_id, "recovery.changed", str(case), str(revision)),
            time=began,
            merchant_id=self.merchant_id,
            customer_id=customer,
            account_id="acct_1",
            case_id=case,
            revision=revision,
            state=state,
            transition=transition,
            **{**known, **about},
        )

    def opened(self, revision: int = 1, **about: Any) -> RecoveryChanged:
        """Tell of a first failure with a try planned."""
        next_try = datetime.now(UTC) + timedelta(days=1)
        return self.changed(
            revision, Transition.OPENED, CaseState.SCHEDULED, **{"next_try_at": next_try, **about}
        )

    def recovered(self, revision: int = 2, **about: Any) -> RecoveryChanged:
        """Tell that the money came in."""
        paid = Money(minor=2900, currency="EUR")
        return self.changed(
            revision,
            Transition.RECOVERED,
            CaseState.RECOVERED,
            **{"recovered_amount": paid, **about},
        )

    async def send_all(self) -> list[EmailMessage]:
        """Run the sender until nothing is due; give what arrived since."""
        before = len(self.sink.mails)
        while await self.sender.once():
            pass
        return self.sink.mails[before:]

    async def log(self) -> list[tuple[str, str, str | None]]:
        """Kind, state and reason of every message of the merchant, in the order of their cases' revisions."""
        async with self.database.transaction([self.merchant_id]) as tx:
            rows = await tx.fetch(
                "SELECT kind, state, reason FROM correspondence ORDER BY case_id, case_revision, queued_at"
            )
        return [tuple(row) for row in rows]

    async def column(self, name: str) -> Sequence[Any]:
        """One column of every message of the merchant."""
        async with self.database.transaction([self.merchant_id]) as tx:
            rows = await tx.fetch("SELECT * FROM correspondence ORDER BY case_id, case_revision")
        return [row[name] for row in rows]

    async def told(self) -> list[str]:
        """Types of the events that the outbox holds for the merchant."""
        async with self.database.transaction([]) as tx:
            rows = await tx.fetch("SELECT topic, value FROM outbox ORDER BY outbox_id")
        return [row["topic"] for row in rows if self.merchant_id.encode() in row["value"]]

    async def hurry(self) -> None:
        """Make everything that waits due."""
        async with self.database.transaction([]) as tx:
            await tx.execute("UPDATE mail_queue SET due_at = now()")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A transaction of the merchant's."""
        async with self.database.transaction([self.merchant_id]) as tx:
            yield tx

    async def as_owner(self, query: str, *args: Any) -> Any:
        """Run a statement as the tables' owner."""
        connection = await asyncpg.connect(self.owner_dsn)
        try:
            return await connection.fetch(query, *args)
        finally:
            await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def bench(database: ServiceDatabases) -> AsyncIterator[Bench]:
    """A merchant with a fresh database, a sender and a mail server."""
    own = await database.fresh("notifier")
    links = Links(PORTAL, SigningKey.read(SEED))
    async with (
        sink_running() as sink,
        await Database.connect(own.app_dsn, source="/recoup/notifier") as db,
        Smtp(Server.read(f"smtp://127.0.0.1:{sink.port}")) as channel,
    ):
        sender = Sender(db, channel, links, mail_from="bounces@recoup.example", replica="0")
        made = Bench(db, sender, sink, "m_test", own.owner_dsn)
        await made.introduce()
        yield made
    await database.drop(own)
