"""The sender: takes what waits, looks again whether it is still so, writes it, hands it over, tells the outcome.

Promise: no transaction is open while the mail server is asked. A message is written down before it is handed over;
after a crash it goes out again under the same Message-ID, at least once and recognisably the same.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from recoup_chassis.errors import Retryable
from recoup_chassis.postgres import Database, Tx
from recoup_chassis.telemetry import log
from recoup_events.models import NotificationSent
from recoup_events.values import Channel, MessageKind, fact_id
from recoup_notifier.channels.mail import Letter, address_of, as_bytes
from recoup_notifier.channels.smtp import Delivered, Later, Outcome, Refused, Smtp, Uncertain, Unreachable
from recoup_notifier.compose.domain import Facts
from recoup_notifier.compose.links import Links
from recoup_notifier.compose.mail import Mail, Origin, SwitchedOff, compose
from recoup_notifier.compose.store import Merchant
from recoup_notifier.correspondence import domain, store
from recoup_notifier.correspondence.domain import Drop, Go, Queued, Reason, Wait
from recoup_notifier.correspondence.known import Known
from recoup_notifier.correspondence.metrics import MAILS, MAILS_OVERDUE, MAILS_WAITING, TEMPLATES_FAILED

AT_ONCE = 16
"""Messages taken together: so few that their lease outlasts the slowest server."""

LEASE = timedelta(seconds=180)
"""Real time; the connections' time-outs for two rounds of messages add up to less."""


@dataclass(frozen=True)
class Ready:
    """A message that is written down as being sent."""

    message: Queued
    recipient: str
    mail: Mail
    raw: bytes


