"""What a command may not do alone: whom it can ask, who may say yes to it, who hears of a broken glass (case 145).

A command is one person at a machine whom the console does not know. What gives somebody, or a program, more waits as a
`PendingAct` for an administrator's yes on the page, but for a glass that is broken with a reason, of which those who
would have been asked hear at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import mail
from service.accounts.models import AccountStatus
from service.clock import now
from service.plan.models import PendingAct, PlanStaff, StaffRole
from service.plan.staff import plan_staff
from service.plan.staff.second_looks import OwnAct, SecondLookRefused

_HEAR = frozenset({StaffRole.ADMINISTRATOR, StaffRole.PRIVACY_OFFICER})


class FirstAdministrator(SecondLookRefused):
    """Nobody was ever administrator, so that nobody could allow it."""

    sentence = "There is no administrator yet who could allow it. First: flask staff appoint USERNAME administrator"


class NobodyToAllow(SecondLookRefused):
    """No other administrator serves who is not the operator by their name."""

    sentence = (
        "No other administrator serves who could allow it, so nothing was changed. "
        "If it cannot wait: --break-glass with a reason. Administrators and privacy officers are told of it."
    )


@dataclass(frozen=True, slots=True)
class Command:
    """Who asks by a command, by their name on this machine, and why; or breaks the glass for that reason."""

    operator: str
    reason: str = ""
    breaks_glass: bool = False


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """It was done without a second person; these were told by mail."""

    told: Sequence[PlanStaff]


def require_somebody_to_allow(session: Session, command: Command, *, but: Collection[str] = ()) -> None:
    """Raise FirstAdministrator or NobodyToAllow unless somebody could say yes: none of the accounts `but`."""
    if not was_ever_administrator(session):
        raise FirstAdministrator
    if all(_bears(command.operator, one) for one in _others(session, frozenset({StaffRole.ADMINISTRATOR}), but)):
        raise NobodyToAllow


def require_other(act: PendingAct, by: PlanStaff) -> None:
    """Raise OwnAct for who bears the name of whoever ran the command."""
    if _bears(str(act.content["operator"]), by):
        raise OwnAct


def was_ever_administrator(session: Session, *, but: str = "") -> bool:
    """Whether anybody but one is or was administrator: who has left keeps the row, so that nobody is first twice."""
    rows = session.scalars(select(PlanStaff).where(PlanStaff.account_id != but).limit(2_000))
    return any(StaffRole.ADMINISTRATOR in plan_staff.roles_of(staff) for staff in rows)


def hearers(session: Session, *, but: Collection[str] = ()) -> list[PlanStaff]:
    """The administrators and privacy officers who serve, without the accounts `but`: who hears of a broken glass."""
    return _others(session, _HEAR, but)


def tell(session: Session, command: Command, told: Sequence[PlanStaff], template: str, **context: str) -> BrokenGlass:
    """Mail them what was done without a second person, and by whom; not the reason, which is free text."""
    for one in told:
        mail.enqueue(
            session, to=one.account.email, template=template, language=one.account.language,
            expires_at=None, given_name=one.account.given_name, operator=command.operator, at=now(), **context,
        )  # fmt: skip
    return BrokenGlass(told)


def _bears(name: str, staff: PlanStaff) -> bool:
    return staff.account.username.casefold() == name.casefold()


def _others(session: Session, roles: frozenset[StaffRole], but: Collection[str]) -> list[PlanStaff]:
    others = (staff for staff in plan_staff.serving(session) if staff.account_id not in but)
    return [one for one in others if one.account.status is AccountStatus.ACTIVE and plan_staff.roles_of(one) & roles]
