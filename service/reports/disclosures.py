"""Accounting of disclosures (45 CFR 164.528): what a member may ask an account of, and what is told besides.

To be accounted for is what the plan told somebody without the member's word and other than for treatment, payment or
its own operations: a court, a health department, a mistake. None of it runs through this system, so a privacy officer
enters it. What does run through it is exempt from the accounting: reads of the member's own apps, of provider offices,
of plan staff, of programs of either. The account shows it all the same, in counts.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, distinct, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session, aliased, sessionmaker

from consent import lookers, policy
from fhir.storage import exported
from oauth.apps import clients
from service import audit
from service.audit import AuditEvent, AuditSubject, Outcome
from service.clock import now
from service.plan.members import roster
from service.plan.models import Member
from service.reports.models import AccountableDisclosure, DisclosurePurpose
from service.spreadsheets import plain_cell

YEARS = 6
"""For how long back a member may ask."""
PAGE = 200
"""Entries on a page: nearly every account is one page, to be printed."""
_PIECE = 500
_COLUMNS = ("date", "recipient", "address", "description", "purpose", "basis")
_SOURCES = {"fhir": "app", "provider": "provider office", "staff": "plan staff"}


class CorrectedAlready(Exception):
    """The entry was corrected before."""

    sentence = "This entry has been corrected already. Please correct the newer one."


class NotYetDisclosed(Exception):
    """The day lies ahead, or before anything that must be accounted for."""

    sentence = "Please enter the day of the disclosure: not a day to come, and at most six years back."


@dataclass(frozen=True)
class Entry:
    """A disclosure as told; `corrected` if a later entry stands in its place."""

    disclosure: AccountableDisclosure
    corrected: bool


@dataclass(frozen=True)
class OtherReads:
    """Reads that are exempt: by whom (an app's name, or the kind of reader), how many, the first and the last.

    The kind says "perhaps" where a program copied a part of everybody's, in which the member's need not have been.
    """

    reader: str
    kind: str
    requests: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Account:
    """A page of a member's account, the latest first. `older` is the id of the entry behind which the next page begins,
    None on the last one; `others` stand on the first page."""

    member: Member
    since: date
    entries: Sequence[Entry]
    others: Sequence[OtherReads]
    older: str | None


@dataclass(frozen=True)
class Csv:
    """An account as CSV that is about to be sent."""

    _parts: Sequence[str]
    _since: date

    def pieces(self, sessions: sessionmaker[Session]) -> Iterator[str]:
        """The text, some lines at a time, each piece read in a transaction of its own: a long account takes no more
        memory than a short one, and who takes it slowly holds up nobody."""
        yield _csv_lines([_COLUMNS])
        last: AccountableDisclosure | None = None
        while True:
            with sessions() as session:
                found = _entries(session, self._parts, self._since, last, _PIECE)
            if not found:
                return
            last = found[-1].disclosure
            yield _csv_lines(_cells(one.disclosure) for one in found if not one.corrected)


def record(session: Session, member: Member, told: Mapping[str, Any], *, by_account_id: str) -> AccountableDisclosure:
    """Enter a disclosure: `disclosed_on`, `recipient`, `recipient_address`, `description`, `purpose`, `basis`, and
    `corrects`, the id of the entry in whose place it stands or None.

    Raises NotYetDisclosed, CorrectedAlready; LookupError for an entry that is not this member's.
    """
    if not _earliest() <= told["disclosed_on"] <= now().date():
        raise NotYetDisclosed
    corrects = told.get("corrects") or None
    if corrects is not None:
        _require_correctable(session, member, corrects)
    made = AccountableDisclosure(
        member_id=member.id, disclosed_on=told["disclosed_on"], recipient=told["recipient"],
        recipient_address=told["recipient_address"] or "", description=told["description"],
        purpose=DisclosurePurpose(told["purpose"]), basis=told["basis"], corrects_id=corrects,
        recorded_by_account_id=by_account_id, recorded_at=now(),
    )  # fmt: skip
    session.add(made)
    session.flush()
    audit.record(
        session, "plan:disclosure:record", account_id=by_account_id, member_id=member.id,
        detail={"disclosure": made.id, "corrects": corrects},
    )  # fmt: skip
    return made


def account(session: Session, member: Member, *, by_account_id: str | None, behind: str | None = None) -> Account:
    """A page of the account of the last six years; that it was given is kept.

    `behind` is the id of the entry that the page follows. Raises LookupError for one that is not this member's.
    """
    parts, since = roster.parts(session, member), _earliest()
    last = session.get(AccountableDisclosure, behind) if behind else None
    if behind and (last is None or last.member_id not in parts):
        raise LookupError
    found = _entries(session, parts, since, last, PAGE + 1)
    entries = found[:PAGE]
    _keep(session, member, by_account_id, len(entries))
    older = entries[-1].disclosure.id if len(found) > PAGE else None
    return Account(member, since, entries, [] if behind else _others(session, member, since), older)


def begin_csv(session: Session, member: Member, *, by_account_id: str | None) -> Csv:
    """Begin to give the account as CSV: what has to be accounted for, without entries that were corrected.

    That it is given, and how many lines, is kept in this session's transaction; what comes back is read when that has
    been committed.
    """
    parts, since = roster.parts(session, member), _earliest()
    newer = aliased(AccountableDisclosure)
    standing = (
        select(func.count())
        .select_from(AccountableDisclosure)
        .outerjoin(newer, newer.corrects_id == AccountableDisclosure.id)
        .where(*_within(parts, since), newer.id.is_(None))
    )
    _keep(session, member, by_account_id, session.scalar(standing) or 0)
    return Csv(tuple(parts), since)


def _cells(one: AccountableDisclosure) -> tuple[str, ...]:
    told = (one.recipient, one.recipient_address, one.description, one.purpose.value, one.basis)
    return one.disclosed_on.isoformat(), *map(plain_cell, told)


def _csv_lines(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _keep(session: Session, member: Member, by_account_id: str | None, count: int) -> None:
    audit.record(session, "plan:disclosure:account", account_id=by_account_id, member_id=member.id, count=count)


def _within(parts: Sequence[str], since: date) -> tuple[ColumnElement[bool], ...]:
    return AccountableDisclosure.member_id.in_(parts), AccountableDisclosure.disclosed_on >= since


def _entries(
    session: Session, parts: Sequence[str], since: date, last: AccountableDisclosure | None, limit: int
) -> list[Entry]:
    """So many entries from behind `last` on, or from the first."""
    one, newer = AccountableDisclosure, aliased(AccountableDisclosure)
    asked = select(one, newer.id).outerjoin(newer, newer.corrects_id == one.id).where(*_within(parts, since))
    if last is not None:
        columns = (one.disclosed_on, one.recorded_at, one.id)
        # Each value as its column keeps it: a tuple gives its values no type.
        place = (literal(getattr(last, column.key), column.type) for column in columns)
        asked = asked.where(tuple_(*columns) < tuple_(*place))
    asked = asked.order_by(one.disclosed_on.desc(), one.recorded_at.desc(), one.id.desc()).limit(limit)
    return [Entry(found, corrected_by is not None) for found, corrected_by in session.execute(asked)]


def _earliest() -> date:
    today = now().date()
    return (today - timedelta(days=1) if (today.month, today.day) == (2, 29) else today).replace(
        year=today.year - YEARS
    )


def _require_correctable(session: Session, member: Member, disclosure_id: str) -> None:
    standing = session.get(AccountableDisclosure, disclosure_id, with_for_update={"of": AccountableDisclosure})
    if standing is None or standing.member_id not in roster.parts(session, member):
        raise LookupError
    if session.scalar(select(AccountableDisclosure.id).where(AccountableDisclosure.corrects_id == disclosure_id)):
        raise CorrectedAlready


def _others(session: Session, member: Member, since: date) -> Sequence[OtherReads]:
    patients = roster.patients_of_parts(session, member)
    parts, everybody = list(patients), exported.was_in(policy.plan_system("accounting of disclosures"), patients)
    begin = datetime.combine(since, datetime.min.time(), now().tzinfo)
    source = func.substr(AuditEvent.tag, 1, 5).label("source")
    is_program = AuditEvent.grant_id.is_(None).label("is_program")
    by = (source, AuditEvent.client_id, is_program, lookers.partly())
    asked = select(*by, func.count(), func.min(AuditEvent.at), func.max(AuditEvent.at)).group_by(*by)
    told = (
        AuditEvent.at >= begin, AuditEvent.outcome == Outcome.SUCCESS,
        or_(*(AuditEvent.tag.startswith(f"{name}:") for name in _SOURCES)),
    )  # fmt: skip
    rows = session.execute(asked.where(AuditEvent.member_id.in_(parts), *told)).all()
    several = select(*by, func.count(distinct(AuditEvent.id)), func.min(AuditEvent.at), func.max(AuditEvent.at))
    several = several.select_from(AuditSubject).join(AuditEvent, AuditEvent.id == AuditSubject.event_id).group_by(*by)
    rows = [*rows, *session.execute(several.where(*lookers.among_others(parts, everybody), *told))]
    known = [(*who, lookers.is_of_some(partly), number, first, last) for *who, partly, number, first, last in rows]
    found = [_reader(session, *row) for row in _added_up(known)]
    return sorted(found, key=lambda one: one.last, reverse=True)


def _added_up(rows: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    found: dict[tuple[Any, ...], Sequence[Any]] = {}
    for *by, number, first, last in rows:
        _by, before, earliest, latest = found.get(tuple(by), (by, 0, first, last))
        found[tuple(by)] = (by, before + number, min(earliest, first), max(latest, last))
    return ((*by, number, first, last) for by, number, first, last in found.values())


def _reader(
    session: Session, source: str, client_id: str | None, is_program: bool, is_of_some: bool, requests: int,
    first: datetime, last: datetime,
) -> OtherReads:  # fmt: skip
    kind = next(kind for name, kind in _SOURCES.items() if name.startswith(source.rstrip(":")[:5]))
    if client_id and is_program:
        kind = "program, perhaps (a part of all members' records)" if is_of_some else "program"
    app = clients.find(session, client_id) if client_id else None
    return OtherReads(app.name if app else kind, kind, requests, first, last)
