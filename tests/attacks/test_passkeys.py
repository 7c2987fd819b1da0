"""Passkeys under attack (security.md, cases 97, 103, 104, 108, 110 and 114; WebAuthn Level 2 §7)."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.accounts.models import Account, AccountStatus, LoginSession, Passkey
from service.audit import AuditEvent, Outcome
from service.settings import Settings
from tests.accounts.passkey_device import ADD, Device, add, question, sign_in
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MAKE = "/settings/second-factor/passkeys/question"


@pytest.fixture
def device(app: Flask, account: Account) -> Device:
    """The device with the account's only passkey."""
    owner = Visitor(app)
    owner.sign_in(account)
    return add(owner)


def _signed_in(visitor: Visitor) -> bool:
    return visitor.get("/settings").status_code == 200


def _other_key(device: Device) -> None:
    device.key = Device().key


DISHONEST: dict[str, Callable[[Device], None]] = {
    "another origin": lambda device: setattr(device, "origin", "http://localhost.evil.example"),
    "another port": lambda device: setattr(device, "origin", "http://localhost:81"),
    "a host below": lambda device: setattr(device, "origin", "http://a.localhost"),
    "another host": lambda device: setattr(device, "host", "evil.example"),
    "person not checked": lambda device: setattr(device, "checks_person", False),
    "nobody there": lambda device: setattr(device, "is_present", False),
    "another key": _other_key,
    "another passkey": lambda device: setattr(device, "credential_id", b"unknown"),
    "nobody named": lambda device: setattr(device, "user_handle", None),
    "another person named": lambda device: setattr(device, "user_handle", "c29tZWJvZHk"),
}


@pytest.mark.parametrize("how", DISHONEST)
def test_case_097_what_does_not_prove_the_passkey_gets_one_answer(
    app: Flask, device: Device, how: str, session: Session
) -> None:
    DISHONEST[how](device)
    thief = Visitor(app)
    answer = sign_in(thief, device)
    assert answer.status_code == 401
    assert "That passkey did not work" in answer.text
    assert not _signed_in(thief)
    assert session.scalar(select(AuditEvent.id).where(AuditEvent.outcome == Outcome.FAILED)) is not None


def test_case_097_a_disabled_account_is_told_no_more_than_a_stranger(
    app: Flask, account: Account, device: Device, session: Session
) -> None:
    session.get_one(Account, account.id).status = AccountStatus.DISABLED
    session.commit()
    answer = sign_in(Visitor(app), device)
    assert (answer.status_code, "That passkey did not work" in answer.text) == (401, True)


def test_case_097_the_question_says_nothing_about_who_exists(app: Flask, device: Device) -> None:
    stranger = Visitor(app)
    stranger.get("/sign-in")
    asked = question(stranger)["publicKey"]
    assert "allowCredentials" not in asked
    assert asked["rpId"] == "localhost"
    assert asked["userVerification"] == "required"


def test_case_098_answers_from_one_network_are_limited(app: Flask, device: Device) -> None:
    visitor = Visitor(app)
    visitor.get("/sign-in")
    for _ in range(60):
        answer = visitor.post("/sign-in/passkey", question="x", answer="{}")
        assert answer.status_code == 400
    answer = sign_in(visitor, device)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "300")
    assert not _signed_in(visitor)


@pytest.mark.parametrize(
    "wrong", ["{}", "[]", "null", "not json", '{"rawId": 1}', "[" * 8_000, '{"rawId": "AA", "response": {}}']
)
def test_case_032_an_answer_that_cannot_be_read_is_no_fault(app: Flask, device: Device, wrong: str) -> None:
    visitor = Visitor(app)
    visitor.get("/sign-in")
    asked = question(visitor)
    assert visitor.post("/sign-in/passkey", question=asked["question"], answer=wrong).status_code == 401


