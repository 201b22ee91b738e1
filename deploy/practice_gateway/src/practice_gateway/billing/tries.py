"""One try to take money with one card: asks the issuer, captures, and says what came of it.

A capture is in the ledger, fsynced, before the charge exists for anybody.
"""

from dataclasses import dataclass

from practice_gateway.act import Act
from practice_gateway.billing import disputes
from practice_gateway.cards import issuer
from practice_gateway.cards.declines import AUTHENTICATION_FAILED, AUTHENTICATION_REQUIRED, Decline
from practice_gateway.ids import new_id, new_secret
from practice_gateway.ledger import Movement
from practice_gateway.model import Charge, PaymentIntent, PaymentMethod


@dataclass(frozen=True, slots=True)
class Captured:
    """The money is taken."""

    charge: Charge


@dataclass(frozen=True, slots=True)
class Refused:
    """The card said no; without a charge when its holder failed to authenticate."""

    decline: Decline
    charge: Charge | None


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """Its holder has to authenticate first."""


Result = Captured | Refused | ActionRequired


def new_intent(
    act: Act, *, amount: int, currency: str, customer: str | None, invoice: str | None
) -> PaymentIntent:
    """Open an intention to take an amount."""
    identifier = new_id("pi")
    intent = PaymentIntent(
        id=identifier,
        created=act.now,
        amount=amount,
        currency=currency,
        client_secret=new_secret(f"{identifier}_secret_", 25),
        customer=customer,
        invoice=invoice,
    )
    act.account.payment_intents.add(intent)
    act.emit("payment_intent.created", intent)
    return intent


async def take(
    act: Act, intent: PaymentIntent, method: PaymentMethod, *, off_session: bool, authenticated: bool = False
) -> Result:
    """Try a card; the caller holds the lock of the invoice or of the intent.

    Off session a merchant's own request is never left waiting for the customer: it is declined,
    authentication_required. The gateway's own tries do wait (invoice.payment_action_required).
    """
    now = act.account.clock.now()
    match issuer.charge(method, now, off_session=off_session, authenticated=authenticated):
        case issuer.Approved():
            return await _capture(act, intent, method, authenticated=authenticated)
        case issuer.Declined(decline):
            return _refuse(act, intent, method, decline)
        case issuer.Challenged() if off_session and act.initiator == "merchant":
            return _refuse(act, intent, method, AUTHENTICATION_REQUIRED)
        case issuer.Challenged():
            intent.status = "requires_action"
            intent.payment_method = intent.candidate = method.id
            act.emit("payment_intent.requires_action", intent)
            return ActionRequired()


async def _capture(
    act: Act, intent: PaymentIntent, method: PaymentMethod, *, authenticated: bool
) -> Captured:
    charge = _new_charge(act, intent, method, None)
    charge.authenticated = authenticated
    movement = Movement(
        kind="capture",
        account=act.account.id,
        charge=charge.id,
        invoice=charge.invoice,
        payment_intent=intent.id,
        customer=charge.customer,
        amount=charge.amount,
        currency=charge.currency,
        idempotency_key=act.idempotency_key,
        initiator=act.initiator,
    )
    await act.gateway.ledger.record(movement, act.account.clock.now())
    act.account.charges.add(charge)
    intent.charges.append(charge.id)
    intent.status = "succeeded"
    intent.payment_method = method.id
    intent.candidate = intent.last_error = intent.failed_method = intent.failed_charge = None
    intent.amount_received = intent.amount
    act.emit("charge.succeeded", charge)
    act.emit("payment_intent.succeeded", intent)
    if method.behaviour.dispute is not None and method.script is None:
        disputes.open_dispute(act, charge, method.behaviour.dispute)
    return Captured(charge)


def _refuse(act: Act, intent: PaymentIntent, method: PaymentMethod, decline: Decline) -> Refused:
    charge = act.account.charges.add(_new_charge(act, intent, method, decline))
    intent.charges.append(charge.id)
    intent.status = "requires_payment_method"
    intent.payment_method = intent.candidate = None
    intent.last_error = decline
    intent.failed_method = method.id
    intent.failed_charge = charge.id
    act.emit("charge.failed", charge)
    act.emit("payment_intent.payment_failed", intent)
    return Refused(decline, charge)


def refuse_authentication(act: Act, intent: PaymentIntent) -> Refused:
    """End a 3-D Secure step that the cardholder failed; no charge was tried."""
    intent.failed_method = intent.candidate
    intent.failed_charge = None
    intent.status = "requires_payment_method"
    intent.payment_method = intent.candidate = None
    intent.last_error = AUTHENTICATION_FAILED
    act.emit("payment_intent.payment_failed", intent)
    return Refused(AUTHENTICATION_FAILED, None)


def cancel_intent(act: Act, intent: PaymentIntent | None, reason: str) -> None:
    """End an intention that nobody pursues any more."""
    if intent is not None and intent.status not in ("succeeded", "canceled"):
        intent.status, intent.canceled_at, intent.cancellation_reason = "canceled", act.now, reason
        intent.candidate = None
        act.emit("payment_intent.canceled", intent)


def _new_charge(act: Act, intent: PaymentIntent, method: PaymentMethod, decline: Decline | None) -> Charge:
    return Charge(
        id=new_id("ch"),
        created=act.now,
        amount=intent.amount,
        currency=intent.currency,
        payment_method=method.id,
        payment_intent=intent.id,
        card={
            name: getattr(method, name)
            for name in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
        },
        billing_details=method.billing_details,
        customer=intent.customer,
        invoice=intent.invoice,
        description=intent.description,
        decline=decline,
        metadata=dict(intent.metadata),
    )
