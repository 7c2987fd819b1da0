"""The end of a pause with which a member holds a representative from an app: by the member, or by the plan for them.

The plan does it where the member can no longer use their account. Two of its people do (security.md 145), and it lets
nobody in: the pause becomes the representative's, who may resume the app or connect it anew. The member is told.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import grant_notices, grants
from consent.grant_rows import touch, write_audit
from consent.link_standing import right_stands
from consent.models import EndedBy, Grant
from consent.representatives import right_for
from service.accounts.models import Account
from service.accounts.notice_model import NoticeKind
from service.accounts.notices import tell
from service.plan.models import ActKind, Member, PendingAct, PlanStaff
from service.plan.staff import second_looks
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused


class NothingHeld(SecondLookRefused):
    """The member has not paused this app as a representative had connected it, or has taken the pause back."""

    sentence = "The member holds nobody from this app any more, so there is nothing to lift."


class PausedAnew(SecondLookRefused):
    """The member paused it after it was said that they cannot use their account."""

    sentence = (
        "The member has paused this app again since you were asked, so the account is in use. Nothing was changed."
    )


def get_held(session: Session, member: Member, grant_id: str) -> Grant:
    """A grant of a representative that this member's pause holds; raises NothingHeld."""
    found = session.get(Grant, grant_id)
    if found is None or found.member_id != member.id or not is_held(found):
        raise NothingHeld
    return found


def is_held(grant: Grant) -> bool:
    """Whether the member's word keeps whoever gave the grant from letting the app in."""
    return grant.link_id is not None and grant.paused_by is EndedBy.MEMBER


def ask(
    session: Session, grant: Grant, app: str, *, by: PlanStaff, reason: str, evidence: str
) -> PendingAct:  # fmt: skip
    """Ask a second person; `evidence` says how it is known that the member cannot do it. Raises SecondLookRefused."""
    _require_other(session, grant, by)
    changes = [
        {
            "what": f"{app}, connected by {grant.account.full_name} for {grant.member.full_name}",
            "before": "paused by the member: only the member lets it in again",
            "after": f"still shut; {grant.account.full_name} may let it in or connect it again",
        },
        {"what": "How it is known that the member cannot use the account", "before": "", "after": evidence},
    ]  # fmt: skip
    return second_looks.ask(session, ActKind.PAUSE_LIFT, grant.id, changes, by_account_id=by.account_id, reason=reason)


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    """The second person's yes. Raises NothingHeld, PausedAnew, NotOneself, SecondLookRefused."""
    grant = session.get_one(Grant, act.subject_id, with_for_update={"of": Grant}, populate_existing=True)
    if not is_held(grant):
        raise NothingHeld
    if grant.paused_at is not None and grant.paused_at > act.asked_at:
        raise PausedAnew
    _require_other(session, grant, by)
    second_looks.approve(session, act, by_account_id=by.account_id)
    _lift(session, grant, by_account_id=by.account_id, reason=act.reason)
    for account in _concerned(session, grant):
        tell(session, account, NoticeKind.APP_PAUSE_LIFTED, grant_notices.about(grant, grant.account.full_name))


def release(session: Session, grant: Grant, account_id: str) -> None:
    """Let whoever gave this grant connect its app anew, by the member's word: their pause of it is over.

    One that stands stays paused until it is resumed itself: it would be let in by a button that speaks of another.
    """
    for held in _held_like(session, grant):
        if not _stands(held):
            _let_go(held)
    write_audit(session, grant, "release", account_id)


def _lift(session: Session, grant: Grant, *, by_account_id: str, reason: str) -> None:
    for held in _held_like(session, grant):
        if _stands(held):
            held.paused_by = EndedBy.REPRESENTATIVE
            touch(held)
        else:
            _let_go(held)
    write_audit(session, grant, "lift_pause", by_account_id, reason)


def _held_like(session: Session, grant: Grant) -> list[Grant]:
    """Every grant of this person, for this member and app, that the member has paused."""
    theirs = (
        Grant.account_id == grant.account_id, Grant.member_id == grant.member_id, Grant.client_id == grant.client_id,
        Grant.paused_by == EndedBy.MEMBER,
    )  # fmt: skip
    return list(session.scalars(select(Grant).where(*theirs).order_by(Grant.id).with_for_update(of=Grant)))


def _concerned(session: Session, grant: Grant) -> list[Account]:
    """The member, and whom the pause holds while they may act for the member: a newer right is held by it too."""
    member = _account_of(session, grant.member_id)
    held = grant.account if right_for(session, grant.account, grant.member_id) is not None else None
    return [account for account in (held, member) if account is not None]


def _stands(grant: Grant) -> bool:
    return grants.is_standing(grant) and right_stands(grant)


def _let_go(held: Grant) -> None:
    held.paused_at = held.paused_by = None
    touch(held)


def _account_of(session: Session, member_id: str) -> Account | None:
    return session.scalar(select(Account).where(Account.member_id == member_id))


def _require_other(session: Session, grant: Grant, by: PlanStaff) -> None:
    """Neither the member nor whoever would get in by it."""
    member = _account_of(session, grant.member_id)
    if by.account_id in {grant.account_id, member.id if member else None}:
        raise NotOneself
