"""Draw the facts from what is known.

Promise: a fact is drawn when everything that it says is known, and once; until then it waits for its twin, and
when it has waited long enough it is told with what is known.
"""

from recoup_gateway_adapter.facts.domain import cards, failures, payments, reversals, settled
from recoup_gateway_adapter.facts.domain.facts import Circumstances, Consequences, JoinKind
from recoup_gateway_adapter.facts.domain.records import Key, Kind, Known


def follow(known: Known, concerned: set[Key], circumstances: Circumstances) -> Consequences:
    """Say what follows for the objects concerned and all that hang on them; marks what it tells as told."""
    out = Consequences()
    affected = spread(known, concerned)
    for charge_id in _sorted(affected, Kind.CHARGE):
        record = known.charges[charge_id]
        payments.charge(known, record, circumstances, out)
        reversals.refunds(known, record, circumstances, out)
    for name in _sorted(affected, Kind.FAILURE):
        failures.failure(known, known.failures[name], circumstances, out)
    for invoice_id in _sorted(affected, Kind.INVOICE):
        settled.invoice(known, known.invoices[invoice_id], circumstances, out)
    for intent_id in _sorted(affected, Kind.INTENT):
        settled.intent(known, known.intents[intent_id], circumstances, out)
    for reversal_id in _sorted(affected, Kind.REVERSAL):
        reversals.reversal(known, known.reversals[reversal_id], circumstances, out)
    for instrument_id in _sorted(affected, Kind.INSTRUMENT):
        cards.instrument(known, known.instruments[instrument_id], circumstances, out)
    for kind, join in ((Kind.CUSTOMER, JoinKind.CUSTOMER), (Kind.SUBSCRIPTION, JoinKind.SUBSCRIPTION)):
        out.found(join, _sorted(affected, kind))
    out.done -= out.waits
    return out


def spread(known: Known, concerned: set[Key]) -> set[Key]:
    """Give what is concerned and what hangs on it: an intent's and an invoice's charges, a charge's reversals."""
    intents = {name for kind, name in concerned if kind is Kind.INTENT}
    invoices = {name for kind, name in concerned if kind is Kind.INVOICE}
    charges = {name for kind, name in concerned if kind is Kind.CHARGE}
    for record in known.charges.values():
        if record.payment_intent_id in intents or known.invoice_of(record)[1] in invoices:
            charges.add(record.charge_id)
    invoices |= {known.invoice_of(known.charges[name])[1] or "" for name in charges if name in known.charges}
    invoices |= {known.intents[name].invoice_id or "" for name in intents if name in known.intents}
    collections = {name for name, record in known.failures.items() if record.failed.invoice_id in invoices}
    reversals_ = {name for name, record in known.reversals.items() if record.reversal.charge_id in charges}
    found = (
        (Kind.CHARGE, charges),
        (Kind.INVOICE, invoices),
        (Kind.FAILURE, collections),
        (Kind.REVERSAL, reversals_),
    )
    whole = concerned | {(kind, name) for kind, names in found for name in names}
    return {key for key in whole if known.get(key) is not None}


def _sorted(affected: set[Key], wanted: Kind) -> list[str]:
    return sorted(name for kind, name in affected if kind is wanted)
