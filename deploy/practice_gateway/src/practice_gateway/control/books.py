"""What the oracle says: movements, what is owed, and where the webhooks are."""

from typing import Any

from practice_gateway.control.request import Answer, Control, ControlError, ControlRoute
from practice_gateway.ledger import summarise
from practice_gateway.model import Invoice


async def movements(control: Control) -> Answer:
    """GET /practice/ledger?account=&after_seq=: the lines as they stand in the file."""
    account = control.account().id if control.query.get("account") else None
    return {"lines": control.gateway.ledger.lines(account, _after(control))}


def _after(control: Control) -> int:
    text = control.query.get("after_seq", "0")
    if not text.isdecimal():
        message = f"after_seq is a whole number, not {text!r}"
        raise ControlError(message)
    return int(text)


async def summary(control: Control) -> Answer:
    """GET /practice/ledger/summary?account=: by invoice, and what was captured twice."""
    account = control.account().id if control.query.get("account") else None
    invoices = summarise(control.gateway.ledger.lines(account))
    captured: dict[str, int] = {}
    for entry in invoices.values():
        captured[entry["currency"]] = captured.get(entry["currency"], 0) + entry["captured"]
    return {
        "invoices": invoices,
        "captured": captured,
        "captured_twice": [name for name, entry in invoices.items() if entry["captures"] > 1],
    }


async def obligations(control: Control) -> Answer:
    """GET /practice/obligations?account=: every finalised invoice, and what it still asks for."""
    account = control.account()
    wanted = control.query.get("status")
    found = [
        _obligation(item) for item in account.invoices if item.finalized_at and wanted in (None, item.status)
    ]
    return {"obligations": found}


def _obligation(item: Invoice) -> dict[str, Any]:
    return {
        "invoice": item.id,
        "customer": item.customer,
        "subscription": item.subscription,
        "status": item.status,
        "currency": item.currency,
        "amount_due": item.amount_due,
        "amount_remaining": item.amount_remaining,
        "attempt_count": item.attempt_count,
        "auto_advance": item.auto_advance,
        "next_payment_attempt": item.next_payment_attempt,
        "billing_reason": item.billing_reason,
    }


async def webhooks(control: Control) -> Answer:
    """GET /practice/webhooks?account=: how many deliveries ended how, and the first that wait."""
    account = control.account()
    return {**control.gateway.deliverer.state(account.id), "events": len(account.events)}


async def resend(control: Control) -> Answer:
    """POST /practice/webhooks/resend {account, event}: the same event once more, signed anew."""
    account = control.account()
    control.only("event")
    event = account.events.get(control.required("event"))
    if event is None:
        raise ControlError("no such event, or older than 30 days", 404)
    return {"sent_to": control.gateway.deliverer.resend(account, event)}


ROUTES: list[ControlRoute] = [
    ("GET", "/practice/ledger", movements),
    ("GET", "/practice/ledger/summary", summary),
    ("GET", "/practice/obligations", obligations),
    ("GET", "/practice/webhooks", webhooks),
    ("POST", "/practice/webhooks/resend", resend),
]
