"""Cases 113 and 114 of security.md: another sign-in address."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts import passwords, second_factors
from service.accounts.models import Account
from service.audit import AuditEvent
from service.settings import Settings
from tests.accounts.passkey_device import add
from tests.accounts.passkey_device import sign_in as passkey_sign_in
from tests.accounts.visitor import Visitor, another, letters, newest_code
from tests.factories import PASSWORD, make_account, make_totp

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NEW = "new.address@example.org"
_UNDO = re.compile(r"(/email-change/undo/\S+)")


class Mover:
    """Somebody who changes their address."""

    def __init__(self, app: Flask, account: Account, session: Session, settings: Settings) -> None:
        self.visitor, self.account, self.old = Visitor(app), account, account.email
        self._session, self._settings = session, settings
        self.visitor.sign_in(account)

    def begin(self, address: str = NEW) -> int:
        self.visitor.get("/settings/email")
        return self.visitor.post("/settings/email", email=address).status_code

    def enter(self, code: str) -> int:
        self.visitor.get("/settings/email/confirm")
        return self.visitor.post("/settings/email/confirm", code=code).status_code

    def code_to(self, address: str) -> str:
        return newest_code(self._session, self._settings, address)

    def mails_to(self, address: str) -> list[str]:
        return letters(self._session, self._settings, address)

    def change(self, address: str = NEW) -> str:
        """The whole way; the path of the link that takes it back."""
        assert self.begin(address) == 303
        assert self.enter(self.code_to(self.old)) == 303
        assert self.enter(self.code_to(address)) == 303
        found = _UNDO.search(self.mails_to(self.old)[-1])
        assert found
        return found[1]

    @property
    def email(self) -> str:
        with Session(self._session.get_bind()) as own:
            return own.get_one(Account, self.account.id).email


@pytest.fixture
def mover(app: Flask, account: Account, session: Session, settings: Settings) -> Mover:
    return Mover(app, account, session, settings)


def test_case_113_the_address_changes_after_a_code_to_the_old_and_then_one_to_the_new(
    mover: Mover, session: Session
) -> None:
    assert mover.begin() == 303
    assert not mover.mails_to(NEW), "nothing goes to the new address before the old one has confirmed"
    assert "old e-mail address" in mover.visitor.get("/settings/email/confirm").text
    assert mover.enter(mover.code_to(mover.old)) == 303
    assert mover.email == mover.old
    assert "new e-mail address" in mover.visitor.get("/settings/email/confirm").text
    before = mover.visitor.sid()
    assert mover.enter(mover.code_to(NEW)) == 303
    assert mover.visitor.sid() != before
    assert mover.email == NEW
    assert NEW in mover.visitor.get("/settings?saved=email").text
    assert "was changed" in mover.mails_to(mover.old)[-1]
    assert "undo" not in "".join(mover.mails_to(NEW))
    tags = set(session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.startswith("accounts:email_change:"))))
    assert tags == {f"accounts:email_change:{step}" for step in ("begin", "confirm_old", "finish")}


def test_case_113_it_needs_a_fresh_password_and_the_second_factor(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    make_totp(session, settings, account)
    session.commit()
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in_with_factor(account)
        clock.shift(timedelta(minutes=5))
        assert visitor.get("/settings/email").location == "/confirm-password?next=/settings/email"
        visitor.get("/settings")
        assert visitor.post("/settings/email", email=NEW).location.startswith("/confirm-password")
        visitor.get("/confirm-password")
        visitor.post("/confirm-password", username=account.username, password=PASSWORD)
        assert visitor.get("/settings/email").location == "/sign-in/factor?next=/settings/email"


def test_case_113_a_wrong_code_of_either_changes_nothing(mover: Mover) -> None:
    mover.begin()
    code = mover.code_to(mover.old)
    assert mover.enter(another(code)) == 400
    assert not mover.mails_to(NEW)
    assert mover.enter(code) == 303
    assert mover.enter(code) == 400, "the old address' code is none of the new one's"
    assert mover.enter(another(mover.code_to(NEW))) == 400
    assert mover.email == mover.old


def test_case_113_resets_go_to_the_old_address_until_the_new_one_has_confirmed(app: Flask, mover: Mover) -> None:
    mover.begin()
    mover.enter(mover.code_to(mover.old))
    before = len(mover.mails_to(NEW))
    Visitor(app).ask_for_code(mover.account.username, NEW)
    assert len(mover.mails_to(NEW)) == before
    Visitor(app, address="192.0.2.9").ask_for_code(mover.account.username, mover.old)
    assert "new password" in mover.mails_to(mover.old)[-1].lower()


def test_case_113_another_session_of_the_account_does_not_finish_it(app: Flask, mover: Mover) -> None:
    mover.begin()
    thief = Visitor(app)
    thief.sign_in(mover.account)
    assert thief.get("/settings/email/confirm").location == "/settings/email"


def test_case_113_the_change_ends_other_sessions_and_open_codes(app: Flask, mover: Mover) -> None:
    other, forgetful = Visitor(app), Visitor(app, address="192.0.2.9")
    other.sign_in(mover.account)
    forgetful.ask_for_code(mover.account.username, mover.old)
    code = mover.code_to(mover.old)
    mover.change()
    assert other.get("/settings").location == "/sign-in?next=/settings"
    assert mover.visitor.get("/settings").status_code == 200
    assert forgetful.enter_code(mover.account.username, mover.old, code).status_code == 400


def test_case_113_the_link_takes_the_change_back_within_72_hours_and_once(app: Flask, mover: Mover) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        path = mover.change()
        clock.shift(timedelta(hours=71, minutes=59, seconds=59))
        owner, other_window = Visitor(app), Visitor(app)
        assert mover.old in owner.get(path).text and other_window.get(path).status_code == 200
        assert mover.email == NEW, "looking changes nothing"
        undone = owner.post(path)
        assert (undone.status_code, undone.location) == (303, "/email-change/undone?done=yes")
        assert "The change was taken back" in owner.get(undone.location).text
        assert owner.get(undone.location).location == "/email-change/undone", "said once"
        assert owner.get("/email-change/undone").location == "/"
        assert mover.email == mover.old
        assert mover.visitor.get("/settings").location == "/sign-in?next=/settings"
        back, again = owner.get(path), other_window.post(path)
        assert back.status_code == 200 and "The change was taken back" in back.text
        assert "Take the change back" not in back.text and "yours again" not in back.text
        assert (again.status_code, again.location) == (303, path), "a second press does nothing and is led on"
        assert mover.email == mover.old
        assert len([mail for mail in mover.mails_to(mover.old) if "taken back" in mail]) == 1
        assert "taken back" in mover.mails_to(mover.old)[-1]
        assert "taken back" in mover.mails_to(NEW)[-1]
        # Whoever made the change knows the password: it alone opens nothing, and the code goes to the old address.
        assert owner.sign_in(mover.account).location.startswith("/sign-in/code")
        assert "signed in to your account" in mover.mails_to(mover.old)[-1]


def test_case_113_whoever_made_the_change_keeps_no_factor_that_they_added_since(
    app: Flask, mover: Mover, session: Session, settings: Settings
) -> None:
    path = mover.change()
    device = add(mover.visitor)
    make_totp(session, settings, mover.account)
    session.commit()
    owner, thief = Visitor(app, address="192.0.2.9"), Visitor(app)
    owner.get(path)
    assert owner.post(path).status_code == 303
    assert passkey_sign_in(thief, device).status_code == 401
    assert thief.sign_in(mover.account).location.startswith("/sign-in/code"), "no factor keeps the owner out"
    assert second_factors.codes_left(session, mover.account) == 0
    [row] = session.scalars(select(AuditEvent).where(AuditEvent.tag == "accounts:factor:remove_since")).all()
    assert (row.account_id, row.count) == (mover.account.id, 2)
    session.commit()
    assert "added since the change" in "".join(mover.mails_to(mover.old))


def test_case_113_a_factor_from_before_the_change_stays(app: Flask, mover: Mover) -> None:
    device = add(mover.visitor)
    path = mover.change()
    owner = Visitor(app)
    owner.get(path)
    assert owner.post(path).status_code == 303
    assert passkey_sign_in(owner, device).status_code == 303


def test_case_113_a_sign_in_begun_before_the_change_was_taken_back_opens_nothing(
    app: Flask, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mover.change()
    owner, thief = Visitor(app, address="192.0.2.9"), Visitor(app)
    owner.get(path)
    verify = passwords.verify_hash

    def taken_back_meanwhile(known: str | None, password: str) -> bool:
        monkeypatch.setattr(passwords, "verify_hash", verify)
        with ThreadPoolExecutor(1) as elsewhere:
            assert elsewhere.submit(owner.post, path).result().status_code == 303
        return verify(known, password)

    monkeypatch.setattr(passwords, "verify_hash", taken_back_meanwhile)
    thief.sign_in(mover.account)
    assert mover.email == mover.old
    assert thief.get("/settings").status_code == 303, "the password alone opens nothing"


def test_case_113_after_72_hours_the_link_is_over(app: Flask, mover: Mover) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        path = mover.change()
        owner = Visitor(app)
        owner.get(path)
        clock.shift(timedelta(hours=72))
        assert owner.post(path).status_code == 404
        assert owner.get("/email-change/undo/" + "x" * 43).status_code == 404
        assert mover.email == NEW


def test_case_113_while_it_can_be_taken_back_it_is_not_changed_again(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        mover = Mover(app, account, session, settings)
        mover.change()
        assert mover.begin("third@example.org") == 409
        clock.shift(timedelta(hours=72))
        mover.visitor.sign_in(account)
        assert mover.begin("third@example.org") == 303


def test_case_113_an_address_of_another_account_gets_the_same_pages_and_no_code(mover: Mover, session: Session) -> None:
    taken = make_account(session)
    session.commit()
    assert mover.begin(taken.email.upper()) == 303
    assert mover.enter(mover.code_to(mover.old)) == 303
    assert "It is valid for 5 minutes" in mover.visitor.get("/settings/email/confirm").text
    assert "nothing was changed" in mover.mails_to(taken.email)[-1]
    assert not mover.mails_to(taken.email.upper())
    assert mover.enter("123456") == 400
    assert mover.email == mover.old


@pytest.mark.parametrize("wrong", ["", "nobody", "a@b", "a\u202eb@example.org"])
def test_case_113_what_is_no_address_is_told_at_once(mover: Mover, wrong: str) -> None:
    assert mover.begin(wrong) == 400


def test_case_113_a_blank_beside_an_address_is_no_mistake(mover: Mover) -> None:
    assert mover.begin(f" {NEW} ") == 303


def test_case_113_ones_own_address_is_told_at_once(mover: Mover) -> None:
    assert mover.begin(mover.old.upper()) == 400


@pytest.mark.parametrize("path", ["/settings/email", "/settings/email/confirm", "/settings/email/send"])
def test_case_114_the_address_is_not_changed_without_our_token(mover: Mover, path: str) -> None:
    mover.begin()
    assert mover.visitor.post_without_token(path, email=NEW, code="123456").status_code == 403


def test_case_114_nor_is_a_change_taken_back(app: Flask, mover: Mover) -> None:
    path = mover.change()
    assert Visitor(app).post_without_token(path).status_code == 403
    assert mover.email == NEW
