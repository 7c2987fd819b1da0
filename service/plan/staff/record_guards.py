"""Which records need a second reason: of oneself, of a colleague or their household, or marked as protected."""

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, aliased

from service import audit
from service.accounts import usernames
from service.accounts.models import Account
from service.plan.models import Colleague, Guard, Member, PlanStaff, ProtectedRecord

_MOST = 200


class ProtectedAlready(Exception):
    """The record is marked already."""

    sentence = "This record is protected already."


def find_guard(session: Session, by: PlanStaff, member: Member) -> Guard | None:
    """Why this person of the plan needs a second reason for this record; None where they do not.

    A person of the plan is matched to members by their account, by what an administrator entered (`know_colleague`), or
    by the address on file; whoever shares a subscriber number with them is their household. The address makes it one's
    own unless one is known to be another member of the household: people leave their own address for their children.
    """
    people = _people_of_household(session, member)
    known_here = {member_id for staff_id, member_id in people if staff_id == by.id}
    if member.id in known_here or (not known_here and _has_address_of(by, member)):
        return Guard.OWN
    if people or _has_address_of_staff(session, member):
        return Guard.COLLEAGUE
    return Guard.PROTECTED if session.get(ProtectedRecord, member.id) is not None else None


def know_colleague(session: Session, staff: PlanStaff, member: Member) -> None:
    """Keep which member a person of the plan is, in place of what was kept before."""
    session.merge(Colleague(plan_staff_id=staff.id, member_id=member.id))
    session.flush()
    audit.record(session, "plan:staff:know_colleague", member_id=member.id, detail={"staff": staff.id})


def protect(session: Session, member: Member, *, by: PlanStaff, reason: str) -> None:
    """Mark a record as protected; raises ProtectedAlready."""
    if session.get(ProtectedRecord, member.id, with_for_update={"of": ProtectedRecord}) is not None:
        raise ProtectedAlready
    session.add(ProtectedRecord(member=member, member_id=member.id, reason=reason, marked_by_account_id=by.account_id))
    session.flush()
    audit.record(
        session, "staff:protected_record:mark", account_id=by.account_id, member_id=member.id, reason=reason
    )  # fmt: skip


def lift(session: Session, marked: ProtectedRecord, *, by: PlanStaff, reason: str) -> None:
    """Take the mark away; the audit rows keep that it was there and why."""
    audit.record(
        session, "staff:protected_record:lift", account_id=by.account_id, member_id=marked.member_id, reason=reason
    )  # fmt: skip
    session.delete(marked)
    session.flush()


def list_protected(session: Session) -> list[ProtectedRecord]:
    """Every protected record, the latest first."""
    return list(session.scalars(select(ProtectedRecord).order_by(ProtectedRecord.marked_at.desc()).limit(_MOST)))


def _people_of_household(session: Session, member: Member) -> set[tuple[str, str]]:
    """Ids of plan staff with the id of the member they are, for everybody who shares the member's subscriber number."""
    related = aliased(Member)
    same_person = or_(
        Account.member_id == related.id,
        exists().where(Colleague.plan_staff_id == PlanStaff.id, Colleague.member_id == related.id),
    )
    statement = (
        select(PlanStaff.id, related.id)
        .join(Account, Account.id == PlanStaff.account_id)
        .join(related, same_person)
        .where(PlanStaff.ended_at.is_(None), related.subscriber_number == member.subscriber_number)
    )
    return {(staff_id, member_id) for staff_id, member_id in session.execute(statement)}


def _has_address_of(by: PlanStaff, member: Member) -> bool:
    if by.account.email_verified_at is None or not member.email_on_file:
        return False
    return usernames.email_key(member.email_on_file) == by.account.email_key


def _has_address_of_staff(session: Session, member: Member) -> bool:
    if not member.email_on_file:
        return False
    same = (Account.email_key == usernames.email_key(member.email_on_file), PlanStaff.ended_at.is_(None))
    statement = select(PlanStaff.id).join(Account, Account.id == PlanStaff.account_id).where(*same)
    return session.scalar(statement.limit(1)) is not None
