"""What people do to a standing grant: pause it, resume it, narrow it. Nothing here lets an app see more than before.

A pause is a fact of the grant that every use of a token compares; its version stays, so that at resumption the app goes
on with the tokens it has. What is narrowed raises the version: wider access tokens end in the same transaction.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from consent import grant_notices, grants, pause_lifts
from consent.link_standing import right_stands
from consent.models import ChangeKind, EndedBy, Grant, GrantChange, GrantStatus
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


def of_grant(session: Session, grant: Grant) -> list[GrantChange]:
    """What was changed of a grant, the first change first, with who did it."""
    statement = select(GrantChange).options(joinedload(GrantChange.account)).where(GrantChange.grant_id == grant.id)
    return list(session.scalars(statement.order_by(GrantChange.at, GrantChange.id).limit(200)))


def of_grants(session: Session, grant_ids: Collection[str]) -> dict[str, list[GrantChange]]:
    """The same of several, at most 50,000 changes in all; grants of which nothing was changed are absent."""
    statement = select(GrantChange).options(joinedload(GrantChange.account)).where(GrantChange.grant_id.in_(grant_ids))
    found: dict[str, list[GrantChange]] = {}
    for change in session.scalars(statement.order_by(GrantChange.at, GrantChange.id).limit(_MOST)):
        found.setdefault(change.grant_id, []).append(change)
    return found


def pausers(session: Session, found: Iterable[Grant]) -> dict[str, Account]:
    """Who paused each of those whose pause is a representative's: not they, where the plan lifted the member's."""
    by_them = (GrantStatus.PAUSED, EndedBy.REPRESENTATIVE)
    theirs = [grant.id for grant in found if (grant.status, grant.paused_by) == by_them]
    if not theirs:
        return {}
    paused = (GrantChange.grant_id.in_(theirs), GrantChange.kind == ChangeKind.PAUSED)
    statement = select(GrantChange).options(joinedload(GrantChange.account)).where(*paused)
    # The last one counts.
    return {one.grant_id: one.account for one in session.scalars(statement.order_by(GrantChange.at))}


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
