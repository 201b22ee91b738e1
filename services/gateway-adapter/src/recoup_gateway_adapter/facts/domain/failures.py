"""Failed collections: told by themselves where no charge turns up that explains them."""

from dataclasses import replace

from recoup_gateway_adapter.facts.domain.facts import (
    GUEST,
    Circumstances,
    Consequences,
    InvoiceRef,
    Join,
    JoinKind,
    PaymentFailed,
)
from recoup_gateway_adapter.facts.domain.payments import (
    BLIND,
    FAILED,
    ask_who,
    attribution,
    explains,
    failed_charge,
    mark,
    nature_of,
)
from recoup_gateway_adapter.facts.domain.records import (
    ChargeRecord,
    FailureRecord,
    IntentRecord,
    InvoiceRecord,
    Kind,
    Known,
)
from recoup_gateway_adapter.gateways.contract import Decline, Money


def failure(known: Known, record: FailureRecord, circumstances: Circumstances, out: Consequences) -> None:
    """Tell a failed collection by itself where no charge turns up that explains it."""
    join = Join(JoinKind.FAILURE, record.failure_id)
    explaining = [charge for charge in known.charges.values() if explains(known, record, charge)]
    seen = any(charge.charge is not None and BLIND not in charge.told for charge in explaining)
    if record.codeless:
        _tell_its_code(known, record, explaining, circumstances, out)
    attempt = circumstances.attempts.get(record.origin or "")
    asked_on_page = record.failed.requires_authentication and attempt is not None and attempt.customer_present
    if record.told or seen or asked_on_page:
        out.done.add(join)
    elif join not in circumstances.settle:
        out.waits.add(join)
    else:
        _tell_without_charge(known, record, circumstances, out)
        out.done.add(join)


def _tell_its_code(
    known: Known,
    record: FailureRecord,
    explaining: list[ChargeRecord],
    circumstances: Circumstances,
    out: Consequences,
) -> None:
    """Tell a failure again whose decline code was not known, once a charge or a later webhook brings it."""
    for charge in explaining:
        if charge.charge is not None and charge.charge.decline.code is not None:
            _told_again(
                known,
                record,
                failed_charge(known, charge, charge.charge, circumstances),
                charge.charge_id,
                out,
            )
            return
    found = known.invoices.get(record.failed.invoice_id)
    if record.failed.requires_authentication and found is not None:
        _told_again(known, record, _by_itself(known, record, found, circumstances), "authentication", out)


def _told_again(
    known: Known, record: FailureRecord, fact: PaymentFailed, brought_by: str, out: Consequences
) -> None:
    record.codeless = False
    known.touched.add((Kind.FAILURE, record.failure_id))
    out.facts.append(
        replace(fact, identity=f"{record.failure_id}:{brought_by}", at=record.told_at or record.at)
    )


def _tell_without_charge(
    known: Known, record: FailureRecord, circumstances: Circumstances, out: Consequences
) -> None:
    found = known.invoices.get(record.failed.invoice_id)
    if found is None:
        return
    record.told = True
    known.touched.add((Kind.FAILURE, record.failure_id))
    charge_id = record.failed.charge_id
    blind = charge_id in known.charges and BLIND in known.charges[charge_id].told
    if charge_id is not None:
        mark(known, known.charges.setdefault(charge_id, ChargeRecord(charge_id)), FAILED)
    fact = _by_itself(known, record, found, circumstances)
    if charge_id is not None and not blind:
        fact = replace(fact, identity=charge_id)
    record.codeless, record.told_at = fact.decline.code is None, fact.at
    out.facts.append(fact)
    ask_who(known, fact, out)


def _by_itself(
    known: Known, record: FailureRecord, found: InvoiceRecord, circumstances: Circumstances
) -> PaymentFailed:
    """Give the fact that a collection failed, from what its invoice and its intent say."""
    invoice, charge_id = found.invoice, record.failed.charge_id
    intent = _intent_of(known, invoice.invoice_id)
    decline = (intent.decline if intent else None) or Decline()
    if record.failed.requires_authentication:
        decline = replace(
            decline, code=decline.code or "authentication_required", requires_authentication=True
        )
    attributed_to, try_id = attribution(charge_id, record.origin, circumstances)
    return PaymentFailed(
        identity=record.failure_id,
        at=record.at,
        customer_id=invoice.customer_id or GUEST + invoice.invoice_id,
        nature=nature_of(known, found),
        invoice=InvoiceRef(invoice.invoice_id, invoice),
        charge_id=charge_id,
        payment_intent_id=intent.payment_intent_id if intent else invoice.payment_intent_id,
        amount=Money(invoice.owed.minor or invoice.due_minor, invoice.owed.currency),
        instrument=intent.instrument if intent else None,
        decline=decline,
        attributed_to=attributed_to,
        try_id=try_id,
    )


def _intent_of(known: Known, invoice_id: str) -> IntentRecord | None:
    mine = [intent for intent in known.intents.values() if intent.invoice_id == invoice_id]
    return max(mine, key=lambda intent: intent.payment_intent_id, default=None)
