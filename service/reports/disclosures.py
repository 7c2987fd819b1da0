"""Accounting of disclosures (45 CFR 164.528): what a member may ask an account of, and what is told besides.

To be accounted for is what the plan told somebody without the member's word and other than for treatment, payment or
its own operations: a court, a health department, a mistake. None of it runs through this system, so a privacy officer
enters it. What does run through it, reads of the member's own apps, of provider offices and of plan staff, is exempt
from the accounting; the account shows it all the same, in counts.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from oauth.apps import clients
from service import audit
from service.audit import AuditEvent, Outcome
from service.clock import now
from service.plan.members import roster
from service.plan.models import Member
from service.reports.models import AccountableDisclosure, DisclosurePurpose
from service.spreadsheets import plain_cell

YEARS = 6
"""For how long back a member may ask."""
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
    """Reads that are exempt: by whom (an app's name, or the kind of reader), how many, the first and the last."""

    reader: str
    kind: str
    requests: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Account:
    """A member's account, the latest first."""

    member: Member
    since: date
    entries: Sequence[Entry]
    others: Sequence[OtherReads]


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


def account(session: Session, member: Member, *, by_account_id: str | None) -> Account:
    """The account of the last six years; that it was made is kept."""
    since = _earliest()
    parts = roster.parts(session, member)
    found = session.scalars(
        select(AccountableDisclosure)
        .where(AccountableDisclosure.member_id.in_(parts), AccountableDisclosure.disclosed_on >= since)
        .order_by(AccountableDisclosure.disclosed_on.desc(), AccountableDisclosure.recorded_at.desc())
    ).all()
    corrected = {one.corrects_id for one in found}
    entries = [Entry(one, one.id in corrected) for one in found]
    audit.record(
        session, "plan:disclosure:account", account_id=by_account_id, member_id=member.id, count=len(entries)
    )  # fmt: skip
    return Account(member, since, entries, _others(session, parts, since))


def as_csv(made: Account) -> str:
    """What has to be accounted for, as CSV; corrected entries are left out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("date", "recipient", "address", "description", "purpose", "basis"))
    for entry in made.entries:
        if not entry.corrected:
            one = entry.disclosure
            cells = (one.recipient, one.recipient_address, one.description, one.purpose.value, one.basis)
            writer.writerow((one.disclosed_on.isoformat(), *map(plain_cell, cells)))
    return out.getvalue()


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


def _others(session: Session, parts: Sequence[str], since: date) -> Sequence[OtherReads]:
    begin = datetime.combine(since, datetime.min.time(), now().tzinfo)
    source = func.substr(AuditEvent.tag, 1, 5).label("source")
    rows = session.execute(
        select(
            source, AuditEvent.client_id, func.count(), func.min(AuditEvent.at), func.max(AuditEvent.at)
        )
        .where(
            AuditEvent.member_id.in_(parts), AuditEvent.at >= begin, AuditEvent.outcome == Outcome.SUCCESS,
            or_(*(AuditEvent.tag.startswith(f"{name}:") for name in _SOURCES)),
        )
        .group_by(source, AuditEvent.client_id)
    ).all()  # fmt: skip
    found = [_reader(session, *row) for row in rows]
    return sorted(found, key=lambda one: one.last, reverse=True)


def _reader(
    session: Session, source: str, client_id: str | None, requests: int, first: datetime, last: datetime
) -> OtherReads:
    kind = next(kind for name, kind in _SOURCES.items() if name.startswith(source.rstrip(":")[:5]))
    app = clients.find(session, client_id) if client_id else None
    return OtherReads(app.name if app else kind, kind, requests, first, last)
