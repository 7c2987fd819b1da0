"""security.md, cases 176 and 180: a process killed at any call of the database leaves a state that is legal."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from consent.models import Grant, GrantStatus
from oauth import keys
from oauth.models import AccessToken, AuthorizationCode, RefreshToken, SigningKey, TokenFamily
from service.db import digest, make_sessions
from service.settings import Settings
from tests import compiled
from tests.conftest import MovableClock
from tests.killed import at_each_call
from tests.oauth.desk import App, Code, Desk


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Where a process writes down what it was answered."""
    return tmp_path / "told.json"


def test_case_176_a_killed_exchange_leaves_the_code_unspent_or_one_family(
    desk: Desk, engine: Engine, told: Path
) -> None:
    app = desk.register()
    desk.connect(app)
    codes: list[Code] = []
    outcomes = set()

    def exchange() -> None:
        told.write_bytes(desk.exchange(codes[-1]).data)

    codes.append(desk.agree(app))
    for returned in at_each_call(engine, exchange):
        outcomes.add(_outcome(desk, codes[-1]))
        if returned:
            assert desk.works(orjson.loads(told.read_bytes())["access_token"]), "what was acknowledged is there"
        spent = _outcome(desk, codes[-1]) == "one family"
        again = desk.exchange(codes[-1])
        assert again.status_code == (400 if spent else 200), again.text
        codes.append(desk.agree(app))
    assert outcomes == {"unspent", "one family"}


def test_case_176_a_killed_refresh_leaves_the_old_pair_or_the_new_one(desk: Desk, engine: Engine, told: Path) -> None:
    app = desk.register()
    pairs: list[dict[str, Any]] = [desk.connect(app)]

    def refresh() -> None:
        told.write_bytes(desk.refresh(app, pairs[-1]["refresh_token"]).data)

    kept = set()
    for returned in at_each_call(engine, refresh):
        old_works = desk.works(pairs[-1]["access_token"])
        kept.add(old_works)
        live = _live_refresh_tokens(desk, pairs[-1])
        assert len(live) == 1 and (live == [digest(pairs[-1]["refresh_token"])]) is old_works
        if returned:
            new = orjson.loads(told.read_bytes())
            assert desk.works(new["access_token"]) and not old_works
        elif not old_works:
            # Nobody got the new pair: the app connects anew (case 50), and nothing of the old stays alive.
            assert desk.refresh(app, pairs[-1]["refresh_token"]).status_code == 400
            assert _live_refresh_tokens(desk, pairs[-1]) == []
        else:
            continue
        pairs.append(desk.connect(app))
    assert kept == {True, False}


def test_case_176_what_was_revoked_stays_so_whenever_the_process_dies(
    desk: Desk, engine: Engine, told: Path
) -> None:  # fmt: skip
    app = desk.register()
    pairs: list[dict[str, Any]] = [desk.connect(app)]

    def revoke() -> None:
        _revoke(desk, app, pairs[-1])

    seen = set()
    for returned in at_each_call(engine, revoke):
        works = desk.works(pairs[-1]["access_token"])
        live = _live_refresh_tokens(desk, pairs[-1])
        assert bool(live) is works, "both go, or neither"
        assert not (returned and works)
        seen.add(works)
        if not works:
            assert desk.refresh(app, pairs[-1]["refresh_token"]).status_code == 400
            pairs.append(desk.connect(app))
    assert seen == {True, False}


def test_case_180_a_killed_rotation_leaves_a_key_that_signs_and_is_published(
    desk: Desk, engine: Engine, settings: Settings, clock: MovableClock
) -> None:
    sessions = make_sessions(engine)
    desk.connect(desk.register())

    def rotate() -> None:
        with sessions.begin() as session:
            keys.rotate(session, settings.secret_key)

    def now_signing() -> str:
        with sessions.begin() as session:
            # From the database, as a process that has just started finds it.
            keys._parsed.clear()
            signing = str(keys.signing_key(session, settings.secret_key).kid)
            published = [key["kid"] for key in keys.public_keys(session, settings.secret_key)]
        assert signing in published and signed_by in published, "a token in use cannot be verified"
        return signing

    made = 1
    with sessions.begin() as session:
        signed_by = str(keys.signing_key(session, settings.secret_key).kid)
    for _returned in at_each_call(engine, rotate):
        assert now_signing() == signed_by
        with sessions.begin() as session:
            rows = session.scalar(select(func.count()).select_from(SigningKey))
        assert rows in {made, made + 1}
        if rows == made + 1:
            made = rows
            compiled.KeptKeys.generate_key(keys.BITS)
            clock.advance((keys.JWKS_CACHE + timedelta(minutes=2)).total_seconds())
            signed_by = now_signing()
    assert made > 2


def _outcome(desk: Desk, code: Code) -> str:
    with desk.session() as session:
        row = session.get_one(AuthorizationCode, digest(code.value))
        if row.spent_at is None:
            assert row.family_id is None
            return "unspent"
        families = session.scalars(select(TokenFamily.id).where(TokenFamily.id == row.family_id)).all()
        assert len(families) == 1
        assert [_leaves(session, kind, families[0]) for kind in (AccessToken, RefreshToken)] == [1, 1]
        return "one family"


def _leaves(session: Session, kind: type[AccessToken] | type[RefreshToken], family: str) -> int:
    return session.scalars(select(func.count()).select_from(kind).where(kind.family_id == family)).one()


def _live_refresh_tokens(desk: Desk, pair: dict[str, Any]) -> list[str]:
    """Digests of the unspent refresh tokens of a pair's family, while it and its grant stand."""
    with desk.session() as session:
        family = session.get_one(RefreshToken, digest(pair["refresh_token"])).family_id
        return list(session.scalars(
            select(RefreshToken.hash)
            .join(TokenFamily, TokenFamily.id == RefreshToken.family_id)
            .join(Grant, Grant.id == TokenFamily.grant_id)
            .where(RefreshToken.family_id == family, RefreshToken.spent_at.is_(None), TokenFamily.ended_at.is_(None),
                   Grant.status == GrantStatus.ACTIVE)
        ))  # fmt: skip


def _revoke(desk: Desk, app: App, pair: dict[str, Any]) -> None:
    form = {"token": pair["refresh_token"], "client_id": app.id}
    answer = desk.app.test_client().post("/oauth/revoke", data=form)
    assert answer.status_code == 200, answer.text
