"""Authenticator apps: set up, asked for, taken away."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.accounts import passkeys, second_factors
from service.accounts.factor_gate import require_factor
from service.accounts.models import Account, Totp
from service.accounts.passkey_answers import Made
from service.audit import AuditEvent
from service.plan.models import StaffRole
from service.settings import Settings
from tests.accounts.factor_pages import KEY, offered, set_up
from tests.accounts.factors import code_of
from tests.accounts.visitor import Visitor, letters, newest_code
from tests.factories import PASSWORD, make_account, make_member, make_plan_staff, make_portal_staff, make_totp

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

_CODES = re.compile(r"<li><code translate=\"no\">([0-9a-z-]+)</code>")


@pytest.fixture
def secret(session: Session, settings: Settings, account: Account) -> str:
    """The secret of the account's confirmed app."""
    made = make_totp(session, settings, account)
    session.commit()
    return made


def test_an_app_is_set_up_from_settings_and_asked_for_at_the_next_sign_in(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    with time_machine.travel(NOON, tick=False):
        visitor.sign_in(account)
        assert "/settings/second-factor" in visitor.get("/settings").text
        before = visitor.sid()
        secret, page = set_up(visitor)
    assert page.status_code == 200
    assert len(set(_CODES.findall(page.text))) == 10
    assert visitor.sid() != before
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        assert visitor.get("/settings").status_code == 200, "the session that set it up has shown it"
        visitor.post("/sign-out")
        assert visitor.sign_in(account, following="/people").location == "/sign-in/factor?next=/people"
        assert visitor.get("/member").location == "/sign-in/factor?next=/member"
        visitor.get("/sign-in/factor?next=/people")
        assert visitor.post("/sign-in/factor?next=/people", code=code_of(secret)).location == "/people"
        assert visitor.get("/member").status_code == 200
    assert "app was set up" in letters(session, settings, account.email)[-1]


def test_the_page_draws_the_key_itself_and_fetches_nothing(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    page = visitor.get("/settings/second-factor/set-up").text
    drawing = page[page.index("<svg") : page.index("</svg>")]
    assert "<path" in drawing
    assert "http" not in drawing.replace("http://www.w3.org/2000/svg", "")


def test_setting_up_needs_the_first_code_of_that_very_key(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    page = visitor.get("/settings/second-factor/set-up").text
    other = code_of(second_factors.new_secret())
    answer = visitor.post("/settings/second-factor/set-up", offered=offered(page), code=other)
    assert answer.status_code == 400
    assert "did not fit the key" in answer.text
    assert KEY.search(answer.text)[1] == KEY.search(page)[1]  # type: ignore[index]
    assert session.scalar(select(func.count()).select_from(Totp)) == 0


def test_a_key_that_another_session_was_shown_is_not_taken(app: Flask, account: Account, session: Session) -> None:
    owner, thief = Visitor(app), Visitor(app)
    thief.sign_in(account)
    planted = thief.get("/settings/second-factor/set-up").text
    owner.sign_in(account)
    owner.get("/settings/second-factor/set-up")
    secret = KEY.search(planted)[1].replace(" ", "")  # type: ignore[index]
    answer = owner.post("/settings/second-factor/set-up", offered=offered(planted), code=code_of(secret))
    assert answer.status_code == 400
    assert "too old" in answer.text
    assert session.scalar(select(func.count()).select_from(Totp)) == 0


@pytest.mark.parametrize("offered", ["", "x", "gAAAAA", "é" * 50])
def test_a_key_that_we_did_not_seal_is_refused(visitor: Visitor, account: Account, offered: str) -> None:
    visitor.sign_in(account)
    visitor.get("/settings/second-factor/set-up")
    assert visitor.post("/settings/second-factor/set-up", offered=offered, code="123456").status_code == 400


def test_a_key_runs_out_after_half_an_hour(visitor: Visitor, account: Account) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in(account)
        page = visitor.get("/settings/second-factor/set-up").text
        secret = KEY.search(page)[1].replace(" ", "")  # type: ignore[index]
        for _ in range(3):
            clock.shift(timedelta(minutes=10))
            visitor.get("/confirm-password")
            visitor.post("/confirm-password", username=account.username, password=PASSWORD)
        visitor.get("/settings")
        answer = visitor.post("/settings/second-factor/set-up", offered=offered(page), code=code_of(secret))
        assert answer.status_code == 400


def test_case_110_the_cookie_changes_when_the_code_was_right(visitor: Visitor, account: Account, secret: str) -> None:
    visitor.sign_in(account)
    half = visitor.sid()
    visitor.get("/sign-in/factor")
    visitor.post("/sign-in/factor", code=code_of(secret))
    assert visitor.sid() != half
    assert half
    visitor.browser.set_cookie("sid", half)
    assert visitor.get("/member").location == "/sign-in?next=/member"


def test_case_111_a_new_password_neither_removes_nor_bypasses_the_factor(
    visitor: Visitor, account: Account, secret: str, session: Session, settings: Settings
) -> None:
    new = "Quiet-river-58"
    visitor.ask_for_code(account.username, account.email)
    visitor.enter_code(account.username, account.email, newest_code(session, settings, account.email))
    visitor.get("/password-reset/new")
    assert visitor.post("/password-reset/new", password=new, confirmation=new).status_code == 303
    assert visitor.sign_in(account, new).location == "/sign-in/factor?next=/start"
    visitor.get("/sign-in/factor")
    assert visitor.post("/sign-in/factor", code=code_of(secret)).location == "/start"


def test_case_111_setting_an_app_up_asks_the_other_sessions_for_it(app: Flask, account: Account) -> None:
    owner, other = Visitor(app), Visitor(app)
    other.sign_in(account)
    owner.sign_in(account)
    set_up(owner)
    assert other.get("/member").location == "/sign-in/factor?next=/member"
    assert owner.get("/member").status_code == 200


def test_case_112_plan_staff_are_out_after_eight_hours(visitor: Visitor, session: Session) -> None:
    staff = make_plan_staff(session, StaffRole.ADMINISTRATOR)
    session.commit()
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in_with_factor(staff.account)
        for _ in range(47):
            clock.shift(timedelta(minutes=10))
            assert visitor.get("/staff/").status_code == 200
        clock.shift(timedelta(minutes=9, seconds=59))
        assert visitor.get("/staff/").status_code == 200
        clock.shift(timedelta(seconds=1))
        assert visitor.get("/staff/").location == "/sign-in?next=/staff/"


def test_case_112_who_becomes_plan_staff_signs_in_anew(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    make_plan_staff(session, StaffRole.ADMINISTRATOR, account=session.merge(account))
    session.commit()
    assert visitor.get("/member").location == "/sign-in?next=/member"


def test_removal_and_new_recovery_codes_ask_for_a_fresh_password_and_a_fresh_code(
    visitor: Visitor, account: Account, secret: str, session: Session, settings: Settings
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in_with_factor(account)
        clock.shift(timedelta(minutes=5))
        remove, codes = "/settings/second-factor/remove", "/settings/second-factor/recovery-codes"
        assert visitor.get(codes).location == f"/confirm-password?next={codes}"
        visitor.get("/settings")
        assert visitor.post(codes).location.startswith("/confirm-password")
        assert visitor.get(remove).location == f"/confirm-password?next={remove}"
        visitor.get("/confirm-password")
        assert visitor.post(f"/confirm-password?next={remove}", username=account.username, password=PASSWORD)
        assert visitor.get(remove).location == f"/sign-in/factor?next={remove}", (
            "the factor is as fresh as the password"
        )
        visitor.get(f"/sign-in/factor?next={remove}")
        assert visitor.post(f"/sign-in/factor?next={remove}", code=code_of(secret)).location == remove
        visitor.get(remove)
        assert visitor.post(remove).location == "/settings/second-factor?done=removed"
        visitor.get("/settings")
        visitor.post("/sign-out")
        assert visitor.sign_in(account).location == "/start"
    assert "was removed" in letters(session, settings, account.email)[-1]
    tags = session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.startswith("accounts:factor:")))
    assert "accounts:factor:remove" in set(tags)


def test_an_app_is_not_set_up_over_another(app: Flask, account: Account, session: Session) -> None:
    one, two = Visitor(app), Visitor(app)
    one.sign_in(account)
    two.sign_in(account)
    page = two.get("/settings/second-factor/set-up").text
    secret = KEY.search(page)[1].replace(" ", "")  # type: ignore[index]
    kept, _page = set_up(one)
    two.page = two.get("/sign-in/factor")
    answer = two.post("/settings/second-factor/set-up", offered=offered(page), code=code_of(secret))
    assert answer.status_code == 401
    assert session.scalar(select(func.count()).select_from(Totp)) == 1
    assert kept != secret


@pytest.mark.parametrize("path", ["/provider/home", "/staff/"])
def test_delegates_and_plan_staff_set_an_app_up_before_any_page(visitor: Visitor, session: Session, path: str) -> None:
    account = make_account(session)
    make_portal_staff(session, account=account, is_delegate=True)
    make_plan_staff(session, *StaffRole, account=account)
    session.commit()
    visitor.sign_in(account)
    setting_up = f"/settings/second-factor/set-up?next={path}"
    assert visitor.get(path).location == setting_up
    _secret, page = set_up(visitor, setting_up)
    assert f'href="{path}"' in page.text
    assert visitor.get(path).status_code == 200


def test_other_logins_of_the_portal_are_not_asked_for_an_app(visitor: Visitor, session: Session) -> None:
    staff = make_portal_staff(session)
    session.commit()
    visitor.sign_in(staff.account)
    assert visitor.get("/provider/home").status_code == 200


def test_the_gate_hides_the_console_before_it_asks_for_an_app(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    assert visitor.get("/staff/").status_code == 404
    assert visitor.get("/provider/home").status_code == 404


def test_afterwards_one_never_goes_to_another_site(visitor: Visitor, account: Account, secret: str) -> None:
    visitor.sign_in(account)
    visitor.get("/sign-in/factor?next=//evil.example")
    assert visitor.post("/sign-in/factor?next=//evil.example", code=code_of(secret)).location == "/start"


def test_the_pages_speak_spanish(visitor: Visitor, account: Account, secret: str) -> None:
    visitor.sign_in(account)
    page = visitor.get("/sign-in/factor?lang=es").text
    assert "Escriba el código de su aplicación" in page
    assert "No tengo mi teléfono" in page


def test_plan_staff_take_everything_lost_away_with_a_reason(session: Session, settings: Settings) -> None:
    owner = make_account(session, member=make_member(session))
    clerk = make_account(session)
    make_totp(session, settings, owner)
    second_factors.new_recovery_codes(session, settings.secret_key, owner)
    passkeys.add(session, owner, Made(b"id", b"key", 0, ""), "My phone")
    second_factors.remove_all(session, owner, by_account_id=clerk.id, reason="phone and codes lost, called back")
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "accounts:factor:remove_all")).one()
    assert (event.account_id, event.reason) == (clerk.id, "phone and codes lost, called back")
    assert not second_factors.has_factor(session, owner.id)
    assert second_factors.codes_left(session, owner) == 0


def test_the_last_sign_in_is_one_that_was_whole(
    visitor: Visitor, account: Account, secret: str, session: Session
) -> None:
    visitor.sign_in(account)
    session.refresh(account)
    assert account.last_signed_in_at is None
    session.commit()
    visitor.get("/sign-in/factor")
    visitor.post("/sign-in/factor", code=code_of(secret))
    session.refresh(account)
    assert account.last_signed_in_at is not None


def test_a_page_that_requires_a_factor_sends_to_set_one_up_and_refuses_forms(
    app: Flask, account: Account, session: Session
) -> None:
    app.add_url_rule("/guarded", "guarded", require_factor(lambda: "inside"), methods=["GET", "POST"])
    visitor = Visitor(app)
    assert visitor.get("/guarded").location == "/sign-in?next=/guarded"
    visitor.sign_in(account)
    assert visitor.get("/guarded").location == "/settings/second-factor/set-up?next=/guarded"
    visitor.get("/settings")
    assert visitor.post("/guarded").status_code == 401
    visitor.sign_in_with_factor(account)
    assert visitor.get("/guarded").text == "inside"
