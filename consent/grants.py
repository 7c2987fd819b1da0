"""Grants: the live permission of one account, for one member, to one app. Given, looked at, narrowed, ended."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, case, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload, undefer

from consent import grant_notices, grant_terms
from consent.grant_rows import touch, write_audit
from consent.grant_terms import Terms
from consent.models import (
    ChangeKind,
    ConsentDecision,
    EndedBy,
    Grant,
    GrantChange,
    GrantStatus,
    RepresentativeLink,
)
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet, parse
from service import audit
from service.accounts.models import Account
from service.accounts.notice_model import NoticeKind
from service.clock import now
from service.db import new_id

WITH_PEOPLE = (
    joinedload(Grant.account), joinedload(Grant.ender), joinedload(Grant.decision),
    joinedload(Grant.link).joinedload(RepresentativeLink.representative), undefer(Grant.pauser_id),
)  # fmt: skip
"""What is loaded with grants that are put into words."""
_TOLD = {
    "give": NoticeKind.APP_CONNECTED, "change": NoticeKind.APP_CHANGED, "revoke": NoticeKind.APP_ENDED,
    ChangeKind.PAUSED: NoticeKind.APP_PAUSED, ChangeKind.RESUMED: NoticeKind.APP_RESUMED,
    ChangeKind.NARROWED: NoticeKind.APP_NARROWED,
}  # fmt: skip
"""What people are told of what is recorded."""
_HELD = Grant.paused_by == EndedBy.MEMBER


class UnknownGrant(Exception):
    """No such grant, or not one this person may see: both look the same."""


class HeldByMember(Exception):
    """The member paused this app: a representative's yes does not let it in again."""


def give(session: Session, decision: ConsentDecision, choice: MemberChoice) -> Grant:
    """The live grant that follows from a yes. An older one of the same three is changed, never doubled (decision 163).

    Its version rises when the new answer allows less, so that wider tokens end in this transaction. Raises
    HeldByMember.
    """
    try:
        with session.begin_nested():
            return _give(session, decision, choice)
    except IntegrityError:
        # A yes in another window was faster to make the grant; this one changes it.
        return _give(session, decision, choice)


def _give(session: Session, decision: ConsentDecision, choice: MemberChoice) -> Grant:
    standing = live_grant(session, decision.account_id, decision.member_id, decision.client_id, lock=True)
    if is_held_from(session, choice, decision.account_id, decision.client_id):
        raise HeldByMember
    if standing is not None and not is_by(standing, choice.link):
        # What died with the older link stays dead: a new consent must not revive its tokens.
        revoke(session, standing, by=EndedBy.PLAN)
        session.flush()
        standing = None
    if standing is None:
        _end_overdue(session, decision)
        return _add(session, decision, choice)
    before = parse(standing.scopes), set(standing.sensitive_classes)
    was_paused = standing.status is GrantStatus.PAUSED
    _write(standing, decision, choice, grant_terms.after(standing, decision))
    narrower = not (before[0].within(parse(standing.scopes)) and before[1] <= set(standing.sensitive_classes))
    standing.version += narrower
    if was_paused:
        # A yes to the app's own question lets it in again.
        note_change(session, standing, ChangeKind.RESUMED, decision.account_id)
    else:
        touch(standing)
    _record(session, standing, "change", decision.account_id)
    return standing


def live_grant(
    session: Session, account_id: str, member_id: str, client_id: str, *, lock: bool = False
) -> Grant | None:
    """The grant that lets this app in for this member by this account now, paused ones included; None if none."""
    statement = select(Grant).where(
        Grant.account_id == account_id,
        Grant.member_id == member_id,
        Grant.client_id == client_id,
        Grant.ended_at.is_(None),
        Grant.expires_at > now(),
    )
    return session.scalar(statement.with_for_update() if lock else statement)


def live_grant_and_hold(
    session: Session, choice: MemberChoice, account_id: str, client_id: str
) -> tuple[Grant | None, bool]:  # fmt: skip
    """What `live_grant` and `is_held_from` say, in one statement."""
    live = and_(Grant.ended_at.is_(None), Grant.expires_at > now())
    theirs = _theirs(choice, account_id, client_id)
    rows = session.execute(
        select(Grant, live, _HELD).where(*theirs, live if choice.is_self else or_(live, _HELD))
    ).all()
    is_held = not choice.is_self and any(held for _grant, _lives, held in rows)
    return next((grant for grant, lives, _held in rows if lives), None), is_held


