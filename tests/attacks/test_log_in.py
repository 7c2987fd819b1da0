"""Log-in and passwords under attack (security.md, cases 97 to 102)."""

import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.accounts import authentication, passwords, throttling
from service.accounts.models import Account, AccountStatus, EmailCode, EmailProof, KnownDevice, LoginSession
from service.audit import AuditEvent
from service.db import Base
from service.mail import OutboxMail
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters, newest_code
from tests.conftest import LiveServer, MovableClock
from tests.factories import PASSWORD, make_account

_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def _without_token(page: str) -> str:
    return _TOKEN.sub("", page)


def _without(page: str, *typed: str) -> str:
    for words in typed:
        page = page.replace(words, "")
    return _without_token(page)


@pytest.mark.parametrize("email", ["a\0b@example.org", "\ufdfa" * 200 + "@example.org", "\ufdfa" * 20 + "@example.org"])
def test_case_032_an_address_that_no_account_can_have_is_no_fault(visitor: Visitor, email: str) -> None:
    visitor.get("/password-reset")
    assert visitor.post("/password-reset", username="somebody", email=email).status_code == 400
    visitor.get("/password-reset")
    assert visitor.post("/password-reset/code", username="somebody", email=email, code="123456").status_code == 400


def test_case_097_unknown_wrong_disabled_and_unverified_get_one_answer(
    app: Flask, session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    disabled = make_account(session, status=AccountStatus.DISABLED)
    session.commit()
    hashed = _count_hashes(monkeypatch)
    answers = []
    for number, (name, password) in enumerate(
        [("nobody-here", PASSWORD), (account.username, "wrong"), (disabled.username, PASSWORD), ("", "x" * 900)]
    ):
        answer = Visitor(app, address=f"192.0.2.{number + 1}").sign_in(name or account.username, password)
        answers.append((answer.status_code, _without_token(answer.text), sorted(answer.headers.keys())))
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    assert len(hashed) == 4


def test_case_097_a_limited_account_and_a_limited_unknown_name_get_one_answer(app: Flask, account: Account) -> None:
    answers = []
    for name in (account.username, "nobody-here"):
        for number in range(11):
            answer = Visitor(app, address=f"198.51.{len(answers)}.{number}").sign_in(name, "wrong")
        answers.append((answer.status_code, _without_token(answer.text), answer.headers["Retry-After"]))
    assert answers[0][0] == 429
    assert answers[0] == answers[1]


def test_case_097_a_reset_says_the_same_for_known_and_unknown_people(
    app: Flask, session: Session, settings: Settings, account: Account
) -> None:
    pages = []
    for username, email in [(account.username, account.email), (account.username, "another@example.org"),
                            ("x" * len(account.username), account.email)]:  # fmt: skip
        visitor = Visitor(app)
        asked = visitor.ask_for_code(username, email)
        entered = visitor.enter_code(username, email, "000000")
        pages.append([(page.status_code, _without(page.text, email, username)) for page in (asked, entered)])
    assert pages[0] == pages[1] == pages[2]
    assert len(letters(session, settings, account.email)) == 1


def test_case_097_the_mailed_work_is_the_same_for_unknown_people(
    app: Flask, session: Session, account: Account
) -> None:
    counts = []
    for username in (account.username, "nobody-here"):
        Visitor(app).ask_for_code(username, account.email)
        with Session(session.get_bind()) as own:
            counts.append([own.scalar(select(func.count()).select_from(table)) for table in _tables_of_codes()])
    assert [later - earlier for earlier, later in zip(*counts, strict=True)] == counts[0]


def test_case_097_timing_does_not_tell_known_from_unknown(app: Flask, account: Account) -> None:
    visitor = Visitor(app)
    passwords.verify_hash(None, "warm-up")
    spent: dict[str, list[float]] = {account.username: [], "nobody-here": []}
    for number in range(8):
        for name, times in spent.items():
            visitor.address = f"203.0.{number}.{len(spent[account.username])}"
            visitor.get("/sign-in")
            begun = time.perf_counter()
            visitor.post("/sign-in", username=name, password="wrong")
            times.append(time.perf_counter() - begun)
    known, unknown = (statistics.median(times) for times in spent.values())
    assert 0.5 < known / unknown < 2


def test_case_098_ten_wrong_tries_in_five_minutes_then_the_right_password_waits(
    app: Flask, account: Account, session: Session, settings: Settings, clock: MovableClock
) -> None:
    for number in range(10):
        assert Visitor(app, address=f"198.51.100.{number}").sign_in(account, "wrong").status_code == 401
    refused = Visitor(app, address="198.51.100.99").sign_in(account)
    assert refused.status_code == 429
    assert "Many wrong passwords" in letters(session, settings, account.email)[0]
    clock.advance(300)
    assert Visitor(app, address="198.51.100.99").sign_in(account).status_code == 303


def test_case_098_every_spelling_of_a_name_shares_one_counter(app: Flask, account: Account) -> None:
    spellings = [account.username, account.username.upper(), account.username.title(), "\uff50" + account.username[1:]]
    for number in range(10):
        Visitor(app, address=f"198.51.100.{number}").sign_in(spellings[number % 4], "wrong")
    assert Visitor(app, address="198.51.100.99").sign_in(account).status_code == 429


@pytest.mark.parametrize("addresses", [["192.0.2.1"] * 11, [f"2001:db8:1:2::{number:x}" for number in range(1, 12)]])
def test_case_098_ten_wrong_tries_from_one_network_close_it(
    app: Flask, session: Session, account: Account, addresses: list[str]
) -> None:
    for number, address in enumerate(addresses[:10]):
        assert Visitor(app, address=address).sign_in(f"nobody-{number}", "wrong").status_code == 401
    assert Visitor(app, address=addresses[10]).sign_in(account).status_code == 429
    assert Visitor(app, address="2001:db8:1:3::1").sign_in(account).status_code == 303


def test_case_098_a_known_device_still_gets_in(app: Flask, account: Account) -> None:
    owner = Visitor(app, address="192.0.2.1")
    owner.sign_in(account)
    owner.get("/member")
    owner.post("/sign-out")
    for number in range(12):
        Visitor(app, address=f"198.51.100.{number}").sign_in(account, "wrong")
    assert Visitor(app, address="192.0.2.2").sign_in(account).status_code == 429
    assert owner.sign_in(account).status_code == 303


def test_case_098_a_known_device_has_its_own_limit(app: Flask, account: Account) -> None:
    device = Visitor(app)
    device.sign_in(account)
    device.get("/member")
    device.post("/sign-out")
    for _ in range(10):
        device.sign_in(account, "wrong")
    assert device.sign_in(account).status_code == 429


def test_case_098_a_planted_device_cookie_is_not_a_known_device(app: Flask, account: Account) -> None:
    for number in range(10):
        Visitor(app, address=f"198.51.100.{number}").sign_in(account, "wrong")
    forger = Visitor(app, address="192.0.2.1")
    forger.browser.set_cookie("device", "A" * 43)
    assert forger.sign_in(account).status_code == 429


def test_case_098_a_browser_is_known_when_the_second_factor_was_shown_and_not_before(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    owner = Visitor(app, address="192.0.2.1")
    owner.sign_in_with_factor(account)
    assert session.scalar(select(func.count()).select_from(KnownDevice)) == 1
    session.commit()
    thief = Visitor(app, address="198.51.100.99")
    assert thief.sign_in(account).location == "/sign-in/factor?next=/start"
    assert thief.browser.get_cookie("device") is None
    assert session.scalar(select(func.count()).select_from(KnownDevice)) == 1
    session.commit()
    assert "had not seen before" in letters(session, settings, account.email)[0]
    for number in range(12):
        Visitor(app, address=f"198.51.100.{number}").sign_in(account, "wrong")
    assert Visitor(app, address="192.0.2.2").sign_in(account).status_code == 429
    assert thief.browser.post("/sign-out").status_code in {303, 403}
    stranger = Visitor(app, address="198.51.100.99")
    stranger.browser = thief.browser
    stranger.browser.delete_cookie("sid")
    assert stranger.sign_in(account).status_code == 429
    assert owner.sign_in_with_factor(account).status_code == 303
    with Session(session.get_bind()) as fresh:
        whole = fresh.scalars(select(LoginSession).where(LoginSession.factor_at.is_not(None))).all()
        assert {row.device_id for row in whole} == {fresh.scalars(select(KnownDevice.id)).one()}


def test_case_098_a_right_password_does_not_reset_the_networks_counter(
    app: Flask, session: Session, account: Account
) -> None:
    victim = make_account(session)
    session.commit()
    for _ in range(3):
        for number in range(3):
            Visitor(app).sign_in(f"nobody-{number}", "wrong")
        Visitor(app).sign_in(account)
    Visitor(app).sign_in("nobody-9", "wrong")
    assert Visitor(app).sign_in(victim).status_code == 429


def test_case_098_a_hundred_wrong_tries_on_end_need_a_known_device_or_a_reset(
    app: Flask, account: Account, session: Session, settings: Settings, clock: MovableClock
) -> None:
    owner = Visitor(app)
    owner.sign_in(account)
    owner.get("/member")
    owner.post("/sign-out")
    with Session(session.get_bind()) as own:
        for _ in range(100):
            throttling.count(own, f"sign-in:consecutive:{account.id}", 366 * 86_400)
        own.commit()
    assert Visitor(app, address="198.51.100.1").sign_in(account).status_code == 401
    assert owner.sign_in(account).status_code == 303


def test_case_098_a_parallel_burst_on_two_workers_is_limited(
    live_server: LiveServer, session: Session, account: Account
) -> None:
    def attempt(_number: int) -> int:
        browser = requests.Session()
        token = _TOKEN.search(browser.get(f"{live_server.url}/sign-in", timeout=30).text)
        assert token
        form = {"username": account.username, "password": "wrong", "csrf_token": token[1]}
        while True:
            sent = browser.post(f"{live_server.url}/sign-in", data=form, timeout=60, allow_redirects=False)
            # Who is told that all are busy is not counted, and comes again.
            if sent.status_code != 503:
                return sent.status_code
            time.sleep(0.2)

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(attempt, range(24)))
    assert statuses.count(401) == 10
    assert statuses.count(429) == 14


def test_case_099_stuffing_from_many_addresses_trips_the_limit_for_everybody(
    app: Flask, session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "EVERYBODY", 20)
    hashed = _count_hashes(monkeypatch)
    statuses = [
        Visitor(app, address=f"10.{number // 10}.0.1").sign_in(f"stolen-{number}", "leaked-Pass-1").status_code
        for number in range(100)
    ]
    assert statuses == [401] * 20 + [429] * 80
    assert len(hashed) == 20
    refused = select(func.count()).select_from(AuditEvent).where(AuditEvent.outcome == "refused")
    with Session(session.get_bind()) as own:
        assert own.scalar(refused) == 80


def test_case_100_both_normal_forms_spaces_and_emoji_log_in(app: Flask, session: Session) -> None:
    owner = make_account(session, password=" Cafe\u0301 😀 at-42 ")
    session.commit()
    assert Visitor(app).sign_in(owner, " Caf\u00e9 😀 at-42 ").status_code == 303
    assert Visitor(app).sign_in(owner, " Cafe\u0301 😀 at-42 ").status_code == 303
    assert Visitor(app).sign_in(owner, "Caf\u00e9 😀 at-42").status_code == 401
    assert Visitor(app).sign_in(owner, " Caf\u00e9 😀 at-42 \0").status_code == 401


@pytest.mark.parametrize("path", ["/sign-in", "/password-reset", "/register"])
def test_case_100_a_megabyte_is_refused_before_hashing(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    hashed = _count_hashes(monkeypatch)
    visitor.get(path)
    answer = visitor.post(path, username="dana", password="x" * 1_000_000)
    assert answer.status_code == 400
    assert hashed == []


# 101, 102: tests/accounts/test_passwords.py and test_usernames.py hold the lists; here the pages.


@pytest.mark.parametrize("refused", ["P@ssw0rd", "Password1!", "Meridian-2026", "{username}-Xy7!", "{family}-Xy7!"])
def test_case_101_common_passwords_and_own_names_are_refused(
    visitor: Visitor, account: Account, session: Session, settings: Settings, refused: str
) -> None:
    _open_new_password_page(visitor, account, session, settings)
    wanted = refused.format(username=account.username, family=account.family_name)
    assert visitor.post("/password-reset/new", password=wanted, confirmation=wanted).status_code == 400
    assert visitor.sign_in(account).status_code == 303


def _count_hashes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Watch how often a password is hashed; the hashing itself stays."""
    counted: list[int] = []
    real = passwords.verify_hash

    def watched(stored: str | None, password: str) -> bool:
        counted.append(1)
        return real(stored, password)

    monkeypatch.setattr(passwords, "verify_hash", watched)
    return counted


def _tables_of_codes() -> list[type[Base]]:
    return [EmailCode, OutboxMail, EmailProof]


def _open_new_password_page(visitor: Visitor, account: Account, session: Session, settings: Settings) -> None:
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    assert visitor.enter_code(account.username, account.email, code).status_code == 303
    assert visitor.get("/password-reset/new").status_code == 200
