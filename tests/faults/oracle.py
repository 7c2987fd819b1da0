"""What must hold after a kill: every acknowledged fact is there, every state is legal, nothing revoked is alive."""

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from oauth.models import AccessToken, AuthorizationCode, RefreshToken, TokenFamily
from service.db import digest
from tests.faults.clients import Connection, Step
from tests.oauth.desk import Desk


def problems(desk: Desk, connection: Connection) -> Iterator[str]:
    """What is wrong with a connection, a sentence each."""
    with desk.session() as session:
        yield from _illegal(session, connection)
    *older, last = [pair["access_token"] for pair in connection.pairs] or [""]
    works = bool(last) and desk.works(last)
    if any(desk.works(token) for token in older):
        yield "a pair that was replaced is alive"
    if connection.revoked and works:
        yield "what was revoked is alive"
    if connection.pairs and not connection.revoked and connection.doubt is Step.NONE and not works:
        yield "what was acknowledged is lost"


def _illegal(session: Session, connection: Connection) -> Iterator[str]:
    code = session.get(AuthorizationCode, digest(connection.code.value))
    if code is None:
        yield "the code is gone"
        return
    if code.spent_at is None:
        if code.family_id is not None or connection.pairs:
            yield "a family without a spent code"
        return
    families = session.scalars(select(TokenFamily).where(TokenFamily.id == code.family_id)).all()
    if len(families) != 1:
        yield f"{len(families)} families of one code"
        return
    unspent = RefreshToken.family_id == code.family_id, RefreshToken.spent_at.is_(None)
    if session.scalars(select(func.count()).select_from(RefreshToken).where(*unspent)).one() != 1:
        yield "not exactly one refresh token that can be used"
    kinds = (AccessToken.family_id, RefreshToken.family_id)
    made, refreshed = (session.scalar(select(func.count()).where(column == code.family_id)) for column in kinds)
    if made != refreshed:
        yield f"{made} access tokens of {refreshed} refresh tokens"
    in_doubt = int(connection.doubt in {Step.CONNECT, Step.REFRESH})
    if refreshed not in {len(connection.pairs), len(connection.pairs) + in_doubt}:
        yield f"{refreshed} pairs where {len(connection.pairs)} were acknowledged"
