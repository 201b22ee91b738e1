"""When one payment may be tried again: the only door to the rules. What ranks instants chooses among these.

Promise: whatever instant from `earliest` to `latest` is chosen breaks no rule by what is known now; and each "no" says
which rule it is, and until when, in one sentence for the merchant.
Sources: of each rule the module that holds it, `limits`, `never`, `schemes` and `waits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recoup_declines import DefaultAction
from recoup_events.values import WaitingFor
from recoup_retry_scheduler.rules import limits, schemes, waits
from recoup_retry_scheduler.rules.codes import WAITS_FOR, Said
from recoup_retry_scheduler.rules.never import Ban
from recoup_retry_scheduler.rules.spelling import declined, on, span, times


@dataclass(frozen=True, slots=True)
class Policy:
    """What a merchant allows. `max_tries`: after the first failure. `window`: from it, its end included."""

    max_tries: int
    window: timedelta
    min_gap: timedelta


@dataclass(frozen=True, slots=True)
class Last:
    """The last decline of this payment on this instrument."""

    at: datetime
    said: Said


@dataclass(frozen=True, slots=True)
class Payment:
    """A failed payment, on the instrument that would be charged.

    Attributes:
        brand: of the instrument: a card's or a bank scheme, as the gateway spells it.
        country: of its issuer.
        first_at: when the payment failed first, on whatever instrument.
        tries: made since then that count against the policy.
        charges: of this payment on this instrument, the first included; whoever made them.
        last: None for an instrument on which this payment was not tried yet.
        ban: that stands on the instrument, for this payment or for all.
        declines: of the instrument at this merchant, whatever was paid for, in any order.
    """

    policy: Policy
    gateway: str
    brand: str | None
    country: str | None
    first_at: datetime
    tries: int
    charges: int
    last: Last | None
    ban: Ban | None
    declines: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class Allowed:
    """The instants that are allowed, both ends included.

    Attributes:
        gap: between two tries.
        because: why not sooner, or "".
        rule: which says so, or "".
    """

    earliest: datetime
    latest: datetime
    gap: timedelta
    because: str
    rule: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """No instant is allowed as things stand. `whom`: who can change that; None: nobody."""

    rule: str
    whom: WaitingFor | None
    reason: str


_CURES = {
    DefaultAction.NEEDS_NEW_CARD: "no try helps before the customer pays another way",
    DefaultAction.NEVER_RETRY: "no try is allowed before the customer pays another way",
    DefaultAction.NEEDS_CUSTOMER_AUTHENTICATION: "the customer has to authenticate the payment",
    DefaultAction.FIX_BY_MERCHANT: "your own set-up at the gateway is the cause and has to be mended",
}


def allowed(payment: Payment, now: datetime) -> Allowed | Forbidden:
    """Say when a payment may be tried, or what forbids it.

    Args:
        now: the merchant's instant, UTC; no try is allowed before it.
    """
    return _forbidden(payment) or _instants(payment, now)


def _forbidden(payment: Payment) -> Forbidden | None:
    said = None if payment.last is None else payment.last.said
    if said is not None and not said.charged:
        return Forbidden("not_a_decline", None, f"{declined(said.decline)}; there is nothing to try again.")
    if payment.tries >= payment.policy.max_tries:
        return Forbidden("max_tries", None, _used(payment.policy))
    if payment.ban is not None:
        return Forbidden(payment.ban.rule, payment.ban.whom, f"{payment.ban.because}.")
    action = DefaultAction.RETRY_SCHEDULED if said is None else said.decline.default_action
    if said is not None and action in WAITS_FOR:
        return Forbidden(action.value, WAITS_FOR[action], f"{declined(said.decline)}; {_CURES[action]}.")
    refused = schemes.refusal(_presented(payment))
    return None if refused is None else Forbidden(refused.rule, refused.whom, f"{refused.because}.")


def _used(policy: Policy) -> str:
    allows = f"Your policy allows {times(policy.max_tries)} after the first failure"
    return f"{allows}, and none is left." if policy.max_tries else f"{allows}."


def _presented(payment: Payment) -> schemes.Presented:
    said = None if payment.last is None else payment.last.said
    return schemes.Presented(
        gateway=payment.gateway,
        scheme=schemes.scheme_of(payment.gateway, payment.brand),
        country=payment.country,
        first_at=payment.first_at,
        again=payment.charges - 1,
        code="" if said is None else said.scheme_code,
        no_funds=said is not None and said.no_funds,
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What holds a try back for longest. `because` is "" where nothing does but the present."""

    until: datetime
    rule: str
    because: str


def _instants(payment: Payment, now: datetime) -> Allowed | Forbidden:
    scheme = schemes.scheme_of(payment.gateway, payment.brand)
    gap = payment.policy.min_gap
    if payment.last is not None:
        gap = waits.gap(gap, technical=payment.last.said.technical)
    held = _held(payment, scheme, gap, now)
    end, bound = payment.first_at + payment.policy.window, schemes.not_after(scheme, payment.first_at)
    latest = min(end, bound)
    if held.until <= latest:
        return Allowed(held.until, latest, gap, held.because, held.rule)
    rule, why = "window", f"your policy's window ends on {on(end)}"
    if bound < end:
        rule, why = f"{scheme}_window", f"{schemes.title(scheme)} takes it until {on(bound)}"
    if now > latest or not held.because:
        return Forbidden(rule, None, f"{why[0].upper()}{why[1:]}.")
    return _too_late(held, why)


def _held(payment: Payment, scheme: str | None, gap: timedelta, now: datetime) -> _Held:
    held = _Held(now, "", "")
    if payment.last is not None:
        held = _since_last(payment.last, gap, held)
    notice = schemes.not_before(scheme, now)
    if notice > held.until:
        held = _Held(notice, f"{scheme}_notice", "The customer has to be told of this debit ahead")
    limit = limits.reached(payment.brand, payment.declines, held.until, payment.country)
    return held if limit is None else _Held(limit.until, limit.limit.rule, limit.because)


def _since_last(last: Last, gap: timedelta, held: _Held) -> _Held:
    said = last.said
    if last.at + gap > held.until:
        rule = "technical_gap" if said.technical else "min_gap"
        held = _Held(last.at + gap, rule, f"At least {span(gap)} have to pass after a decline")
    if last.at + said.wait > held.until:
        because = f"Mastercard asks to wait {span(said.wait)} after this decline"
        held = _Held(last.at + said.wait, "mastercard_wait", because)
    return held


def _too_late(held: _Held, end: str) -> Forbidden:
    """Say what holds this instrument back until it is too late; another one may still be in time."""
    until = on(held.until)
    since = held.because if until in held.because else f"{held.because}, until {until}"
    return Forbidden(held.rule, WaitingFor.CARD, f"{since}; but {end}.")
