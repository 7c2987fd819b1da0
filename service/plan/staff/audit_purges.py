"""Purges of the audit: allowed by two people, since nobody can take one back (case 145).

A command asks for a day, and an administrator's yes in the staff console allows it (`asked_by_command`). The yes itself
purges nothing: only the owner of the database may delete events, and many take long. The command is given again.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from service import audit
from service.audit_chain import purging
from service.audit_chain.purging import OnHold, TooYoung
from service.plan.models import ActKind, PendingAct, PlanStaff
from service.plan.staff import asked_by_command, second_looks
from service.plan.staff.asked_by_command import BrokenGlass, Command
from service.plan.staff.second_looks import SecondLookRefused
from service.settings import Settings


class KeptHere(SecondLookRefused):
    """The console's own settings keep what whoever ran the command, by theirs, may purge."""

    def __init__(self, refused: TooYoung | OnHold) -> None:
        super().__init__(str(refused))
        self.sentence = f"The settings of this server do not let these events go. {refused} Please refuse this."


def begin(session: Session, before: datetime, command: Command, settings: Settings) -> PendingAct | BrokenGlass:
    """What a purge of the events before this day (UTC) may go by: an act, `approved` or still waiting for that, or a
    broken glass.

    A yes counts for LASTS from when it was said, also for a purge that was interrupted. Raises TooYoung, OnHold,
    SecondLookRefused.
    """
    purging.require_allowed(settings, before)
    day = before.date().isoformat()
    if command.breaks_glass:
        return _break_glass(session, day, command, settings)
    allowed = second_looks.find_approved(session, ActKind.AUDIT_PURGE, day)
    if allowed is not None:
        return allowed
    asked_by_command.require_somebody_to_allow(session, command)
    change = {
        "what": f"Events of the audit before {day} (UTC)",
        "before": f"kept; AUDIT_YEARS is {settings.audit_years}, and no legal hold is set (AUDIT_HOLD)",
        "after": "deleted for good, by the command that asks for this and is given again; a signed stub tells of them",
    }  # fmt: skip
    return second_looks.ask(
        session, ActKind.AUDIT_PURGE, day, [change], by_account_id=None, reason=command.reason,
        operator=command.operator, before=before.isoformat(),
    )  # fmt: skip


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff, settings: Settings) -> None:
    """The administrator's yes: the purge may begin. Raises SecondLookRefused."""
    require_may_allow(act, by, settings)
    second_looks.approve(session, act, by_account_id=by.account_id)


def require_may_allow(act: PendingAct, by: PlanStaff, settings: Settings) -> None:
    """Raise OwnAct for who bears the name of whoever ran the command, KeptHere where the console's settings forbid it.

    Whoever runs a command gives it settings of their own; those of the console are another's.
    """
    asked_by_command.require_other(act, by)
    try:
        purging.require_allowed(settings, datetime.fromisoformat(act.content["before"]))
    except (TooYoung, OnHold) as refused:
        raise KeptHere(refused) from None


def _break_glass(session: Session, day: str, command: Command, settings: Settings) -> BrokenGlass:
    told = asked_by_command.hearers(session)
    audit.record(
        session, "audit:event:break_glass", reason=command.reason,
        detail={"before": day, "years": settings.audit_years, "told": len(told)},
    )  # fmt: skip
    return asked_by_command.tell(session, command, told, "audit_purged", day=day, years=str(settings.audit_years))