def test_case_032_bytes_that_are_no_passkey_are_no_fault(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    honest = Device()
    for field, worth in (("attestationObject", "AA"), ("attestationObject", "gYGB" * 2_000), ("clientDataJSON", "e30")):
        visitor.get(ADD)
        asked = question(visitor, MAKE)
        answer = json.loads(honest.make(asked))
        answer["response"][field] = worth
        sent = visitor.post(ADD, question=asked["question"], answer=json.dumps(answer))
        assert (sent.status_code, "did not make a passkey" in sent.text) == (400, True)
    assert session.scalar(select(func.count()).select_from(Passkey)) == 0


@pytest.mark.parametrize("how", ["another origin", "another host", "person not checked", "nobody there"])
def test_a_passkey_made_elsewhere_or_without_its_person_checked_is_not_kept(
    visitor: Visitor, account: Account, session: Session, how: str
) -> None:
    visitor.sign_in(account)
    made = Device()
    DISHONEST[how](made)
    visitor.get(ADD)
    asked = question(visitor, MAKE)
    assert visitor.post(ADD, question=asked["question"], answer=made.make(asked)).status_code == 400
    assert session.scalar(select(func.count()).select_from(Passkey)) == 0


def test_case_103_the_question_is_good_for_less_than_five_minutes(app: Flask, device: Device) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        visitor = Visitor(app)
        for seconds, status in ((300, 400), (299.9, 303)):
            visitor.get("/sign-in")
            asked = question(visitor)
            clock.shift(timedelta(seconds=seconds))
            answer = visitor.post("/sign-in/passkey", question=asked["question"], answer=device.show(asked))
            assert answer.status_code == status


def test_case_104_an_answer_works_once(app: Flask, device: Device) -> None:
    visitor = Visitor(app)
    visitor.get("/sign-in")
    asked = question(visitor)
    shown = device.show(asked)
    assert visitor.post("/sign-in/passkey", question=asked["question"], answer="{}").status_code == 401
    again = visitor.post("/sign-in/passkey", question=asked["question"], answer=shown)
    assert (again.status_code, "once more" in again.text) == (400, True), "a wrong answer uses the question up too"
    assert not _signed_in(visitor)


def test_case_104_of_twenty_at_once_one_signs_in(app: Flask, device: Device, session: Session) -> None:
    visitor = Visitor(app)
    visitor.get("/sign-in")
    asked = question(visitor)
    shown, cookie = device.show(asked), visitor.sid()
    before = session.scalar(select(func.count()).select_from(LoginSession))
    session.commit()
    assert cookie
    page = visitor.get("/sign-in")

    def send(_number: int) -> int:
        one = Visitor(app)
        one.browser.set_cookie("sid", cookie)
        one.page = page
        return one.post("/sign-in/passkey", question=asked["question"], answer=shown).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(send, range(20)))
    assert statuses.count(303) == 1
    assert set(statuses) == {303, 400}
    assert session.scalar(select(func.count()).select_from(LoginSession)) == (before or 0) + 1


def test_case_108_a_question_is_answered_by_who_was_asked_and_nobody_else(
    app: Flask, account: Account, device: Device
) -> None:
    owner, thief = Visitor(app), Visitor(app)
    owner.get("/sign-in")
    asked = question(owner)
    thief.get("/sign-in")
    assert thief.post("/sign-in/passkey", question=asked["question"], answer=device.show(asked)).status_code == 400
    assert not _signed_in(thief)
    thief.sign_in(account)
    thief.get("/sign-in/factor")
    assert thief.post("/sign-in/passkey", question=asked["question"], answer=device.show(asked)).status_code == 400
    assert not _signed_in(thief)


def test_case_108_a_question_to_make_one_is_no_question_to_show_one(
    app: Flask, account: Account, device: Device
) -> None:
    visitor = Visitor(app)
    sign_in(visitor, device)
    visitor.get(ADD)
    asked = question(visitor, MAKE)
    visitor.get("/confirm-password")
    assert visitor.post("/sign-in/passkey", question=asked["question"], answer=device.show(asked)).status_code == 400


def test_case_108_half_a_login_adds_no_passkey(app: Flask, account: Account, device: Device, session: Session) -> None:
    thief = Visitor(app)
    thief.sign_in(account)
    thief.get("/sign-in/factor")
    assert thief.post(MAKE).status_code == 401
    thief.get("/sign-in/factor")
    assert thief.post(ADD, question="x", answer="{}").status_code == 401
    assert session.scalar(select(func.count()).select_from(Passkey)) == 1


def test_case_108_anothers_passkey_does_not_complete_half_a_login(
    app: Flask, account: Account, device: Device, session: Session
) -> None:
    other = make_account(session)
    session.commit()
    theirs = Visitor(app)
    theirs.sign_in(other)
    foreign = add(theirs)
    thief = Visitor(app)
    thief.sign_in(account)
    assert sign_in(thief, foreign, path="/sign-in/factor").status_code == 401
    assert not _signed_in(thief)
    signed = device
    assert sign_in(thief, signed, path="/sign-in/factor").status_code == 303


def test_case_110_the_cookie_changes_when_a_passkey_was_shown(app: Flask, device: Device) -> None:
    visitor = Visitor(app)
    visitor.get("/sign-in")
    preset = visitor.sid()
    sign_in(visitor, device)
    assert visitor.sid() != preset
    assert preset
    visitor.browser.set_cookie("sid", preset)
    assert not _signed_in(visitor)


@pytest.mark.parametrize("path", ["/sign-in/passkey/question", "/sign-in/passkey", MAKE, ADD])
def test_case_114_passkeys_are_neither_asked_for_nor_taken_without_our_token(
    app: Flask, device: Device, path: str
) -> None:
    visitor = Visitor(app)
    sign_in(visitor, device)
    assert visitor.post_without_token(path, question="x", answer="{}").status_code == 403


def test_a_count_that_goes_back_is_refused_and_told_once_a_day(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    owner = Visitor(app)
    owner.sign_in(account)
    device = add(owner, Device(counts=True))
    for _ in range(3):
        assert sign_in(Visitor(app), device).status_code == 303
    for stale in (1, 2):
        device.count = stale - 1
        assert sign_in(Visitor(app), device).status_code == 401
    device.count = 3
    assert sign_in(Visitor(app), device).status_code == 303, "the newer of the two goes on"
    told = [letter for letter in letters(session, settings, account.email) if "may be a copy" in letter]
    assert len(told) == 1
    assert session.scalars(select(Passkey.sign_count)).one() == 4
