"""The janitor deletes what is refused anyway, and nothing by which a theft would be known."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from oauth.expiry import SWEEPS
from tests.conftest import MovableClock
from tests.oauth.desk import Desk


def sweep(desk: Desk) -> None:
    with desk.session() as session:
        for delete_some in SWEEPS:
            delete_some(session)


def rows(session: Session, table: str) -> int:
    found: int = session.scalar(text(f"SELECT count(*) FROM {table}")) or 0
    return found


def test_a_living_refresh_token_and_the_spent_ones_before_it_stay(desk: Desk, clock: MovableClock) -> None:
    app = desk.register()
    first = desk.connect(app)
    clock.advance(timedelta(days=60).total_seconds())
    second = desk.refresh(app, first["refresh_token"]).get_json()
    clock.advance(timedelta(days=60).total_seconds())
    sweep(desk)
    with desk.session() as session:
        assert rows(session, "access_token") == 0
        assert rows(session, "pending_authorization") == 0
        assert rows(session, "refresh_token") == 2
        assert rows(session, "authorization_code") == 1
    third = desk.refresh(app, second["refresh_token"])
    assert third.status_code == 200
    assert desk.refresh(app, first["refresh_token"]).status_code == 400
    assert not desk.works(third.get_json()["access_token"]), "the theft was known"


def test_everything_goes_once_the_grant_is_long_over(desk: Desk, clock: MovableClock) -> None:
    desk.connect(desk.register())
    clock.advance(timedelta(days=500).total_seconds())
    sweep(desk)
    with desk.session() as session:
        assert [rows(session, name) for name in ("access_token", "refresh_token", "authorization_code")] == [0, 0, 0]
