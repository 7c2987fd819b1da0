"""The trace of an app: begun and ended by its developers, read by them, short by itself."""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from oauth.apps import own_apps
from oauth.apps.models import Developer
from oauth.trials.models import AppTrial, TraceStep
from service.clock import now

LIFE = timedelta(minutes=30)
MOST_STEPS = 200
"""Of one app; older ones go."""
_KEEP = timedelta(days=7)
_BATCH = 500


def begin(session: Session, developer: Developer, client_id: str) -> datetime:
    """Write the app's steps down for half an hour, from none; until when. Raises NoSuchClient, OrganizationDisabled."""
    own_apps.own(session, developer, client_id)
    session.execute(delete(TraceStep).where(TraceStep.client_id == client_id))
    until = now() + LIFE
    session.merge(AppTrial(client_id=client_id, traced_until=until))
    session.flush()
    return until


def end(session: Session, developer: Developer, client_id: str) -> None:
    """Write nothing more; what is written stays a week. Raises NoSuchClient, OrganizationDisabled."""
    own_apps.own(session, developer, client_id)
    session.execute(delete(AppTrial).where(AppTrial.client_id == client_id))


def traced_until(session: Session, client_id: str) -> datetime | None:
    """Until when the app's steps are written down; None where they are not."""
    trial = session.get(AppTrial, client_id)
    return trial.traced_until if trial is not None and now() < trial.traced_until else None


def steps_of(session: Session, client_id: str) -> list[TraceStep]:
    """What the app did, the latest first."""
    own = select(TraceStep).where(TraceStep.client_id == client_id)
    return list(session.scalars(own.order_by(TraceStep.id.desc()).limit(MOST_STEPS)))


def cut(session: Session, client_id: str) -> None:
    """Leave the latest steps of an app only."""
    own = select(TraceStep.id).where(TraceStep.client_id == client_id).order_by(TraceStep.id.desc())
    edge = own.offset(MOST_STEPS).limit(1).scalar_subquery()
    session.execute(delete(TraceStep).where(TraceStep.client_id == client_id, TraceStep.id <= edge))


def delete_old(session: Session) -> int:
    """Delete some hundred steps that are a week old; how many."""
    old = select(TraceStep.id).where(TraceStep.at < now() - _KEEP).limit(_BATCH)
    result = session.execute(delete(TraceStep).where(TraceStep.id.in_(old)))
    return cast(CursorResult[Any], result).rowcount
