"""A gateway that loses, delays and forgets, and attempts that ask it: drawn by Hypothesis, judged by what was captured.

The gateway here is harder than the real one: an invoice may be captured as often as it is asked with another key.
What keeps it from happening twice is the attempts' state machine alone. Crashes are losses: what was not saved is
as if it had never been.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from recoup_events.values import AttemptState, InvoiceStatus, Precedence, TryKind
from recoup_gateway_adapter.charging import domain
from recoup_gateway_adapter.charging.domain import (
    Answer,
    Attempt,
    Captured,
    Change,
    ChargeOutcome,
    ChargeResult,
    ChargeSeen,
    Circumstances,
    Declined,
    InFlight,
    InvoiceSeen,
    NeedsAction,
    NoAnswer,
    Payment,
    Processing,
    Refused,
    Send,
    Unprocessed,
)
from recoup_gateway_adapter.gateways.stripe.charges import KEY_WINDOW

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWED = 1000
OURS, THEIRS = "pm_ours", "pm_theirs"
ARRIVES_WITHIN = timedelta(minutes=10)
"""How long a request that the sender gave up may still be on its way."""

ANSWERS_WITHIN = timedelta(seconds=30)
RESULTS = st.sampled_from((ChargeResult.SUCCEEDED, ChargeResult.FAILED, *ChargeResult))
DELAYS = st.sampled_from((0, 0, 0, 0, 1, 3_601, 21 * 3_600, 25 * 3_600))
"""Seconds, real time."""

FATES = st.sampled_from(("answered", "answered", "lost", "late", "crash", "busy", "refused", "in flight"))
"""`lost`: it ran, and we never hear of it; `late`: it may run yet; `crash`: the same, and we die."""

MEANWHILE = st.tuples(
    st.sampled_from(("nothing", "customer pays", "webhook", "bank answers", "late ones arrive")),
    st.integers(0, 3),
)


@dataclass
class Made:
    """A charge as the gateway has it. `key`: of the request that made it, None where the customer did."""

    charge_id: str
    result: ChargeResult
    instrument: str
    key: str | None


@dataclass
class Gateway:
    """Charges by key. `late`: requests that are still on their way, with their last instant."""

    charges: list[Made] = field(default_factory=list)
    keys: dict[str, tuple[datetime, Answer]] = field(default_factory=dict)
    late: list[tuple[str, datetime, ChargeResult]] = field(default_factory=list)
    numbers: int = 0

    @property
    def captured(self) -> int:
        """What was taken for the invoice."""
        return OWED * sum(made.result is ChargeResult.SUCCEEDED for made in self.charges)

    def pay(self, key: str, result: ChargeResult, now: datetime) -> Answer:
        """Charge once for each key that is still known."""
        known = self.keys.get(key)
        if known is not None and now - known[0] < KEY_WINDOW:
            return known[1]
        answer = self._charge(key, result)
        self.keys[key] = now, answer
        return answer

    def _charge(self, key: str, result: ChargeResult) -> Answer:
        if any(made.result is ChargeResult.SUCCEEDED and made.key is None for made in self.charges):
            return Refused("invoice_already_paid")
        made = self.add(result, OURS, key)
        match result:
            case ChargeResult.SUCCEEDED:
                return Captured(made.charge_id, "pi_1")
            case ChargeResult.FAILED:
                return Declined(made.charge_id, "pi_1", "do_not_honor")
            case ChargeResult.PENDING:
                return Processing(made.charge_id, "pi_1")
            case ChargeResult.REQUIRES_ACTION:
                made.result = ChargeResult.FAILED  # off session: the charge ends there
                return NeedsAction("pi_1", "https://pay")

    def add(self, result: ChargeResult, instrument: str, key: str | None) -> Made:
        """Make a charge, whoever asked for it."""
        self.numbers += 1
        made = Made(f"ch_{self.numbers}", result, instrument, key)
        self.charges.append(made)
        return made

    def arrive(self, now: datetime, *, all_of_them: bool = False) -> None:
        """Let late requests arrive: those whose time is over, or all."""
        arriving = [one for one in self.late if all_of_them or one[1] <= now]
        self.late = [one for one in self.late if one not in arriving]
        for key, last, result in arriving:
            self.pay(key, result, min(now, last))

    def seen(self) -> InvoiceSeen:
        """Show the invoice as a consistent read does."""
        paid = self.captured >= OWED
        waits = any(made.result is ChargeResult.PENDING for made in self.charges)
        return InvoiceSeen(
            invoice_id="in_1",
            customer_id="cus_1",
            status=InvoiceStatus.PAID if paid else InvoiceStatus.OPEN,
            owed=0 if paid else OWED,
            charged_automatically=True,
            collected_by_gateway=False,
            payment=Payment.SUCCEEDED if paid else Payment.PROCESSING if waits else Payment.NEEDS_METHOD,
            payment_intent_id="pi_1",
            latest_charge_id=self.charges[-1].charge_id if self.charges else None,
            charges=tuple(
                ChargeSeen(
                    charge_id=m.charge_id, result=m.result, instrument_id=m.instrument, code="do_not_honor"
                )
                for m in reversed(self.charges)
            ),
        )


class AttemptsMachine(RuleBasedStateMachine):
    """One invoice: planned, sent, lost, repeated, looked up, told of, and planned again."""

    examples = 0

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self._open_invoice()

    def _open_invoice(self) -> None:
        self.gateway = Gateway()
        self.attempts: list[Attempt] = []
        self.due: dict[UUID, datetime] = {}

    # --- what happens ----------------------------------------------------------------------------------------

    def plan(self) -> None:
        """Plan the next charge: at most one try of an invoice is outstanding."""
        number = len(self.attempts) + 1
        attempt = Attempt(
            merchant_id="m_1",
            account_id="acct_1",
            customer_id="cus_1",
            attempt_id=UUID(int=number),
            invoice_id="in_1",
            number=number,
            idempotency_key=domain.idempotency_key("m_1", "acct_1", "in_1", number),
            body=b"off_session=true",
            kind=TryKind.SCHEDULED,
            customer_present=False,
            instrument_id=OURS,
            not_after=self.now + timedelta(hours=6),
        )
        self.attempts.append(attempt)
        self.due[attempt.attempt_id] = self.now

    @rule(result=RESULTS, fate=FATES, delay=DELAYS, times=st.integers(1, 5), meanwhile=MEANWHILE)
    def works(
        self, result: ChargeResult, fate: str, delay: int, times: int, meanwhile: tuple[str, int]
    ) -> None:
        """Do what is due next, a few times in the same weather, the last time late; then something else happens."""
        for late in [0] * (times - 1) + [delay]:
            self._work(result, fate, late)
            self._must_hold()
        match meanwhile:
            case "customer pays", number:
                self._customer_pays(ChargeResult.FAILED if number else ChargeResult.SUCCEEDED)
            case "webhook", number if self.gateway.charges:
                self._webhook(self.gateway.charges[number % len(self.gateway.charges)])
            case "bank answers", number:
                self._bank_answers(ChargeResult.FAILED if number else ChargeResult.SUCCEEDED)
            case "late ones arrive", _:
                self.gateway.arrive(self.now, all_of_them=True)
            case _:
                pass

    def _work(self, result: ChargeResult, fate: str, delay: int = 0) -> None:
        if all(attempt.settled for attempt in self.attempts):
            if self.gateway.captured >= OWED and len(self.attempts) > 1:
                self._next_invoice()
            self.plan()
        if not self.due:
            return
        self._wait_until(max(self.now, self.due[self.attempts[-1].attempt_id]) + timedelta(seconds=delay))
        attempt = self.attempts[-1]
        match attempt.state:
            case AttemptState.PLANNED:
                self._send_first(attempt, result, fate)
            case AttemptState.SENDING if not domain.key_is_young(attempt, self.now, KEY_WINDOW):
                self._save(domain.unknown(attempt, "key_too_old", self.now))
            case AttemptState.SENDING:
                self._send(attempt, domain.sending(attempt, self.now), result, fate)
            case _ if fate != "crash":
                found = domain.finding(attempt, self.gateway.seen())
                self._save(domain.looked_up(attempt, found, self.now))

    def _customer_pays(self, result: ChargeResult) -> None:
        """The customer pays on the gateway's own page, with another card; the page refuses what may be paid."""
        if self.gateway.captured == 0 and not self._may_be_charged():
            self.gateway.add(result, THEIRS, None)

    def _webhook(self, made: Made) -> None:
        """A fact about any charge comes, at any time and as often as it likes; the charge may be an old one."""
        fact = ChargeOutcome(
            merchant_id="m_1", account_id="acct_1", result=made.result, idempotency_key=made.key,
            charge_id=made.charge_id, payment_intent_id="pi_1", invoice_id="in_1", decline_code="do_not_honor",
        )  # fmt: skip
        for attempt in [a for a in self.attempts if not a.settled]:
            if attempt.idempotency_key == made.key or attempt.charge_id == made.charge_id:
                change = domain.told(attempt, fact, self.now)
                if change is not None:
                    self._save(change)

    def _bank_answers(self, result: ChargeResult) -> None:
        """A bank says what became of a debit."""
        for made in self.gateway.charges:
            made.result = result if made.result is ChargeResult.PENDING else made.result

    # --- what must hold ----------------------------------------------------------------------------------------

    def _must_hold(self) -> None:
        self._nobody_is_charged_twice()
        self._what_is_settled_is_true()
        self._what_is_open_is_looked_at_again()

    def _nobody_is_charged_twice(self) -> None:
        """Once is enough, whatever was lost."""
        assert self.gateway.captured <= OWED, [made.charge_id for made in self.gateway.charges]

    def _what_is_settled_is_true(self) -> None:
        """A success was captured; a decline and what was not sent never will be."""
        for attempt in self.attempts:
            own = [made for made in self.gateway.charges if made.key == attempt.idempotency_key]
            taken = any(made.result is ChargeResult.SUCCEEDED for made in own)
            match attempt.state:
                case AttemptState.SUCCEEDED:
                    assert taken, f"{attempt.idempotency_key} says succeeded"
                case AttemptState.DECLINED | AttemptState.NOT_SENT:
                    assert not taken, f"{attempt.idempotency_key} says {attempt.state}"
                case _:
                    pass

    def _what_is_open_is_looked_at_again(self) -> None:
        """An attempt that is not settled has its place in the queue, or waits for a person."""
        for attempt in self.attempts:
            if not attempt.settled and attempt.reason != domain.NEEDS_PERSON:
                assert attempt.attempt_id in self.due, attempt

    def teardown(self) -> None:
        """Let everything arrive and be answered: what is left is settled, or a person's."""
        type(self).examples += 1
        self.gateway.arrive(self.now, all_of_them=True)
        for made in self.gateway.charges:
            made.result = ChargeResult.FAILED if made.result is ChargeResult.PENDING else made.result
        for _ in range(40):
            open_ = [attempt for attempt in self.attempts if attempt.attempt_id in self.due]
            if not open_:
                break  # planning another one would prove nothing
            self._work(ChargeResult.FAILED, "answered")
        self._must_hold()
        left = [a for a in self.attempts if not a.settled]
        assert all(a.state is AttemptState.UNKNOWN and a.reason == domain.NEEDS_PERSON for a in left), left

    # --- how a service does it -----------------------------------------------------------------------------------

    def _next_invoice(self) -> None:
        """Nothing more can be learnt from one that is paid, once all that was on its way has come."""
        self.gateway.arrive(self.now, all_of_them=True)
        self._must_hold()
        self._open_invoice()

    def _wait_until(self, instant: datetime) -> None:
        self.now = instant
        self.gateway.arrive(instant)

    def _may_be_charged(self) -> bool:
        """Whether a request of ours is out whose fate the gateway has not told yet."""
        return bool(self.gateway.late) or any(
            made.result is ChargeResult.PENDING for made in self.gateway.charges
        )

    def _send_first(self, attempt: Attempt, result: ChargeResult, fate: str) -> None:
        invoice = self.gateway.seen()
        never = domain.payable(attempt, invoice)
        around = Circumstances(precedence=Precedence.PLATFORM_MANAGEMENT)
        if never is not None:
            self._save(domain.not_sent(attempt, never.reason))
            return
        allowed = domain.allowed(attempt, around, self.now)
        if allowed != Send():
            assert isinstance(allowed, domain.Never), allowed
            self._save(domain.not_sent(attempt, allowed.reason))
            return
        sent = domain.sending(attempt, self.now, invoice.latest_charge_id)
        self._send(attempt, sent, result, fate)

    def _send(self, was: Attempt, sent: Attempt, result: ChargeResult, fate: str) -> None:
        assert (sent.idempotency_key, sent.body) == (was.idempotency_key, was.body)
        self._save(Change(sent, self.now + timedelta(seconds=15)))  # the lease ends there if we die
        if fate == "crash":  # the request may have gone out
            self.gateway.late.append((sent.idempotency_key, self.now + ARRIVES_WITHIN, result))
            return
        answer: Answer
        match fate:
            case "answered":
                answer = self.gateway.pay(sent.idempotency_key, result, self.now)
            case "lost":
                self.gateway.pay(sent.idempotency_key, result, self.now)
                answer = NoAnswer("timeout")
            case "late":
                self.gateway.late.append((sent.idempotency_key, self.now + ARRIVES_WITHIN, result))
                answer = NoAnswer("timeout")
            case "refused":
                answer = Refused("invoice_not_open")
            case "busy":
                answer = Unprocessed("throttled", timedelta(seconds=5))
            case _:
                self.gateway.late.append((sent.idempotency_key, self.now + ANSWERS_WITHIN, result))
                answer = InFlight()
        self._save(domain.answered(sent, answer, self.now))

    def _save(self, change: Change) -> None:
        attempt = change.attempt
        self.attempts = [attempt if a.attempt_id == attempt.attempt_id else a for a in self.attempts]
        self.due.pop(attempt.attempt_id, None)
        if change.again_at is not None:
            self.due[attempt.attempt_id] = change.again_at
        assert replace(attempt, revision=0).idempotency_key, "its key is for ever"
