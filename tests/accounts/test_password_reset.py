"""The path of the plan's help page: user name and e-mail, code, new password."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.settings import Settings
from tests.accounts.visitor import Visitor, another, letters, newest_code
from tests.conftest import MovableClock
from tests.factories import make_account

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NEW = "Quiet-river-58"


def _to_new_password(visitor: Visitor, account: Account, session: Session, settings: Settings) -> None:
    visitor.ask_for_code(account.username, account.email)
    visitor.enter_code(account.username, account.email, newest_code(session, settings, account.email))
    visitor.get("/password-reset/new")


def test_the_whole_path(app: Flask, account: Account, session: Session, settings: Settings) -> None:
    elsewhere, visitor = Visitor(app), Visitor(app)
    elsewhere.sign_in(account)
    page = visitor.ask_for_code(account.username, account.email)
    assert "Verify Email Address" in page.text
    assert "Spam" in page.text
    entered = visitor.enter_code(account.username, account.email, newest_code(session, settings, account.email))
    assert entered.location == "/password-reset/new"
    visitor.get("/password-reset/new")
    done = visitor.post("/password-reset/new", password=NEW, confirmation=NEW)
    assert done.status_code == 303
    assert "Your password was changed" in visitor.get(done.location).text
    assert visitor.get("/password-reset/changed").location == "/sign-in", "said once"
    assert visitor.get("/password-reset/code").location == "/password-reset", "the browser knows of no claim any more"
    assert elsewhere.get("/member").location == "/sign-in?next=/member"
    assert "was changed" in letters(session, settings, account.email)[-1]
    assert visitor.sign_in(account).status_code == 401
    assert visitor.sign_in(account, NEW).status_code == 303


def test_the_page_of_the_code_is_asked_for_by_get_and_names_nobody_in_its_address(
    visitor: Visitor, account: Account, session: Session, settings: Settings, clock: MovableClock
) -> None:
    visitor.get("/password-reset")
    asked = visitor.post("/password-reset", username=account.username, email=account.email)
    assert (asked.status_code, asked.location) == (303, "/password-reset/code")
    kept = asked.headers["Set-Cookie"]
    assert "HttpOnly" in kept and "Max-Age=600" in kept and account.username not in kept and account.email not in kept
    for _ in range(2):
        visitor.get("/password-reset/code")
    assert len(letters(session, settings, account.email)) == 1, "looking again sends nothing"
    assert f'value="{account.email}"' in visitor.page.text


@pytest.mark.parametrize("forged", ["", "x", "gAAAAA" + "A" * 120, "\u00e9"])
def test_a_claim_that_was_not_sealed_here_begins_anew(visitor: Visitor, forged: str) -> None:
    visitor.browser.set_cookie("reset_claim", forged, path="/password-reset")
    assert visitor.get("/password-reset/code").location == "/password-reset"


def test_a_copy_of_a_claim_tells_another_browser_nothing_nor_its_own_after_ten_minutes(
    app: Flask, visitor: Visitor, account: Account, clock: MovableClock
) -> None:
    visitor.ask_for_code(account.username, account.email)
    kept = visitor.browser.get_cookie("reset_claim", path="/password-reset")
    assert kept is not None
    thief = Visitor(app, "203.0.113.9")
    thief.browser.set_cookie("reset_claim", kept.value, path="/password-reset")
    assert thief.get("/password-reset/code").location == "/password-reset"

    assert account.email in visitor.get("/password-reset/code").text
    clock.advance(601)
    visitor.browser.set_cookie("reset_claim", kept.value, path="/password-reset")
    assert visitor.get("/password-reset/code").location == "/password-reset"


@pytest.mark.parametrize("name", ["\u4e2d" * 1024, "\x01" * 1024, "a" * 1024])
def test_a_name_as_long_as_no_account_has_leads_to_the_same_page(visitor: Visitor, name: str) -> None:
    visitor.get("/password-reset")
    asked = visitor.post("/password-reset", username=name, email="somebody@example.com")
    assert (asked.status_code, asked.location) == (303, "/password-reset/code")
    assert len(asked.headers["Set-Cookie"]) < 4_000
    assert visitor.get("/password-reset/code").status_code == 200


def test_the_apps_are_pointed_out_afterwards(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    _to_new_password(visitor, account, session, settings)
    done = visitor.post("/password-reset/new", password=NEW, confirmation=NEW)
    assert "/sign-in?next=/apps" in visitor.get(done.location).text


def test_the_first_page_has_the_settled_words(visitor: Visitor) -> None:
    page = visitor.get("/password-reset").text
    for words in ("Username", "E-mail address", "Send verification code"):
        assert words in page


def test_the_signed_in_way_leads_to_the_same_page(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    assert 'href="/settings"' in visitor.get("/member").text
    assert 'href="/settings/change-password"' in visitor.get("/settings").text
    assert 'href="/password-reset"' in visitor.get("/settings/change-password").text


def test_both_passwords_must_be_the_same(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    _to_new_password(visitor, account, session, settings)
    answer = visitor.post("/password-reset/new", password=NEW, confirmation=NEW + "x")
    assert answer.status_code == 400
    assert "not the same" in answer.text


@pytest.mark.parametrize("weak", ["Sh0rt!", "nouppernorest", "Password1!", "Aa1" + "x" * 62])
def test_a_weak_password_is_refused_with_the_part_it_lacks(
    visitor: Visitor, account: Account, session: Session, settings: Settings, weak: str
) -> None:
    _to_new_password(visitor, account, session, settings)
    answer = visitor.post("/password-reset/new", password=weak, confirmation=weak)
    assert answer.status_code == 400
    assert "✗" in answer.text
    assert weak not in answer.text
    assert visitor.post("/password-reset/new", password=NEW, confirmation=NEW).status_code == 303


def test_the_list_is_ticked_by_the_server_without_saving(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    _to_new_password(visitor, account, session, settings)
    assert "○" in visitor.page.text
    checked = visitor.post("/password-reset/new", password=NEW, confirmation="", check="yes")
    assert checked.status_code == 200
    assert (checked.text.count("✓"), checked.text.count("✗")) == (7, 1)
    assert NEW not in checked.text
    assert visitor.post("/password-reset/new", password=NEW, confirmation=NEW).status_code == 303


def test_the_half_way_page_lasts_ten_minutes(
    visitor: Visitor, account: Account, session: Session, settings: Settings, clock: MovableClock
) -> None:
    _to_new_password(visitor, account, session, settings)
    clock.advance(600)
    assert visitor.post("/password-reset/new", password=NEW, confirmation=NEW).status_code == 401


def test_a_code_for_one_address_does_not_open_another_persons_password(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    other = make_account(session)
    session.commit()
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    assert visitor.enter_code(other.username, account.email, code).status_code == 400
    assert visitor.enter_code(account.username, other.email, code).status_code == 400


def test_a_code_of_one_browser_fails_in_another(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    asker, stranger = Visitor(app), Visitor(app)
    asker.ask_for_code(account.username, account.email)
    stranger.get("/password-reset")
    code = newest_code(session, settings, account.email)
    assert stranger.enter_code(account.username, account.email, code).status_code == 400
    assert asker.enter_code(account.username, account.email, code).status_code == 303


def test_a_newer_code_voids_the_older(
    visitor: Visitor, account: Account, session: Session, settings: Settings, clock: MovableClock
) -> None:
    visitor.ask_for_code(account.username, account.email)
    older = newest_code(session, settings, account.email)
    clock.advance(60)
    visitor.ask_for_code(account.username, account.email)
    newer = newest_code(session, settings, account.email)
    if older != newer:
        assert visitor.enter_code(account.username, account.email, older).status_code == 400
    assert visitor.enter_code(account.username, account.email, newer).status_code == 303


def test_a_second_code_comes_after_sixty_seconds_and_not_before(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    for after, expected in [(0, 1), (59.9, 1), (60, 2)]:
        with time_machine.travel(NOON + timedelta(seconds=after), tick=False):
            visitor.ask_for_code(account.username, account.email)
        assert len(letters(session, settings, account.email)) == expected


def test_spaces_in_a_code_are_no_mistake(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    spaced = f" {code[:3]} {code[3:]} "
    assert visitor.enter_code(account.username, account.email, spaced).status_code == 303


def test_a_wrong_code_can_be_mended(visitor: Visitor, account: Account, session: Session, settings: Settings) -> None:
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    assert visitor.enter_code(account.username, account.email, another(code)).status_code == 400
    assert visitor.enter_code(account.username, account.email, code).status_code == 303


def test_the_mail_is_in_the_language_of_the_account(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    account.language = "es"
    session.commit()
    visitor.ask_for_code(account.username, account.email)
    letter = letters(session, settings, account.email)[0]
    assert "Content-Language: es" in letter
    assert newest_code(session, settings, account.email)
