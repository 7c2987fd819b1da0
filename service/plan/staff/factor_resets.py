"""Passkeys, authenticator app and recovery codes of somebody who lost them all: taken away on the word of two people.

Who asks has checked who calls, and says how; a second person reads that and says yes (security.md 145). The password
stays what it was, and the next sign-in asks for a code that goes to the account's own address: neither the plan's
people nor whoever persuaded them gets in by the reset alone.
"""

from sqlalchemy.orm import Session

from service.accounts import second_factors, sessions
from service.accounts.models import Account, CodeReason
from service.plan.models import ActKind, PendingAct, PlanStaff
from service.plan.staff import plan_staff, second_looks
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused


class NothingToReset(SecondLookRefused):
    """The account has no second factor."""

    sentence = "This login has neither a passkey nor an authenticator app, so there is nothing to remove."


class OfColleague(SecondLookRefused):
    """The account opens the staff console too, which is not for these roles to unlock."""

    sentence = "This person works for the plan too. Please ask an administrator, who does this among colleagues."


def ask(
    session: Session, kind: ActKind, account: Account, *, by: PlanStaff, reason: str, identity: str
) -> PendingAct:  # fmt: skip
    """Ask a second person; `identity` says how it was checked who calls. Raises NotOneself, SecondLookRefused."""
    _require_other(by, account)
    _require_right_kind(session, kind, account)
    if not second_factors.has_factor(session, account.id):
        raise NothingToReset
    changes = [
        {
            "what": f"Passkeys, authenticator app and recovery codes of {account.full_name} ({account.username})",
            "before": "asked for at sign-in", "after": "removed; the password and a code by e-mail let in",
        },
        {"what": "How it was checked who calls", "before": "", "after": identity},
    ]  # fmt: skip
    return second_looks.ask(session, kind, account.id, changes, by_account_id=by.account_id, reason=reason)


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    """The second person's yes: everything is removed, and every session ends. Raises NotOneself, SecondLookRefused."""
    account = session.get_one(Account, act.subject_id)
    _require_other(by, account)
    _require_right_kind(session, act.kind, account)
    if not second_factors.has_factor(session, account.id):
        raise NothingToReset
    second_looks.approve(session, act, by_account_id=by.account_id)
    second_factors.remove_all(session, account, by_account_id=by.account_id, reason=act.reason)
    sessions.require_code(account, CodeReason.FACTORS_RESET)
    sessions.end_all_at_once(session, account)


def _require_other(by: PlanStaff, account: Account) -> None:
    if by.account_id == account.id:
        raise NotOneself


def _require_right_kind(session: Session, kind: ActKind, account: Account) -> None:
    """One account may be a member's, an office's or a developer's and plan staff's: its factor guards the console."""
    if kind is not ActKind.STAFF_FACTOR_RESET and plan_staff.stands(session, account.id):
        raise OfColleague
