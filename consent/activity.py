"""What apps did under grants, told from the audit stream: by day in the plan's time zone, and by type of data.

Rows are added up in the database by quarters of an hour, the finest step by which time zones differ, and put together
to days here.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import BigInteger, ColumnElement, Row, func, select, type_coerce
from sqlalchemy.orm import Session

from consent.data_types import DATA_TYPES
from service.audit import AuditEvent, Outcome
from service.db import from_microseconds

DAYS_A_PAGE = 30
_QUARTER = 900_000_000
"""Microseconds of a quarter of an hour."""
WINDOW = (DAYS_A_PAGE + 1) * 96 * _QUARTER
"""Microseconds that hold a page's days: a day more than is shown, since the first may begin in the middle."""
_MOST_ROWS = 200_000
_KEYS = {name: kind.key for kind in DATA_TYPES for name in kind.resource_types}
OTHER = "other"
"""The key of what belongs to none of the types of data that a member ticks."""


@dataclass
class Day:
    """What an app did in one day: by key of the type of data how many records it got and how often it asked."""

    day: date
    records: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    @property
    def keys(self) -> list[str]:
        """The types of data, in the order of the consent screen."""
        order = [*(kind.key for kind in DATA_TYPES), OTHER]
        return sorted({*self.records, *self.requests}, key=order.index)


@dataclass
class Activity:
    """Days on which something happened, the latest first. `older` names the day before which there is more."""

    days: list[Day]
    last_used: datetime | None = None
    older: date | None = None


def of_grant(session: Session, grant_id: str, zone: ZoneInfo, *, before: date | None = None) -> Activity:
    """The DAYS_A_PAGE days that end with the last one used before the day `before` (None: the last one of all)."""
    of_it = _read_under([grant_id])
    until = () if before is None else (AuditEvent.at < midnight(before, zone),)
    newest = select(func.max(moment())).where(*of_it, *until).scalar_subquery()
    oldest = select(func.min(moment())).where(*of_it).scalar_subquery()
    window = moment() > newest - WINDOW
    rows = session.execute(_grouped(oldest.label("oldest")).where(*of_it, *until, window)).all()
    found = days_of(rows, zone)
    if not found:
        return Activity([])
    first = found[0].day - timedelta(days=DAYS_A_PAGE - 1)
    shown = [one for one in found if one.day >= first]
    started = from_microseconds(rows[0].oldest).astimezone(zone).date()
    return Activity(shown, _last_used(rows), first if started < first else None)


def of_grants(session: Session, grant_ids: Collection[str], zone: ZoneInfo) -> dict[str, Activity]:
    """All that was done under each of these grants; grants that were never used are absent."""
    rows = session.execute(_grouped().where(*_read_under(grant_ids))).all()
    by_grant: dict[str, list[Row[Any]]] = {}
    for row in rows:
        by_grant.setdefault(row.grant_id, []).append(row)
    return {grant_id: Activity(days_of(of_it, zone), _last_used(of_it)) for grant_id, of_it in by_grant.items()}


def moment() -> Any:
    """When an event was, as microseconds since 1970."""
    return type_coerce(AuditEvent.at, BigInteger)


def quarter() -> Any:
    """In which quarter of an hour since 1970 an event was, for `day_of`."""
    return (moment() // _QUARTER).label("quarter")


def _read_under(grant_ids: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return AuditEvent.grant_id.in_(grant_ids), AuditEvent.tag.startswith("fhir:")


def _grouped(*further: Any) -> Any:
    return grouped(AuditEvent.grant_id).add_columns(*further)


def grouped(*by: Any) -> Any:
    """Events added up by quarter of an hour, type, outcome and `by`, for `days_of`."""
    included = AuditEvent.detail["included"].as_string().label("included")
    groups = (*by, quarter(), AuditEvent.resource_type, AuditEvent.outcome, included)
    numbers = (
        func.count().label("requests"), func.coalesce(func.sum(AuditEvent.count), 0).label("records"),
        func.max(moment()).label("latest"),
    )  # fmt: skip
    return select(*groups, *numbers).group_by(*groups).limit(_MOST_ROWS)


def days_of(rows: Sequence[Row[Any]], zone: ZoneInfo) -> list[Day]:
    """What happened, by day in the zone, the latest first."""
    found: dict[date, Day] = {}
    for row in rows:
        on = day_of(row, zone)
        _add(found.setdefault(on, Day(on)), row)
    return [found[on] for on in sorted(found, reverse=True)]


def day_of(row: Row[Any], zone: ZoneInfo) -> date:
    """The day of a row of `grouped` in the zone."""
    return from_microseconds(row.quarter * _QUARTER).astimezone(zone).date()


def _add(day: Day, row: Row[Any]) -> None:
    if row.outcome is not Outcome.SUCCESS:
        day.refused += row.requests
        return
    key = _KEYS.get(row.resource_type, OTHER)
    day.requests[key] += row.requests
    # What came along is counted under its own type, once for each request of the group.
    brought = {name: number * row.requests for name, number in orjson.loads(row.included or "{}").items()}
    day.records[key] += int(row.records) - sum(brought.values())
    for name, number in brought.items():
        day.records[_KEYS.get(name, OTHER)] += number


def _last_used(rows: Sequence[Row[Any]]) -> datetime | None:
    latest = max((row.latest for row in rows if row.outcome is Outcome.SUCCESS), default=None)
    return None if latest is None else from_microseconds(latest)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins in the zone."""
    return datetime.combine(day, time(), zone)
