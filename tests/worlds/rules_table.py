"""What card networks, bank schemes and gateways forbid, as a table, and what one decline's codes make of it.

Promise: it shares no code with what it judges. Limits and never-again codes stand in `rules.csv`, one row a rule
with its source; what follows a gateway's own code is read as data from the facts that `libs/declines` ships.
"""

import csv
import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

HERE = Path(__file__).parent
CODES = HERE.parents[1] / "libs/declines/src/recoup_declines/codes.csv"

Reach = Literal["credential", "case"]


class Rule(NamedTuple):
    """One row of `rules.csv`. `limit` counts what its reading says; 0 is never."""

    codes: frozenset[str]
    limit: int
    window: dt.timedelta
    wait: dt.timedelta
    countries: frozenset[str]
    reach: Reach
    source: str
    reading: str


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def _rule(row: dict[str, str]) -> Rule:
    return Rule(
        frozenset(row["codes"].casefold().split()),
        int(row["limit"] or -1),
        dt.timedelta(days=int(row["window_days"] or 0)),
        dt.timedelta(hours=int(row["wait_hours"] or 0)),
        frozenset(row["countries"].split()),
        "credential" if row["reach"] == "credential" else "case",
        row["source"],
        row["reading"],
    )


RULES = {row["rule"]: _rule(row) for row in _rows(HERE / "rules.csv")}


# --- code spaces ------------------------------------------------------------------------------------------


class Fact(NamedTuple):
    """What follows a code, and its class: judgements, compiled with their sources in `libs/declines`."""

    action: str
    kind: str


def _spelt(code: str) -> Iterator[str]:
    first, dash, last = code.partition("-")
    if dash and first.isdigit() and last.isdigit():
        yield from map(str, range(int(first), int(last) + 1))
    else:
        yield code.casefold()


def _facts() -> dict[str, dict[str, Fact]]:
    spaces: dict[str, dict[str, Fact]] = {}
    for row in _rows(CODES):
        for code in _spelt(row["code"]):
            spaces.setdefault(row["space"], {})[code] = Fact(row["default_action"], row["class"])
    return spaces


FACTS = _facts()

SPACES_OF_GATEWAY = {
    "stripe": ("stripe", "stripe_error", "stripe_advice", "stripe_outcome"),
    "braintree": ("braintree", "braintree_gateway_rejection"),
    "mollie": ("mollie", "mollie_failure_reason"),
    "visa": ("visa", "iso8583"),
    "mastercard": ("mastercard", "iso8583"),
}
"""The gateways whose codes stand in several spaces; in the order in which they are searched."""

GATEWAYS = {"checkout": "checkout.com", "checkout_com": "checkout.com"}
"""Other names of gateways."""

SPACES_OF_SCHEME = {
    "visa": ("visa", "iso8583"),
    "mastercard": ("mastercard", "iso8583"),
    "bacs": ("bacs_arudd", "bacs_addacs"),
    "becs_nz": ("becs_nz", "nz_direct_debit"),
    **{name: (name,) for name in ("ach", "sepa_dd", "becs", "pad", "autogiro", "nach_india")},
}
"""A card that is neither Visa nor Mastercard has ISO 8583 alone."""

SCHEME_OF_BRAND = {
    "visa": "visa",
    "electron": "visa",
    "vpay": "visa",
    "mastercard": "mastercard",
    "mc": "mastercard",
    "maestro": "mastercard",
    **dict.fromkeys(("amex", "discover", "jcb", "diners", "rupay", "unionpay"), "card"),
    "ach": "ach",
    "us_bank_account": "ach",
    **dict.fromkeys(("sepa", "sepa_dd", "sepa_debit"), "sepa_dd"),
    **dict.fromkeys(("bacs", "bacs_debit"), "bacs"),
    **dict.fromkeys(("becs", "au_becs_debit"), "becs"),
    **dict.fromkeys(("becs_nz", "nz_bank_account"), "becs_nz"),
    **dict.fromkeys(("pad", "acss_debit"), "pad"),
    "autogiro": "autogiro",
    **dict.fromkeys(("nach", "emandate"), "nach_india"),
    "upi": "upi",
}

