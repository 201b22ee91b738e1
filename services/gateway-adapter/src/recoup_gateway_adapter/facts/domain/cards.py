"""Instruments: what was added, updated by its network, or removed for good."""

from recoup_events.values import CardChange
from recoup_gateway_adapter.facts.domain.facts import (
    CardChanged,
    Circumstances,
    Consequences,
    Join,
    JoinKind,
)
from recoup_gateway_adapter.facts.domain.records import InstrumentRecord, Kind, Known
from recoup_gateway_adapter.gateways.contract import Instrument


def instrument(
    known: Known, record: InstrumentRecord, circumstances: Circumstances, out: Consequences
) -> None:
    """Tell the changes of an instrument that were not told; each looks the same from every messenger."""
    found = record.instrument.instrument_id
    join = Join(JoinKind.INSTRUMENT, found)
    for change, at in sorted(record.pending.items()):
        told = _told(change, record.instrument)
        choosing = change is CardChange.ADDED and record.customer_id in circumstances.choosing
        session, settling = circumstances.settling.get(found, (None, ()))
        if told in record.told:
            pass
        elif record.customer_id is None or (choosing and session is None):
            if join not in circumstances.settle:
                out.waits.add(join)
                continue
            if record.customer_id is not None:
                _tell(
                    record, change, told, out, CardChanged(at, record.customer_id, record.instrument, change)
                )
        else:
            fact = CardChanged(at, record.customer_id, record.instrument, change, session, settling)
            _tell(record, change, told, out, fact)
        del record.pending[change]
        known.touched.add((Kind.INSTRUMENT, found))
    out.done.add(join)


def _tell(
    record: InstrumentRecord, change: CardChange, told: str, out: Consequences, fact: CardChanged
) -> None:
    record.told.add(told)
    out.facts.append(fact)


def _told(change: CardChange, thing: Instrument) -> str:
    """The same words as the fact's identity."""
    return f"{change}:{thing.fingerprint}:{thing.exp_year}-{thing.exp_month}"
