"""FHIR dates as spans of time, and what the search prefixes ask of a span (FHIR R4, search, date).

A span is half-open, in microseconds since 1970. A date without a zone is taken in UTC; a partial date spans all of
its year, month or day; an open Period is bounded by `DAWN` and `DUSK`.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from service.clock import now
from service.db import microseconds

DAWN = -(2**62)
DUSK = 2**62
_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
# A day, or an instant with its zone: nearly all are, and C reads those.
_USUAL = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:[0-5]\d(\.\d{3})?(?:Z|[+-]\d\d:\d\d))?", re.ASCII
)  # fmt: skip
_DAY = len("2026-04-30")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = 1_000_000
_MILLISECOND = 1_000
_DAY_LONG = 86_400 * _MICROSECONDS
YEAR_10000 = 253_402_300_800 * _MICROSECONDS


class BadDate(ValueError):
    """Not a FHIR date, dateTime or instant."""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """From `start` up to, not including, `end`."""

    start: int
    end: int


ALWAYS = Span(DAWN, DUSK)


class Prefix(StrEnum):
    """How a search compares its value with the span of a resource."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"
    AP = "ap"


@lru_cache(maxsize=65_536)
def span(text: str) -> Span:
    """The span of a FHIR date text; raises BadDate."""
    if (usual := _USUAL.fullmatch(text)) is not None:
        return _usual(text, usual[1])
    form = _FORM.fullmatch(text)
    if form is None:
        raise BadDate
    try:
        return _span(*form.groups())
    except (ValueError, OverflowError):
        raise BadDate from None


def _usual(text: str, fraction: str | None) -> Span:
    try:
        since = datetime.fromisoformat(text if len(text) > _DAY else f"{text}T00:00:00Z") - _EPOCH
    except (ValueError, OverflowError):
        raise BadDate from None
    start = (since.days * 86_400 + since.seconds) * _MICROSECONDS + since.microseconds
    length = _DAY_LONG if len(text) == _DAY else _MICROSECONDS if fraction is None else _MILLISECOND
    return Span(start, start + length)


def span_of(value: Any) -> Span | None:
    """The span of an element: a date text or a Period; None when it holds nothing to compare."""
    if isinstance(value, str):
        return span(value)
    if not isinstance(value, dict):
        return None
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return None
    return Span(span(start).start if start else DAWN, span(end).end if end else DUSK)


def prefixed(text: str) -> tuple[Prefix, Span]:
    """Prefix and span of a search value such as `ge2024-05-01`; raises BadDate."""
    if text[:2].isalpha():
        if text[:2] not in Prefix.__members__.values():
            raise BadDate
        return Prefix(text[:2]), span(text[2:])
    return Prefix.EQ, span(text)


def approximate(value: Span) -> Span:
    """The span widened by a tenth of its distance from now (what `ap` asks)."""
    distance = abs(microseconds(now()) - (value.start + value.end) // 2) // 10
    return Span(value.start - distance, value.end + distance)


def _span(
    year: str, month: str | None, day: str | None, hour: str | None, minute: str | None, second: str | None,
    fraction: str | None, zone: str | None,
) -> Span:  # fmt: skip
    if month is None:
        return _between(datetime(int(year), 1, 1, tzinfo=UTC), years=1)
    if day is None:
        return _between(datetime(int(year), int(month), 1, tzinfo=UTC), months=1)
    if hour is None or minute is None:
        return _lasting(datetime(int(year), int(month), int(day), tzinfo=UTC), 86_400 * _MICROSECONDS)
    # A leap second counts as the second before it, which every calendar has.
    seconds = min(int(second or 0), 59)
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), seconds, tzinfo=_zone(zone))
    if second is None:
        return _lasting(moment, 60 * _MICROSECONDS)
    if fraction is None:
        return _lasting(moment, _MICROSECONDS)
    digits = fraction[:6]
    start = microseconds(moment) + int(digits.ljust(6, "0"))
    return Span(start, start + 10 ** (6 - len(digits)))


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _between(start: datetime, *, years: int = 0, months: int = 0) -> Span:
    month = start.month + months
    year = start.year + years + (month > 12)
    if year > 9999:
        # No calendar here has what follows the last year.
        return Span(microseconds(start), YEAR_10000)
    return Span(microseconds(start), microseconds(start.replace(year=year, month=(month - 1) % 12 + 1)))


def _lasting(start: datetime, length: int) -> Span:
    moment = microseconds(start)
    return Span(moment, moment + length)
