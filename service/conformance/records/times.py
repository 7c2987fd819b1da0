"""Dates as FHIR compares them: every value is a span of time, as wide as its precision (FHIR R4, search by date)."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

Span = tuple[datetime, datetime]
"""From (included) and until (excluded)."""
ALWAYS: Span = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_SECONDS = re.compile(r"T\d\d:\d\d:\d\d")
_FRACTION = re.compile(r"\.(\d+)")


def span(value: Any) -> Span | None:
    """The span of a date, dateTime, instant or Period; None for what cannot be read."""
    if isinstance(value, dict):
        start, end = span(value.get("start")), span(value.get("end"))
        return (start[0] if start else ALWAYS[0], end[1] if end else ALWAYS[1]) if start or end else None
    if not isinstance(value, str):
        return None
    try:
        return _timed(value) if "T" in value else _dated(value)
    except ValueError:
        return None


def holds(comparator: str, asked: datetime, told: Span) -> bool:
    """Whether a value is found by `gt`, `ge`, `lt` or `le` and an instant."""
    # An instant told to the millisecond is that millisecond: what lies in it is neither after nor before it.
    until = asked + timedelta(milliseconds=1)
    return {
        "gt": told[1] > until, "ge": told[1] > asked, "lt": told[0] < asked, "le": told[0] < until,
    }[comparator]  # fmt: skip


def _timed(value: str) -> Span:
    fraction = _FRACTION.search(value)
    begin = datetime.fromisoformat(value).astimezone(UTC)
    if fraction:
        return begin, begin + timedelta(microseconds=10 ** max(6 - len(fraction[1]), 0))
    return begin, begin + (timedelta(seconds=1) if _SECONDS.search(value) else timedelta(minutes=1))


def _dated(value: str) -> Span:
    year, month, day = (int(part) if part else 0 for part in (*value.split("-"), "", "")[:3])
    begin = date(year, month or 1, day or 1)
    if day:
        end = begin + timedelta(days=1)
    elif month:
        end = date(year + month // 12, month % 12 + 1, 1)
    else:
        end = date(year + 1, 1, 1)
    return _midnight(begin), _midnight(end)


def _midnight(on: date) -> datetime:
    return datetime(on.year, on.month, on.day, tzinfo=UTC)
