"""What people do to a standing grant: pause it, resume it, narrow it. Nothing here lets an app see more than before.

A pause is a fact of the grant that every use of a token compares; its version stays, so that at resumption the app goes
on with the tokens it has. What is narrowed raises the version: wider access tokens end in the same transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, String, and_, cast, null, select, union_all
from sqlalchemy.orm import Session, aliased, joinedload

from consent import grant_notices, grants, pause_lifts
from consent.link_standing import right_stands
from consent.models import Answer, ChangeKind, ConsentDecision, EndedBy, Grant, GrantChange, GrantStatus
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet, parse
from service.accounts.models import Account
from service.clock import now

_MOST = 50_000


class ChangeRefused(Exception):
    """This change is not made; nothing was changed."""


class GrantOver(ChangeRefused):
    """The grant has ended, or the right under which it was given."""


class PausedByMember(ChangeRefused):
    """The member paused it: a representative does not let the app in again."""


class WiderThanBefore(ChangeRefused):
    """The change would let the app see more, or for longer: that takes a new consent."""


class NothingLeft(ChangeRefused):
    """Nothing would be left to see: that is ended, not narrowed."""


@dataclass(frozen=True)
class Narrower:
    """What is left of a grant: scopes, sensitive classes, reading while away, and the first moment it is over."""

    scopes: ScopeSet
    sensitive_classes: frozenset[str]
    offline: bool
    expires_at: datetime


@dataclass(frozen=True)
class Renewal:
    """A later yes to the app's question, by whoever had connected it."""

    at: datetime


def pause(session: Session, grant: Grant, account: Account, choice: MemberChoice) -> None:
    """Let nobody in until it is resumed; pausing twice is one pause. Raises GrantOver."""
    _require_standing(grant)
    if grant.status is GrantStatus.PAUSED:
        if choice.is_self and grant.paused_by is not EndedBy.MEMBER:
            # From here on the member's word counts: only they let the app in again.
            grant.paused_by = EndedBy.MEMBER
            grants.note_change(session, grant, ChangeKind.PAUSED, account.id)
        return
    grant.status, grant.paused_at = GrantStatus.PAUSED, now()
    grant.paused_by = EndedBy.MEMBER if choice.is_self else EndedBy.REPRESENTATIVE
    grants.note_change(session, grant, ChangeKind.PAUSED, account.id, choice.link)


def resume(session: Session, grant: Grant, account: Account, choice: MemberChoice) -> None:
    """Let the app in again as before the pause; not paused is no error. Raises GrantOver, PausedByMember."""
    _require_standing(grant)
    if grant.status is not GrantStatus.PAUSED:
        return
    if not may_resume(grant, choice):
        raise PausedByMember
    grant.status, grant.paused_at, grant.paused_by = GrantStatus.ACTIVE, None, None
    grants.note_change(session, grant, ChangeKind.RESUMED, account.id, choice.link)


def release(session: Session, grant: Grant, account: Account, choice: MemberChoice) -> None:
    """Let a representative connect anew an app that the member had paused before its grant ended.

    A grant that stands is resumed. Raises PausedByMember for everybody but the member: whoever paused the grant named
    here, another one of the same app may be held.
    """
    if grants.is_standing(grant) and right_stands(grant):
        resume(session, grant, account, choice)
        return
    if not choice.is_self:
        raise PausedByMember
    pause_lifts.release(session, grant, account.id)


def may_resume(grant: Grant, choice: MemberChoice) -> bool:
    """Whether this person may let a paused app in again: members always, representatives where they paused it."""
    return choice.is_self or grant.paused_by is not EndedBy.MEMBER


def narrow(session: Session, grant: Grant, left: Narrower, account: Account, choice: MemberChoice) -> bool:
    """Leave only `left` of a grant; False where that is all of it already.

    Raises GrantOver, WiderThanBefore and NothingLeft. Access tokens made before are refused from this transaction on;
    the app's next refresh gives it what is left.
    """
    _require_standing(grant)
    before = _as_it_is(grant)
    if before.scopes.resources and not left.scopes.resources:
        raise NothingLeft
    if not _is_within(left, before):
        raise WiderThanBefore
    if left == before:
        return False
    grant.scopes = str(left.scopes)
    grant.sensitive_classes = sorted(left.sensitive_classes)
    grant.offline, grant.expires_at = left.offline, left.expires_at
    if left.expires_at <= now() + grant_notices.WARNED_BEFORE:
        # Whoever chooses so near an end need not be warned of it.
        grant.end_warned_at = now()
    grant.version += 1
    grants.note_change(session, grant, ChangeKind.NARROWED, account.id, choice.link)
    return True


def of_grant(session: Session, grant: Grant) -> list[GrantChange | Renewal]:
    """What happened to a grant while it stood, the first first, with who changed it; the latest 200."""
    return _happened(session, [grant.id], 200).get(grant.id, [])


def of_grants(session: Session, grant_ids: Collection[str]) -> dict[str, list[GrantChange | Renewal]]:
    """The same of several, the latest 50,000 in all; grants to which nothing happened are absent."""
    return _happened(session, grant_ids, _MOST)


def _happened(session: Session, grant_ids: Collection[str], most: int) -> dict[str, list[GrantChange | Renewal]]:
    changed = select(GrantChange.grant_id, GrantChange.at, GrantChange.id.label("change_id"))
    changed = changed.where(GrantChange.grant_id.in_(grant_ids))
    both = union_all(changed, _renewed(grant_ids)).subquery()
    statement = (
        select(both.c.grant_id, both.c.at, GrantChange)
        .select_from(both)
        .outerjoin(GrantChange, GrantChange.id == both.c.change_id)
        .options(joinedload(GrantChange.account))
        .order_by(both.c.at.desc(), both.c.change_id.desc())
        .limit(most)
    )
    found: dict[str, list[GrantChange | Renewal]] = {}
    for grant_id, at, change in reversed(session.execute(statement).all()):
        found.setdefault(grant_id, []).append(Renewal(at) if change is None else change)
    return found


def _renewed(grant_ids: Collection[str]) -> Select[str, datetime, str]:
    """Each later yes: of the grant's three, from the one that gave it to the last that changed it."""
    last, later = aliased(ConsentDecision), aliased(ConsentDecision)
    same = (
        later.account_id == Grant.account_id, later.member_id == Grant.member_id, later.client_id == Grant.client_id,
        later.answer == Answer.ALLOW, later.at > Grant.created_at, later.at <= last.at,
    )  # fmt: skip
    asked = select(Grant.id, later.at, cast(null(), String)).join(last, last.id == Grant.decision_id)
    return asked.join(later, and_(*same)).where(Grant.id.in_(grant_ids))


def _require_standing(grant: Grant) -> None:
    if not grants.is_standing(grant) or not right_stands(grant):
        raise GrantOver


def _as_it_is(grant: Grant) -> Narrower:
    return Narrower(parse(grant.scopes), frozenset(grant.sensitive_classes), grant.offline, grant.expires_at)


def _is_within(left: Narrower, before: Narrower) -> bool:
    return (
        left.scopes.within(before.scopes)
        and left.sensitive_classes <= before.sensitive_classes
        and left.offline <= before.offline
        and now() < left.expires_at <= before.expires_at
    )
