"""Use of the Patient Access API in a calendar year, as CMS asks of the plan by March 31 (42 CFR 422.119(f)).

Two numbers for each unit that CMS asks about (contract, plan or issuer) within its line of business, for each line of
business and for all together, aggregated and without names: members whose data went to an app of their choice, and
those for whom it did so more than once. A member counts once in each of these, however many apps they use, whoever of
theirs connected them, and under whichever record they stood before records were merged.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Subquery, case, func, select
from sqlalchemy.orm import Session

from service.clock import now
from service.plan.models import Member
from service.reports.models import ApiTransfer
from service.reports.transfers import last_counted
from service.spreadsheets import plain_cell

QUERY_VERSION = "2026-2"
"""Named in every report: a change of how members are counted gets a version of its own.

2026-1 counted by line of business, of the night in which a day was counted; 2026-2 by unit within it, both as the day
ended. A day that was counted before tells no unit, and keeps the line of business that it was given then.
"""
FEWEST_PUBLIC = 11
"""Fewer members than these are not printed in what is published (the cell size rule of CMS)."""

NOT_TOLD = "*"
"""Stands for a number from which a smaller one could be worked out."""
_LARGER, _SMALLER = ((), (0, 2), (0,)), ((1, 2), (), (1,))
"""By the place of a number in `Numbers`: which of the others of a row are at least, and which at most, as large."""
NO_UNIT, UNIT_NOT_KEPT, ALL = "(none)", "(not kept)", "(all)"
"""What stands in the place of a unit: the roster named none; the day was counted before units were kept; the sum."""


@dataclass(frozen=True)
class Numbers:
    """How many members: all, and for how many it was more than once, by sessions and by single requests."""

    members: int
    more_than_once: int
    by_request: int


@dataclass(frozen=True)
class UsageUnit:
    """The numbers of a contract, plan or issuer; `report_unit` is "" where the roster named none, None where the days
    were counted before it was kept."""

    report_unit: str | None
    numbers: Numbers

    @property
    def name(self) -> str:
        """The unit as it is printed."""
        return UNIT_NOT_KEPT if self.report_unit is None else self.report_unit or NO_UNIT


@dataclass(frozen=True)
class UsageLine:
    """A line of business with its units; `total` counts a member once who was in several of them."""

    line_of_business: str
    units: Sequence[UsageUnit]
    total: Numbers

    @property
    def name(self) -> str:
        """The line of business as it is printed."""
        return self.line_of_business or NO_UNIT


@dataclass(frozen=True)
class UsageReport:
    """A year's report. `complete_through` is the last day in it that is counted; None if none is."""

    year: int
    lines: Sequence[UsageLine]
    total: Numbers
    complete_through: date | None
    made_at: datetime

    @property
    def is_complete(self) -> bool:
        """Whether the whole year is counted."""
        return self.complete_through == date(self.year, 12, 31)

    @property
    def lacks_units(self) -> bool:
        """Whether members are in it of whom the roster names no unit."""
        return any(unit.report_unit == "" for line in self.lines for unit in line.units)

    @property
    def has_days_without_units(self) -> bool:
        """Whether days are in it that were counted before units were kept."""
        return any(unit.report_unit is None for line in self.lines for unit in line.units)


def report(session: Session, year: int) -> UsageReport:
    """The report of a calendar year, as far as its days are over."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    members = _members(first, last)
    line, unit = members.c.line_of_business, members.c.report_unit
    units = sorted(_counted(session, members, line, unit), key=_place)
    totals = {name: numbers for (name,), numbers in _counted(session, members, line)}
    together = [numbers for _, numbers in _counted(session, members)]
    lines = [
        UsageLine(name, [UsageUnit(one, numbers) for (_, one), numbers in found], totals[name])
        for name, found in groupby(units, key=lambda row: row[0][0])
    ]
    counted = last_counted(session)
    through = min(counted, last) if counted is not None and counted >= first else None
    return UsageReport(year, lines, together[0], through, now())


def as_csv(made: UsageReport, *, public: bool = False) -> str:
    """The report as CSV. For the public, numbers below FEWEST_PUBLIC are not told, nor what they could be worked out
    of: the sums of lines of business, and as many other numbers as it takes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow((
        "year", "line_of_business", "report_unit", "members", "members_more_than_once",
        "members_more_than_once_by_request", "complete_through", "query_version",
    ))  # fmt: skip
    through = made.complete_through.isoformat() if made.complete_through else ""
    for line, unit, *numbers in _published(made) if public else _exact(made):
        writer.writerow((made.year, plain_cell(line), plain_cell(unit), *numbers, through, QUERY_VERSION))
    return out.getvalue()


def _exact(made: UsageReport) -> Iterator[tuple[str, ...]]:
    for line in made.lines:
        for unit in line.units:
            yield line.name, unit.name, *map(str, astuple(unit.numbers))
        yield line.name, ALL, *map(str, astuple(line.total))
    yield ALL, ALL, *map(str, astuple(made.total))


