"""Money that went back: refunds and disputes join the charge that had brought it."""

from recoup_events.values import ReversalKind
from recoup_gateway_adapter.facts.domain.facts import (
    GUEST,
    Circumstances,
    Consequences,
    Join,
    JoinKind,
    PaymentReversed,
)
from recoup_gateway_adapter.facts.domain.records import ChargeRecord, Kind, Known, ReversalRecord
from recoup_gateway_adapter.gateways.contract import ChargeStatus, Money


def reversal(known: Known, record: ReversalRecord, circumstances: Circumstances, out: Consequences) -> None:
    """Tell an effective reversal when its charge is known."""
    thing = record.reversal
    join = Join(JoinKind.REVERSAL, thing.reversal_id)
    charge = known.charges.get(thing.charge_id)
    linked, invoice_id = known.invoice_of(charge) if charge else (False, None)
    ready = charge is not None and charge.charge is not None and linked
    if record.told or not thing.effective:
        out.done.add(join)
    elif not ready and join not in circumstances.settle:
        out.waits.add(join)
    else:
        record.told = True
        known.touched.add((Kind.REVERSAL, thing.reversal_id))
        out.done.add(join)
        owner = thing.customer_id or (known.customer_of(charge) if charge else None)
        out.facts.append(
            PaymentReversed(
                reversal_id=thing.reversal_id,
                at=thing.created_at,
                customer_id=owner or GUEST + thing.charge_id,
                kind=thing.kind,
                charge_id=thing.charge_id,
                invoice_id=invoice_id,
                amount=thing.amount,
                payable_again=False,
            )
        )


def refunds(known: Known, record: ChargeRecord, circumstances: Circumstances, out: Consequences) -> None:
    """Look for the refunds of a refunded charge: since 2022-11-15 it no longer lists them."""
    thing = record.charge
    join = Join(JoinKind.REFUNDS, record.charge_id)
    if thing is None or thing.status is not ChargeStatus.SUCCEEDED or thing.refunded_minor == 0:
        out.done.add(join)
        return
    told = f"refunded:{thing.refunded_minor}"
    missing = thing.refunded_minor - sum(
        known_one.reversal.amount.minor
        for known_one in known.reversals.values()
        if known_one.reversal.charge_id == record.charge_id
        and known_one.reversal.kind is ReversalKind.REFUND
        and known_one.reversal.effective
    )
    if missing <= 0 or told in record.told:
        out.done.add(join)
    elif join not in circumstances.settle:
        out.waits.add(join)
    else:
        record.told.add(told)
        known.touched.add((Kind.CHARGE, record.charge_id))
        out.done.add(join)
        out.facts.append(
            PaymentReversed(
                reversal_id=f"{record.charge_id}:{told}",
                at=record.seen_at or thing.created_at,
                customer_id=known.customer_of(record) or GUEST + record.charge_id,
                kind=ReversalKind.REFUND,
                charge_id=record.charge_id,
                invoice_id=known.invoice_of(record)[1],
                amount=Money(missing, thing.amount.currency),
                payable_again=False,
            )
        )
