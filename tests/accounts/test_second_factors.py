"""The second factor: set up, shown after the password, guessed at, lost, taken away (security.md 104 to 112, 189)."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.accounts import second_factors
from service.accounts.factor_gate import require_factor
from service.accounts.models import Account, RecoveryCode, Totp
from service.accounts.second_factors import Shown, WrongFactor
from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.models import StaffRole
from service.settings import Settings
from tests.accounts.factors import code_of
from tests.accounts.visitor import Visitor, letters, newest_code
from tests.factories import PASSWORD, make_account, make_member, make_plan_staff, make_portal_staff, make_totp
from tests.oauth.desk import Desk, answer_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CALLERS = 8
_OFFERED = re.compile(r'name="offered" value="([^"]+)"')
_KEY = re.compile(r'class="ls-key"><code translate="no">([A-Z2-7 ]+)<')
_CODES = re.compile(r"<li><code translate=\"no\">([0-9a-z-]+)</code>")


@pytest.fixture
def secret(session: Session, settings: Settings, account: Account) -> str:
    """The secret of the account's confirmed app."""
    made = make_totp(session, settings, account)
    session.commit()
    return made


def _set_up(visitor: Visitor, path: str = "/settings/second-factor/set-up") -> tuple[str, TestResponse]:
    """Set an app up from the page at `path`: its secret, and the page with the recovery codes."""
    page = visitor.get(path).text
    found = _KEY.search(page)
    assert found
    secret = found[1].replace(" ", "")
    return secret, visitor.post(path, offered=_offered(page), code=code_of(secret))


def _offered(page: str) -> str:
    found = _OFFERED.search(page)
    assert found
    return html.unescape(found[1])


def test_an_app_is_set_up_from_settings_and_asked_for_at_the_next_sign_in(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    with time_machine.travel(NOON, tick=False):
        visitor.sign_in(account)
        assert "/settings/second-factor" in visitor.get("/settings").text
        before = visitor.sid()
        secret, page = _set_up(visitor)
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


def test_the_secret_lies_sealed_and_recovery_codes_hashed(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    secret, page = _set_up(visitor)
    kept = session.scalars(select(Totp)).one()
    assert secret not in kept.sealed_secret
    assert len(secret) * 5 >= 160
    hashes = set(session.scalars(select(RecoveryCode.code_hash)))
    codes = [code.replace("-", "") for code in _CODES.findall(page.text)]
    assert len(hashes) == 10
    assert all(len(code) * 5 >= 64 for code in codes)
    assert not any(code in stored for code in codes for stored in hashes)


def test_setting_up_needs_the_first_code_of_that_very_key(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    page = visitor.get("/settings/second-factor/set-up").text
    other = code_of(second_factors.new_secret())
    answer = visitor.post("/settings/second-factor/set-up", offered=_offered(page), code=other)
    assert answer.status_code == 400
    assert "did not fit the key" in answer.text
    assert _KEY.search(answer.text)[1] == _KEY.search(page)[1]  # type: ignore[index]
    assert session.scalar(select(func.count()).select_from(Totp)) == 0


def test_a_key_that_another_session_was_shown_is_not_taken(app: Flask, account: Account, session: Session) -> None:
    owner, thief = Visitor(app), Visitor(app)
    thief.sign_in(account)
    planted = thief.get("/settings/second-factor/set-up").text
    owner.sign_in(account)
    owner.get("/settings/second-factor/set-up")
    secret = _KEY.search(planted)[1].replace(" ", "")  # type: ignore[index]
    answer = owner.post("/settings/second-factor/set-up", offered=_offered(planted), code=code_of(secret))
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
        secret = _KEY.search(page)[1].replace(" ", "")  # type: ignore[index]
        for _ in range(3):
            clock.shift(timedelta(minutes=10))
            visitor.get("/confirm-password")
            visitor.post("/confirm-password", username=account.username, password=PASSWORD)
        visitor.get("/settings")
        answer = visitor.post("/settings/second-factor/set-up", offered=_offered(page), code=code_of(secret))
        assert answer.status_code == 400


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
    assert visitor.post("/password-reset/new", password=new, confirmation=new).status_code == 200
    assert visitor.sign_in(account, new).location == "/sign-in/factor?next=/start"
    visitor.get("/sign-in/factor")
    assert visitor.post("/sign-in/factor", code=code_of(secret)).location == "/start"


def test_case_111_setting_an_app_up_asks_the_other_sessions_for_it(app: Flask, account: Account) -> None:
    owner, other = Visitor(app), Visitor(app)
    other.sign_in(account)
    owner.sign_in(account)
    _set_up(owner)
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


def test_recovery_codes_let_in_once_and_the_owner_is_told(
    app: Flask, visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    visitor.sign_in(account)
    _secret, page = _set_up(visitor)
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
        secret, page = _set_up(visitor)
        old = _CODES.findall(page.text)
        clock.shift(timedelta(seconds=60))
        visitor.get("/settings/second-factor/recovery-codes")
        assert visitor.post("/settings/second-factor/recovery-codes", code="000000").status_code == 400
        new = _CODES.findall(visitor.post("/settings/second-factor/recovery-codes", code=code_of(secret)).text)
        assert len(set(new) - set(old)) == 10
        other = Visitor(app)
        other.sign_in(account)
        other.get("/sign-in/factor")
        assert other.post("/sign-in/factor", recovery_code=old[0]).status_code == 400
        assert other.post("/sign-in/factor", recovery_code=new[0]).status_code == 303
    assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 10


def test_removal_asks_for_a_fresh_password_and_a_code(
    visitor: Visitor, account: Account, secret: str, session: Session, settings: Settings
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in_with_factor(account)
        clock.shift(timedelta(minutes=5))
        remove = "/settings/second-factor/remove"
        assert visitor.get(remove).location == f"/confirm-password?next={remove}"
        visitor.get("/confirm-password")
        assert visitor.post(f"/confirm-password?next={remove}", username=account.username, password=PASSWORD)
        assert visitor.get(remove).location == f"/sign-in/factor?next={remove}", (
            "the factor is as fresh as the password"
        )
        visitor.get(f"/sign-in/factor?next={remove}")
        assert visitor.post(f"/sign-in/factor?next={remove}", code=code_of(secret)).location == remove
        visitor.get(remove)
        assert visitor.post(remove, code=code_of(secret)).status_code == 400, "that code was used"
        assert visitor.post(remove, code=code_of(secret, steps=1)).status_code == 303
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
    secret = _KEY.search(page)[1].replace(" ", "")  # type: ignore[index]
    kept, _page = _set_up(one)
    two.page = two.get("/sign-in/factor")
    answer = two.post("/settings/second-factor/set-up", offered=_offered(page), code=code_of(secret))
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
    set_up = f"/settings/second-factor/set-up?next={path}"
    assert visitor.get(path).location == set_up
    _secret, page = _set_up(visitor, set_up)
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


def test_plan_staff_take_an_app_away_with_a_reason(session: Session, settings: Settings) -> None:
    owner = make_account(session, member=make_member(session))
    clerk = make_account(session)
    make_totp(session, settings, owner)
    second_factors.new_recovery_codes(session, settings.secret_key, owner)
    second_factors.remove(session, owner, by_account_id=clerk.id, reason="phone and codes lost, called back")
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "accounts:factor:remove")).one()
    assert (event.account_id, event.reason) == (clerk.id, "phone and codes lost, called back")
    assert not second_factors.has_factor(session, owner.id)
    assert second_factors.codes_left(session, owner) == 0


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