def already_agreed(grant: Grant, asked: ScopeSet, link: RepresentativeLink | None) -> bool:
    """Whether all of this ask (after policy) stands granted, so that the app may go straight through (decision 164)."""
    return _counts(grant, link) and asked.within(parse(grant.scopes))


def already_answered(grant: Grant, asked: ScopeSet, link: RepresentativeLink | None) -> bool:
    """Whether the answer that counts was about this very ask, however little of it was granted or is left."""
    return _counts(grant, link) and asked.within(parse(grant.decision.asked_scopes))


def _counts(grant: Grant, link: RepresentativeLink | None) -> bool:
    return grant.status is GrantStatus.ACTIVE and is_by(grant, link)


def get(session: Session, account: Account, choice: MemberChoice, grant_id: str) -> Grant:
    """One grant that this person may see of that member; raises UnknownGrant for every other."""
    mine = (Grant.id == grant_id, Grant.member_id == choice.member.id)
    statement = select(Grant).options(*WITH_PEOPLE).where(*mine).with_for_update(of=Grant)
    if not choice.is_self:
        statement = statement.where(Grant.account_id == account.id)
    # Read afresh: while this waited for the row, another window may have ended the grant.
    found = session.scalar(statement, execution_options={"populate_existing": True})
    if found is None:
        raise UnknownGrant
    return found


def after(session: Session, decision: ConsentDecision) -> Grant | None:
    """The grant that a yes gave or changed, or that stood or came next after a no; None where none did."""
    statement = (
        select(Grant)
        .options(*WITH_PEOPLE)
        .where(
            Grant.account_id == decision.account_id,
            Grant.member_id == decision.member_id,
            Grant.client_id == decision.client_id,
            or_(Grant.ended_at.is_(None), Grant.ended_at > decision.at),
        )
        .order_by(case((Grant.decision_id == decision.id, 0), else_=1), Grant.created_at)
        .limit(1)
    )
    return session.scalar(statement)


def is_live(grant: Grant) -> bool:
    """Whether the app may come in under this grant now."""
    return grant.status is GrantStatus.ACTIVE and is_standing(grant)


def is_standing(grant: Grant) -> bool:
    """Whether the grant has not ended; a paused one stands."""
    return grant.ended_at is None and now() < grant.expires_at


def is_by(grant: Grant, link: RepresentativeLink | None) -> bool:
    """Whether the person acts by the very right, as it then was, under which the grant was given."""
    return (grant.link_id, grant.link_version) == ((link.id, link.version) if link else (None, None))


def is_held_from(session: Session, choice: MemberChoice, account_id: str, client_id: str) -> bool:
    """Whether the member paused this app as this person, who is not the member, had connected it.

    A pause outlives its grant: ending it and connecting the app anew is no way around the member's word.
    """
    if choice.is_self:
        return False
    theirs = _theirs(choice, account_id, client_id)
    return session.scalar(select(Grant.id).where(*theirs, _HELD).limit(1)) is not None


def _theirs(choice: MemberChoice, account_id: str, client_id: str) -> tuple[ColumnElement[bool], ...]:
    return Grant.account_id == account_id, Grant.member_id == choice.member.id, Grant.client_id == client_id


def revoke(session: Session, grant: Grant, *, by: EndedBy, account_id: str | None = None) -> None:
    """End a grant for good. Every token of it is refused for each request begun after this commits."""
    if grant.ended_at is not None:
        return
    grant.status = GrantStatus.REVOKED
    grant.ended_at = now()
    grant.ended_by = by
    grant.ended_by_account_id = account_id
    grant.version += 1
    touch(grant)
    _record(session, grant, "revoke", account_id)


def note_change(
    session: Session, grant: Grant, kind: ChangeKind, account_id: str, link: RepresentativeLink | None = None
) -> None:  # fmt: skip
    """Keep that somebody paused, resumed or narrowed a grant, as it is now; with its audit row."""
    touch(grant)
    session.add(GrantChange(
        id=new_id(), grant_id=grant.id, kind=kind, at=grant.changed_at, account_id=account_id,
        link_id=link.id if link else None, scopes=grant.scopes, sensitive_classes=grant.sensitive_classes,
        offline=grant.offline, expires_at=grant.expires_at,
    ))  # fmt: skip
    session.flush()
    _record(session, grant, kind.value, account_id)


