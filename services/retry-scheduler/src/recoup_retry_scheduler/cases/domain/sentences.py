"""Why a case changed, in one sentence for the merchant. Dates are UTC."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from recoup_events.values import AttemptState, FinalAction, RecoveryWay, WaitingFor
from recoup_retry_scheduler.cases.domain.case import Case
from recoup_retry_scheduler.cases.domain.facts import Verdict
from recoup_retry_scheduler.rules.spelling import on as not_before, to_the_minute as on

MENTIONED: Final = 120
"""Characters of a gateway's own words that a sentence repeats at most."""


def declined(verdict: Verdict) -> str:
    """Say why the charge failed."""
    code = f" ({verdict.code[:MENTIONED]})" if verdict.code else ""
    return f"The charge was declined: {verdict.meaning[:MENTIONED]}{code}"


def planned(case: Case, number: int, at: datetime) -> str:
    """Say when the next step is."""
    return f"{declined(case.verdict)}; try {number} of {case.policy.steps} is due on {on(at)}."


def chosen(case: Case, number: int, because: str) -> str:
    """Say when the next try is and why then, in mode smart."""
    return f"{declined(case.verdict)}; try {number} of {case.policy.steps}: {because}."


WAITING: Final[Mapping[WaitingFor, str]] = {
    WaitingFor.CARD: "no try helps before the customer gives another card",
    WaitingFor.CUSTOMER: "the customer has to authenticate the payment",
    WaitingFor.MERCHANT: "your own set-up at the gateway is the cause and has to be mended",
    WaitingFor.AGREEMENT: "an agreement with the customer decides when to charge",
    WaitingFor.UNKNOWN: "somebody has to act",
}


def waiting(case: Case, whom: WaitingFor) -> str:
    """Say whom the case waits for after a decline that forbids a try."""
    return f"{declined(case.verdict)}; {WAITING[whom]}, until {on(case.resolve_by)}."


def exhausted(case: Case) -> str:
    """Say that no step is left."""
    return f"{declined(case.verdict)}; no try is left, another card can pay until {on(case.resolve_by)}."


def forbidden(case: Case) -> str:
    """Say that the card on file may not be charged."""
    return f"The card on file must not be charged again; another one can pay until {on(case.resolve_by)}."


def trying_step(case: Case, number: int) -> str:
    """Say that a step of the ladder is due."""
    return f"Try {number} of {case.policy.steps} is due."


def trying_chosen(case: Case, number: int, because: str) -> str:
    """Say that a chosen try is due, and why it was chosen."""
    return f"Try {number} of {case.policy.steps} is due: {because}."


def not_worth_it(case: Case) -> str:
    """Say that no further try of this card is worth what it costs."""
    return f"No further try of this card is worth its cost; another card can pay until {on(case.resolve_by)}."


NEW_CARD: Final = "The customer has a new card: it is tried at once."
QUEUED: Final = "The customer has a new card: it is tried on their older invoices first."
HELD: Final = "A card session or payment of the customer's own is charging this invoice."
HELD_SLOW: Final = "A payment of the customer's own was submitted; its result takes a while."
TOO_LATE: Final = "No try is possible before the deadline; another card can still pay."


def of_attempt(state: AttemptState) -> str:
    """Say where the outstanding try stands."""
    match state:
        case AttemptState.PENDING:
            return "The charge was submitted; its result takes a while."
        case AttemptState.UNKNOWN:
            return "Nobody could tell yet whether the charge passed; it is looked up, not repeated."
        case AttemptState.REQUIRES_ACTION:
            return "The bank asks the customer to authenticate the charge."
        case _:
            return "The charge is on its way."


def due_now(case: Case, reason: str) -> str:
    """Say that a try follows at once."""
    return f"{declined(case.verdict)}. {reason}"


def given_back(why: str, at: datetime) -> str:
    """Say that a try was not sent and when the next is due."""
    return f"The try was not sent ({why[:MENTIONED]}); the next is due on {on(at)}."


def put_off(case: Case, number: int, at: datetime, because: str) -> str:
    """Say which rule puts a step off, and until when."""
    until = not_before(at)
    since = because if until in because else f"{because}, until {until}"
    return f"Try {number} of {case.policy.steps} is put off: {since}."


def new_card_later(at: datetime, because: str) -> str:
    """Say that a new card may not be tried at once, and why."""
    return f"The customer has a new card: it is tried on {on(at)}{f'. {because}' if because else ''}."


def watching(case: Case) -> str:
    """Say that the gateway decides."""
    at = case.bill.next_gateway_try_at
    then = f" and tries again on {on(at)}" if at else ""
    return f"{declined(case.verdict)}; the gateway collects by itself{then}, Recoup watches."


_ACTIONS: Final[Mapping[FinalAction, str]] = {
    FinalAction.CANCEL: "the subscription is to be cancelled",
    FinalAction.MARK_UNPAID: "the invoice is to be left unpaid and collection switched off",
    FinalAction.NOTHING: "nothing is to be changed",
    FinalAction.UNKNOWN: "the final action is due",
}


def ending(action: FinalAction) -> str:
    """Say that the deadline has come."""
    return f"The deadline has passed without a payment: {_ACTIONS[action]}."


ENDED_WATCHING: Final = (
    "The recovery window has passed; the gateway decides what becomes of the subscription."
)
ENDED_MERCHANT: Final = (
    "The recovery window has passed; nothing was cancelled, because the cause was in your own set-up."
)
ENDED_DONE: Final[Mapping[FinalAction, str]] = {
    FinalAction.CANCEL: "The payment was not recovered and the subscription was cancelled.",
    FinalAction.MARK_UNPAID: "The payment was not recovered; the invoice stays unpaid and collection is off.",
    FinalAction.NOTHING: "The payment was not recovered; nothing was changed, as your settings say.",
    FinalAction.UNKNOWN: "The payment was not recovered and the final action is done.",
}
ENDED_OVERTAKEN: Final = "The final action was not needed: the invoice or subscription had changed meanwhile."
ENDED_REFUSED: Final = "The gateway refused the final action; please look at the subscription yourself."
ENDED_VOID: Final = "The invoice was voided."
ENDED_UNCOLLECTIBLE: Final = "The invoice was written off as uncollectible."
ENDED_CANCELLED: Final = "The subscription was cancelled elsewhere while its payment was failing."
PAID_UNTOLD: Final = "The invoice is paid; the gateway does not say by which charge."

RECOVERED: Final[Mapping[RecoveryWay, str]] = {
    RecoveryWay.SCHEDULED_RETRY: "A scheduled retry was paid.",
    RecoveryWay.NEW_CARD: "The customer's new card paid.",
    RecoveryWay.CUSTOMER_PAYMENT: "The customer paid.",
    RecoveryWay.GATEWAY_RETRY: "The gateway's own retry was paid.",
    RecoveryWay.MERCHANT: "A charge of your own was paid.",
    RecoveryWay.OUT_OF_BAND: "The invoice was paid outside the gateway.",
    RecoveryWay.UNKNOWN: "The invoice was paid.",
}
LATE: Final = " That came after the recovery had ended: please look at the subscription."


def reversed_by(kind: str) -> str:
    """Say how the money went back."""
    how = {"refund": "was refunded", "dispute": "was disputed", "bank_return": "was returned by the bank"}
    return f"The payment {how.get(kind, 'went back')}; this invoice is not charged again."


PARTLY_BACK: Final = "The payment was recovered, and a part of it was given back since."
REOPENED: Final = "The bank returned the payment and the invoice is owed again."
