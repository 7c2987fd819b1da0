"""Codes of authenticator apps and recovery codes: what is good, how often, and limits."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.accounts import second_factors
from service.accounts.models import Account, RecoveryCode, Totp
from service.accounts.second_factors import Shown, WrongFactor
from service.db import make_sessions
from service.settings import Settings
from tests.accounts.factor_pages import KEY, codes_after, set_up
from tests.accounts.factors import code_of
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account, make_totp
from tests.oauth.desk import Desk, answer_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

CALLERS = 8

_CODES = re.compile(r"<li><code translate=\"no\">([0-9a-z-]+)</code>")


@pytest.fixture
def secret(session: Session, settings: Settings, account: Account) -> str:
    """The secret of the account's confirmed app."""
    made = make_totp(session, settings, account)
    session.commit()
    return made


def test_the_secret_lies_sealed_and_recovery_codes_hashed(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    secret, page = set_up(visitor)
    kept = session.scalars(select(Totp)).one()
    assert secret not in kept.sealed_secret
    assert len(secret) * 5 >= 160
    hashes = set(session.scalars(select(RecoveryCode.code_hash)))
    codes = [code.replace("-", "") for code in _CODES.findall(page.text)]
    assert len(hashes) == 10
    assert all(len(code) * 5 >= 64 for code in codes)
    assert not any(code in stored for code in codes for stored in hashes)


@pytest.mark.parametrize(("steps", "status"), [(-2, 400), (-1, 303), (0, 303), (1, 303), (2, 400)])
def test_a_code_is_good_for_its_step_and_its_neighbours(
    visitor: Visitor, account: Account, secret: str, steps: int, status: int
) -> None:
    with time_machine.travel(NOON, tick=False):
        visitor.sign_in(account)
        visitor.get("/sign-in/factor")
        assert visitor.post("/sign-in/factor", code=code_of(secret, steps=steps)).status_code == status


@pytest.mark.parametrize("written", ["{0} {1}", " {0}-{1} ", "{0}{1}\t"])
def test_a_code_may_be_typed_with_spaces(visitor: Visitor, account: Account, secret: str, written: str) -> None:
    visitor.sign_in(account)
    visitor.get("/sign-in/factor")
    code = code_of(secret)
    assert visitor.post("/sign-in/factor", code=written.format(code[:3], code[3:])).status_code == 303


@pytest.mark.parametrize("given", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "²³⁴⁵⁶⁷", "1" * 64, "' OR 1=1", "\x00"])
def test_what_is_no_code_is_refused_in_the_same_words(
    visitor: Visitor, account: Account, secret: str, given: str
) -> None:
    visitor.sign_in(account)
    visitor.get("/sign-in/factor")
    answer = visitor.post("/sign-in/factor", code=given)
    assert answer.status_code == 400
    assert visitor.get("/member").location == "/sign-in/factor?next=/member"


def test_case_104_a_code_works_once(app: Flask, account: Account, secret: str) -> None:
    first, second = Visitor(app), Visitor(app)
    with time_machine.travel(NOON, tick=False):
        for visitor in (first, second):
            visitor.sign_in(account)
            visitor.get("/sign-in/factor")
        assert first.post("/sign-in/factor", code=code_of(secret)).status_code == 303
        assert second.post("/sign-in/factor", code=code_of(secret)).status_code == 400
        assert second.post("/sign-in/factor", code=code_of(secret, steps=-1)).status_code == 400, "steps only rise"
        assert second.post("/sign-in/factor", code=code_of(secret, steps=1)).status_code == 303


def test_case_106_five_wrong_codes_in_five_minutes_are_the_limit_for_every_browser(
    app: Flask, account: Account, secret: str, session: Session, settings: Settings
) -> None:
    wrong = code_of(second_factors.new_secret())
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(5):
            guesser = Visitor(app, "198.51.100.9")
            guesser.sign_in(account)
            guesser.get("/sign-in/factor")
            assert guesser.post("/sign-in/factor", code=wrong).status_code == 400
        owner = Visitor(app)
        owner.sign_in(account)
        owner.get("/sign-in/factor")
        refused = owner.post("/sign-in/factor", code=code_of(secret))
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "300")
        assert "That code did not work" in refused.text
        clock.shift(timedelta(minutes=5))
        owner.get("/sign-in/factor")
        assert owner.post("/sign-in/factor", code=code_of(secret)).status_code == 303
    assert sum("Somebody knows your password" in letter for letter in letters(session, settings, account.email)) == 1