SCHEME_OF_GATEWAY = {
    **{name: name for name in ("ach", "sepa_dd", "becs", "pad", "autogiro", "becs_nz", "nach_india")},
    "bacs_arudd": "bacs",
    "bacs_addacs": "bacs",
    "nz_direct_debit": "becs_nz",
    "visa": "visa",
    "mastercard": "mastercard",
}
"""A scheme whose own codes arrive as the gateway's is what is charged, whatever the brand says."""

CARDS = frozenset({"visa", "mastercard", "card"})


def text(value: Any) -> str:
    """A code or name, without blanks and case; "" for none."""
    return "" if value is None else str(value).strip().casefold()


def scheme_of(gateway: str, brand: str, funding: str) -> str:
    """Card network or bank scheme; "" when nothing tells."""
    if scheme := SCHEME_OF_GATEWAY.get(gateway) or SCHEME_OF_BRAND.get(brand):
        return scheme
    return "card" if funding in {"credit", "debit", "prepaid"} else ""


# --- one decline -------------------------------------------------------------------------------------------


class Stop(NamedTuple):
    """A rule that forbids another try on this instrument."""

    rule: str
    reach: Reach
    sentence: str
    of_gateways_code: bool = False  # of its table of codes, not of what it prohibits by itself


class Verdict(NamedTuple):
    """What a decline's codes forbid.

    Attributes:
        stops: Each code that forbids another try, the strictest reading of all codes at hand.
        charged: It reached a network: it is a try, and counts.
        technical: It may be tried again sooner than the merchant's gap.
        wait: The rule of the network's advice to wait, or "".
        scheme_code: The bank scheme's own code, or "".
        no_funds: Some code says that funds are lacking.
        permitted: The network's own code is known and allows a later try.
    """

    stops: tuple[Stop, ...]
    charged: bool
    technical: bool
    wait: str
    scheme_code: str
    no_funds: bool
    permitted: bool


STOPPING = frozenset({"needs_new_card", "never_retry", "needs_customer_authentication", "fix_by_merchant"})
OWN_CASE_ALONE = frozenset({"currency_or_type_not_supported", "duplicate"})
TECHNICAL = frozenset({"processing_error", "issuer_unavailable"})
WAITS = {code: name for name, rule in RULES.items() if "_wait_" in name for code in rule.codes}

OF_NETWORK_CODE = {
    "visa": ("visa_category_1", "visa_category_1_payment"),
    "ach": ("ach_never",),
    "sepa_dd": ("sepa_never",),
    "bacs": ("bacs_never",),
    "becs": ("becs_never", "becs_fix_first"),
}
OF_GATEWAY_CODE = {
    "adyen": (("adyen_blocked", ""),),
    "braintree": (("braintree_mastercard", "mastercard"), ("braintree_recurring", "")),
    "checkout.com": (("checkout_visa", "visa"),),
    "paypal": (("paypal_prohibited", ""),),
}
"""A rule and the network that it is about, "" for all."""


def find(spaces: tuple[str, ...], code: str) -> Fact | None:
    """A code in the first of these spaces that has it; a network's code may lack its leading zero."""
    for space in spaces:
        if fact := FACTS[space].get(code):
            return fact
    return None


def _network_code(scheme: str, given: str) -> tuple[str, tuple[str, ...]]:
    """The bare code and the spaces it is read in: Adyen appends words, GoCardless names the Bacs message."""
    code = given.partition(":")[0].strip()
    spaces = SPACES_OF_SCHEME.get(scheme, ("iso8583",))
    for message in ("arudd", "addacs"):
        if code.startswith(f"{message}-"):
            return code[len(message) + 1 :], (f"bacs_{message}",)
    if code and not find(spaces, code) and find(spaces, code.zfill(2)):
        return code.zfill(2), spaces
    return code, spaces


