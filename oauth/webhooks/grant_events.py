"""Finds what ended or changed of grants and tells their apps: pulled from the grants themselves by the worker.

`consent` ends grants and calls nothing above it. A grant that ended, or is over, says so for ever, so that nothing is
missed while the worker is away, nothing is told of a deed that was rolled back, and no way of ending one is forgotten.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, literal, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from consent import subjects
from consent.link_standing import ended_by_death, waits_for_death
from consent.models import ChangeKind, EndedBy, Grant, GrantChange, RepresentativeLink
from consent.scopes import parse
from oauth.webhooks import outbox
from oauth.webhooks.models import Event, WebhookEndpoint, WebhookMessage
from service.clock import now
from service.db import Instant
from service.plan.models import Member
from service.settings import Settings

# A deed counts from its commit, which may come after the moment it bears; no transaction is open as long as this.
_LATE = timedelta(hours=1)
_BATCH = 500
# `app.retired` tells of every grant of an app that is closed.
_UNTOLD = (EndedBy.TIME, EndedBy.APP)
_NAMES = (Grant.client_id, Grant.account_id, Grant.member_id, Grant.scopes, Member.patient_id)
_CHANGES = {
    ChangeKind.PAUSED: Event.GRANT_PAUSED, ChangeKind.RESUMED: Event.GRANT_RESUMED,
    ChangeKind.NARROWED: Event.GRANT_NARROWED,
}  # fmt: skip


def run(sessions: sessionmaker[Session], _settings: Settings) -> None:
    """The job: write a message for each grant that was revoked, or is over, since the last turn."""
    with sessions.begin() as session:
        pulled_until = session.scalar(select(func.min(WebhookEndpoint.pulled_until)).where(_listening()))
        if pulled_until is not None:
            _pull(session, pulled_until - _LATE)


def run_links(sessions: sessionmaker[Session], _settings: Settings) -> None:
    """The job for grants whose giver may no longer act for the member, since whenever: they open nothing.

    Mostly their rows say so (`consent.grant_ends`) and are pulled. Found here are those whose rows do not, as after a
    death, and those that were written down for a moment which the pull had passed.
    """
    moment, link = now(), RepresentativeLink
    over = or_(
        link.ended_at.is_not(None), link.valid_until <= moment, link.version != Grant.link_version,
        ended_by_death(), waits_for_death(),
    )  # fmt: skip
    with sessions.begin() as session:
        if session.scalar(select(func.count()).select_from(WebhookEndpoint).where(_listening())):
            at = func.coalesce(Grant.ended_at, literal(moment, Instant))
            lost = _untold(at).join(link, link.id == Grant.link_id)
            with_link = or_(Grant.ended_at.is_(None), Grant.ended_by == EndedBy.PLAN)
            rows = session.execute(lost.where(with_link, Grant.expires_at > moment, over, _heard(at))).all()
            _tell(session, Event.GRANT_REVOKED, rows)


def _pull(session: Session, since: datetime) -> None:
    moment = now()
    ended = (Grant.ended_at > since, Grant.ended_by.not_in(_UNTOLD))
    revoked = session.execute(_untold(Grant.ended_at).where(*ended, _heard(Grant.ended_at))).all()
    _tell(session, Event.GRANT_REVOKED, revoked)
    by_time = or_(Grant.ended_at.is_(None), Grant.ended_by == EndedBy.TIME)
    over = (Grant.expires_at > since, Grant.expires_at <= moment, by_time)
    expired = session.execute(_untold(Grant.expires_at).where(*over, _heard(Grant.expires_at))).all()
    _tell(session, Event.GRANT_EXPIRED, expired)
    changes = session.execute(_untold_changes(since)).all()
    for row in changes:
        outbox.announce(
            session, row.client_id, _CHANGES[row.kind], at=row.at, change_id=row.change_id, **_ids(session, row)
        )  # fmt: skip
    if max(len(revoked), len(expired), len(changes)) < _BATCH:
        session.execute(update(WebhookEndpoint).where(_listening()).values(pulled_until=moment))


def _untold(at: InstrumentedAttribute[Any] | ColumnElement[Any]) -> Any:
    """Grants of apps that listen and were not told; the caller says which."""
    told = select(WebhookMessage.id).where(WebhookMessage.grant_id == Grant.id).exists()
    found = select(Grant.id, *_NAMES, at.label("at")).join(
        WebhookEndpoint, WebhookEndpoint.client_id == Grant.client_id
    )
    return found.join(Member, Member.id == Grant.member_id).where(_listening(), ~told).order_by("at").limit(_BATCH)


def _untold_changes(since: datetime) -> Any:
    """Pauses, resumptions and narrowings of grants of apps that listen and were not told."""
    change = GrantChange
    told = select(WebhookMessage.id).where(WebhookMessage.change_id == change.id).exists()
    columns = (change.id.label("change_id"), change.kind, change.at, *_NAMES)
    found = select(*columns).join(Grant, Grant.id == change.grant_id).join(Member, Member.id == Grant.member_id)
    heard = (change.at > since, _heard(change.at), _listening(), ~told)
    by_app = found.join(WebhookEndpoint, WebhookEndpoint.client_id == Grant.client_id)
    return by_app.where(*heard).order_by(change.at).limit(_BATCH)


def _listening() -> ColumnElement[bool]:
    return WebhookEndpoint.ended_at.is_(None)


def _heard(at: InstrumentedAttribute[Any] | ColumnElement[Any]) -> ColumnElement[bool]:
    return at >= WebhookEndpoint.listens_from


def _tell(session: Session, event: Event, rows: Sequence[Row[Any]]) -> None:
    for row in rows:
        outbox.announce(session, row.client_id, event, at=row.at, grant_id=row.id, **_ids(session, row))


def _ids(session: Session, row: Row[Any]) -> dict[str, str]:
    """The ids that the app has of the grant."""
    ids = {"patient": row.patient_id}
    if "openid" in parse(row.scopes):
        ids["sub"] = subjects.find_or_make(session, row.account_id, row.member_id)
    return ids
