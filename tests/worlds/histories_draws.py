"""What seeded histories are made of: merchants' policies, instruments, decline codes, and lines that are none.

Promise: whatever a gateway may say is drawn some time: every code there is, in any case, none at all and some that
nobody knows.
"""

import random
from collections import defaultdict
from typing import Any, NamedTuple

from recoup_declines import DefaultAction, all_declines

from .rules_table import OF_GATEWAY_CODE, RULES
from .rules_wire import Line

Chance = random.Random


class Instrument(NamedTuple):
    """A card or mandate, as a failure tells it."""

    name: str
    gateway: str
    brand: str | None
    funding: str | None
    country: str | None
    issuer: str | None
    timezone: str | None


CARD_GATEWAYS = (
    *("stripe", "stripe", "stripe", "adyen", "braintree", "checkout.com", "mollie", "paypal", "square"),
    *("razorpay", "Stripe", "obscure-pay"),
)
BANKS = (
    *(("gocardless", "bacs"), ("gocardless", "sepa_dd"), ("gocardless", "ach"), ("gocardless", "pad")),
    *(("bacs_arudd", "bacs"), ("bacs_arudd", None), ("sepa_dd", "sepa_dd"), ("sepa_dd", None), ("ach", None)),
    *(("stripe", "us_bank_account"), ("stripe", "sepa_debit"), ("stripe", "bacs_debit"), ("becs", "becs")),
    *(("pad", "pad"), ("becs_nz", None), ("autogiro", "autogiro"), ("nach_india", None), ("razorpay", "upi")),
)
BRANDS = (
    *("visa", "visa", "visa", "mastercard", "mastercard", "mastercard", "Visa", "MasterCard", "amex"),
    *("discover", "maestro", None),
)
PLACES = (
    *(
        ("US", "America/New_York"),
        ("US", "America/Los_Angeles"),
        ("DE", "Europe/Berlin"),
        ("GB", "Europe/London"),
    ),
    *(("AT", "Europe/Vienna"), ("FR", "Europe/Paris"), ("BR", "America/Sao_Paulo"), ("IN", "Asia/Kolkata")),
    *(("AU", "Australia/Lord_Howe"), (None, None)),
)
SPACES = {
    "stripe": ("stripe", "stripe", "stripe_error", "stripe_outcome"),
    "braintree": ("braintree", "braintree_gateway_rejection"),
    "mollie": ("mollie", "mollie_failure_reason"),
}
SCHEMES = {
    "bacs": ("bacs_arudd",),
    "bacs_debit": ("bacs_arudd",),
    "sepa_dd": ("sepa_dd",),
    "sepa_debit": ("sepa_dd",),
    "ach": ("ach",),
    "us_bank_account": ("ach",),
    "pad": ("pad",),
    "visa": ("visa", "visa", "iso8583"),
    "maestro": ("mastercard", "iso8583"),
    "mastercard": ("mastercard", "iso8583", "iso8583"),
}


class Pool(NamedTuple):
    """The codes of one space: all, those that allow a later try, and those that allow one soon."""

    every: list[str]
    later: list[str]
    soon: list[str]


def _pools() -> dict[str, Pool]:
    pools: dict[str, Pool] = defaultdict(lambda: Pool([], [], []))
    for decline in all_declines():
        pool = pools[decline.gateway]
        pool.every.append(decline.code)
        if decline.default_action is DefaultAction.RETRY_SCHEDULED:
            pool.later.append(decline.code)
        elif decline.default_action is DefaultAction.RETRY_SOON:
            pool.soon.append(decline.code)
    return dict(pools)


POOLS = _pools()
NO_POOL = Pool(["X-1", "declined"], ["X-1"], [])


RARE = {
    **{name: sorted(RULES[rule].codes) for name, rules in OF_GATEWAY_CODE.items() for rule, _ in rules},
    "stripe": [row.code for row in all_declines() if row.default_action is DefaultAction.NOT_A_DECLINE],
}
"""What else would come too seldom: codes that a gateway itself prohibits, and errors that are no declines."""


def code(chance: Chance, space: str, mild: float) -> str | None:
    """Draw a code of a space; `mild` is the odds of one that allows a later try."""
    pool = POOLS.get(space, NO_POOL)
    drawn = chance.random()
    if drawn < mild * 0.85 and pool.later:
        chosen = chance.choice(pool.later)
    elif drawn < mild and pool.soon:
        chosen = chance.choice(pool.soon)
    elif drawn < 0.96:
        chosen = chance.choice(pool.every)
    else:
        return None if drawn < 0.98 else f"new_code_{chance.randrange(9)}"
    if chance.random() < 0.08:
        return f" {chosen.swapcase()} " if chance.random() < 0.5 else chosen.swapcase()
    return chosen