def test_case_106_twenty_wrong_codes_an_hour_are_the_limit(app: Flask, account: Account, secret: str) -> None:
    wrong = code_of(second_factors.new_secret())
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(4):
            visitor = Visitor(app)
            visitor.sign_in(account)
            visitor.get("/sign-in/factor")
            for _ in range(5):
                assert visitor.post("/sign-in/factor", code=wrong).status_code == 400
            clock.shift(timedelta(minutes=5, seconds=1))
        visitor.get("/sign-in/factor")
        assert visitor.post("/sign-in/factor", code=code_of(secret)).status_code == 429
        clock.shift(timedelta(minutes=40))
        visitor = Visitor(app)
        visitor.sign_in(account)
        visitor.get("/sign-in/factor")
        assert visitor.post("/sign-in/factor", code=code_of(secret)).status_code == 303


def test_case_106_right_codes_do_not_start_a_new_count(app: Flask, account: Account, secret: str) -> None:
    thief, owner = Visitor(app), Visitor(app)
    wrong = code_of(second_factors.new_secret())
    with time_machine.travel(NOON, tick=False):
        for visitor in (thief, owner):
            visitor.sign_in(account)
            visitor.get("/sign-in/factor")
        assert [thief.post("/sign-in/factor", code=wrong).status_code for _ in range(4)] == [400] * 4
        assert owner.post("/sign-in/factor", code=code_of(secret)).status_code == 303
        assert thief.post("/sign-in/factor", code=wrong).status_code == 400
        assert thief.post("/sign-in/factor", code=wrong).status_code == 429


def test_case_108_half_a_login_opens_no_page_and_no_form(visitor: Visitor, account: Account, secret: str) -> None:
    visitor.sign_in(account)
    for path in (
        "/member",
        "/settings",
        "/apps",
        "/people",
        "/profile",
        "/settings/second-factor",
        "/confirm-password",
    ):
        assert visitor.get(path).location == f"/sign-in/factor?next={path}"
    visitor.get("/sign-in/factor")
    assert visitor.post("/settings/language", language="es").status_code == 401
    assert visitor.post("/settings/second-factor/remove", code=code_of(secret)).status_code == 401
    assert "Sign in" in visitor.get("/").text, "the start page does not know them either"
    assert visitor.get("/sign-in").location == "/sign-in/factor?next=/start"


