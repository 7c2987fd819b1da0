"""Use of the Patient Access API in a calendar year, as CMS asks of the plan by March 31 (42 CFR 422.119(f)).

Two numbers for each line of business and for all together, aggregated and without names: members whose data went to an
app of their choice, and those for whom it did so more than once. A member counts once however many apps they use,
whoever of theirs connected them, and under whichever record they stood before records were merged.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Subquery, case, func, literal, select
from sqlalchemy.orm import Session

from service.clock import now
from service.plan.models import Member
from service.reports.models import ApiTransfer
from service.reports.transfers import last_counted
from service.spreadsheets import plain_cell

QUERY_VERSION = "2026-1"
"""Named in every report: a change of how members are counted gets a version of its own."""
FEWEST_PUBLIC = 11
"""Fewer members than these are not printed in what is published (the cell size rule of CMS)."""

NOT_TOLD = "*"
"""Stands for a number from which a smaller one could be worked out."""
_NUMBERS = ("members", "more_than_once", "by_request")


@dataclass(frozen=True)
class UsageRow:
    """The numbers of one line of business; `plan_unit` is None for all together. `by_request` counts requests, not
    sessions, as "more than once"."""

    plan_unit: str | None
    members: int
    more_than_once: int
    by_request: int


@dataclass(frozen=True)
class UsageReport:
    """A year's report. `complete_through` is the last day in it that is counted; None if none is."""

    year: int
    rows: Sequence[UsageRow]
    total: UsageRow
    complete_through: date | None
    made_at: datetime

    @property
    def is_complete(self) -> bool:
        """Whether the whole year is counted."""
        return self.complete_through == date(self.year, 12, 31)


def report(session: Session, year: int) -> UsageReport:
    """The report of a calendar year, as far as its days are over."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    members = _members(first, last)
    by_unit = _count(select(members.c.plan_unit, *_numbers(members)).group_by(members.c.plan_unit), session)
    together = _everybody(members)
    total = _count(select(literal(None), *_numbers(together)), session)[0]
    counted = last_counted(session)
    through = min(counted, last) if counted is not None and counted >= first else None
    return UsageReport(year, sorted(by_unit, key=lambda row: row.plan_unit or ""), total, through, now())


def as_csv(made: UsageReport, *, public: bool = False) -> str:
    """The report as CSV; for the public, numbers below FEWEST_PUBLIC are not told."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow((
        "year", "line_of_business", "members", "members_more_than_once", "members_more_than_once_by_request",
        "complete_through", "query_version",
    ))  # fmt: skip
    through = made.complete_through.isoformat() if made.complete_through else ""
    columns = [_column([getattr(row, name) for row in made.rows], public=public) for name in _NUMBERS]
    lines = [*zip(made.rows, zip(*columns, strict=True), strict=True)]
    total = tuple(told(getattr(made.total, name), public=public) for name in _NUMBERS)
    for row, numbers in (*lines, (made.total, total)):
        unit = "(all)" if row.plan_unit is None else plain_cell(row.plan_unit) or "(none)"
        writer.writerow((made.year, unit, *numbers, through, QUERY_VERSION))
    return out.getvalue()


def told(number: int, *, public: bool) -> str:
    """A number as it is printed: to the public, "<11" for a small one that is not 0."""
    return f"<{FEWEST_PUBLIC}" if public and 0 < number < FEWEST_PUBLIC else str(number)


def _column(numbers: Sequence[int], *, public: bool) -> list[str]:
    """One number of each line of business. A single small one would be what the others lack to the total, so that with
    it the next smallest is not told either.
    """
    small = [place for place, number in enumerate(numbers) if 0 < number < FEWEST_PUBLIC]
    others = [place for place, number in enumerate(numbers) if number >= FEWEST_PUBLIC]
    cells = [told(number, public=public) for number in numbers]
    if public and len(small) == 1 and others:
        cells[min(others, key=lambda place: numbers[place])] = NOT_TOLD
    return cells


def _members(first: date, last: date) -> Subquery:
    """A row for each member, as who they are now, and line of business: sessions and requests of the year."""
    survivor = _survivors()
    return (
        select(
            survivor.c.survivor_id, ApiTransfer.plan_unit, func.sum(ApiTransfer.sessions).label("sessions"),
            func.sum(ApiTransfer.events).label("events"),
        )
        .join(survivor, survivor.c.member_id == ApiTransfer.member_id)
        .where(ApiTransfer.day.between(first, last))
        .group_by(survivor.c.survivor_id, ApiTransfer.plan_unit)
        .subquery()
    )  # fmt: skip


def _everybody(members: Subquery) -> Subquery:
    sums = (func.sum(members.c.sessions).label("sessions"), func.sum(members.c.events).label("events"))
    return select(members.c.survivor_id, *sums).group_by(members.c.survivor_id).subquery()


def _survivors() -> Subquery:
    """Under which record each member stands now, through any number of merges."""
    start = select(Member.id.label("member_id"), Member.id.label("survivor_id")).where(Member.merged_into_id.is_(None))
    chain = start.cte("survivors", recursive=True)
    merged = select(Member.id, chain.c.survivor_id).join(chain, Member.merged_into_id == chain.c.member_id)
    return select(chain.union_all(merged)).subquery()


def _numbers(members: Subquery) -> tuple[ColumnElement[int], ...]:
    return (
        func.count(),
        func.coalesce(func.sum(case((members.c.sessions > 1, 1), else_=0)), 0),
        func.coalesce(func.sum(case((members.c.events > 1, 1), else_=0)), 0),
    )


def _count(wanted: object, session: Session) -> list[UsageRow]:
    return [UsageRow(unit, *map(int, numbers)) for unit, *numbers in session.execute(wanted)]  # type: ignore[call-overload]