def decline(chance: Chance, instrument: Instrument, mild: float) -> Line:
    """Draw what a gateway says of a failed charge."""
    gateway, brand = instrument.gateway.casefold(), (instrument.brand or "").casefold()
    space = chance.choice(SPACES.get(gateway, (gateway,)))
    drawn = chance.random()
    if drawn > 0.97 and gateway in RARE and mild < 1:
        said: Line = {"code": chance.choice(RARE[gateway])}
    else:
        said = {"code": code(chance, gateway if space == "stripe_outcome" and drawn < mild else space, mild)}
    said["advice"] = said["network_code"] = said["network_advice"] = None
    if gateway == "stripe" and drawn < 0.2:
        kinds = ("try_again_later", "try_again_later", "do_not_try_again", "confirm_card_data")
        said["advice"] = chance.choice(kinds[:2] if drawn < 0.2 * mild else kinds)
    if chance.random() < 0.4 and gateway != brand and (spaces := SCHEMES.get(brand)):
        number = code(chance, chance.choice(spaces), mild)
        if number and spaces == ("bacs_arudd",) and gateway == "gocardless":
            number = f"ARUDD-{number.strip()}"
        elif number and gateway == "adyen":
            number = f"{number} : as the issuer said"
        said["network_code"] = number
    if chance.random() < 0.3:
        said["network_advice"] = _network_advice(chance, brand, mild)
    return said


def _network_advice(chance: Chance, brand: str, mild: float) -> str | None:
    if brand in {"mastercard", "maestro", ""}:
        if chance.random() < mild:
            return f"{chance.randint(24, 30)}"
        return chance.choice(["01", "02", "03", "04", "05", "21", "22", "40", "41", "43", "99", "3"])
    if brand == "visa":
        return chance.choice(["2", "4"] if chance.random() < mild else ["1", "01", "3"])
    return None


def instrument(chance: Chance, name: str) -> Instrument:
    """Draw a card or a mandate."""
    country, timezone = chance.choice(PLACES)
    issuer = f"bank-{chance.randrange(9):02}"
    if chance.random() < 0.3:
        gateway, brand = chance.choice(BANKS)
        return Instrument(name, gateway, brand, None, country, issuer, timezone)
    funding = chance.choice(["debit", "credit", "prepaid", None])
    return Instrument(
        name, chance.choice(CARD_GATEWAYS), chance.choice(BRANDS), funding, country, issuer, timezone
    )


def policy(chance: Chance) -> Line:
    """Draw what a merchant wants, sometimes little and sometimes much."""
    line: Line = {"mode": chance.choice(["smart", "smart", "smart", "custom"])}
    wants: dict[str, list[Any]] = {
        "max_tries": [0, 1, 2, 3, 3, 3, 4, 5, 8, 8, 15, 30],
        "window_days": [1, 3, 7, 14, 14, 14, 21, 30, 45, 60],
        "min_gap_hours": [0, 1, 4, 10, 10, 10, 24, 48],
    }
    for name, values in wants.items():
        if chance.random() < 0.9:
            line[name] = chance.choice(values)
    return line


def lavish_policy(chance: Chance) -> Line:
    """Draw one that leaves it to the networks to set limits."""
    return {
        "mode": "smart",
        "max_tries": chance.choice([8, 15]),
        "window_days": chance.choice([30, 60]),
        "min_gap_hours": chance.choice([1, 10]),
    }


BAD_LINES = (
    *("{", "nothing", "null", "[]", "17", '{"type":5}', '{"case":"c1"}', '{"type":"failure"}', '"failure"'),
    '{"type":"failure","at":"2025-13-01T00:00:00Z","case":"c1","merchant":"m1","customer":"u1"}',
    '{"type":"failure","at":"yesterday","case":"c1","merchant":"m1","customer":"u1","instrument":"k1"}',
    '{"type":"failure","at":"2025-03-01T00:00:00Z","merchant":"m1","customer":"u1","instrument":"k1"}',
    '{"type":"outcome","at":"2025-03-01T00:00:00Z","case":"c1","success":"maybe"}',
    '{"type":"outcome","case":"c1","success":false}',
    '{"type":"card_updated","at":"2025-03-01T00:00:00Z","customer":"u1"}',
)
BAD_POLICIES: tuple[Line, ...] = (
    {"window_days": 0},
    {"window_days": 61},
    {"max_tries": -1},
    {"max_tries": "three"},
    {"min_gap_hours": -2},
)
