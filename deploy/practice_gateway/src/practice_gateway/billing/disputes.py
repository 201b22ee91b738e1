"""Money that goes back: refunds by the merchant, disputes by the cardholder."""

from practice_gateway.act import Act
from practice_gateway.errors import refused
from practice_gateway.ids import new_id
from practice_gateway.ledger import Movement
from practice_gateway.model import Charge, Dispute, Refund

EVIDENCE_SECONDS = 7 * 86_400


async def refund(
    act: Act, charge: Charge, *, amount: int | None, reason: str | None, metadata: dict[str, str]
) -> Refund:
    """Give money back; it is in the ledger before anybody hears of it.

    Raises:
        StripeError: 400, nothing left to refund, or more than is left.
    """
    left = charge.amount - charge.amount_refunded
    if not charge.succeeded:
        raise refused("This charge was not captured and can't be refunded.")
    if left == 0:
        raise refused(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    if charge.dispute is not None:
        raise refused(f"Charge {charge.id} has been charged back.", code="charge_disputed")
    amount = left if amount is None else amount
    if amount > left:
        raise refused(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})")
    made = Refund(
        id=new_id("re"),
        created=act.now,
        amount=amount,
        currency=charge.currency,
        charge=charge.id,
        payment_intent=charge.payment_intent,
        reason=reason,
        metadata=metadata,
    )
    before = act.look(charge)
    charge.amount_refunded += amount  # at once: a refund that arrives meanwhile must see it
    try:
        await _record(act, charge, amount)
    except OSError:
        charge.amount_refunded -= amount
        raise
    act.account.refunds.add(made)
    charge.refunds.append(made.id)
    act.emit_change("charge.refunded", charge, before)
    act.emit("refund.created", made)
    return made


async def _record(act: Act, charge: Charge, amount: int) -> None:
    movement = Movement(
        kind="refund",
        account=act.account.id,
        charge=charge.id,
        invoice=charge.invoice,
        payment_intent=charge.payment_intent,
        customer=charge.customer,
        amount=amount,
        currency=charge.currency,
        idempotency_key=act.idempotency_key,
        initiator=act.initiator,
    )
    await act.gateway.ledger.record(movement, act.account.clock.now())


def open_dispute(act: Act, charge: Charge, reason: str) -> Dispute:
    """Let the cardholder contest a charge."""
    dispute = Dispute(
        id=new_id("du"),
        created=act.now,
        amount=charge.amount,
        currency=charge.currency,
        charge=charge.id,
        payment_intent=charge.payment_intent,
        reason=reason,
        due_by=act.now + EVIDENCE_SECONDS,
    )
    act.account.disputes.add(dispute)
    charge.dispute = dispute.id
    act.emit("charge.dispute.created", dispute)
    act.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close_dispute(act: Act, dispute: Dispute, status: str) -> None:
    """Decide a dispute: won or lost."""
    before = act.look(dispute)
    dispute.status = status
    act.emit_change("charge.dispute.closed", dispute, before)
    if status == "won":
        act.emit("charge.dispute.funds_reinstated", dispute)
