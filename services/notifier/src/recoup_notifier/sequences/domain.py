"""What to say about a case: one message for each change that asks something new of the customer.

Promise: pure. What is said follows from the case and from what was last said about it, not from how many
events told it; a change that was seen before says nothing.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from recoup_declines import DefaultAction
from recoup_events.values import CaseState, FinalAction, MessageKind, WaitingFor, fact_id

CLOSED = frozenset({CaseState.RECOVERED, CaseState.ENDED, CaseState.REVERSED})

THE_MERCHANT_S_FAULT = frozenset({DefaultAction.FIX_BY_MERCHANT, DefaultAction.NOT_A_DECLINE})
"""Decline actions of which the customer hears nothing."""

Key = tuple[str, UUID]
"""Merchant and case."""


class Ask(StrEnum):
    """What a customer can do about a failed payment now."""

    NOTHING = "nothing"  # a try is planned and may well pass
    PAY = "pay"  # no try is planned any more
    NEW_CARD = "new_card"
    AUTHENTICATE = "authenticate"
    TRYING = "trying"  # a try is on its way: true when asked, no reason to write


@dataclass(frozen=True)
class Told:
    """What was last said about a case while it was open."""

    ask: Ask
    tries_made: int


@dataclass(frozen=True)
class Case:
    """A case as the scheduler last told it, and what was last said about it.

    Amounts are integer minor units of `currency`; instants are UTC on the merchant's clock. `recovered_minor` is 0
    until money came in.
    """

    merchant_id: str
    case_id: UUID
    account_id: str
    customer_id: str
    revision: int
    state: CaseState
    failed_at: datetime
    resolve_by: datetime
    final_action: FinalAction
    invoice_id: str
    owed_minor: int
    currency: str
    invoice_number: str | None = None
    subscription_id: str | None = None
    waiting_for: WaitingFor | None = None
    next_try_at: datetime | None = None
    recovered_minor: int = 0
    instrument_kind: str | None = None
    brand: str | None = None
    decline_class: str | None = None
    decline_action: str | None = None
    masked: bool = False
    tries_made: int = 0
    told: Told | None = None

    @property
    def key(self) -> Key:
        """Merchant and case."""
        return self.merchant_id, self.case_id


@dataclass(frozen=True)
class Message:
    """A message to queue. Its id is a function of the change that it speaks about."""

    merchant_id: str
    customer_id: str
    account_id: str
    case_id: UUID
    revision: int
    kind: MessageKind

    @property
    def message_id(self) -> UUID:
        """The same for the same change, so that a repeat is recognisable wherever it turns up."""
        return fact_id(self.merchant_id, "message", str(self.case_id), str(self.revision), self.kind)


@dataclass
class Decisions:
    """What follows from a batch. `superseded`: unsent messages about revisions below this are dropped."""

    cases: dict[Key, Case] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    superseded: dict[Key, int] = field(default_factory=dict)


def ask_of(case: Case) -> Ask | None:
    """Say what the customer can do about a case as it stands, or None when there is nothing to tell them."""
    if case.decline_action in THE_MERCHANT_S_FAULT:
        return None
    match case.state, case.waiting_for:
        case CaseState.SCHEDULED, _:
            return Ask.NOTHING if case.next_try_at else Ask.PAY
        case CaseState.TRYING, _:
            return Ask.TRYING
        case CaseState.WAITING, WaitingFor.CARD:
            return Ask.NEW_CARD
        case CaseState.WAITING, WaitingFor.CUSTOMER:
            return Ask.AUTHENTICATE
        case _:
            return None


def fold(known: Mapping[Key, Case], changes: Iterable[Case]) -> Decisions:
    """Apply changes in the order given and say what follows.

    Args:
        known: the cases concerned as they were stored; one that is missing is new.
        changes: cases as told, their `told` unset.
    """
    decisions = Decisions()
    for change in changes:
        before = decisions.cases.get(change.key, known.get(change.key))
        if before and change.revision <= before.revision:
            continue
        case = _joined(before, change)
        kind = _speaks(before, case)
        if kind is MessageKind.PAYMENT_FAILED:
            case = dataclasses.replace(case, told=_telling(case))
        if kind:
            decisions.messages.append(_message(case, kind))
        if kind or case.state in CLOSED:
            decisions.superseded[case.key] = case.revision
        decisions.cases[case.key] = case
    return decisions


def _joined(before: Case | None, change: Case) -> Case:
    """Keep what was told while the case is open, and the amount once nothing is owed any more."""
    if before is None:
        return change
    return dataclasses.replace(
        change,
        told=None if change.state in CLOSED else before.told,
        owed_minor=change.owed_minor or before.owed_minor,
    )


def _speaks(before: Case | None, case: Case) -> MessageKind | None:
    if case.state is CaseState.RECOVERED:
        return None if before and before.state is CaseState.RECOVERED else MessageKind.ALL_SET
    ask = ask_of(case)
    if ask is None or ask is Ask.TRYING:
        return None
    if case.told is None or case.tries_made > case.told.tries_made:
        return MessageKind.PAYMENT_FAILED
    asks_more = ask in {Ask.NEW_CARD, Ask.AUTHENTICATE} and ask is not case.told.ask
    return MessageKind.PAYMENT_FAILED if asks_more else None


def _telling(case: Case) -> Told:
    ask = ask_of(case)
    assert ask is not None
    return Told(ask, case.tries_made)


def _message(case: Case, kind: MessageKind) -> Message:
    return Message(case.merchant_id, case.customer_id, case.account_id, case.case_id, case.revision, kind)
