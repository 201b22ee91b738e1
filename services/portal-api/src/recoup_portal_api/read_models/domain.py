"""What happened to a case, in a word and a sentence for the merchant.

Promise: whatever the order and however often events come, the same rows come out; a row says what its event said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from recoup_events.values import CaseState, fact_id

CLOSED = frozenset({CaseState.RECOVERED, CaseState.ENDED, CaseState.REVERSED})

Details = Mapping[str, Any]


@dataclass(frozen=True)
class Happening:
    """One line of a timeline. `what` is the event's type; `at` the merchant's time, UTC."""

    event_id: UUID
    merchant_id: str
    account_id: str
    customer_id: str
    case_id: UUID | None
    at: datetime
    what: str
    details: Details


def case_of(account_id: str, invoice_id: str | None) -> UUID | None:
    """Give the case of an invoice; every service computes the same."""
    return fact_id(account_id, "case", invoice_id) if invoice_id else None


_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
ISO_4217_DIGITS = {currency: digits for digits, listed in _DIGITS.items() for currency in listed.split()}
"""Minor-unit digits where they are not 2. Source: ISO 4217 list one, 2024-06-25."""


def amount(minor: int, currency: str) -> Decimal:
    """Give the amount of integer minor units, with as many digits as the currency has."""
    digits = ISO_4217_DIGITS.get(currency, 2)
    return Decimal(minor).scaleb(-digits).quantize(Decimal(1).scaleb(-digits))


def why(what: str, details: Details) -> str:
    """Say in one sentence what an event told; an unknown kind says its name."""
    sentence = _SENTENCES.get(what)
    return sentence(details) if sentence else what


def _money(details: Details) -> str:
    money = details.get("amount")
    return f"{amount(money['minor'], money['currency'])} {money['currency']}" if money else "an amount"


def _failed(details: Details) -> str:
    by = f"by {details['attributed_to']}"
    reason = details.get("decline_code") or "no code given"
    return f"A charge of {_money(details)} ({by}) failed: {reason}."


def _succeeded(details: Details) -> str:
    settled_by = details.get("settled_by")
    if settled_by == "charge":
        return f"A charge of {_money(details)} (by {details['attributed_to']}) succeeded."
    return f"{_money(details)} settled: {settled_by}."


def _retry(details: Details) -> str:
    step = f", step {details['step']}" if details.get("step") else ""
    return f"A try was ordered ({details['kind']}{step}): {details['reason']}"


def _card(details: Details) -> str:
    return f"The customer's {details.get('brand') or 'instrument'} was {str(details['change']).replace('_', ' ')}."


_SENTENCES = {
    "payment.failed": _failed,
    "payment.succeeded": _succeeded,
    "payment.reversed": lambda d: f"{_money(d)} went back: {d['kind']}.",
    "retry.due": _retry,
    "attempt.updated": lambda d: f"The attempt is {d['state']}: {d['reason']}.",
    "recovery.changed": lambda d: str(d["reason"]),
    "notification.sent": lambda d: f"The {d['message']} mail was handed over ({d['language']}).",
    "final_action.due": lambda d: f"The deadline has come; the final action is {d['action']}.",
    "final_action.done": lambda d: (
        f"The final action {d['action']}: {d['outcome']}" + (f", {d['detail']}." if d.get("detail") else ".")
    ),
    "card.updated": _card,
}
