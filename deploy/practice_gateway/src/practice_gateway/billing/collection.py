"""Collecting an invoice: one try at a time, what follows a failure, and the gateway's own retries."""

from dataclasses import dataclass
from functools import partial

from practice_gateway.account import Account
from practice_gateway.act import Act
from practice_gateway.billing import invoices, standing, tries
from practice_gateway.gateway import Gateway
from practice_gateway.model import Invoice, PaymentIntent, PaymentMethod

DAY = 86_400
API_FINALIZED_SECONDS = 3_600  # a finalised invoice is tried about an hour later


@dataclass(frozen=True, slots=True)
class NotPayable:
    """It is paid, void, or gone."""

    status: str


@dataclass(frozen=True, slots=True)
class NoCard:
    """Nothing to charge."""


Outcome = tries.Result | NotPayable | NoCard


async def collect(
    act: Act,
    invoice: Invoice,
    method: PaymentMethod | None = None,
    *,
    off_session: bool = True,
    automatic: bool = False,
) -> Outcome:
    """Try to collect an invoice with a card, or with the one it falls to.

    Args:
        act: on whose behalf.
        invoice: a draft is finalised first.
        method: None for the default.
        off_session: whether the customer is away.
        automatic: a step of the gateway's own schedule, which counts as an attempt and plans the next one.
    """
    async with invoice.lock:
        if invoice.status == "draft":
            invoices.finalize(act, invoice)
        intent = _payable(act.account, invoice)
        if intent is None:
            return NotPayable(invoice.status)
        method = method or invoices.method_of(act.account, invoice)
        if method is None:
            if automatic:
                _failed(act, invoice, act.look(invoice), automatic=True)
            return NoCard()
        before = act.look(invoice)
        result = await tries.take(act, intent, method, off_session=off_session)
        _settle(act, invoice, before, result, automatic=automatic)
        return result


async def authenticate(act: Act, invoice: Invoice, *, passed: bool) -> Outcome:
    """Go on after 3-D Secure: charge the card that waits, or give it up."""
    async with invoice.lock:
        intent = _payable(act.account, invoice)
        if intent is None:
            return NotPayable(invoice.status)
        method = act.account.payment_methods.get(intent.candidate)
        if method is None:
            return NoCard()
        before = act.look(invoice)
        if passed:
            result: tries.Result = await tries.take(
                act, intent, method, off_session=False, authenticated=True
            )
        else:
            result = tries.refuse_authentication(act, intent)
        _settle(act, invoice, before, result, automatic=False)
        return result


def _payable(account: Account, invoice: Invoice) -> PaymentIntent | None:
    if invoice.status not in ("open", "uncollectible"):
        return None
    return invoices.intent_of(account, invoice)


def _settle(
    act: Act, invoice: Invoice, before: dict[str, object], result: tries.Result, *, automatic: bool
) -> None:
    match result:
        case tries.Captured(charge):
            invoice.charge = charge.id
            _count(invoice, automatic=automatic)
            invoices.mark_paid(act, invoice)
            invoices.say_paid(act, invoice, before)
            standing.paid(act, invoice)
        case tries.Refused(_, charge):
            invoice.charge = charge.id if charge else invoice.charge
            _failed(act, invoice, before, automatic=automatic)
        case tries.ActionRequired():
            act.emit("invoice.payment_action_required", invoice)
            _failed(act, invoice, before, automatic=automatic)


def _count(invoice: Invoice, *, automatic: bool) -> None:
    """Count an attempt "from the perspective of the payment retry schedule" (docs: invoice.attempt_count)."""
    invoice.attempted = True
    if automatic or invoice.attempt_count == 0:
        invoice.attempt_count += 1


def _failed(act: Act, invoice: Invoice, before: dict[str, object], *, automatic: bool) -> None:
    first = invoice.attempt_count == 0
    _count(invoice, automatic=automatic)
    exhausted = False
    if automatic or first:
        exhausted = _plan(act, invoice)
    act.emit("invoice.payment_failed", invoice)
    act.emit_change("invoice.updated", invoice, before)
    standing.failed(act, invoice)
    if exhausted:
        standing.exhausted(act, invoice)


def _plan(act: Act, invoice: Invoice) -> bool:
    """Plan the next try; True when there is none left."""
    dunning = act.account.dunning
    invoice.next_payment_attempt = None
    subscription = invoices.subscription_of(act.account, invoice)
    if not dunning.enabled or not invoice.auto_advance or invoice.status != "open":
        return False
    if subscription is not None and subscription.status == "incomplete":
        return False  # docs: the first invoice of an incomplete subscription is not retried
    if invoice.attempt_count > len(dunning.schedule):
        return True
    pause = int(dunning.schedule[invoice.attempt_count - 1] * DAY)
    attempt_at(act.gateway, act.account, invoice, act.now + pause)
    return False


def attempt_at(gateway: Gateway, account: Account, invoice: Invoice, due: int) -> None:
    """Let the gateway try an invoice by itself at an instant of the merchant's clock."""
    invoice.next_payment_attempt = due
    account.timers.at(due, partial(_try_again, gateway, account, invoice, due))


async def _try_again(gateway: Gateway, account: Account, invoice: Invoice, due: int) -> None:
    if invoice.next_payment_attempt != due or invoice.status != "open" or not invoice.auto_advance:
        return
    act = gateway.itself(account)
    if _futile(account, invoice):
        before = act.look(invoice)
        invoice.attempt_count += 1
        exhausted = _plan(act, invoice)
        act.emit_change("invoice.updated", invoice, before)
        if exhausted:
            standing.exhausted(act, invoice)
        return
    await collect(act, invoice, automatic=True)


def _futile(account: Account, invoice: Invoice) -> bool:
    """Tell whether the same card was refused for good; such tries are planned, not made."""
    intent = invoices.intent_of(account, invoice)
    method = invoices.method_of(account, invoice)
    return (
        intent is not None
        and intent.last_error is not None
        and intent.last_error.hard
        and method is not None
        and method.id == intent.failed_method
    )
