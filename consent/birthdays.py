"""The moments at which the law sees somebody as older: midnights of the plan's time zone."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

_TEENAGER = 12
_AGE_OF_MAJORITY = 18


def majority(birth_date: date, timezone: ZoneInfo) -> datetime:
    """The moment somebody turns 18."""
    return birthday(birth_date, _AGE_OF_MAJORITY, timezone)


def twelfth_birthday(birth_date: date, timezone: ZoneInfo) -> datetime:
    """The moment from which on very personal topics are a child's own (45 CFR 164.502(g)(3))."""
    return birthday(birth_date, _TEENAGER, timezone)


def birthday(birth_date: date, age: int, timezone: ZoneInfo) -> datetime:
    """The moment somebody turns `age`: midnight in `timezone`; born on 29 February, 1 March in other years."""
    year = birth_date.year + age
    try:
        day = birth_date.replace(year=year)
    except ValueError:
        day = date(year, 3, 1)
    return datetime.combine(day, time(), timezone)
