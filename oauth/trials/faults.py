"""Faults that developers ask for, to see how their app takes them: one at a time, for some requests or some minutes."""

from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, or_, select, update
from sqlalchemy.orm import Session

from oauth.apps import own_apps
from oauth.apps.models import Developer
from oauth.trials.models import AppFault, Fault
from service.clock import now

LIFE = timedelta(minutes=15)
MOST_REQUESTS = 50
AT_TOKEN_ENDPOINT = frozenset({Fault.REVOKED_GRANT, Fault.DENIED_SCOPE, Fault.TOO_MANY, Fault.SLOW})
"""Those that the token endpoint shows too; all show at the API."""


def switch_on(
    session: Session, developer: Developer, client_id: str, fault: Fault, *, requests: int | None
) -> None:  # fmt: skip
    """Answer the app so from now on, in place of any other fault: for `requests` of it, in 15 minutes at most.

    Raises NoSuchClient, OrganizationDisabled.
    """
    own_apps.own(session, developer, client_id)
    session.merge(AppFault(client_id=client_id, fault=fault, until=now() + LIFE, remaining=requests))
    session.flush()


def switch_off(session: Session, developer: Developer, client_id: str) -> None:
    """Answer the app as ever. Raises NoSuchClient, OrganizationDisabled."""
    own_apps.own(session, developer, client_id)
    session.execute(delete(AppFault).where(AppFault.client_id == client_id))


def find(session: Session, client_id: str) -> AppFault | None:
    """The fault that the app meets now; None where it meets none."""
    return session.scalar(select(AppFault).where(AppFault.client_id == client_id, *_standing()))


def take(session: Session, client_id: str, *, at_token_endpoint: bool) -> Fault | None:
    """The fault that this request of the app meets, counted; None where it meets none."""
    standing = find(session, client_id)
    if standing is None or (at_token_endpoint and standing.fault not in AT_TOKEN_ENDPOINT):
        return None
    # Of several requests at one moment no more are met than were asked for.
    one_less = (
        update(AppFault).where(AppFault.client_id == client_id, *_standing()).values(remaining=AppFault.remaining - 1)
    )
    counted = session.execute(one_less.execution_options(synchronize_session=False))
    return standing.fault if cast(CursorResult[Any], counted).rowcount == 1 else None


def _standing() -> tuple[Any, ...]:
    return AppFault.until > now(), or_(AppFault.remaining.is_(None), AppFault.remaining > 0)