def end_all_of_app(session: Session, client_id: str) -> int:
    """End every grant of an app that is closed for good, as `revoke` does; how many. One audit row tells of all."""
    statement = (
        update(Grant)
        .where(Grant.client_id == client_id, Grant.ended_at.is_(None))
        .values(
            status=GrantStatus.REVOKED,
            ended_at=now(),
            ended_by=EndedBy.APP,
            version=Grant.version + 1,
            revision=Grant.revision + 1,
            changed_at=now(),
        )
    )
    ended = cast(CursorResult[Any], session.execute(statement)).rowcount
    audit.record(session, "consent:grant:revoke-all", client_id=client_id, count=ended)
    return ended


def count_live_of_app(session: Session, client_id: str) -> int:
    """How many grants of an app live now, whoever gave them."""
    alive = (Grant.client_id == client_id, Grant.ended_at.is_(None), Grant.expires_at > now())
    return session.scalars(select(func.count()).select_from(Grant).where(*alive)).one()


def count_live_by_app(session: Session, client_ids: Collection[str]) -> dict[str, int]:
    """The same of several apps; those without any are absent."""
    alive = (Grant.client_id.in_(client_ids), Grant.ended_at.is_(None), Grant.expires_at > now())
    counted = select(Grant.client_id, func.count()).where(*alive).group_by(Grant.client_id)
    return {row[0]: row[1] for row in session.execute(counted)}


def last_used(session: Session, grant_ids: Collection[str]) -> dict[str, datetime]:
    """When the app last read something under each grant, from the audit stream; grants never used are absent."""
    event = audit.AuditEvent
    statement = (
        select(event.grant_id, func.max(event.at))
        .where(event.grant_id.in_(grant_ids), event.tag.startswith("fhir:"), event.outcome == audit.Outcome.SUCCESS)
        .group_by(event.grant_id)
    )
    return {grant_id: at for grant_id, at in session.execute(statement) if grant_id}


def reads_since(session: Session, grant_ids: Collection[str], since: datetime) -> dict[str, int]:
    """How often the app read something under each grant since then; grants that were not used are absent."""
    event = audit.AuditEvent
    statement = (
        select(event.grant_id, func.count())
        .where(
            event.grant_id.in_(grant_ids), event.at >= since, event.tag.startswith("fhir:"),
            event.outcome == audit.Outcome.SUCCESS,
        )
        .group_by(event.grant_id)
    )  # fmt: skip
    return {grant_id: number for grant_id, number in session.execute(statement) if grant_id}


def _add(session: Session, decision: ConsentDecision, choice: MemberChoice) -> Grant:
    made = Grant(
        id=new_id(), account_id=decision.account_id, member_id=decision.member_id, client_id=decision.client_id,
        version=1, status=GrantStatus.ACTIVE, created_at=now(), revision=1, changed_at=now(),
    )  # fmt: skip
    _write(made, decision, choice, grant_terms.of_answer(decision))
    session.add(made)
    session.flush()
    _record(session, made, "give", decision.account_id)
    return made


def _write(grant: Grant, decision: ConsentDecision, choice: MemberChoice, terms: Terms) -> None:
    grant.decision_id = decision.id
    grant.decision = decision
    if grant.expires_at != terms.expires_at:
        grant.end_warned_at = grant.end_told_at = None
    grant.link_id = choice.link.id if choice.link else None
    grant.link_version = choice.link.version if choice.link else None
    grant.scopes = str(terms.scopes)
    grant.sensitive_classes = sorted(terms.sensitive_classes)
    grant.duration = terms.duration
    grant.offline = terms.offline
    grant.status = GrantStatus.ACTIVE
    grant.paused_at = grant.paused_by = None
    grant.expires_at = terms.expires_at


def _end_overdue(session: Session, decision: ConsentDecision) -> None:
    session.execute(
        update(Grant)
        .where(
            Grant.account_id == decision.account_id,
            Grant.member_id == decision.member_id,
            Grant.client_id == decision.client_id,
            Grant.ended_at.is_(None),
            Grant.expires_at <= now(),
        )
        .values(
            status=GrantStatus.EXPIRED,
            ended_at=Grant.expires_at,
            ended_by=EndedBy.TIME,
            revision=Grant.revision + 1,
            changed_at=Grant.expires_at,
        )
    )


def _record(session: Session, grant: Grant, action: str, account_id: str | None) -> None:
    write_audit(session, grant, action, account_id)
    grant_notices.tell(session, grant, _TOLD[action], account_id)
