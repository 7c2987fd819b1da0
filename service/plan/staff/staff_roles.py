"""Roles of the plan's own people, as commands ask for them: more of them is an administrator's to allow (case 145).

What a command takes away goes at once; what it gives waits (`service.plan.staff.asked_by_command`), but for the very
first administrator, whom nobody can allow.
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit
from service.accounts.models import Account, AccountStatus
from service.plan.models import ActKind, PendingAct, PlanStaff, StaffRole
from service.plan.staff import asked_by_command, plan_staff, second_looks
from service.plan.staff.asked_by_command import BrokenGlass, Command
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused


class LastAdministrator(SecondLookRefused):
    """It would forget that there was an administrator."""

    sentence = "This is the only administrator there ever was. First appoint another one, or end this one's place."


class RolesChanged(SecondLookRefused):
    """The roles are not those from which it was asked any more."""

    sentence = "The roles of this person have changed since it was asked. Please have it asked for anew."


def appoint(
    session: Session, account: Account, roles: Iterable[StaffRole], command: Command
) -> PlanStaff | PendingAct:  # fmt: skip
    """Give these roles in place of the ones there are, or ask an administrator where one is new.

    Raises SecondLookRefused.
    """
    wanted, held = frozenset(roles), _held(session, account)
    if wanted <= held:
        _require_remembered(session, account, wanted)
        return plan_staff.appoint(session, account, wanted, by_account_id=None)
    if StaffRole.ADMINISTRATOR in wanted and not asked_by_command.was_ever_administrator(session):
        return plan_staff.appoint(session, account, wanted, by_account_id=None)
    asked_by_command.require_somebody_to_allow(session, command, but={account.id})
    change = {
        "what": f"Roles of {account.full_name} ({account.username})",
        "before": _listed(held) or "none", "after": _listed(wanted),
    }  # fmt: skip
    return second_looks.ask(
        session, ActKind.STAFF_ROLES, account.id, [change], by_account_id=None, reason=command.reason,
        operator=command.operator, held=_values(held), roles=_values(wanted),
    )  # fmt: skip


def break_glass(
    session: Session, account: Account, roles: Iterable[StaffRole], command: Command
) -> tuple[PlanStaff, BrokenGlass]:  # fmt: skip
    """Give these roles now, with a reason: the person, and who is told of it by mail. Raises LastAdministrator."""
    wanted = frozenset(roles)
    _require_remembered(session, account, wanted)
    staff = plan_staff.appoint(session, account, wanted, by_account_id=None)
    told = asked_by_command.hearers(session, but={account.id})
    audit.record(
        session, "plan:staff:break_glass", reason=command.reason,
        detail={"appointed": account.id, "roles": _values(wanted), "told": len(told)},
    )  # fmt: skip
    who = f"{account.full_name} ({account.username})"
    return staff, asked_by_command.tell(session, command, told, "roles_given", who=who, roles=_listed(wanted))


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    """The administrator's yes: the roles are given. Raises NotOneself, SecondLookRefused."""
    account = session.get_one(Account, act.subject_id)
    require_may_allow(act, by)
    if _values(_held(session, account)) != act.content["held"] or account.status is not AccountStatus.ACTIVE:
        raise RolesChanged
    second_looks.approve(session, act, by_account_id=by.account_id)
    roles = [StaffRole(role) for role in act.content["roles"]]
    plan_staff.appoint(session, account, roles, by_account_id=by.account_id)


def require_may_allow(act: PendingAct, by: PlanStaff) -> None:
    """Raise NotOneself for whom the roles are for, OwnAct for who bears the name of whoever ran the command."""
    if by.account_id == act.subject_id:
        raise NotOneself
    asked_by_command.require_other(act, by)


def _held(session: Session, account: Account) -> frozenset[StaffRole]:
    own = select(PlanStaff).where(PlanStaff.account_id == account.id, PlanStaff.ended_at.is_(None))
    staff = session.scalar(own.with_for_update(of=PlanStaff))
    return plan_staff.roles_of(staff) if staff is not None else frozenset()


def _require_remembered(session: Session, account: Account, wanted: frozenset[StaffRole]) -> None:
    ever = asked_by_command.was_ever_administrator
    if StaffRole.ADMINISTRATOR not in wanted and ever(session) and not ever(session, but=account.id):
        raise LastAdministrator


def _values(roles: Iterable[StaffRole]) -> list[str]:
    return sorted(role.value for role in roles)


def _listed(roles: Iterable[StaffRole]) -> str:
    return ", ".join(value.replace("_", " ") for value in _values(roles))
