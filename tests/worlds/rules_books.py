"""The checker's books: what was told of each case and each credential, and what the rules make of a planned try.

Promise: a charge is written down once, however often it is told, under the credential that was charged; where nobody
can tell which of two that was, the reading that forbids less is taken.
"""

import datetime as dt
from dataclasses import dataclass, field

from .rules_table import CARDS, GATEWAYS, RULES, Stop, Verdict, judge, scheme_of, text
from .rules_wire import Line, Policy

NOW_AND_THEN = frozenset({"needs_customer_authentication", "fix_by_merchant", "not_a_decline"})
"""Stops that end with a later charge of the case: somebody has mended what was wrong."""


@dataclass(frozen=True, slots=True)
class Readings:
    """How rules are read that can be read in two ways; as it stands, the stricter one.

    Attributes:
        stops_reach_other_cases: A card that is lost for one invoice of a merchant is lost for all of them.
        gateway_stop_holds: A gateway's own "never" holds beside a network's code that allows a later try.
        notice: A Bacs or UPI debit is not planned sooner than its notice can be sent.
        ach_funds_only: ACH reinitiates after R01 and R09 alone, and not after R18, R32, R83 or an unknown code.
        new_card_uses_a_step: A try that a new card has caused counts among `max_tries`, like any other.
        brazil: Mastercard's seven reattempts and 24 hours in Brazil.
    """

    stops_reach_other_cases: bool = True
    gateway_stop_holds: bool = True
    notice: bool = True
    ach_funds_only: bool = True
    new_card_uses_a_step: bool = True
    brazil: bool = True


@dataclass(slots=True)
class Case:
    """One case. `instruments` are those that a try may be on, the newest last."""

    merchant: str | None
    gateway: str
    scheme: str
    country: str
    first_at: dt.datetime
    policy: Policy
    instruments: list[str]
    unsure: bool = False  # nobody can tell which instrument is charged
    tries: int = 0
    plan: dt.datetime | None = None
    planned: dt.datetime | None = None
    by_new_card: bool = False
    settled: bool = False
    charged: set[dt.datetime] = field(default_factory=set)
    outcomes: set[dt.datetime] = field(default_factory=set)  # of `charged`, those told as outcomes
    last: dict[str, tuple[dt.datetime, Verdict]] = field(default_factory=dict)
    charges: dict[str, int] = field(default_factory=dict)  # by instrument
    stops: dict[str, list[Stop]] = field(default_factory=dict)


Credential = tuple[str | None, str]


