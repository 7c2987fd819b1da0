"""A button pressed twice where the first press renews the browser's cookie: its person is led to where that has got."""

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.accounts.models import Account, LoginSession, RecoveryCode
from service.settings import Settings
from tests.accounts.factor_pages import KEY, offered
from tests.accounts.factors import code_of
from tests.accounts.visitor import Visitor, csrf_token, newest_code
from tests.factories import PASSWORD, make_account, make_totp


@pytest.fixture
def account(session: Session) -> Account:
    made = make_account(session)
    session.commit()
    return made


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


def _twice(visitor: Visitor, path: str, **form: str) -> tuple[TestResponse, TestResponse]:
    token = csrf_token(visitor.page.text)
    first, second = (visitor.post_without_token(path, csrf_token=token, **form) for _ in range(2))
    return first, second


def test_signing_in_twice_leads_on_and_begins_one_session(
    visitor: Visitor, account: Account, session: Session
) -> None:  # fmt: skip
    visitor.get("/sign-in?next=/people")
    first, second = _twice(visitor, "/sign-in?next=/people", username=account.username, password=PASSWORD)
    assert (first.status_code, first.location) == (second.status_code, second.location) == (303, "/people")
    assert session.scalar(select(func.count()).select_from(LoginSession)) == 1


def test_another_person_s_old_sign_in_page_leads_into_nobody_s_account(
    app: Flask, visitor: Visitor, account: Account, session: Session
) -> None:  # fmt: skip
    other = make_account(session)
    session.commit()
    visitor.get("/sign-in")
    token = csrf_token(visitor.page.text)
    visitor.post("/sign-in", username=account.username, password=PASSWORD)
    late = visitor.post_without_token("/sign-in", csrf_token=token, username=other.username, password=PASSWORD)
    assert late.status_code == 403 and "This page has expired" in late.text


def test_a_form_without_its_token_still_reads_that_it_has_expired(visitor: Visitor, account: Account) -> None:
    for path in ("/sign-in", "/sign-in/factor", "/sign-in/code", "/password-reset/code", "/register/code",
                 "/register/account", "/select-member", "/confirm-password"):  # fmt: skip
        answer = visitor.post_without_token(path, username=account.username, password=PASSWORD, code="000000")
        assert answer.status_code == 403 and "This page has expired" in answer.text, path


def test_the_code_after_the_password_twice(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:  # fmt: skip
    secret = make_totp(session, settings, account)
    session.commit()
    visitor.sign_in(account)
    visitor.get("/sign-in/factor?next=/people")
    first, second = _twice(visitor, "/sign-in/factor?next=/people", code=code_of(secret))
    assert (first.location, second.location) == ("/people", "/people")


def test_the_password_again_twice(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    visitor.get("/confirm-password?next=/apps")
    form = {"username": account.username.upper(), "password": PASSWORD}
    first, second = _twice(visitor, "/confirm-password?next=/apps", **form)
    assert (first.location, second.location) == ("/apps", "/apps")


def test_setting_an_app_up_twice_shows_the_codes_of_the_first(
    visitor: Visitor, account: Account, session: Session
) -> None:  # fmt: skip
    visitor.sign_in(account)
    page = visitor.get("/settings/second-factor/set-up").text
    key = KEY.search(page)
    assert key
    form = {"offered": offered(page), "code": code_of(key[1].replace(" ", ""))}
    first, second = _twice(visitor, "/settings/second-factor/set-up", **form)
    assert first.location == second.location == "/settings/second-factor/recovery-codes/new"
    assert "Your recovery codes" in visitor.get(second.location).text
    assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 10


def test_the_code_of_a_password_reset_twice(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:  # fmt: skip
    visitor.ask_for_code(account.username, account.email)
    form = {"username": account.username, "email": account.email}
    code = newest_code(session, settings, account.email)
    first, second = _twice(visitor, "/password-reset/code", **form, code=code)
    assert (first.location, second.location) == ("/password-reset/new", "/password-reset/new")
    assert visitor.get("/password-reset/code").location == "/password-reset/new", "gone back to"
    assert visitor.get("/password-reset/new").status_code == 200
