"""Billing periods in UTC: a month after 31 January is the last day of February, and then 31 March again."""

import calendar
from datetime import UTC, datetime, timedelta

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}
INTERVALS = (*_DAYS, *_MONTHS)


def next_period_end(start: int, anchor: int, interval: str, count: int) -> int:
    """Return when a period ends that starts at an instant; anchor gives the day. Unix seconds."""
    begun = datetime.fromtimestamp(start, UTC)
    if interval in _DAYS:
        return int((begun + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = begun.year * 12 + begun.month - 1 + _MONTHS[interval] * count
    year, month = divmod(months, 12)
    wanted = datetime.fromtimestamp(anchor, UTC).day
    day = min(wanted, calendar.monthrange(year, month + 1)[1])
    return int(begun.replace(year=year, month=month + 1, day=day).timestamp())