class Sender:
    """Sends what waits.

    Args:
        mail_from: our own address: the envelope's, and the mail's where the merchant has none.
        replica: this process' name, the same after its restart.
    """

    def __init__(self, database: Database, smtp: Smtp, links: Links, *, mail_from: str, replica: str) -> None:
        self._database, self._smtp, self._links = database, smtp, links
        self._mail_from, self._replica = mail_from, replica
        self._domain = mail_from.rpartition("@")[2]
        self._unsure = True

    async def once(self) -> bool:
        """Send one batch; tell whether more may be due.

        Raises:
            Retryable: the mail server or the database can't be reached; what was not settled is due again.
        """
        if self._unsure:  # started anew, or broken off: what this replica holds is in nobody's hands
            async with self._database.transaction([]) as tx:
                await store.release_taken(tx, self._replica)
        self._unsure = True
        more = await self._batch()
        self._unsure = False
        return more

    async def _batch(self) -> bool:
        taken, ready = await self._prepare()
        if not ready:
            return taken == AT_ONCE
        outcomes = await asyncio.gather(*map(self._hand_over, ready), return_exceptions=True)
        surprise = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
        told = [
            (one.message, outcome)
            for one, outcome in zip(ready, outcomes, strict=True)
            if not isinstance(outcome, BaseException)
        ]
        await self._settle(told)
        if surprise is not None:
            raise surprise
        lost = next((outcome for _, outcome in told if isinstance(outcome, Unreachable)), None)
        if lost is not None:
            raise Retryable(f"the mail server: {lost.answer}")
        return taken == AT_ONCE

    async def watch(self) -> None:
        """Measure what waits."""
        async with self._database.transaction([]) as tx:
            waiting, overdue = await store.queue_age(tx)
        MAILS_WAITING.set(waiting)
        MAILS_OVERDUE.set(overdue)

    async def _prepare(self) -> tuple[int, list[Ready]]:
        """Take what is due, judge it, and write down what goes out."""
        async with self._database.transaction([]) as tx:
            taken = await store.take_due(tx, AT_ONCE, tx.real_now + LEASE, self._replica)
            if not taken:
                return 0, []
            await tx.concerning(one.merchant_id for one in taken)
            messages = await store.look(tx, taken)
            around = await Known.read(tx, messages)
            ready = []
            for message in messages:
                one = await self._judged(tx, message, around)
                if one is not None:
                    ready.append(one)
            await store.begin(tx, [(one.message, one.recipient, one.mail) for one in ready])
        return len(taken), ready

    async def _judged(self, tx: Tx, message: Queued, known: Known) -> Ready | None:
        match domain.judge(message, known.around(tx, message)):
            case Wait(time):
                await store.postpone(tx, message, tx.real_now + time)
            case Drop(reason):
                await self._drop(tx, message, reason)
            case Go() as go:
                return await self._written(tx, message, go, known)
        return None

    async def _drop(self, tx: Tx, message: Queued, reason: Reason) -> None:
        await store.drop(tx, message, reason)
        MAILS.labels(message.kind, "dropped", reason).inc()
        log.info("mail.dropped", kind=message.kind, reason=reason, merchant=message.merchant_id)

    async def _written(self, tx: Tx, message: Queued, go: Go, known: Known) -> Ready | None:
        recipient = address_of(go.contact.email)
        if recipient is None:
            await self._drop(tx, message, Reason.BAD_ADDRESS)
            return None
        merchant = known.merchants[message.merchant_id]
        try:
            mail = compose(self._facts(tx, message, go, known), merchant.mail)
            if isinstance(mail, SwitchedOff):
                await self._drop(tx, message, Reason.SWITCHED_OFF)
                return None
            raw = as_bytes(self._letter(tx, message, merchant, recipient, mail))
        except (LookupError, TypeError, ValueError, ArithmeticError) as surprise:
            # our fault, and this message's alone: the others go on, this one waits for the release that mends it
            log.error("mail.unwritable", kind=message.kind, merchant=message.merchant_id, exc_info=surprise)
            MAILS.labels(message.kind, "unwritable", "").inc()
            await store.postpone(tx, message, tx.real_now + domain.WHILE_UNWRITABLE)
            return None
        if mail.origin is Origin.OURS_INSTEAD:
            TEMPLATES_FAILED.labels(message.kind).inc()
            log.error(
                "template.failed", kind=message.kind, merchant=message.merchant_id, problem=mail.problem
            )
        return Ready(message, recipient, mail, raw)

    def _facts(self, tx: Tx, message: Queued, go: Go, known: Known) -> Facts:
        case = known.case_of(message)
        expires_in = None
        if message.expires_at is not None:
            expires_in = max(1, round((message.expires_at - tx.real_now) / timedelta(minutes=1)))
        return Facts(
            kind=message.kind,
            sender=known.merchants[message.merchant_id].sender,
            portal_link=self._links.portal(message.merchant_id),
            customer_name=go.contact.name,
            locale=go.contact.locale,
            case=case,
            ask=go.ask,
            pay_link=self._links.pay(message.merchant_id, case.case_id) if case else None,
            sign_in_link=message.link,
            expires_in_minutes=expires_in,
        )

    def _letter(self, tx: Tx, message: Queued, merchant: Merchant, recipient: str, mail: Mail) -> Letter:
        return Letter(
            message_id=f"<{message.message_id}@{self._domain}>",
            sender_name=merchant.sender.name,
            sender_address=address_of(merchant.mail.sender_address) or self._mail_from,
            recipient=recipient,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            language=mail.language,
            written_at=tx.real_now,
            reply_to=address_of(merchant.sender.contact),
        )

    async def _hand_over(self, ready: Ready) -> Outcome:
        return await self._smtp.send(self._mail_from, ready.recipient, ready.raw)

    async def _settle(self, told: Sequence[tuple[Queued, Outcome]]) -> None:
        """Write down what became of each message, and announce those that were handed over."""
        async with self._database.transaction(message.merchant_id for message, _ in told) as tx:
            await tx.lock_customers((message.merchant_id, message.customer_id) for message, _ in told)
            delivered = [message for message, outcome in told if isinstance(outcome, Delivered)]
            languages = await store.sent(tx, delivered)
            for message in delivered:
                self._count(message, "sent")
            for message, outcome in told:
                await self._not_sent(tx, message, outcome)
            await tx.emit(
                _told(tx, message, languages[message.message_id])
                for message in delivered
                if message.message_id in languages and message.case_id is not None
            )

    async def _not_sent(self, tx: Tx, message: Queued, outcome: Outcome) -> None:
        match outcome:
            case Delivered():
                return
            case Unreachable(answer):
                await store.give_back(tx, message, answer)
            case Refused(answer):
                await store.fail(tx, message, Reason.REFUSED, answer)
                self._count(message, "failed", Reason.REFUSED)
            case Later(answer) | Uncertain(answer):
                await self._try_again(tx, message, answer, uncertain=isinstance(outcome, Uncertain))

    async def _try_again(self, tx: Tx, message: Queued, answer: str, *, uncertain: bool) -> None:
        match domain.after_temporary_refusal(message.handed_over + 1):
            case Wait(time):
                until = tx.real_now + time
                await store.requeue(tx, message, until, answer, may_have_arrived=uncertain)
                self._count(message, "uncertain" if uncertain else "later")
            case Drop(reason):
                await store.fail(tx, message, reason, answer, may_have_arrived=uncertain)
                self._count(message, "failed", reason)

    def _count(self, message: Queued, outcome: str, reason: str = "") -> None:
        MAILS.labels(message.kind, outcome, reason).inc()
        log.info(
            "mail.handed_over",
            kind=message.kind,
            outcome=outcome,
            reason=reason,
            merchant=message.merchant_id,
        )


def _told(tx: Tx, message: Queued, language: str) -> NotificationSent:
    assert message.case_id is not None
    return NotificationSent(
        id=fact_id(message.merchant_id, "notification.sent", str(message.message_id)),
        time=tx.now(message.merchant_id),
        merchant_id=message.merchant_id,
        customer_id=message.customer_id,
        account_id=message.account_id,
        case_id=message.case_id,
        message_id=message.message_id,
        message=MessageKind(message.kind),
        channel=Channel.EMAIL,
        language=language,
    )
