"""The database fails at any one step of a token's life: all of the deed is undone, and it can be done again.

For each deed the steps of its way to success are counted; then it is done anew for each of them, which fails.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from oauth.apps.clients import AuthMethod
from oauth.models import AccessToken, AuthorizationCode, RefreshToken, SystemToken, TokenFamily
from service.app import create_app
from service.audit import AuditEvent
from service.db import make_engine
from service.mail import OutboxMail
from service.revocations import Revocation
from service.settings import Settings
from service.single_use import ClaimedValue
from tests.oauth.desk import App, Desk
from tests.oauth.faults import Faults, install
from tests.oauth.keyed import TOKEN, Program, ec, register_backend, register_keyed
from tests.oauth.test_dynamic_registration import refused

FEWEST = {"exchange": 8, "refresh": 8, "revoke": 3, "client_credentials": 2}
"""Steps that each kind of deed has at least: a hook that hears nothing would pass every test."""


@dataclass
class Stage:
    """An app before the deed, and what the deed needs."""

    desk: Desk
    app: App
    form: dict[str, str]
    path: str = TOKEN
    tokens: dict[str, Any] = field(default_factory=dict)

    def act(self) -> TestResponse:
        """The request, the very same each time: what is asked of the database once a second is not asked at any."""
        for known in ("latchstring.trials", "latchstring.faults"):
            self.desk.app.extensions[known]._until = float("inf")
        headers = self.app.basic() if self.app.secret else {}
        return self.desk.app.test_client().post(self.path, data=self.form, headers=headers)


def exchange(desk: Desk, app: App) -> Stage:
    return Stage(desk, app, desk.agree(app).form())


def exchange_keyed(desk: Desk, program: Program) -> Stage:
    code = desk.agree(program.app)
    return Stage(desk, App(program.app.view, None), code.form() | program.proof())


def refresh(desk: Desk, app: App) -> Stage:
    tokens = desk.connect(app)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": app.id}
    return Stage(desk, app, form, tokens=tokens)


def revoke_family(desk: Desk, app: App) -> Stage:
    tokens = desk.connect(app)
    return Stage(desk, app, {"token": tokens["refresh_token"], "client_id": app.id}, "/oauth/revoke", tokens)


def revoke_access(desk: Desk, app: App) -> Stage:
    tokens = desk.connect(app)
    return Stage(desk, app, {"token": tokens["access_token"], "client_id": app.id}, "/oauth/revoke", tokens)


def credentials(desk: Desk, program: Program) -> Stage:
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"} | program.proof()
    return Stage(desk, App(program.app.view, None), form)


def public(desk: Desk) -> App:
    return desk.register()


def confidential(desk: Desk) -> App:
    return desk.register_confidential()


def keyed(desk: Desk) -> Program:
    return register_keyed(desk, ec())


@dataclass(frozen=True)
class Deed:
    """A deed of the token endpoints: who does it, how its stage is set, and what a repetition of a done one meets."""

    kind: str
    caller: Callable[[Desk], Any]
    stage: Callable[[Desk, Any], Stage]
    repeated: tuple[int, str]


DEEDS = {
    "exchange by a public app": Deed("exchange", public, exchange, (400, "invalid_grant")),
    "exchange by an app with a secret": Deed("exchange", confidential, exchange, (400, "invalid_grant")),
    "exchange by an app with a key": Deed("exchange", keyed, exchange_keyed, (401, "invalid_client")),
    "refresh by a public app": Deed("refresh", public, refresh, (400, "invalid_grant")),
    "refresh by an app with a secret": Deed("refresh", confidential, refresh, (400, "invalid_grant")),
    "revocation of a refresh token": Deed("revoke", public, revoke_family, (200, "")),
    "revocation of an access token": Deed("revoke", confidential, revoke_access, (200, "")),
    "client credentials": Deed("client_credentials", register_backend, credentials, (401, "invalid_client")),
}


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """An engine that shares nothing with other tests: its way to connect is changed."""
    made = make_engine(settings.database_url)
    yield made
    made.dispose()


@pytest.fixture
def faults(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Faults:
    """The faults of this test's engine, which has made no connection yet."""
    return install(engine, monkeypatch)


@pytest.fixture
def desk(faults: Faults, settings: Settings, engine: Engine) -> Desk:
    """A desk on that engine, with a signing key made."""
    made = Desk(create_app(settings, engine))
    made.connect(made.register())
    return made


