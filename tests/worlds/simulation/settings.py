"""What a world may be like: the ranges that its odds are drawn from, and who lives in it.

Promise: a world differs from another in these numbers and mixes alone; the mechanism is one. Ranges are set so that a
world looks like what is published of declines: see `test_world_calibration.py` for the bands that are held.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Range = tuple[float, float]


@dataclass(frozen=True)
class Country:
    """Where customers live.

    Args:
        code: ISO 3166, two letters.
        timezones: of its customers, with their shares.
        cycles: how wages are paid there, with their shares; names as in `paydays.kind_of`.
    """

    code: str
    currency: str
    timezones: Mapping[str, float]
    cycles: Mapping[str, float]


@dataclass(frozen=True)
class Setting:
    """A kind of world, before its odds are drawn.

    Args:
        countries: with their shares.
        funding: shares of debit, credit and prepaid, in this order.
        ranges: where they differ from RANGES.
        risky_hours: local hours in which issuers' risk engines decline more.
    """

    name: str
    what: str
    countries: tuple[tuple[Country, float], ...]
    funding: tuple[float, float, float]
    ranges: Mapping[str, Range] = field(default_factory=dict)
    risky_hours: tuple[int, ...] = (1, 2, 3)


RANGES: Mapping[str, Range] = MappingProxyType(
    {
        # Money: shares of customers who live from one payday to the next, by funding, and how they live.
        "tight_debit": (0.15, 0.2),
        "tight_credit": (0.018, 0.028),
        "tight_prepaid": (0.28, 0.36),
        "appetite": (0.5, 0.8),  # share of what is left that a tight customer spends a day
        "fixed_costs": (0.5, 0.65),  # rent and bills, of the income of a tight customer
        "price": (0.011, 0.018),  # median of a charge, of a month's income
        "late_pay": (0.0, 0.03),  # share of paydays that come one to four days late
        "missed_pay": (0.0, 0.01),  # share of paydays that never come
        "windfalls": (0.04, 0.08),  # a day, of a small sum, for tight customers
        "workless": (0.1, 0.16),  # share of the time that tight customers earn nothing
        "workless_days": (30.0, 60.0),
        "abandoned": (0.24, 0.34),  # accounts, a year, that money never comes to again
        # Issuers.
        "holds": (0.04, 0.052),  # share of the time that a card is held by a risk engine
        "short_hold_days": (0.5, 0.9),
        "long_hold_days": (6.0, 12.0),
        "long_holds": (0.15, 0.25),  # share of holds that are long ones
        "risky_declines": (0.085, 0.115),  # of charges that would pass, in the risky hours
        "calm_declines": (0.002, 0.005),  # likewise, in the other hours
        "weekend_declines": (0.0, 0.0),  # added on Saturdays and Sundays
        "outages": (0.5, 1.2),  # an issuer and month
        "outage_hours": (2.0, 6.0),
        # Cards, a year.
        "expiries": (0.06, 0.1),  # that fail a charge; the others are updated without anybody's doing
        "lost": (0.03, 0.05),
        "closed": (0.03, 0.05),
        "revoked": (0.01, 0.02),
        "replaced": (0.4, 0.6),  # share of failed cards after which the customer gives a new one
        "replaced_after_days": (2.0, 5.0),
        # Labels.
        "vague": (0.44, 0.54),  # share of lacks of funds that are called do_not_honor
        "holds_as_funds": (0.0, 0.02),
        "cards_as_vague": (0.05, 0.15),  # of expired, lost and closed cards
        "codes_passed": (0.5, 0.8),  # share of merchants whose gateway passes the network's codes
        # Trying.
        "fatigue": (0.0, 0.0),  # chance that a failed retry blocks the invoice for good
        "second_subscription": (0.15, 0.25),
        "other_charges": (0.3, 0.8),  # that the merchant sees, a customer and month
    }
)

US_ZONES = {
    "America/New_York": 0.47,
    "America/Chicago": 0.29,
    "America/Denver": 0.07,
    "America/Los_Angeles": 0.17,
}
US = Country(
    "US", "USD", US_ZONES,
    {"weekly": 0.32, "biweekly": 0.37, "semimonthly": 0.2, "monthly": 0.06, "last_business_day": 0.05},
)  # fmt: skip
GIG = Country("US", "USD", US_ZONES, {"irregular": 1.0})
COMPANIES = Country(
    "US", "USD", US_ZONES,
    {"invoices": 0.45, "last_business_day": 0.2, "monthly": 0.1, "semimonthly": 0.15, "biweekly": 0.1},
)  # fmt: skip
EUROPE = (
    (Country("DE", "EUR", {"Europe/Berlin": 1.0},
             {"last_business_day": 0.5, "day_1": 0.2, "day_15": 0.2, "day_27": 0.1}), 0.3),
    (Country("GB", "GBP", {"Europe/London": 1.0},
             {"last_business_day": 0.3, "day_25": 0.2, "day_28": 0.2, "last_friday": 0.15, "weekly": 0.15}), 0.25),
    (Country("FR", "EUR", {"Europe/Paris": 1.0},
             {"day_28": 0.4, "last_business_day": 0.4, "day_5": 0.2}), 0.2),
    (Country("IT", "EUR", {"Europe/Rome": 1.0},
             {"day_27": 0.5, "day_10": 0.25, "last_business_day": 0.25}), 0.15),
    (Country("NL", "EUR", {"Europe/Amsterdam": 1.0},
             {"day_24": 0.45, "day_25": 0.4, "last_business_day": 0.15}), 0.1),
)  # fmt: skip
CONSUMERS = (0.58, 0.35, 0.07)

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        setting.name: setting
        for setting in (
            Setting("us", "US consumers, four pay cycles", ((US, 1.0),), CONSUMERS),
            Setting("eu_monthly", "Europe, paid once a month", EUROPE, (0.7, 0.24, 0.06)),
            Setting(
                "gig", "income in small, irregular parts, no paydays", ((GIG, 1.0),), (0.68, 0.2, 0.12),
                {"tight_debit": (0.2, 0.26), "appetite": (0.6, 0.9)},
            ),
            Setting(
                "b2b", "companies: paid on business days, declined on weekends", ((COMPANIES, 1.0),),
                (0.35, 0.6, 0.05),
                {"weekend_declines": (0.03, 0.06), "tight_debit": (0.15, 0.2), "tight_credit": (0.03, 0.045),
                 "price": (0.01, 0.03), "holds": (0.045, 0.06)},
            ),
            Setting(
                "inverted_hours", "issuers decline by day what they would pass at night", ((US, 1.0),), CONSUMERS,
                {"risky_declines": (0.12, 0.2)}, tuple(range(8, 20)),
            ),
            Setting(
                "mislabelled", "codes say little of the cause", ((US, 1.0),), CONSUMERS,
                {"vague": (0.8, 0.92), "holds_as_funds": (0.3, 0.5), "cards_as_vague": (0.3, 0.5)},
            ),
            Setting(
                "hard_times", "many live from hand to mouth, pay comes late or never", ((US, 1.0),), CONSUMERS,
                {"tight_debit": (0.25, 0.32), "tight_credit": (0.03, 0.045), "tight_prepaid": (0.4, 0.5),
                 "late_pay": (0.05, 0.12), "missed_pay": (0.04, 0.1), "appetite": (0.6, 1.0),
                 "fixed_costs": (0.62, 0.78), "workless": (0.16, 0.24)},
            ),
            Setting(
                "fatigue", "each failed try blocks the invoice for good with some chance", ((US, 1.0),), CONSUMERS,
                {"fatigue": (0.1, 0.25)},
            ),
        )
    }
)  # fmt: skip
