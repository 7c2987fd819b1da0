"""How days and moments are told to people, in one form everywhere: "Nov 26, 2026", and "Nov 26, 2026, 8:30 PM EST".

The month is a word, because 11/12 is read in two ways; the short word fits into tables and columns of a PDF.
"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, get_timezone_name

_FIRST_YEAR, _LAST_YEAR = 2000, 2999


def read_day(text: str) -> date | None:
    """A day in an address, such as 2026-11-26; None for everything else, and for years that no record has."""
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
    return day if day and _FIRST_YEAR <= day.year <= _LAST_YEAR else None


def typed_day(text: str) -> date | None:
    """A day in a form: as date inputs send it, or month/day/year as people type it; None for everything else."""
    for form in ("%Y-%m-%d", "%m/%d/%Y"):
        try:
            return datetime.strptime(text.strip(), form).date()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            continue
    return None


_SATURDAY = 5


def in_words(on: date, language: str | Locale = "en") -> str:
    """A day, such as a payment's."""
    return str(format_date(on, "medium", language))


def month_in_words(on: date, language: str | Locale = "en") -> str:
    """The month of a day with its year."""
    return str(format_skeleton("yMMM", on, locale=language))


def day_in_words(at: datetime, zone: ZoneInfo, language: str | Locale = "en") -> str:
    """The day of a moment there."""
    return in_words(at.astimezone(zone).date(), language)


def moment_in_words(at: datetime, zone: ZoneInfo, language: str | Locale = "en") -> str:
    """The day of a moment there and its time of day, with the name of the time zone."""
    local = at.astimezone(zone)
    return f"{in_words(local.date(), language)}, {clock_in_words(at, zone, language)}"


def clock_in_words(at: datetime, zone: ZoneInfo, language: str | Locale = "en") -> str:
    """The time of day of a moment there, with the name of the time zone."""
    local = at.astimezone(zone)
    return f"{time_in_words(local.time(), language)} {local.tzname()}"


def time_in_words(at: time, language: str | Locale = "en") -> str:
    """A time of day, by the clock of twelve hours that people in the United States read in either language."""
    # The narrow space that CLDR puts before AM and PM is a box in some mail programs.
    return str(format_time(at, "short", locale=_of_the_states(language))).replace("\u202f", " ")


def hour_read(at: datetime, zone: ZoneInfo) -> int:
    """The hour of a moment there as it is read on a clock of twelve: 1 to 12. Spanish says *a la* before one alone."""
    return at.astimezone(zone).hour % 12 or 12


def _of_the_states(language: str | Locale) -> Locale:
    return Locale(Locale.parse(language).language, "US")


def zone_in_words(zone: ZoneInfo, language: str | Locale = "en") -> str:
    """A time zone by its name, in summer and winter the same."""
    return str(get_timezone_name(zone, width="long", zone_variant="generic", locale=language))


def business_day_after(at: datetime, zone: ZoneInfo) -> datetime:
    """One business day after a moment there: the same time on the next day, Saturdays and Sundays passed over.

    What comes in at a weekend counts from Monday's midnight. Holidays count as business days, so that nobody is told
    too late.
    """
    local = at.astimezone(zone)
    if local.weekday() >= _SATURDAY:
        local = _on_monday(local.replace(hour=0, minute=0, second=0, microsecond=0))
    due = local + timedelta(days=1)
    return _on_monday(due) if due.weekday() >= _SATURDAY else due


def _on_monday(local: datetime) -> datetime:
    return local + timedelta(days=7 - local.weekday())
