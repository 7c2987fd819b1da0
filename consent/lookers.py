"""Who has looked at a member's record, day by day: apps, the member and who acts for them, providers' offices.

Told from the audit stream by one statement. Looks of plan staff have a table of their own, with what the member may
read of their reasons (`service.plan.staff.support_looks`); here they only say on which days there is something.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.orm import Session

from consent import activity
from consent.activity import DAYS_A_PAGE, WINDOW, Day, day_of, midnight
from service.accounts.models import Account
from service.audit import AuditEvent, Outcome
from service.db import from_microseconds
from service.plan.models import PortalOrganization, ProviderStaff


class Deed(StrEnum):
    """What a person did with the record, by the tag of its audit row."""

    VIEW = "member:information:view"
    DOWNLOAD = "member:information:download"
    APPS_EXPORT = "member:apps:export"
    ELIGIBILITY = "provider:eligibility:lookup"
    MEMBER_LOOKUP = "provider:member:lookup"
    CLAIM = "provider:claim:read"


STAFF = "staff:member:look"
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


@dataclass
class LookedOn:
    """One day: what each app read, by client id, and who else looked."""

    day: date
    apps: dict[str, Day] = field(default_factory=dict)
    people: list[Look] = field(default_factory=list)


@dataclass
class Looked:
    """Days on which somebody looked, the latest first. `older` names the day before which there is more."""

    days: list[LookedOn]
    older: date | None = None


def of_member(
    session: Session, records: Sequence[str], own_account_id: str, zone: ZoneInfo, *, before: date | None = None
) -> Looked:
    """The days of a page that end with the last one before the day `before` (None: the last one of all).

    `records` are the ids of a member's record and of those that became part of it since (`roster.parts`): what was done
    with these was about them too.
    """
    of_them = looks_at(records)
    until = () if before is None else (AuditEvent.at < midnight(before, zone),)
    newest = select(func.max(activity.moment())).where(*of_them, *until).scalar_subquery()
    oldest = select(func.min(activity.moment())).where(*of_them).scalar_subquery().label("oldest")
    section = AuditEvent.detail["section"].as_string().label("section")
    grouped = activity.grouped(
        AuditEvent.tag, AuditEvent.client_id, AuditEvent.grant_id, AuditEvent.account_id, AuditEvent.link_id,
        AuditEvent.reason, section, Account.given_name, Account.family_name, PortalOrganization.name.label("office"),
    )  # fmt: skip
    told = grouped.add_columns(oldest).outerjoin(Account, Account.id == AuditEvent.account_id)
    rows = session.execute(with_offices(told).where(*of_them, *until, activity.moment() > newest - WINDOW)).all()
    if not rows:
        return Looked([])
    found = _by_day(rows, own_account_id, zone)
    last = max(found)
    first = date.fromordinal(last.toordinal() - DAYS_A_PAGE + 1)
    shown = [found[day] for day in sorted(found, reverse=True) if day >= first]
    started = from_microseconds(rows[0].oldest).astimezone(zone).date()
    return Looked(shown, first if started < first else None)


def looks_at(records: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    """Which events of the stream are looks at these records, given by their members' ids."""
    by_apps = and_(AuditEvent.tag.startswith("fhir:"), AuditEvent.grant_id.is_not(None))
    by_people = and_(AuditEvent.tag.in_((*Deed, STAFF)), AuditEvent.outcome == Outcome.SUCCESS)
    return AuditEvent.member_id.in_(records), or_(by_apps, by_people)


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
    of_apps: dict[str, list[Row[Any]]] = {}
    people: dict[tuple[Any, ...], Look] = {}
    for row in rows:
        on = found.setdefault(day_of(row, zone), LookedOn(day_of(row, zone)))
        if row.grant_id is not None and row.tag.startswith("fhir:"):
            of_apps.setdefault(row.client_id, []).append(row)
        elif row.tag != STAFF:
            _add(on, people, row, own_account_id)
    for client_id, own in of_apps.items():
        for day in activity.days_of(own, zone):
            found[day.day].apps[client_id] = day
    return found


def _add(on: LookedOn, people: dict[tuple[Any, ...], Look], row: Row[Any], own_account_id: str) -> None:
    key = (on.day, row.tag, row.account_id, row.link_id, row.reason)
    look = people.get(key)
    if look is None:
        name = f"{row.given_name or ''} {row.family_name or ''}".strip()
        look = people[key] = Look(
            Deed(row.tag), name, row.office or "", row.link_id is not None, row.account_id == own_account_id,
            row.reason or "",
        )  # fmt: skip
        on.people.append(look)
    look.times += row.requests
    if row.section and row.section not in look.sections:
        look.sections.append(row.section)
