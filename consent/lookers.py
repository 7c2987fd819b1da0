"""Who has looked at a member's record, day by day: apps, programs, the member and who acts for them, offices.

Told from the audit stream by one statement: events about the member alone, and those about several (`AuditSubject`).
Looks of plan staff have a table of their own, with what the member may read of their reasons
(`service.plan.staff.support_looks`); here they only say on which days there is something.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, String, and_, cast, distinct, func, null, or_, select, union_all
from sqlalchemy.orm import Session

from consent import activity
from consent.activity import DAYS_A_PAGE, WINDOW, Day, day_of, midnight
from service.accounts.models import Account
from service.audit import EVERYBODY, AuditEvent, AuditSubject, Outcome
from service.db import from_microseconds
from service.plan.models import PortalOrganization, ProviderStaff


class Deed(StrEnum):
    """What a person did with the record, by the tag of its audit row."""

    VIEW = "member:information:view"
    DOWNLOAD = "member:information:download"
    APPS_EXPORT = "member:apps:export"
    PREVIEW = "consent:preview:count"
    """Told of representatives alone: members know of their own consent screen."""
    ELIGIBILITY = "provider:eligibility:lookup"
    MEMBER_LOOKUP = "provider:member:lookup"
    CLAIM = "provider:claim:read"


class Way(StrEnum):
    """How a program came to data of a member."""

    READ = "read"
    MATCH = "match"
    COPY = "copy"
    COPY_OF_ALL = "copy_of_all"
    """With what the plan has of every member."""
    COPY_OF_SOME = "copy_of_some"
    """With a part of it, in which this member's need not have been."""


_WAYS = list(Way)
STAFF = "staff:member:look"
FILE = ":export-file"
"""How the tags end of files of bulk exports that a program fetched."""
_MATCH = ":member-match"
_MOST_SHARED = 5_000
OFFICES = frozenset({Deed.ELIGIBILITY, Deed.MEMBER_LOOKUP, Deed.CLAIM})


@dataclass
class Look:
    """One person's looks of one day and kind. `office` is the organisation of a provider's login, else empty.

    `sections` are keys of the parts of the record that were opened; `reason` is what an office said why.
    """

    deed: Deed
    name: str
    office: str
    is_representative: bool
    is_own: bool
    reason: str
    times: int = 0
    sections: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class AppReading:
    """What an app read in one day under one grant.

    `connected_by` names whoever gave the grant, empty where their account is closed; None where the reader did.
    """

    client_id: str
    grant_id: str
    connected_by: str | None
    day: Day


@dataclass(frozen=True)
class Reading:
    """What a program did in one day, in one way and for one reason.

    `list_name` names the providers' list that a copy was made for, else it is empty. Records are counted but for copies
    of everybody's.
    """

    client_id: str
    way: Way
    reason: str
    list_name: str
    day: Day


@dataclass
class LookedOn:
    """One day: what each app read under each grant, what programs without a person did, and who else looked."""

    day: date
    apps: list[AppReading] = field(default_factory=list)
    programs: list[Reading] = field(default_factory=list)
    people: list[Look] = field(default_factory=list)


@dataclass
class Looked:
    """Days on which somebody looked, the latest first. `older` names the day before which there is more."""

    days: list[LookedOn]
    older: date | None = None


def of_member(
    session: Session, records: Sequence[str], own_account_id: str, zone: ZoneInfo, *, everybody: ColumnElement[bool],
    before: date | None = None,
) -> Looked:  # fmt: skip
    """The days of a page that end with the last one before the day `before` (None: the last one of all).

    `records` are the ids of a member's record and of those that became part of it since (`roster.parts`): what was done
    with these was about them too. `everybody` says which events about every member were about this one
    (`fhir.storage.exported.was_in`).
    """
    until = () if before is None else (AuditEvent.at < midnight(before, zone),)
    newest = _ends(records, everybody, func.max, *until).cte("newest")
    oldest = _ends(records, everybody, func.min).scalar_subquery().label("oldest")
    within = (*until, activity.moment() > select(newest.c.moment).scalar_subquery() - WINDOW)
    both = union_all(_alone(records, within), _among_others(records, everybody, within)).subquery()
    rows = session.execute(select(both, oldest)).all()
    if not rows:
        return Looked([])
    found = _by_day(rows, own_account_id, zone)
    last = max(found)
    first = date.fromordinal(last.toordinal() - DAYS_A_PAGE + 1)
    shown = [found[day] for day in sorted(found, reverse=True) if day >= first]
    started = from_microseconds(rows[0].oldest).astimezone(zone).date()
    return Looked(shown, first if started < first else None)