def test_recovery_codes_let_in_once_and_the_owner_is_told(
    app: Flask, visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    visitor.sign_in(account)
    _secret, page = set_up(visitor)
    codes = _CODES.findall(page.text)
    again = Visitor(app)
    again.sign_in(account)
    again.get("/sign-in/factor")
    assert again.post("/sign-in/factor", code="", recovery_code=f" {codes[0].upper()} ").status_code == 303
    assert again.get("/member").status_code == 200
    third = Visitor(app)
    third.sign_in(account)
    third.get("/sign-in/factor")
    assert third.post("/sign-in/factor", code="", recovery_code=codes[0]).status_code == 400
    assert third.post("/sign-in/factor", code=codes[1].replace("-", " ").replace("0", "O")).status_code == 303
    told = [letter for letter in letters(session, settings, account.email) if "recovery code was used" in letter]
    assert ["left: 9" in told[0], "left: 8" in told[1]] == [True, True]


def test_new_recovery_codes_end_the_older(app: Flask, account: Account, session: Session) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        visitor = Visitor(app)
        visitor.sign_in(account)
        _secret, page = set_up(visitor)
        old = _CODES.findall(page.text)
        clock.shift(timedelta(seconds=60))
        visitor.get("/settings/second-factor/recovery-codes")
        made = visitor.post("/settings/second-factor/recovery-codes")
        new = _CODES.findall(codes_after(visitor, made).text)
        assert len(set(new) - set(old)) == 10
        other = Visitor(app)
        other.sign_in(account)
        other.get("/sign-in/factor")
        assert other.post("/sign-in/factor", recovery_code=old[0]).status_code == 400
        assert other.post("/sign-in/factor", recovery_code=new[0]).status_code == 303
    assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 10


def test_the_codes_are_shown_again_to_who_made_them_for_ten_minutes_and_make_no_new_ones(
    app: Flask, visitor: Visitor, account: Account, session: Session
) -> None:
    shown = "/settings/second-factor/recovery-codes/new"
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in(account)
        _secret, page = set_up(visitor)
        codes = _CODES.findall(page.text)
        clock.shift(timedelta(seconds=599))
        assert _CODES.findall(visitor.get(shown).text) == codes, "loaded again, or gone back to"
        clock.shift(timedelta(seconds=1))
        assert visitor.get(shown).location == "/settings/second-factor"
    assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 10


@pytest.mark.parametrize("ended", ["signed out", "newer ones", "another session", "altered"])
def test_codes_are_not_shown_where_they_are_over_or_somebody_else_sits(
    app: Flask, visitor: Visitor, account: Account, session: Session, settings: Settings, ended: str
) -> None:
    shown = "/settings/second-factor/recovery-codes/new"
    visitor.sign_in(account)
    set_up(visitor)
    kept = visitor.browser.get_cookie("shown_codes", path="/settings/second-factor/recovery-codes")
    assert kept and kept.http_only
    reader = visitor
    if ended == "signed out":
        visitor.post("/sign-out")
        assert visitor.get(shown).location.startswith("/sign-in")
        return
    if ended == "newer ones":
        second_factors.new_recovery_codes(session, settings.secret_key, account)
        session.commit()
    value = kept.value[:-4] + "AAAA" if ended == "altered" else kept.value
    if ended == "another session":
        reader = Visitor(app)
        reader.sign_in_with_factor(account)
    reader.browser.set_cookie("shown_codes", value, path="/settings/second-factor/recovery-codes")
    assert reader.get(shown).location == "/settings/second-factor"


def test_the_key_stays_where_the_page_is_loaded_again_and_is_used_once(
    app: Flask, visitor: Visitor, account: Account
) -> None:
    path = "/settings/second-factor/set-up"
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in(account)
        first = _key_on(visitor.get(path).text)
        assert _key_on(visitor.get(path).text) == first, "a phone that comes back from the app loads it anew"
        other = Visitor(app)
        other.sign_in(account)
        assert _key_on(other.get(path).text) != first
        secret, _page = set_up(visitor)
        assert secret == first
        visitor.get("/settings/second-factor/remove")
        assert visitor.post("/settings/second-factor/remove").status_code == 303
        clock.shift(timedelta(minutes=1))
        assert _key_on(visitor.get(path).text) != first, "of an app that was removed"
        second = _key_on(visitor.get(path).text)
        clock.shift(timedelta(minutes=30))
        visitor.sign_in(account)
        assert _key_on(visitor.get(path).text) != second


def _key_on(page: str) -> str:
    found = KEY.search(page)
    assert found, page
    return found[1].replace(" ", "")


def test_case_189_of_many_workers_one_takes_a_code(engine: Engine, session: Session, settings: Settings) -> None:
    owner = make_account(session)
    secret = make_totp(session, settings, owner)
    recovery = second_factors.new_recovery_codes(session, settings.secret_key, owner)
    session.commit()
    sessions = make_sessions(engine)

    def attempt(given: str, barrier: Barrier) -> Shown | None:
        barrier.wait()
        with sessions.begin() as own:
            # Past the limits, which would stop the callers: the code's single use is what is tried here.
            return second_factors._take(own, settings.secret_key, own.get_one(Account, owner.id), given)

    with ThreadPoolExecutor(CALLERS) as pool:
        for given in [code_of(secret), code_of(secret, steps=1), *recovery]:
            barrier = Barrier(CALLERS)
            taken = list(pool.map(attempt, [given] * CALLERS, [barrier] * CALLERS))
            assert len([shown for shown in taken if shown]) == 1


def test_case_106_a_parallel_burst_passes_no_limit(engine: Engine, session: Session, settings: Settings) -> None:
    owner = make_account(session)
    make_totp(session, settings, owner)
    session.commit()
    sessions = make_sessions(engine)
    wrong = code_of(second_factors.new_secret())

    def attempt(_: int) -> int:
        with sessions() as own:
            try:
                second_factors.show(own, settings.secret_key, own.get_one(Account, owner.id), wrong)
            except WrongFactor as refusal:
                own.commit()
                return refusal.status
        return 200

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(attempt, range(40)))
    assert (answers.count(400), answers.count(429)) == (5, 35)


def test_case_108_half_a_login_answers_no_app(app: Flask, visitor: Visitor, account: Account, secret: str) -> None:
    desk = Desk(app)
    diary = desk.register()
    visitor.sign_in(account)
    silent = answer_of(desk.authorize(visitor.browser, diary, prompt="none").location or "")
    assert silent["error"] == "login_required"
    waiting = desk.authorize(visitor.browser, diary).location or ""
    assert waiting.startswith("/sign-in?next=/oauth/authorize/")
    asked = visitor.get(waiting).location or ""
    assert asked.startswith("/sign-in/factor?next=/oauth/authorize/")
    visitor.get(asked)
    resumed = visitor.post(asked, code=code_of(secret)).location or ""
    assert "/consent?request=" in (visitor.get(resumed).location or "")