def kept(desk: Desk) -> dict[str, Any]:
    """All that the deeds write: what is spent, ended and made, the claims, the mails, and the audit's rows."""
    with desk.session() as session:
        return {
            "codes": _rows(session, AuthorizationCode.hash, AuthorizationCode.spent_at, AuthorizationCode.family_id),
            "families": _rows(session, TokenFamily.id, TokenFamily.ended_at),
            "access": _rows(session, AccessToken.hash, AccessToken.ended_at),
            "refresh": _rows(session, RefreshToken.hash, RefreshToken.spent_at),
            "system": _rows(session, SystemToken.hash, SystemToken.ended_at),
            "claims": _rows(session, ClaimedValue.value),
            "mails": session.scalar(select(func.count()).select_from(OutboxMail)),
            "audit": session.scalar(select(func.count()).select_from(AuditEvent)),
        }


def is_unmarked(desk: Desk) -> bool:
    """Whether a line of the journal is not known to be on disk yet; it is told of once."""
    with desk.session() as session:
        done = session.execute(update(Revocation).where(Revocation.written.is_(False)).values(written=True))
        return bool(done.rowcount)  # type: ignore[attr-defined]


def _rows(session: Session, *columns: Any) -> list[tuple[Any, ...]]:
    return sorted(tuple(map(str, row)) for row in session.execute(select(*columns)))


@pytest.mark.parametrize("name", DEEDS)
def test_a_fault_at_any_step_undoes_all_and_the_deed_can_be_repeated(desk: Desk, faults: Faults, name: str) -> None:
    deed = DEEDS[name]
    caller = deed.caller(desk)
    deed.stage(desk, caller).act()  # what is made at first need
    stage = deed.stage(desk, caller)
    with faults.listen() as heard:
        assert stage.act().status_code == 200
    steps = heard.count
    assert steps >= FEWEST[deed.kind]

    for number in range(1, steps + 1):
        stage = deed.stage(desk, caller)
        before = kept(desk)
        with faults.listen(fail_at=number):
            answer = stage.act()
        assert faults.count >= number, "the fault was not met"
        if answer.status_code == 200 and is_unmarked(desk):
            # Done and journalled; only the mark that it is journalled came to nothing, and the worker makes it.
            continue
        assert refused(answer, "temporarily_unavailable", 503) and answer.headers["Retry-After"], number
        assert kept(desk) == before, f"step {number} of {steps} left something behind"
        again = stage.act()
        assert again.status_code == 200, (number, again.text)


@pytest.mark.parametrize("name", DEEDS)
def test_a_lost_answer_of_the_commit_is_a_deed_done_once(desk: Desk, faults: Faults, name: str) -> None:
    deed = DEEDS[name]
    caller = deed.caller(desk)
    deed.stage(desk, caller).act()
    stage = deed.stage(desk, caller)
    before = kept(desk)
    with faults.listen(lose_commit=True):
        answer = stage.act()
    assert refused(answer, "temporarily_unavailable", 503)
    assert kept(desk) != before, "it was done"

    status, error = deed.repeated
    again = stage.act()
    assert again.status_code == status, again.text
    assert not error or refused(again, error, status)
    if error == "invalid_grant":
        # Nobody can tell the app from a thief: the family ends, and nothing half-known lives on.
        with desk.session() as session:
            family = session.scalars(select(TokenFamily).order_by(TokenFamily.created_at.desc())).first()
            assert family is not None and family.ended_at is not None
            alive = select(func.count()).where(AccessToken.family_id == family.id, AccessToken.ended_at.is_(None))
            assert deed.kind == "exchange" or session.scalar(alive) is not None
    for raw in filter(None, (stage.tokens.get("access_token"),)):
        assert not desk.works(raw)


def test_a_fault_while_a_theft_is_reported_does_not_let_the_thief_in(desk: Desk, faults: Faults) -> None:
    app = desk.register()
    code = desk.agree(app)
    first = desk.exchange(code).get_json()
    replay = Stage(desk, app, code.form())
    with faults.listen() as heard:
        assert refused(replay.act(), "invalid_grant")
    for number in range(1, heard.count + 1):
        code = desk.agree(app)
        first = desk.exchange(code).get_json()
        replay = Stage(desk, app, code.form())
        with faults.listen(fail_at=number):
            answer = replay.act()
        if not is_unmarked(desk):
            assert answer.status_code == 503
        assert "access_token" not in answer.text
        assert refused(replay.act(), "invalid_grant") and not desk.works(first["access_token"]), number


def test_a_confidential_app_is_told_apart_by_its_method(desk: Desk) -> None:
    # The table above would prove less if all of its callers came in by one door.
    methods = {deed.caller for deed in DEEDS.values()}
    assert {public, confidential, keyed, register_backend} == methods
    assert keyed(desk).app.view.token_endpoint_auth_method is AuthMethod.PRIVATE_KEY
