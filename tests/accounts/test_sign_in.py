"""Signing in and out, giving the password again, and where one goes afterwards."""

import threading

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts import passwords
from service.accounts.models import Account, LoginSession
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.conftest import MovableClock
from tests.factories import PASSWORD, make_account


def test_the_right_password_leads_to_the_members_home(visitor: Visitor, account: Account) -> None:
    answer = visitor.sign_in(account)
    assert (answer.status_code, answer.location) == (303, "/start")
    assert visitor.get("/start").location == "/member"
    assert account.full_name in visitor.get("/member").text


def test_case_of_the_user_name_does_not_matter(visitor: Visitor, account: Account) -> None:
    assert visitor.sign_in(account.username.upper()).status_code == 303


def test_sign_in_returns_to_the_page_that_asked_for_it(visitor: Visitor, account: Account) -> None:
    asked = visitor.get("/settings")
    assert asked.location == "/sign-in?next=/settings"
    assert visitor.sign_in(account, following="/settings").location == "/settings"


def test_a_waiting_request_of_an_app_is_returned_to(visitor: Visitor, account: Account) -> None:
    waiting = "/oauth/authorize/0f9c1c54-2a1e-4c8e-9a57-3f1f2f9f0e11"
    assert visitor.sign_in(account, following=waiting).location == waiting


@pytest.mark.parametrize(
    "evil",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/%09/evil.example%0d", "javascript:alert(1)",
     "\\\\evil.example", "/\t/evil.example", "https:evil.example", "///evil.example", "/" + "a" * 3000],
)  # fmt: skip
def test_nobody_is_sent_to_another_site(visitor: Visitor, account: Account, evil: str) -> None:
    visitor.get("/sign-in")
    answer = visitor.post("/sign-in", username=account.username, password=PASSWORD, next=evil)
    assert answer.location in {"/start", "/%09/evil.example%0d"}
    assert not answer.location.startswith("//")


def test_who_is_signed_in_already_goes_on(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    assert visitor.get("/sign-in?next=/profile").location == "/profile"


def test_empty_fields_are_named(visitor: Visitor) -> None:
    visitor.get("/sign-in")
    answer = visitor.post("/sign-in", username="", password="")
    assert answer.status_code == 400
    assert "Please fill this in." in answer.text


def test_signing_out_needs_a_form_of_ours(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    assert visitor.browser.get("/sign-out").status_code == 405
    visitor.get("/member")
    assert visitor.post("/sign-out").status_code == 303
    assert visitor.get("/member").location == "/sign-in?next=/member"


def test_whoever_is_sent_to_sign_in_since_the_session_ran_out_is_told_why(
    app: Flask, visitor: Visitor, account: Account, clock: MovableClock
) -> None:
    visitor.sign_in(account)
    clock.advance(16 * 60)
    page = visitor.get(str(visitor.get("/settings").location)).text
    assert "Your session has ended" in page and account.username not in page
    refused = visitor.post("/sign-in?next=/settings", username=account.username, password="wrong")
    assert "Your session has ended" not in refused.text, "the answer to a form is the same to everybody"
    assert "Your session has ended" not in Visitor(app).get("/sign-in?next=/settings").text
    assert visitor.sign_in(account, following="/settings").location == "/settings"
    visitor.get("/settings")
    visitor.post("/sign-out")
    assert "Your session has ended" not in visitor.get("/sign-in").text, "whoever signed out knows"


def test_a_form_that_has_expired_leads_back_to_its_page(visitor: Visitor, account: Account) -> None:
    refused = visitor.post_without_token("/sign-in", username=account.username, password=PASSWORD)
    assert refused.status_code == 403 and "This page has expired" in refused.text
    assert '<a href="/sign-in">Open the page with the form again</a>' in refused.text


def test_the_app_console_asks_for_the_password_again_after_five_minutes(
    visitor: Visitor, account: Account, clock: MovableClock
) -> None:
    visitor.sign_in(account)
    clock.advance(299)
    assert visitor.get("/apps").status_code == 200
    clock.advance(1)
    assert visitor.get("/apps").location == "/confirm-password?next=/apps"
    visitor.get("/confirm-password?next=/apps")
    answer = visitor.post("/confirm-password?next=/apps", username=account.username, password=PASSWORD)
    assert answer.location == "/apps"
    assert visitor.get("/apps").status_code == 200


def test_the_password_again_must_be_ones_own(visitor: Visitor, account: Account, session: Session) -> None:
    other = make_account(session)
    session.commit()
    visitor.sign_in(account)
    visitor.get("/confirm-password")
    assert visitor.post("/confirm-password", username=other.username, password=PASSWORD).status_code == 401
    visitor.get("/confirm-password")
    assert visitor.post("/confirm-password", username=account.username, password="wrong").status_code == 401


def test_the_forgotten_user_name_page_shows_every_phone_line_and_looks_nobody_up(
    visitor: Visitor, settings: Settings
) -> None:
    page = visitor.get("/forgot-username")
    for number in [line.number for line in settings.plan.phone_lines] + [settings.plan.tty]:
        assert number in page.text
    assert "<input" not in page.text.split("<main")[1]


def test_a_new_device_is_told_by_mail_but_not_the_first(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    Visitor(app).sign_in(account)
    assert letters(session, settings, account.email) == []
    Visitor(app).sign_in(account)
    assert "had not seen before" in letters(session, settings, account.email)[0]


def test_a_known_device_is_not_told_again(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    for _ in range(2):
        visitor.sign_in(account)
        visitor.get("/member")
        visitor.post("/sign-out")
    assert letters(session, settings, account.email) == []


def test_an_old_hash_is_made_anew_at_sign_in(visitor: Visitor, account: Account, session: Session) -> None:
    account.password_hash = PasswordHasher(time_cost=1, memory_cost=12_288, parallelism=1).hash(PASSWORD)
    session.commit()
    visitor.sign_in(account)
    session.refresh(account)
    session.commit()
    assert "m=19456,t=2,p=1" in account.password_hash
    assert passwords.verify_hash(account.password_hash, PASSWORD)


def test_a_hash_that_waits_too_long_is_told_with_when_to_come_back(
    visitor: Visitor, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_WAIT_SECONDS", 0.01)
    visitor.get("/sign-in")
    others = threading.Event()
    passwords._hashing.submit(lambda: others.wait(30))
    answer = visitor.post("/sign-in", username=account.username, password=PASSWORD)
    others.set()
    monkeypatch.undo()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert visitor.sign_in(account).status_code == 303


def test_a_session_says_where_it_was_begun(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    row = session.scalars(select(LoginSession)).one()
    assert (row.ip, row.account_id) == ("192.0.2.7", account.id)
    assert visitor.sid() is not None
    assert visitor.sid() not in row.token_hash
