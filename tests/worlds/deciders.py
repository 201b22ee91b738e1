"""Deciders to try the rules' checker with: one that is careful, and many that are careful but for one thing.

Promise: each fault breaks one rule and no other; with none, no rule is broken. They plan 1, 3 and 7 days after the
failure and are good for nothing else.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .histories import spell
from .rules_table import CARDS, RULES, Verdict, judge, scheme_of, text
from .rules_wire import Given, Line, read

MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
LADDER = (1, 3, 7)
WAITS = frozenset(rule for rule in RULES if rule.startswith("mastercard_wait"))
GAPS = WAITS | {"min_gap", "technical_gap", "mastercard_brazil", "bacs_notice", "upi_notice"}
STOPS = frozenset(rule for rule, row in RULES.items() if row.limit == 0)
CREDENTIALS = frozenset(rule for rule, row in RULES.items() if row.reach == "credential")
ONE_CASE = frozenset(
    {"max_tries", "window", "gocardless_limit", "ach_limit", "ach_reason", "sepa_country", "bacs_month"}
    | {"becs_limit", "pad_limit"}
)


class Fault(NamedTuple):
    """The rule that must be found broken, and those that may be, since they follow from the same mistake."""

    rule: str
    others: frozenset[str] = frozenset()


PLAIN = (
    *("max_tries", "window", "min_gap", "technical_gap", "policy_refused", "visa_limit", "visa_limit_stripe"),
    *("mastercard_24h", "mastercard_30d", "mastercard_brazil", "gocardless_limit", "ach_limit", "ach_reason"),
    *("sepa_country", "bacs_month", "bacs_notice", "upi_notice", "becs_limit", "pad_limit", "india_card"),
    *("needs_new_card", "never_retry", "needs_customer_authentication", "fix_by_merchant", "not_a_decline"),
    *("one_answer", "answer_order", "line_number", "known_case", "shape", "wait_for", "p", "propensity"),
    *("error", "sync"),
)
BY_NETWORK = (
    *("visa_category_1", "visa_category_1_payment", "mastercard_never", "mastercard_update_first"),
    *("sepa_never", "ach_never", "bacs_never", "becs_never", "becs_fix_first"),
    *("adyen_blocked", "braintree_mastercard", "braintree_recurring", "checkout_visa", "paypal_prohibited"),
)
FAULTS = {
    **{name: Fault(name) for name in PLAIN},
    "technical_gap": Fault(
        "technical_gap", frozenset({"min_gap"})
    ),  # a merchant may want less than the usual gap
    **{name: Fault(name, STOPS | {"ach_reason"}) for name in BY_NETWORK},
    "advised waits": Fault("mastercard_wait_30", WAITS),
    "plans for the paid": Fault("after_success", GAPS | STOPS | CREDENTIALS | ONE_CASE),
    "plans in the past": Fault("in_the_past", GAPS),
    "no answer": Fault("one_answer", GAPS | STOPS | CREDENTIALS),
    "refuses": Fault("error"),
    "deaf to network codes": Fault("visa_category_1", STOPS | {"ach_reason", "sepa_country"}),
    "deaf to network advice": Fault("mastercard_never", STOPS | WAITS),
    "deaf to advice": Fault("needs_new_card", STOPS),
    "takes any card for a new one": Fault("needs_new_card", STOPS | GAPS | ONE_CASE),
    "looks at its own case alone": Fault("needs_new_card", CREDENTIALS),
    "counts for its own case alone": Fault("visa_limit_stripe", CREDENTIALS - STOPS),
    "counts by the day": Fault("mastercard_24h"),
}
"""What a decider may do wrong, by name."""


@dataclass(slots=True)
class Open:
    """A case that may be open, as this decider knows it."""

    name: str
    told: Line
    first_at: dt.datetime
    policy: Line
    scheme: str
    instrument: str
    paid: bool = False
    tries: int = 0
    plan: dt.datetime | None = None
    charges: list[tuple[dt.datetime, str]] = field(default_factory=list)
    verdicts: list[tuple[dt.datetime, str, Verdict]] = field(default_factory=list)

    @property
    def key(self) -> tuple[Any, str]:
        """The credential."""
        return self.told.get("merchant"), self.instrument


class Careful:
    """Decides by the rules' table alone, and for what isn't plain gives up; see `FAULTS` for what it may do wrong."""

    def __init__(self, fault: str = "") -> None:
        assert not fault or fault in FAULTS, fault
        self._fault = fault
        self._line = 0
        self._now = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._policies: dict[Any, Line] = {}
        self._cases: dict[str, Open] = {}
        self._paid_early: set[str] = set()
        self._stopped: dict[tuple[Any, str], set[str]] = {}
        self._declines: dict[tuple[Any, str], list[dt.datetime]] = {}
        self._brands: dict[tuple[Any, str], str] = {}

    def __call__(self, given: Given) -> list[Line]:
        """Answer one line."""
        self._line += 1
        answers = [*self._decide(given)]
        for answer in answers:
            answer["line"] = self._line + (self._fault == "line_number" and self._line % 3 == 0)
        return answers

    def _decide(self, given: Given) -> Iterator[Line]:
        reading = read(given)
        line = reading.line
        if line is None or reading.state != "fine":
            if self._fault != "error" or line is not None:
                yield {"error": "not understood"}
            return
        at = reading.at
        late = at is not None and at < self._now
        if at is not None and not late:
            self._now = at
        if self._fault == "refuses" and line["type"] == "failure" and self._line % 5 == 0:
            yield {"error": "not today"}
            return
        yield from self._heard(line, at, late=late)

    def _heard(self, line: Line, at: dt.datetime | None, *, late: bool) -> Iterator[Line]:
        match line["type"]:
            case "policy":
                yield from self._policy(line)
            case "failure":
                yield from self._failure(line, at or self._now)
            case "outcome":
                yield from self._outcome(line, at or self._now)
            case "card_updated":
                yield from self._new_card(line, late=late)
            case "customer_payday" if self._fault == "plans for the paid":
                yield from (self._retry(case, self._now + HOUR) for case in self._cases.values() if case.paid)
            case "customer_payday" if self._fault == "known_case":
                yield {"case": "c0", "action": "stop", "reason": "unheard of"}
            case "sync" if self._fault != "sync":
                yield {"synced": True}
            case _:
                pass

    # --- what is told --------------------------------------------------------------------------------------

    def _policy(self, line: Line) -> Iterator[Line]:
        tries, window, gap = (
            line.get(name, usual)
            for name, usual in (("max_tries", 3), ("window_days", 14), ("min_gap_hours", 10))
        )
        numbers = all(type(value) in {int, float} for value in (tries, window, gap))
        if not numbers or tries < 0 or gap < 0 or not 1 <= window <= 60:
            if self._fault != "policy_refused":
                yield {"error": "contradicts itself"}
            return
        self._policies[line.get("merchant")] = line

    def _failure(self, line: Line, at: dt.datetime) -> Iterator[Line]:
        name = line["case"]
        case = self._cases.get(name)
        if case is None:
            gateway, brand = text(line.get("gateway")), text(line.get("brand"))
            scheme = scheme_of(gateway, brand, text(line.get("funding")))
            policy = self._policies.get(line.get("merchant"), {})
            case = Open(name, line, at, policy, scheme, line["instrument"], name in self._paid_early)
            self._cases[name] = case
            self._brands[case.key] = scheme
        elif line["instrument"] != case.instrument:
            case.instrument = line["instrument"]
            case.paid = True  # two cards for one invoice: leave it alone
        yield from self._declined(case, line, at)

    def _outcome(self, line: Line, at: dt.datetime) -> Iterator[Line]:
        case = self._cases.get(line["case"])
        if case is None:
            if line["success"]:
                self._paid_early.add(line["case"])
            else:
                yield {"error": "unknown case"}
            return
        if case.plan is not None and at >= case.plan:
            case.plan = None
            case.tries += 1
        if line["success"]:
            case.paid, case.plan = True, None
            return
        yield from self._declined(case, line, at)

    def _declined(self, case: Open, line: Line, at: dt.datetime) -> Iterator[Line]:
        verdict = self._verdict(case, line)
        if (at, case.instrument) not in case.charges or not verdict.charged:
            case.verdicts.append((at, case.instrument, verdict))
            wide = {stop.rule for stop in verdict.stops if stop.reach == "credential"}
            self._stopped.setdefault(case.key, set()).update(wide)
            if verdict.charged:
                case.charges.append((at, case.instrument))
                self._declines.setdefault(case.key, []).append(at)
        others = [one for one in self._cases.values() if one is not case and one.key == case.key]
        withdrawn = [
            self._answer(one, self._now)
            for one in others
            if one.plan is not None and self._forbidden(one, one.plan)
        ]
        own = self._answer(case, at)
        if self._fault == "no answer" and case.tries == 1:
            yield from withdrawn
            return
        answers = [own, *withdrawn] if self._fault == "answer_order" else [*withdrawn, own]
        if self._fault == "one_answer" and case.tries == 1:
            answers.append(dict(own))
        yield from answers

    def _verdict(self, case: Open, line: Line) -> Verdict:
        told = {name: text(line.get(name)) for name in ("code", "advice", "network_code", "network_advice")}
        for fault, name in (
            ("deaf to network codes", "network_code"),
            ("deaf to network advice", "network_advice"),
            ("deaf to advice", "advice"),
        ):
            if self._fault == fault:
                told[name] = ""
        verdict = judge(text(case.told.get("gateway")), case.scheme, *told.values())
        if self._fault in BY_NETWORK and any(stop.rule == self._fault for stop in verdict.stops):
            return verdict._replace(stops=())
        return verdict._replace(stops=tuple(stop for stop in verdict.stops if stop.rule != self._fault))

    def _new_card(self, line: Line, *, late: bool) -> Iterator[Line]:
        for case in self._cases.values():
            another = line["instrument"] != case.instrument
            if case.told["customer"] != line["customer"] or case.paid or not (another or self._any_card):
                continue
            charged_before = line["instrument"] in {instrument for _, instrument in case.charges}
            if late or (charged_before and not self._any_card):
                case.paid = True  # which card is charged now? leave it alone
                yield {"case": case.name, "action": "stop", "reason": "nobody knows which card is charged"}
                continue
            case.instrument = line["instrument"]
            if self._any_card:
                case.verdicts.clear()
            yield self._answer(case, self._now)

    @property
    def _any_card(self) -> bool:
        return self._fault == "takes any card for a new one"

    # --- what is answered ----------------------------------------------------------------------------------

    def _answer(self, case: Open, cause: dt.datetime) -> Line:
        case.plan = None
        reason, at = self._plan(case, cause)
        if at is None:
            stopped = reason in {"needs_new_card", "never_retry", "visa_category_1", "mastercard_never"}
            if not stopped or case.paid:
                return {"case": case.name, "action": "stop", "reason": reason}
            awaited = "payday" if self._fault == "wait_for" else "card_updated"
            return {"case": case.name, "action": "wait", "for": awaited, "reason": reason}
        case.plan = at
        return self._retry(case, at)

    def _retry(self, case: Open, at: dt.datetime) -> Line:
        spelt = at.isoformat()[:19] if self._fault == "shape" and case.tries == 1 else spell(at)
        return {
            "case": case.name,
            "action": "retry",
            "at": spelt,
            "p": 1.5 if self._fault == "p" else 0.3,
            "propensity": 0 if self._fault == "propensity" else 1.0,
            "reason": "a step of 1, 3 and 7 days",
        }

    def _plan(self, case: Open, cause: dt.datetime) -> tuple[str, dt.datetime | None]:
        own = [charge for charge in case.verdicts if charge[1] == case.instrument]
        at = max(self._now, cause)
        if own:
            step = LADDER[case.tries] if case.tries < len(LADDER) else 3 * case.tries + 1
            if not max(own, key=_when)[2].technical and self._fault != "min_gap":
                at = max(at, case.first_at + step * DAY)
            at = max(at, *self._earliest(case, own))
        if case.scheme == "bacs" and self._fault != "bacs_notice":
            at = max(at, self._now + 7 * DAY)
        if case.scheme == "upi" and self._fault != "upi_notice":
            at = max(at, self._now + DAY)
        if self._fault == "bacs_month" and case.scheme == "bacs":
            at = max(at, case.first_at + 31 * DAY)
        if self._fault == "plans in the past" and case.tries == 1:
            at = case.first_at - HOUR
        return (forbidden, None) if (forbidden := self._forbidden(case, at)) else ("", at)

    def _earliest(self, case: Open, own: list[tuple[dt.datetime, str, Verdict]]) -> Iterator[dt.datetime]:
        last = max(own, key=_when)
        gaps = [policy.get("min_gap_hours", 10) for policy in (case.policy, self._present(case))]
        gap = max(gaps) * HOUR
        if last[2].technical:
            gap = min(gap, HOUR)
            if self._fault == "technical_gap":
                gap /= 3
        elif self._fault == "min_gap":
            gap /= 2
        yield last[0] + max(gap, MINUTE)  # so that no two charges of a case have one instant
        if last[2].wait and self._fault != "advised waits":
            yield last[0] + RULES[last[2].wait].wait
        if (
            case.told.get("country") == "BR"
            and case.scheme == "mastercard"
            and self._fault != "mastercard_brazil"
        ):
            yield last[0] + DAY

    def _present(self, case: Open) -> Line:
        return self._policies.get(case.told.get("merchant"), {})

    # --- what is forbidden ---------------------------------------------------------------------------------

    def _forbidden(self, case: Open, at: dt.datetime) -> str:
        """Name the first rule that forbids this try and is not the fault; "" if none does."""
        return next((rule for rule in self._broken(case, at) if rule != self._fault), "")

    def _broken(self, case: Open, at: dt.datetime) -> Iterator[str]:
        policies = (case.policy, self._present(case))
        if case.paid:
            yield "after_success"
        if case.tries >= min(policy.get("max_tries", 3) for policy in policies):
            yield "max_tries"
        if at > case.first_at + min(policy.get("window_days", 14) for policy in policies) * DAY:
            yield "window"
        own = [charge for charge in case.verdicts if charge[1] == case.instrument]
        for charge in own:
            yield from (stop.rule for stop in charge[2].stops)
        if self._fault != "looks at its own case alone" and not (self._any_card and not own):
            yield from self._stopped.get(case.key, ())
        card = self._brands.get(case.key) in CARDS
        if case.told.get("country") == "IN" and card and case.instrument == case.told["instrument"]:
            yield "india_card"
        if own:
            yield from self._of_one_payment(case, max(own, key=_when)[2])
        if case.scheme == "bacs" and at > case.first_at + 30 * DAY:
            yield "bacs_month"
        yield from self._of_one_credential(case, at)

    def _of_one_payment(self, case: Open, last: Verdict) -> Iterator[str]:
        again = sum(instrument == case.instrument for _, instrument in case.charges) - 1
        gocardless, code = case.told["gateway"] == "gocardless", last.scheme_code
        if gocardless and again >= 3:
            yield "gocardless_limit"
        if case.scheme == "ach":
            if again >= 2:
                yield "ach_limit"
            if code not in {"r01", "r09"} and (code or not last.no_funds):
                yield "ach_reason"
        if case.scheme == "sepa_dd" and code == "ms03" and case.told["country"] not in {"AT", "DE"}:
            yield "sepa_country"
        if case.scheme == "becs" and again >= 1:
            yield "becs_limit"
        if case.scheme == "pad" and again >= 1 and not gocardless:
            yield "pad_limit"

    def _of_one_credential(self, case: Open, at: dt.datetime) -> Iterator[str]:
        declines = self._declines.get(case.key, [])
        if self._fault in {"looks at its own case alone", "counts for its own case alone"}:
            declines = [when for when, instrument in case.charges if instrument == case.instrument]
        month = sum(at - 30 * DAY < when <= at for when in declines)
        match self._brands.get(case.key, case.scheme):
            case "visa" if case.told["gateway"].casefold() == "stripe":
                if month > 15:
                    yield "visa_limit_stripe"
            case "visa" if month > 20:
                yield "visa_limit"
            case "mastercard":
                day = sum(at - DAY < when <= at for when in declines)
                if self._fault == "counts by the day":
                    day = sum(when.date() == at.date() for when in declines)
                if day >= 10:
                    yield "mastercard_24h"
                if month >= 35:
                    yield "mastercard_30d"
                if case.told["country"] == "BR" and month > 7:
                    yield "mastercard_brazil"
            case _:
                pass


def _when(charge: tuple[dt.datetime, str, Verdict]) -> dt.datetime:
    return charge[0]