def _published(made: UsageReport) -> Iterator[tuple[str, ...]]:
    rows = [(line.name, unit.name, unit.numbers) for line in made.lines for unit in line.units]
    names = [(line, unit) for line, unit, _ in rows] + [(ALL, ALL)]
    totals = astuple(made.total)
    numbers = [astuple(of) for *_, of in rows]
    columns = [_column(numbers, which, total) for which, total in enumerate(totals)]
    return ((*name, *cells) for name, cells in zip(names, zip(*columns, strict=True), strict=True))


def _column(rows: Sequence[tuple[int, ...]], which: int, total: int) -> list[str]:
    """One number of each unit and of all together, as published. Small ones are not told, nor the next smallest as long
    as one of the small can be worked out of what the others lack to the total; if none is left, the total is not told.
    """
    numbers = [row[which] for row in rows]
    cells = [f"<{FEWEST_PUBLIC}" if _is_small(number) else str(number) for number in (*numbers, total)]
    if total < FEWEST_PUBLIC:
        return cells
    small = [number for number in numbers if _is_small(number)]
    others = sorted((number, place) for place, number in enumerate(numbers) if number >= FEWEST_PUBLIC)
    hidden: list[int] = []
    for number, place in (*others, (total, len(numbers))):
        within = [_within(rows[one], which, number) for one in hidden]
        if not _can_be_worked_out(small, [numbers[one] for one in hidden], within):
            break
        cells[place] = NOT_TOLD
        hidden.append(place)
    return cells


def _within(row: tuple[int, ...], which: int, most: int) -> tuple[int, int]:
    """The least and the most that a number that is not told may be, for who reads the two beside it.

    Of a unit's members some asked more than once, and of those some in more than one session. None of those shown is
    smaller than `most`.
    """
    larger, smaller = [row[one] for one in _LARGER[which]], [row[one] for one in _SMALLER[which]]
    return max([FEWEST_PUBLIC, *smaller]), min([most, *(one for one in larger if one >= FEWEST_PUBLIC)])


def _is_small(number: int) -> bool:
    return 0 < number < FEWEST_PUBLIC


def _can_be_worked_out(small: Sequence[int], hidden: Sequence[int], within: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the small numbers can be one thing only, by the sum of all that is not told. `hidden` are the
    others of it, of which a reader knows that they lie `within` so much."""
    if not small:
        return False
    lacking, rest = sum(small) + sum(hidden), len(small) - 1
    least = rest + sum(low for low, _ in within)
    largest = (FEWEST_PUBLIC - 1) * rest + sum(high for _, high in within)
    return max(1, lacking - largest) == min(FEWEST_PUBLIC - 1, lacking - least)


def _members(first: date, last: date) -> Subquery:
    """A row for each member, as who they are now, line of business and unit: sessions and requests of the year."""
    survivor = _survivors()
    by = (
        survivor.c.survivor_id, ApiTransfer.line_of_business.label("line_of_business"), ApiTransfer.report_unit,
    )  # fmt: skip
    sums = (func.sum(ApiTransfer.sessions).label("sessions"), func.sum(ApiTransfer.events).label("events"))
    return (
        select(*by, *sums)
        .join(survivor, survivor.c.member_id == ApiTransfer.member_id)
        .where(ApiTransfer.day.between(first, last))
        .group_by(*by)
        .subquery()
    )


def _survivors() -> Subquery:
    """Under which record each member stands now, through any number of merges."""
    start = select(Member.id.label("member_id"), Member.id.label("survivor_id")).where(Member.merged_into_id.is_(None))
    chain = start.cte("survivors", recursive=True)
    merged = select(Member.id, chain.c.survivor_id).join(chain, Member.merged_into_id == chain.c.member_id)
    return select(chain.union_all(merged)).subquery()


def _counted(
    session: Session, members: Subquery, *by: ColumnElement[str | None]
) -> list[tuple[tuple[Any, ...], Numbers]]:
    """How many members there are by these columns, each once in each value of them."""
    sums = (func.sum(members.c.sessions).label("sessions"), func.sum(members.c.events).label("events"))
    once = select(members.c.survivor_id, *by, *sums).group_by(members.c.survivor_id, *by).subquery()
    same = [once.c[column.name] for column in by]
    numbers = (
        func.count(),
        func.coalesce(func.sum(case((once.c.sessions > 1, 1), else_=0)), 0),
        func.coalesce(func.sum(case((once.c.events > 1, 1), else_=0)), 0),
    )
    rows = session.execute(select(*same, *numbers).group_by(*same))
    return [(tuple(row[:-3]), Numbers(*map(int, row[-3:]))) for row in rows]


def _place(row: tuple[tuple[Any, ...], Numbers]) -> tuple[str, bool, bool, str]:
    """Units in order of their names, behind them what has none, and what was counted before there were any."""
    line, unit = row[0]
    return line, unit is None, not unit, unit or ""
