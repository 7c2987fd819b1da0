"""Stepping up before an app is let in while the member is away, or for somebody else."""

from datetime import UTC, datetime

import time_machine
from sqlalchemy import select

from consent.models import ConsentDecision, Grant
from service.accounts.models import LoginSession
from tests.accounts.factors import code_of, secret_of, sign_in_with_factor
from tests.factories import PASSWORD, make_member
from tests.member.pages import Reader, form_to, represent
from tests.oauth.desk import Desk, pending_id

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONCE = "openid launch/patient patient/Coverage.rs"
AWAY = f"{ONCE} offline_access"


def _ask(desk: Desk, rosa: Reader, scope: str) -> str:
    begun = desk.authorize(rosa.browser, desk.register(), scope=scope)
    return pending_id(begun.location)


def test_offline_access_needs_a_password_not_older_than_five_minutes(desk: Desk) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        rosa = Reader(desk, desk.account)
        clock.shift(299)
        fresh = _ask(desk, rosa, AWAY)
        assert rosa.get(f"/consent?request={fresh}").status_code == 200
        clock.shift(1)
        stale = _ask(desk, rosa, AWAY)
        answer = rosa.get(f"/consent?request={stale}")
        assert answer.location == f"/confirm-password?next=/consent?request%3D{stale}"
        form = form_to(rosa.get(answer.location).text, "/confirm-password")
        confirmed = rosa.browser.post(
            form.action, data=form.changed(username=desk.account.username, password=PASSWORD)
        )  # fmt: skip
        assert confirmed.location == f"/consent?request={stale}"
        assert rosa.get(confirmed.location).status_code == 200


def test_the_second_factor_is_asked_for_with_it(desk: Desk) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        rosa = Reader(desk, desk.account)
        sign_in_with_factor(rosa.browser, desk.account)
        clock.shift(300)
        asked = _ask(desk, rosa, AWAY)
        first = rosa.get(f"/consent?request={asked}").location
        form = form_to(rosa.get(first).text, "/confirm-password")
        rosa.browser.post(form.action, data=form.changed(username=desk.account.username, password=PASSWORD))
        second = rosa.get(f"/consent?request={asked}").location
        assert second.startswith("/sign-in/factor?next=")
        form = form_to(rosa.get(second).text, "/sign-in/factor")
        with desk.session() as session:
            code = code_of(secret_of(session, desk.settings, desk.account))
        assert rosa.browser.post(form.action, data=form.changed(code=code)).location == f"/consent?request={asked}"
        assert rosa.get(f"/consent?request={asked}").status_code == 200


def test_an_app_that_never_comes_back_needs_none(desk: Desk) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        rosa = Reader(desk, desk.account)
        clock.shift(600)
        assert rosa.get(f"/consent?request={_ask(desk, rosa, ONCE)}").status_code == 200


def test_answering_for_another_member_needs_it_whatever_is_asked(desk: Desk) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        with desk.session() as session:
            child = make_member(session)
        represent(desk, desk.account, child)
        rosa = Reader(desk, desk.account)
        asked = _ask(desk, rosa, ONCE)
        form = form_to(rosa.get(f"/consent?request={asked}").text, "/consent/member")
        clock.shift(300)
        chosen = rosa.browser.post(form.action, data=form.changed(selected=child.patient_id))
        assert rosa.get(chosen.location).location.startswith("/confirm-password?next=/consent")


def test_a_page_shown_in_time_is_answered_within_ten_minutes_without_another_step_up(desk: Desk) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        rosa = Reader(desk, desk.account)
        clock.shift(299)
        page = rosa.ask(desk.register(), scope=AWAY)
        clock.shift(599)
        assert rosa.allow(page).location.startswith("https://")
    with desk.session() as session:
        assert session.scalars(select(Grant)).one().offline


def test_an_answer_of_who_did_not_step_up_shares_nothing(desk: Desk) -> None:
    rosa = Reader(desk, desk.account)
    page = rosa.ask(desk.register(), scope=AWAY)
    with desk.session() as session:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        for each in session.scalars(select(LoginSession)):
            each.authenticated_at = long_ago
    answer = rosa.allow(page)
    assert answer.location.startswith("/confirm-password?next=/consent?request%3D")
    with desk.session() as session:
        assert session.scalar(select(Grant.id)) is None
        assert session.scalar(select(ConsentDecision.id)) is None
