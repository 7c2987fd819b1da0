"""The plan's own people in the staff console, and their roles."""

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service import audit
from service.accounts.models import Account, LoginSession
from service.clock import now
from service.db import Statement
from service.plan.models import PlanStaff, ProviderStaff, StaffRole


class NotOneself(Exception):
    """Plan staff may not answer, close or change what belongs to their own portal login (security.md 143)."""

    sentence = "This belongs to your own portal login. Please ask a colleague to do it."


STANDS = "EXISTS (SELECT 1 FROM plan_staff WHERE account_id = %s AND ended_at IS NULL)"
"""Whether the account with this id is of the plan's own people, as a condition of hand-kept statements."""
_STANDING = Statement(f"SELECT 1 WHERE {STANDS}")


def stands(session: Session, account_id: str) -> bool:
    """Whether the account is of the plan's own people."""
    session.flush()
    return bool(_STANDING.run(session, account_id).fetchall())


class NotServing(Exception):
    """This person has no place in the staff console any more."""


def find(session: Session, account: Account) -> PlanStaff | None:
    """The standing of this account as plan staff; None for everybody else."""
    statement = select(PlanStaff).where(PlanStaff.account_id == account.id, PlanStaff.ended_at.is_(None))
    return session.scalar(statement)


def roles_of(staff: PlanStaff) -> frozenset[StaffRole]:
    """The roles of a person of the plan."""
    return frozenset(StaffRole(role) for role in staff.roles)


def appoint(session: Session, account: Account, roles: Iterable[StaffRole], *, by_account_id: str | None) -> PlanStaff:
    """Give an account its place in the staff console; who has or had one gets these roles in place of the older."""
    made = session.scalar(select(PlanStaff).where(PlanStaff.account_id == account.id).with_for_update(of=PlanStaff))
    if made is None:
        made = PlanStaff(account_id=account.id, account=account)
        session.add(made)
    made.roles, made.ended_at = sorted(role.value for role in roles), None
    # A new role begins with a new sign-in (security.md 111), which then lasts the eight hours of plan staff.
    _sign_out(session, account.id)
    session.flush()
    audit.record(
        session, "plan:staff:appoint", account_id=by_account_id, detail={"appointed": account.id, "roles": made.roles}
    )
    return made


def end(session: Session, staff: PlanStaff, *, by_account_id: str | None) -> None:
    """Take the place in the staff console away, at once; raises NotServing."""
    session.refresh(staff, with_for_update={"of": PlanStaff})
    if staff.ended_at is not None:
        raise NotServing
    staff.ended_at = now()
    session.flush()
    _sign_out(session, staff.account_id)
    audit.record(session, "plan:staff:end", account_id=by_account_id, detail={"ended": staff.account_id})


def serving(session: Session) -> list[PlanStaff]:
    """Everybody with a place in the staff console, by user name."""
    statement = select(PlanStaff).join(Account, Account.id == PlanStaff.account_id)
    return list(session.scalars(statement.where(PlanStaff.ended_at.is_(None)).order_by(Account.username)))


def with_role(session: Session, role: StaffRole) -> list[PlanStaff]:
    """Everybody who has the role now."""
    every = session.scalars(select(PlanStaff).where(PlanStaff.ended_at.is_(None)).limit(2_000))
    return [staff for staff in every if role in roles_of(staff)]


def require_other(by: PlanStaff, staff: ProviderStaff) -> None:
    """Raise NotOneself where a person of the plan would act on their own portal login."""
    if by.account_id == staff.account_id:
        raise NotOneself


def get(session: Session, staff_id: str) -> PlanStaff | None:
    """A person of the plan by id, if they still are."""
    found = session.get(PlanStaff, staff_id)
    return found if found is not None and found.ended_at is None else None


def name_of(session: Session, account_id: str | None) -> str:
    """The full name of the person with this account; empty for none."""
    account = session.get(Account, account_id) if account_id else None
    return account.full_name if account else ""


def _sign_out(session: Session, account_id: str) -> None:
    open_sessions = (LoginSession.account_id == account_id, LoginSession.ended_at.is_(None))
    session.execute(update(LoginSession).where(*open_sessions).values(ended_at=now()))