class Books:
    """Everything that was told so far."""

    def __init__(self, readings: Readings) -> None:
        self.readings = readings
        self.now: dt.datetime | None = None
        self._policies: dict[str | None, Policy] = {}
        self.cases: dict[str, Case] = {}
        self.early: set[str] = set()
        self._of_customer: dict[str, list[Case]] = {}
        self._updates: dict[str, tuple[dt.datetime, str]] = {}
        self.declines: dict[Credential, list[dt.datetime]] = {}
        self.stopped: dict[Credential, Stop] = {}
        self.schemes: dict[Credential, str] = {}

    def set_policy(self, merchant: str | None, policy: Policy) -> None:
        """A merchant's policy is this from now on."""
        self._policies[merchant] = policy

    def policy(self, merchant: str | None) -> Policy:
        """The merchant's present policy, or the default."""
        return self._policies.get(merchant) or Policy()

    def fail(self, told: Line, at: dt.datetime) -> None:
        """A charge of an invoice failed: a case opens, or one that is open was charged by somebody else."""
        name = told["case"]
        case = self.cases.get(name)
        instrument = told.get("instrument") or f"?{name}"
        if case is not None:
            if at not in case.charged:
                if at > max(case.charged, default=at):
                    case.instruments, case.unsure = [instrument], False
                elif instrument != case.instruments[-1]:
                    case.unsure = True
                self._charge(case, instrument, at, self._verdict(case, told))
            return
        gateway, brand = text(told.get("gateway")), text(told.get("brand"))
        gateway = GATEWAYS.get(gateway, gateway)
        merchant, country = told.get("merchant"), text(told.get("country")).upper()
        scheme = scheme_of(gateway, brand, text(told.get("funding")))
        case = Case(merchant, gateway, scheme, country, at, self.policy(merchant), [instrument])
        case.settled = name in self.early
        self.cases[name] = case
        self.schemes[merchant, instrument] = scheme
        if customer := told.get("customer"):
            self._of_customer.setdefault(customer, []).append(case)
            update = self._updates.get(customer)
            if update and update[0] >= at and update[1] != instrument:
                case.instruments, case.unsure = [instrument, update[1]], True
        if country in RULES["india_card"].countries and scheme in CARDS:
            stop = Stop("india_card", "case", "a card issued in India without mandate is not tried again")
            case.stops[instrument] = [stop]
        self._charge(case, instrument, at, self._verdict(case, told))

    def due(self, told: Line, at: dt.datetime) -> tuple[Case, dt.datetime] | None:
        """The case and the plan that this outcome is of; a charge before the plan's instant was made by others."""
        case = self.cases.get(told["case"])
        if case is None or case.plan is None or at < case.plan or at in case.outcomes:
            return None
        return case, case.plan

    def settle(self, told: Line, at: dt.datetime) -> None:
        """A charge of a case has an outcome."""
        case = self.cases.get(told["case"])
        if case is None:
            if told["success"]:
                self.early.add(told["case"])
            return
        fresh = at not in case.outcomes
        case.outcomes.add(at)
        verdict = self._verdict(case, told)
        newest = case.instruments[-1]
        planned = fresh and case.plan is not None and at >= case.plan
        if planned:
            case.tries += (verdict.charged or told["success"]) and self.uses_a_step(case)
            case.plan = None
        if told["success"]:
            case.settled, case.plan = True, None
            return
        if fresh and (case.unsure or len(case.instruments) > 1) and not planned:
            case.charged.add(at)  # by somebody else, with a card that nobody tells
        elif fresh:
            if not case.unsure and (case.merchant, newest) not in self.stopped:
                case.instruments = [newest]
            self._charge(case, newest, at, verdict)

    def uses_a_step(self, case: Case) -> bool:
        """Whether the case's plan is one of its `max_tries`."""
        return not case.by_new_card or self.readings.new_card_uses_a_step

    def update_card(self, told: Line, at: dt.datetime) -> None:
        """A customer has another instrument: tries of their cases are on it from now on."""
        customer, instrument = told["customer"], told["instrument"]
        known = self._updates.get(customer)
        if known is None or at >= known[0]:
            self._updates[customer] = (at, instrument)
        for case in self._of_customer.get(customer, ()):
            if case.instruments[-1] != instrument:
                case.instruments = [*(one for one in case.instruments if one != instrument), instrument]
                case.unsure = case.unsure or at < max(case.charged, default=at)

    def _charge(self, case: Case, instrument: str, at: dt.datetime, verdict: Verdict) -> None:
        latest = at >= max(case.charged, default=at)
        stops = case.stops.setdefault(instrument, [])
        if latest and stops:
            stops[:] = [stop for stop in stops if stop.rule not in NOW_AND_THEN]
        credential = (case.merchant, instrument)
        for stop in verdict.stops:
            if stop.reach == "credential" and not case.unsure and self.readings.stops_reach_other_cases:
                self.stopped.setdefault(credential, stop)
            elif latest or stop.rule not in NOW_AND_THEN:
                stops.append(stop)
        if not verdict.charged:
            return
        case.charges[instrument] = case.charges.get(instrument, 0) + 1
        case.charged.add(at)
        known = case.last.get(instrument)
        if known is None or at >= known[0]:
            case.last[instrument] = (at, verdict)
        if not case.unsure:
            self.declines.setdefault(credential, []).append(at)

    def _verdict(self, case: Case, told: Line) -> Verdict:
        code, network_code = text(told.get("code")), text(told.get("network_code"))
        advice, network_advice = text(told.get("advice")), text(told.get("network_advice"))
        verdict = judge(case.gateway, case.scheme, code, advice, network_code, network_advice)
        if self.readings.gateway_stop_holds or not verdict.permitted:
            return verdict
        return verdict._replace(stops=tuple(stop for stop in verdict.stops if not stop.of_gateways_code))
