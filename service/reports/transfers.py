"""Which members' data went to which apps, a row a day and grant, counted from the audit stream the night after.

A transfer is an answer with at least one resource about the member, to an app acting under a grant (regulation.md
RG-29). What goes to the plan's own pages, to programs without a person and to provider offices has no grant and does
not count; nor do shared resources (practitioners, organizations), which are about nobody.

A transfer belongs to the line of business and the contract, plan or issuer that its member had as the day ended,
however late the day is counted: what changed since is kept until then (`FormerUnit`).
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    Date,
    Select,
    Subquery,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from fhir import compartment
from oauth.apps import funnel
from service.audit import AuditEvent, Outcome
from service.clock import now
from service.db import microseconds
from service.plan.models import FormerUnit, Member
from service.reports.models import ApiTransfer, ReportDay
from service.settings import Settings

SAME_SESSION = timedelta(minutes=30)
"""Reads under one grant that are closer than this are one session."""
# A request that began before midnight has written its row long before this is over.
_LATE = timedelta(hours=1)
_COUNTED = (
    "day", "grant_id", "member_id", "client_id", "plan_unit", "report_unit", "events", "sessions", "resources",
)  # fmt: skip


def count_finished_days(sessions: sessionmaker[Session], settings: Settings) -> int:
    """Count every day that is over and not counted yet, each in a transaction of its own; how many.

    Of two who count at one time each day is one's: the other waits until it is counted, and looks for the next.
    """
    zone, counted = settings.plan.timezone, 0
    while True:
        with sessions.begin() as session:
            day = _next_day(session, zone)
            if day is None:
                return counted
            counted += count_day(session, day, zone)


def last_counted(session: Session) -> date | None:
    """The last day that is counted."""
    return session.scalar(select(func.max(ReportDay.day)))


def count_day(session: Session, day: date, zone: ZoneInfo) -> bool:
    """Count one day: its transfers, and how far each app's authorizations came. Days are counted in their order.

    False where another has counted it: nothing was done then.
    """
    begin, end = bounds(day, zone)
    after = events_after(session, day)
    if not _take(session, day, _where_next_begins(session, end, after)):
        return False
    session.execute(insert(ApiTransfer).from_select(_COUNTED, _transfers(day, begin, end, after)))
    session.execute(delete(FormerUnit).where(FormerUnit.until < end))
    funnel.count_day(session, day, begin, end, after)
    return True


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of the day there, and that of the next."""
    first, next_first = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return first, next_first


def events_after(session: Session, day: date) -> int:
    """The id after which the events of a day are, as the day before left it: no index leads by time alone."""
    known = select(ReportDay.events_after).where(ReportDay.day < day).order_by(ReportDay.day.desc()).limit(1)
    return session.scalar(known) or 0


def _take(session: Session, day: date, events_after: int) -> bool:
    """Write that the day is counted before it is; False where another did. Who still counts it is waited for here."""
    # A count may take longer than the lease of its job, and `flask reports usage` has none.
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert_day = postgresql.insert(ReportDay) if on_postgresql else sqlite.insert(ReportDay)
    row = insert_day.values(day=day, events_after=events_after, counted_at=now())
    return session.scalar(row.on_conflict_do_nothing().returning(ReportDay.day)) is not None


def _where_next_begins(session: Session, end: datetime, after: int) -> int:
    first = select(func.min(AuditEvent.id)).where(AuditEvent.id > after, AuditEvent.at >= end - _LATE)
    found = session.scalar(first) or session.scalar(select(func.max(AuditEvent.id).label("last")))
    return max(after, (found or 1) - 1)


def _next_day(session: Session, zone: ZoneInfo) -> date | None:
    yesterday = (now() - _LATE).astimezone(zone).date() - timedelta(days=1)
    last = last_counted(session)
    if last is None:
        first = session.scalar(select(AuditEvent.at).order_by(AuditEvent.id).limit(1))
        last = first.astimezone(zone).date() - timedelta(days=1) if first is not None else yesterday
    return last + timedelta(days=1) if last < yesterday else None


def _transfers(day: date, begin: datetime, end: datetime, after: int) -> Select[tuple[object, ...]]:
    at = type_coerce(AuditEvent.at, BigInteger)
    before = func.lag(at).over(partition_by=AuditEvent.grant_id, order_by=at)
    reads = (
        select(
            AuditEvent.grant_id, AuditEvent.member_id, AuditEvent.client_id, at.label("at"),
            AuditEvent.count.label("resources"), before.label("before"),
        )
        .where(
            AuditEvent.id > after, AuditEvent.at >= begin - SAME_SESSION, AuditEvent.at < end,
            AuditEvent.tag.startswith("fhir:"), AuditEvent.outcome == Outcome.SUCCESS, AuditEvent.count > 0,
            AuditEvent.grant_id.is_not(None), AuditEvent.member_id.is_not(None), AuditEvent.client_id.is_not(None),
            or_(AuditEvent.resource_type.is_(None), AuditEvent.resource_type.not_in(sorted(compartment.SHARED_TYPES))),
        )
        .subquery()
    )  # fmt: skip
    gap, former = SAME_SESSION // timedelta(microseconds=1), _as_it_ended(end)
    is_new = case((and_(reads.c.before.is_not(None), reads.c.at - reads.c.before < gap), 0), else_=1)
    by = (
        reads.c.grant_id, reads.c.member_id, reads.c.client_id,
        func.coalesce(former.c.line_of_business, Member.line_of_business),
        func.coalesce(former.c.report_unit, Member.report_unit),
    )  # fmt: skip
    return (
        select(literal(day, Date), *by, func.count(), func.sum(is_new), func.sum(reads.c.resources))
        .join(Member, Member.id == reads.c.member_id)
        .outerjoin(former, and_(former.c.member_id == reads.c.member_id, former.c.place == 1))
        .where(reads.c.at >= microseconds(begin))
        .group_by(*by)
    )


def _as_it_ended(end: datetime) -> Subquery:
    """What members had as a day ended who have something else by now: at `place` 1 what they had first after it."""
    place = func.row_number().over(partition_by=FormerUnit.member_id, order_by=FormerUnit.until).label("place")
    columns = (FormerUnit.member_id, FormerUnit.line_of_business, FormerUnit.report_unit)
    return select(*columns, place).where(FormerUnit.until >= end).subquery()
