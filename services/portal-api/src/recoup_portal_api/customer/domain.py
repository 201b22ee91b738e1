"""What a page may show, what came of a payment, and in which language it is said.

Promise: a closed case shows nothing that is owed; a page says "paid" only of what succeeded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from recoup_events.values import AttemptState, CaseState, InvoiceStatus

LANGUAGES = ("en", "it")
"""The first one is for everybody else."""


@dataclass(frozen=True)
class Bill:
    """One open invoice of a customer. The amount in integer minor units."""

    case_id: UUID
    invoice_id: str
    number: str | None
    description: str | None
    owed_minor: int
    currency: str
    status: str | None

    @property
    def payable(self) -> bool:
        """Whether it can still be paid, as far as we have heard; the gateway has the last word."""
        closed = {InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE}
        return self.owed_minor > 0 and self.status not in closed


@dataclass(frozen=True)
class NotYet:
    """The case is not known here yet, or never was."""


@dataclass(frozen=True)
class Settled:
    """It was paid."""


@dataclass(frozen=True)
class Gone:
    """Nothing can be paid here any more."""


@dataclass(frozen=True)
class Owes:
    """What can be paid here: this case's bill first, then the customer's others, oldest first."""

    bills: tuple[Bill, ...]

    @property
    def totals(self) -> tuple[tuple[int, str], ...]:
        """Sums by currency, in minor units."""
        sums: dict[str, int] = {}
        for bill in self.bills:
            sums[bill.currency] = sums.get(bill.currency, 0) + bill.owed_minor
        return tuple((minor, currency) for currency, minor in sums.items())


Standing = NotYet | Settled | Gone | Owes


def standing(case_id: UUID, state: str | None, bills: Sequence[Bill]) -> Standing:
    """Say how a case stands for its customer.

    Args:
        state: the case's; None where there is no such case.
        bills: of the customer's open cases, oldest first.
    """
    if state is None:
        return NotYet()
    if state == CaseState.RECOVERED:
        return Settled()
    own = next((bill for bill in bills if bill.case_id == case_id), None)
    if own is None or state in {CaseState.ENDED, CaseState.REVERSED}:
        return Gone()
    if own.status == InvoiceStatus.PAID or own.owed_minor == 0:
        return Settled()
    if not own.payable:
        return Gone()
    others = tuple(bill for bill in bills if bill.payable and bill.case_id != case_id)
    return Owes((own, *others))


@dataclass(frozen=True)
class Outcome:
    """What became of one invoice. `reason`: a decline's class, if the customer may know it."""

    invoice_id: str | None
    state: AttemptState
    reason: str | None = None
    authentication_url: str | None = None


@dataclass(frozen=True)
class Passed:
    """All of it succeeded."""


@dataclass(frozen=True)
class Submitted:
    """A bank debit is on its way; its result takes days."""


@dataclass(frozen=True)
class Declined:
    """The bank said no. `reason` is a word of the catalogue, `declined` where the customer may not know more."""

    reason: str


@dataclass(frozen=True)
class Authenticate:
    """The bank wants the customer to confirm, at this address."""

    url: str


@dataclass(frozen=True)
class Working:
    """Not known yet."""


@dataclass(frozen=True)
class NotCharged:
    """Nothing was tried."""


@dataclass(frozen=True)
class Partly:
    """Some of it succeeded or was submitted, the rest was not tried."""


Verdict = Passed | Submitted | Declined | Authenticate | Working | NotCharged | Partly | Settled

REASONS = frozenset(
    {
        "authentication_required",
        "card_expired",
        "card_invalid",
        "currency_or_type_not_supported",
        "insufficient_funds",
        "issuer_unavailable",
        "limit_exceeded",
        "processing_error",
    }
)
"""Decline classes that a customer is told. All others, lost, stolen and fraud among them: "your bank declined"."""


def verdict(outcomes: Sequence[Outcome], standing: Standing) -> Verdict:
    """Say in one word what became of a payment: what needs the customer first, then what is open, then what failed.

    Args:
        standing: of the case, which a retry may have settled in the same moment.
    """
    states = {outcome.state for outcome in outcomes}
    for outcome in outcomes:
        if outcome.state is AttemptState.REQUIRES_ACTION and outcome.authentication_url:
            return Authenticate(outcome.authentication_url)
    if not outcomes or states & {
        AttemptState.PLANNED,
        AttemptState.SENDING,
        AttemptState.UNKNOWN,
        AttemptState.REQUIRES_ACTION,
    }:
        return Working()
    for outcome in outcomes:
        if outcome.state is AttemptState.DECLINED:
            return Declined(outcome.reason if outcome.reason in REASONS else "declined")
    if AttemptState.NOT_SENT in states:
        if any(goes_on(outcome) for outcome in outcomes):
            return Partly()
        return standing if isinstance(standing, Settled) else NotCharged()
    return Submitted() if AttemptState.PENDING in states else Passed()


def goes_on(outcome: Outcome) -> bool:
    """Tell whether the next invoice may be charged after this one."""
    return outcome.state in {AttemptState.SUCCEEDED, AttemptState.PENDING}


def tag(locale: str | None, accepted: str | None) -> str:
    """Choose a language tag we can speak: the customer's locale, else what the browser asks for, else English."""
    for wanted in (*([locale] if locale else []), *_preferred(accepted or "")):
        name = wanted.replace("_", "-")
        if language(name) is not None:
            return name
    return LANGUAGES[0]


def language(name: str) -> str | None:
    """Give the catalogue's language of a tag, for instance `it` for `it-CH`; None where there is none."""
    short = name.partition("-")[0].lower()
    return short if short in LANGUAGES else None


def _preferred(accepted: str) -> Iterable[str]:
    """Read an Accept-Language header leniently, the most wanted first."""
    weighed = []
    for place, part in enumerate(accepted[:200].split(",")):
        name, _, parameters = part.strip().partition(";")
        weight = _weight(parameters.strip())
        if weight > 0 and name.replace("-", "").isalnum():
            weighed.append((-weight, place, name))
    return [name for _, _, name in sorted(weighed)]


def _weight(parameters: str) -> float:
    if not parameters.startswith("q="):
        return 1.0
    try:
        return min(1.0, max(0.0, float(parameters[2:])))
    except ValueError:
        return 0.0


def placeholders(words: Mapping[str, str]) -> dict[str, set[str]]:
    """Give the names in braces of every sentence."""
    return {
        key: {part.partition("}")[0] for part in sentence.split("{")[1:]} for key, sentence in words.items()
    }
