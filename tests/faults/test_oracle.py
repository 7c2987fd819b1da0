"""The oracle finds what it is there to find."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update

from oauth.models import AccessToken, AuthorizationCode, RefreshToken, TokenFamily
from service.db import digest, new_id
from tests.faults.clients import Connection, Step
from tests.faults.oracle import problems
from tests.oauth.desk import Desk


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


@pytest.fixture
def connection(desk: Desk) -> Connection:
    """A connection whose app has refreshed once."""
    made = Connection(desk.agree(desk.register()))
    made.pairs.append(desk.exchange(made.code).get_json())
    made.pairs.append(desk.refresh(made.code.app, made.pairs[0]["refresh_token"]).get_json())
    return made


def test_nothing_is_wrong_with_what_went_well(desk: Desk, connection: Connection) -> None:
    assert list(problems(desk, connection)) == []
    form = {"token": connection.pairs[-1]["refresh_token"], "client_id": connection.code.app.id}
    assert desk.app.test_client().post("/oauth/revoke", data=form).status_code == 200
    connection.revoked = True
    assert list(problems(desk, connection)) == []


def test_an_answer_that_was_lost_is_in_doubt_and_no_fault(desk: Desk, connection: Connection) -> None:
    lost = connection.pairs.pop()
    assert list(problems(desk, connection)) != []
    connection.doubt = Step.REFRESH
    assert list(problems(desk, connection)) == []
    connection.doubt = Step.NONE
    connection.pairs.append(lost)


def _lose_the_pair(desk: Desk, connection: Connection) -> None:
    with desk.session() as session:
        session.delete(session.get_one(AccessToken, digest(connection.pairs[-1]["access_token"])))


def _unspend(desk: Desk, connection: Connection) -> None:
    with desk.session() as session:
        session.get_one(AuthorizationCode, digest(connection.code.value)).spent_at = None


def _lose_the_code(desk: Desk, connection: Connection) -> None:
    with desk.session() as session:
        session.delete(session.get_one(AuthorizationCode, digest(connection.code.value)))


def _revive_a_refresh_token(desk: Desk, connection: Connection) -> None:
    with desk.session() as session:
        session.get_one(RefreshToken, digest(connection.pairs[0]["refresh_token"])).spent_at = None


def _revive_an_access_token(desk: Desk, connection: Connection) -> None:
    with desk.session() as session:
        session.execute(update(AccessToken).values(ended_at=None))


def _say_that_it_was_revoked(_desk: Desk, connection: Connection) -> None:
    connection.revoked = True


def _point_to_another_family(desk: Desk, connection: Connection) -> None:
    with desk.session() as session:
        session.get_one(AuthorizationCode, digest(connection.code.value)).family_id = new_id()
        assert session.scalars(select(TokenFamily)).all()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_lose_the_pair, "what was acknowledged is lost"),
        (_unspend, "a family without a spent code"),
        (_lose_the_code, "the code is gone"),
        (_revive_a_refresh_token, "not exactly one refresh token that can be used"),
        (_revive_an_access_token, "a pair that was replaced is alive"),
        (_say_that_it_was_revoked, "what was revoked is alive"),
        (_point_to_another_family, "0 families of one code"),
    ],
)
def test_the_oracle_sees(
    desk: Desk, connection: Connection, harm: Callable[[Desk, Connection], None], told: str
) -> None:  # fmt: skip
    harm(desk, connection)
    assert told in list(problems(desk, connection))