def _by_rule(rule: str, what: str) -> Stop:
    return Stop(rule, RULES[rule].reach, f"{what} forbids another try")


def _by_action(fact: Fact | None, what: str) -> Iterator[Stop]:
    if fact and fact.action in STOPPING:
        reach = "case" if fact.kind in OWN_CASE_ALONE else RULES[fact.action].reach
        yield Stop(fact.action, reach, f"{what} is {fact.action}")


def _by_network(scheme: str, network_code: str, network_advice: str) -> Iterator[Stop]:
    code, spaces = _network_code(scheme, network_code)
    what = f"the network's code {code}"
    if spaces != ("bacs_addacs",):
        for rule in OF_NETWORK_CODE.get(scheme, ()):
            if code in RULES[rule].codes:
                yield _by_rule(rule, what)
    if code:
        yield from _by_action(find(spaces, code), what)
    advice = network_advice.partition(":")[0].strip()
    if advice and scheme == "visa":
        if advice.lstrip("0") == "1":
            yield _by_rule("visa_category_1", "the network's category 1")
    elif advice and scheme in {"mastercard", ""}:
        advice = advice.zfill(2)
        what = f"merchant advice code {advice}"
        for rule in ("mastercard_never", "mastercard_update_first"):
            if advice in RULES[rule].codes:
                yield _by_rule(rule, what)
        yield from _by_action(find(("mastercard_mac",), advice), what)


def _by_gateway(gateway: str, scheme: str, code: str, advice: str) -> Iterator[Stop]:
    for rule, network in OF_GATEWAY_CODE.get(gateway, ()):
        if code in RULES[rule].codes and network in {"", scheme}:
            yield _by_rule(rule, f"{gateway} itself: its code {code}")
    if gateway == "stripe" and advice:
        yield from _by_action(find(("stripe_advice",), advice), f"Stripe's advice {advice}")


def own_fact(gateway: str, code: str) -> Fact | None:
    """What is known of the gateway's own code."""
    spaces = SPACES_OF_GATEWAY.get(gateway) or ((gateway,) if gateway in FACTS else ())
    return find(spaces, code) if code else None


@lru_cache(maxsize=1 << 16)
def judge(
    gateway: str, scheme: str, code: str, advice: str, network_code: str, network_advice: str
) -> Verdict:
    """Read one decline, every text folded by `text`. The strictest code holds: nobody permits what another forbids."""
    own = own_fact(gateway, code)
    if own and own.action == "not_a_decline":
        stop = Stop("not_a_decline", "case", f"{gateway}'s {code} is no decline")
        return Verdict((stop,), False, False, "", "", False, False)
    if SCHEME_OF_GATEWAY.get(gateway) == scheme and not network_code:
        network_code = code  # the scheme speaks for itself
    number, spaces = _network_code(scheme, network_code)
    networks = find(spaces, number) if number else None
    heard = [fact for fact in (own, networks) if fact]
    advised = network_advice.partition(":")[0].strip().zfill(2)
    return Verdict(
        stops=(
            *_by_network(scheme, network_code, network_advice),
            *_by_gateway(gateway, scheme, code, advice),
            *(
                stop._replace(of_gateways_code=True)
                for stop in _by_action(own, f"{gateway}'s own code {code}")
            ),
        ),
        charged=True,
        technical=any(fact.action == "retry_soon" or fact.kind in TECHNICAL for fact in heard),
        wait=WAITS.get(advised, "") if scheme in {"mastercard", ""} else "",
        scheme_code=number if scheme not in CARDS else "",
        no_funds=any(fact.kind == "insufficient_funds" for fact in heard),
        permitted=networks is not None and networks.action not in STOPPING,
    )