def looks_at(records: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    """Which events of the stream are looks at these records, given by their members' ids, and at no others."""
    is_app = AuditEvent.grant_id.is_not(None)
    is_program = and_(AuditEvent.client_id.is_not(None), AuditEvent.outcome == Outcome.SUCCESS)
    by_programs = and_(AuditEvent.tag.startswith("fhir:"), or_(is_app, is_program))
    is_told = or_(AuditEvent.tag != Deed.PREVIEW, AuditEvent.link_id.is_not(None))
    by_people = and_(AuditEvent.tag.in_((*Deed, STAFF)), AuditEvent.outcome == Outcome.SUCCESS, is_told)
    return AuditEvent.member_id.in_(records), or_(by_programs, by_people)


def shared(
    session: Session, records: Sequence[str], everybody: ColumnElement[bool]
) -> dict[int, dict[str, int | None]]:  # fmt: skip
    """The latest events about these records among others: by id how many resources of which type were of these."""
    count = func.sum(AuditSubject.count)
    asked = select(AuditSubject.event_id, AuditSubject.resource_type, count).where(*among_others(records, everybody))
    by = (AuditSubject.event_id, AuditSubject.resource_type)
    latest = asked.join(*_OF_EVENTS).group_by(*by).order_by(AuditSubject.event_id.desc()).limit(_MOST_SHARED)
    found: dict[int, dict[str, int | None]] = {}
    for event_id, resource_type, number in session.execute(latest):
        found.setdefault(event_id, {})[resource_type] = number
    return found


def among_others(records: Sequence[str], everybody: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    """Which rows of `AuditSubject`, joined with their events, are about these records; see `of_member`."""
    is_about = AuditSubject.member_id.in_([*records, EVERYBODY])
    return is_about, or_(AuditSubject.member_id != EVERYBODY, everybody)


def partly() -> Any:
    """What an event about everybody says of whether only a part was copied, as text, for `is_of_some`."""
    return AuditEvent.detail["everybody", "partly"].as_string().label("partly")


def is_of_some(partly: str | None) -> bool:
    """Whether an event tells of a copy of a part of everybody's, in which a member's need not have been."""
    return partly is not None and partly not in {"false", "0"}


_OF_EVENTS = (AuditEvent, AuditEvent.id == AuditSubject.event_id)


def _ends(records: Sequence[str], everybody: ColumnElement[bool], end: Any, *until: ColumnElement[bool]) -> Any:
    """The moment of the newest or oldest look: one by one from that end of each index, never all of them."""
    alone = select(end(activity.moment()).label("moment")).where(*looks_at(records), *until)
    order = AuditSubject.event_id.desc() if end is func.max else AuditSubject.event_id
    ends = [alone]
    for whom in (
        (AuditSubject.member_id.in_(records),), (AuditSubject.member_id == EVERYBODY, everybody),
    ):  # fmt: skip
        first = select(activity.moment().label("moment")).select_from(AuditSubject).join(*_OF_EVENTS)
        one = first.where(*whom, *until).order_by(order).limit(1).subquery()
        ends.append(select(one.c.moment))
    every = union_all(*ends).subquery()
    return select(end(every.c.moment).label("moment"))


def _alone(records: Sequence[str], within: Sequence[ColumnElement[bool]]) -> Any:
    section = AuditEvent.detail["section"].as_string().label("section")
    nothing = cast(null(), String)
    grouped = activity.grouped(
        AuditEvent.tag, AuditEvent.client_id, AuditEvent.grant_id, AuditEvent.account_id, AuditEvent.link_id,
        AuditEvent.reason, section, Account.given_name, Account.family_name, PortalOrganization.name.label("office"),
    )  # fmt: skip
    told = grouped.add_columns(nothing.label("list_name"), nothing.label("partly"))
    told = told.outerjoin(Account, Account.id == AuditEvent.account_id)
    # SQLite takes no limit in a part of a union.
    return select(with_offices(told).where(*looks_at(records), *within).subquery())


def _among_others(
    records: Sequence[str], everybody: ColumnElement[bool], within: Sequence[ColumnElement[bool]]
) -> Any:  # fmt: skip
    """The same columns of events about several members: counted is what was about these."""
    nothing = cast(null(), String)
    groups = (
        AuditEvent.tag, AuditEvent.client_id, AuditEvent.reason, activity.quarter(), AuditSubject.resource_type,
        AuditEvent.outcome, AuditEvent.detail["for"].as_string().label("list_name"),
        partly(),
    )  # fmt: skip
    tag, client_id, reason, quarter, resource_type, outcome, list_name, of_some = groups
    nobody = (nothing.label(name) for name in ("grant_id", "account_id", "link_id"))
    unsaid = (nothing.label(name) for name in ("section", "given_name", "family_name", "office"))
    told = select(
        tag, client_id, *nobody, reason, *unsaid, quarter, resource_type, outcome, nothing.label("included"),
        func.count(distinct(AuditEvent.id)).label("requests"),
        func.coalesce(func.sum(AuditSubject.count), 0).label("records"),
        func.max(activity.moment()).label("latest"), list_name, of_some,
    ).select_from(AuditSubject).join(*_OF_EVENTS)  # fmt: skip
    return told.where(*among_others(records, everybody), *within).group_by(*groups)


def with_offices(statement: Any) -> Any:
    """A statement about events, joined with the office (`PortalOrganization`) of whoever looked from one."""
    is_of_office = and_(AuditEvent.tag.in_(OFFICES), _newest_login())
    of_login = PortalOrganization.id == ProviderStaff.organization_id
    return statement.outerjoin(ProviderStaff, is_of_office).outerjoin(PortalOrganization, of_login)


def _newest_login() -> ColumnElement[bool]:
    """Of somebody who changed offices only the newest login, so that a look is not told twice."""
    every = select(ProviderStaff.id).where(ProviderStaff.account_id == AuditEvent.account_id).correlate(AuditEvent)
    return ProviderStaff.id == every.order_by(ProviderStaff.created_at.desc()).limit(1).scalar_subquery()


def _by_day(rows: Sequence[Row[Any]], own_account_id: str, zone: ZoneInfo) -> dict[date, LookedOn]:
    found: dict[date, LookedOn] = {}
    of_apps: dict[tuple[str, str], list[Row[Any]]] = {}
    of_programs: dict[tuple[str, Way, str, str], list[Row[Any]]] = {}
    people: dict[tuple[Any, ...], Look] = {}
    for row in rows:
        on = found.setdefault(day_of(row, zone), LookedOn(day_of(row, zone)))
        if row.grant_id is not None and row.tag.startswith("fhir:"):
            of_apps.setdefault((row.client_id, row.grant_id), []).append(row)
        elif row.tag.startswith("fhir:"):
            how = (row.client_id, _way(row), row.reason or "", row.list_name or "")
            of_programs.setdefault(how, []).append(row)
        elif row.tag != STAFF:
            _add(on, people, row, own_account_id)
    for (client_id, grant_id), own in of_apps.items():
        connected_by = _connected_by(own, own_account_id)
        for day in activity.days_of(own, zone):
            found[day.day].apps.append(AppReading(client_id, grant_id, connected_by, day))
    for how, own in of_programs.items():
        for day in activity.days_of(own, zone):
            found[day.day].programs.append(Reading(*how, day))
    for on in found.values():
        # Of an app the reader's own connection first.
        on.apps.sort(key=lambda one: (one.client_id, one.connected_by is not None, one.connected_by, one.grant_id))
        on.programs.sort(key=lambda one: (one.client_id, _WAYS.index(one.way), one.reason, one.list_name))
    return found


def _connected_by(rows: Sequence[Row[Any]], own_account_id: str) -> str | None:
    """Of the rows of one grant, which has one giver: their name, see `AppReading`."""
    giver = next((row for row in rows if row.account_id is not None), None)
    return None if giver is None or giver.account_id == own_account_id else _name(giver)


def _name(row: Row[Any]) -> str:
    return f"{row.given_name or ''} {row.family_name or ''}".strip()


def _way(row: Row[Any]) -> Way:
    if row.partly is not None:
        return Way.COPY_OF_SOME if is_of_some(row.partly) else Way.COPY_OF_ALL
    if row.tag.endswith(FILE):
        return Way.COPY
    return Way.MATCH if row.tag.endswith(_MATCH) else Way.READ


def _add(on: LookedOn, people: dict[tuple[Any, ...], Look], row: Row[Any], own_account_id: str) -> None:
    key = (on.day, row.tag, row.account_id, row.link_id, row.reason)
    look = people.get(key)
    if look is None:
        look = people[key] = Look(
            Deed(row.tag), _name(row), row.office or "", row.link_id is not None, row.account_id == own_account_id,
            row.reason or "",
        )  # fmt: skip
        on.people.append(look)
    look.times += row.requests
    if row.section and row.section not in look.sections:
        look.sections.append(row.section)
