"""Money and dates as people write them (Babel), by locale.

Promise: no digit of an amount is dropped or invented: minor units are ISO 4217's, not CLDR's, which rounds.
"""

import re
from datetime import datetime
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import parse_pattern

MINOR_DIGITS = {
    **dict.fromkeys(
        (
            "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905  # a table
        ),
        0,
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),  # noqa: SIM905  # likewise
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Digits after the point where they are not 2. ISO 4217:2015, list one, amended to 2024."""

_LETTER_BEFORE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")
"""Where CLDR's currency spacing sets a space that Babel leaves out (KWD 1.234)."""


def locale_named(name: str) -> Locale:
    """Give a locale, its language at large where the territory is unknown, or else English."""
    for wanted in (name, name.partition("_")[0]):
        try:
            return Locale.parse(wanted)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def money(minor: int, currency: str, locale: Locale) -> str:
    """Write an amount, for instance €29.00 or 29,00 €."""
    digits = MINOR_DIGITS.get(currency, 2)
    pattern = parse_pattern(locale.currency_formats["standard"].pattern)
    pattern.frac_prec = (digits, digits)
    written: str = pattern.apply(
        Decimal(minor).scaleb(-digits), locale, currency=currency, currency_digits=False
    )
    return _LETTER_BEFORE_DIGIT.sub("\N{NO-BREAK SPACE}", written)


def day(local: datetime, locale: Locale) -> str:
    """Write the day of a local time, for instance 15 October 2026."""
    return format_date(local, "long", locale=locale)


def instant(local: datetime, locale: Locale) -> str:
    """Write a local time with its zone, for instance 15 October 2026, 09:00 CEST."""
    zone = local.tzname() or ""
    zone = f"UTC{zone}" if zone[:1] in "+-" else zone
    return f"{day(local, locale)}, {format_time(local, 'short', tzinfo=local.tzinfo, locale=locale)} {zone}".strip()
