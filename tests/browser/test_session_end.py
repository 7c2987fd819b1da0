"""Two minutes before a session ends its page asks whether to stay; then it is left, unless something is written."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Locator, Route, expect
from sqlalchemy import update

from service.accounts.models import LoginSession
from service.db import make_engine, make_sessions
from service.settings import Settings
from tests.browser.codes import Codes
from tests.browser.conftest import Story, told
from tests.browser.looking import WIDTHS
from tests.browser.person import Person
from tests.browser.portal import enter, in_english
from tests.browser.sandbox import Sandbox
from tests.conftest import wait_until

pytestmark = pytest.mark.browser
_MINUTE = 60
_FORM = "/gallery/sample-app/report"
_FIELD = "What happened?"
_EVERY = pytest.mark.parametrize(("width", "language"), [(w, code) for w in WIDTHS for code in ("en", "es")], ids=str)
_LINE = "If you do nothing more on these pages, you are signed out %(time)s."
_QUESTION = "Are you still there?"


@_EVERY
def test_who_presses_stay_stays_and_goes_on_where_they_were(story: Story) -> None:
    thomas = _typing(story)
    field = thomas.field(_FIELD)
    field.fill("It shows nothing.")
    _pass(thomas, 13)
    dialog = _dialog(thomas, _QUESTION)
    expect(thomas.button("Stay signed in")).to_be_focused()
    assert dialog.get_attribute("aria-describedby") == "session-idle-text"
    assert thomas.words("Sign out") in dialog.inner_text()
    thomas.look("the-question")
    thomas.page.emulate_media(color_scheme="dark")
    thomas.look("the-question-in-the-dark")
    thomas.page.emulate_media(color_scheme="light")

    with _staying(thomas):
        thomas.button("Stay signed in").click()

    expect(dialog).to_be_hidden()
    expect(field).to_be_focused()
    assert field.input_value() == "It shows nothing."
    _pass(thomas, 10)
    expect(dialog).to_be_hidden()
    _pass(thomas, 3)
    expect(dialog).to_be_visible()
    with _staying(thomas):
        thomas.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    _pass(thomas, 10)
    assert thomas.page.goto(f"{story.sandbox.url}/settings", wait_until="load").url.endswith("/settings")
    thomas.page.locator("[data-session-line=idle]").scroll_into_view_if_needed()
    thomas.look("the-line")
    story.step("stayed, by the button and by Escape")


@told(360, "en")
def test_an_answer_that_comes_late_does_not_ask_again_who_has_stayed(story: Story) -> None:
    thomas = _typing(story)
    _pass(thomas, 13)
    expect(_dialog(thomas, _QUESTION)).to_be_visible()
    # The page asks every ten seconds while the question stands; this time the answer hangs on its way.
    held: list[Route] = []
    thomas.page.route("**/session/left*", lambda route: held.append(route), times=1)
    thomas.page.clock.fast_forward(11_000)
    wait_until(lambda: bool(_turn(thomas) and held), 10, "the page did not ask")
    late = held[0].fetch()

    with _staying(thomas):
        thomas.button("Stay signed in").click()
    with thomas.page.expect_response("**/session/left*"):
        held[0].fulfill(response=late)
    thomas.page.clock.fast_forward(1_000)

    expect(_dialog(thomas, _QUESTION)).to_be_hidden()
    _pass(thomas, 10)
    expect(_dialog(thomas, _QUESTION)).to_be_hidden()
    story.step("not asked again")


@told(360, "en")
def test_another_window_that_is_used_keeps_the_question_away(story: Story) -> None:
    thomas = _typing(story)
    _pass(thomas, 12.5)
    second = thomas.page.context.new_page()
    second.goto(f"{story.sandbox.url}/settings")
    with thomas.page.expect_response("**/session/left*"):
        thomas.page.clock.fast_forward(_MINUTE * 1000)
    expect(_dialog(thomas, _QUESTION)).to_be_hidden()
    story.sandbox.advance(13 * _MINUTE)
    thomas.page.clock.fast_forward(13 * _MINUTE * 1000)
    expect(_dialog(thomas, _QUESTION)).to_be_visible()
    # A use of the other window while the question stands here takes it away.
    second.goto(f"{story.sandbox.url}/settings")
    thomas.page.clock.fast_forward(11_000)
    expect(_dialog(thomas, _QUESTION)).to_be_hidden()
    story.step("asked only where nothing else is used")


@told(1280, "es")
def test_a_page_is_left_after_the_end_and_come_back_to(story: Story) -> None:
    thomas = story.browser()
    thomas.page.clock.install()
    thomas.open("/settings")
    thomas.prefer_language()
    thomas.sign_in("thomas")
    thomas.open("/settings")
    _pass(thomas, 13)
    expect(_dialog(thomas, _QUESTION)).to_be_visible()
    with thomas.page.expect_navigation():
        _pass(thomas, 2.5)
    thomas.reads("Your session has ended")
    assert thomas.page.url.endswith("/sign-in?next=/settings"), thomas.page.url
    thomas.sign_in("thomas")
    assert thomas.page.url.endswith("/settings")
    story.step("left, and back after the sign-in")


@_EVERY
def test_what_is_written_stays_on_the_page_and_is_kept_when_it_is_sent(story: Story) -> None:
    thomas = _typing(story)
    thomas.field(_FIELD).fill("It shows nothing.")
    _pass(thomas, 13)
    expect(_dialog(thomas, _QUESTION)).to_be_visible()
    _pass(thomas, 2.5)
    dialog = _dialog(thomas, "You are signed out")
    expect(dialog).to_be_visible()
    thomas.look("signed-out-over-a-form")
    thomas.button("Back to what I wrote").click()
    expect(dialog).to_be_hidden()
    thomas.press("Send")
    thomas.sign_in("thomas")
    assert thomas.field(_FIELD).input_value() == "It shows nothing."
    story.step("kept")


@_EVERY
def test_who_comes_back_too_late_is_told_to_copy_what_they_wrote(story: Story) -> None:
    thomas = _typing(story)
    thomas.field(_FIELD).fill("It shows nothing.")
    # As after a night in which the computer slept.
    _pass(thomas, 9 * 60)
    dialog = _dialog(thomas, "You are signed out")
    expect(dialog).to_be_visible()
    assert dialog.get_attribute("aria-describedby") == "session-lost-text"
    thomas.look("signed-out-and-too-late")
    thomas.button("Back to what I wrote").click()
    expect(dialog).to_be_hidden()
    assert thomas.field(_FIELD).input_value() == "It shows nothing."
    story.step("to be copied")


@told(360, "en")
def test_a_page_is_left_where_somebody_else_has_signed_in(story: Story) -> None:
    thomas = _typing(story)
    second = thomas.page.context.new_page()
    second.goto(f"{story.sandbox.url}/settings")
    thomas.page, first = second, thomas.page
    thomas.page.locator(".ls-menu summary").click()
    thomas.press("Sign out")
    thomas.open("/sign-in")
    thomas.sign_in("grace")
    thomas.page = first
    with first.expect_navigation():
        _pass(thomas, 13.5)
    story.step("left")


@told(360, "en")
def test_a_clock_that_is_set_back_keeps_no_page_open(story: Story) -> None:
    thomas = _typing(story)
    thomas.page.evaluate("() => { const real = Date.now; Date.now = () => real() - 3600000; }")
    with thomas.page.expect_navigation():
        _pass(thomas, 15.5)
    thomas.heading("Sign in")
    story.step("left")


@_EVERY
def test_the_end_that_cannot_be_put_off_is_told(story: Story) -> None:
    thomas = _typing(story)
    _end_soon(story.sandbox, 10)
    thomas.page.reload()
    expect(thomas.page.locator("[data-session-line=last]")).to_be_visible()
    _pass(thomas, 8.5)
    dialog = _dialog(thomas, "You have to sign in again soon")
    expect(dialog).to_be_visible()
    assert not thomas.button("Stay signed in").is_visible()
    thomas.look("the-last-end")
    thomas.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    with thomas.page.expect_navigation():
        _pass(thomas, 2)
    thomas.heading("Sign in")
    story.step("told")


@in_english(1280)
def test_the_console_of_staff_asks_too_and_signs_out(story: Story, codes: Codes) -> None:
    olivia = enter(story, codes, "olivia", "/staff/")
    olivia.page.clock.install()
    olivia.open("/staff/plan-texts/")
    _pass(olivia, 13)
    expect(_dialog(olivia, _QUESTION)).to_be_visible()
    olivia.look("the-question-to-staff")
    with olivia.page.expect_navigation():
        _dialog(olivia, _QUESTION).get_by_role("button", name="Sign out").click()
    olivia.open("/staff/plan-texts/")
    olivia.heading("Sign in")


@told(360, "en")
def test_without_a_script_the_line_alone_tells(story: Story) -> None:
    thomas = story.browser(scripts=False)
    thomas.open("/settings")
    thomas.prefer_language()
    thomas.sign_in("thomas")
    line = thomas.page.locator("[data-session-line=idle]")
    told_before, told_after = thomas.words(_LINE, time="|").split("|")
    expect(line).to_have_text(re.compile(rf"^{told_before}(at|a las?) \d.*{re.escape(told_after)}$"))
    expect(thomas.page.locator("#session-idle")).to_be_hidden()
    thomas.look("the-line")


def _typing(story: Story) -> Person:
    """Somebody at a form that may be written on, with a clock of their own in the browser."""
    person = story.browser()
    person.page.clock.install()
    person.open(_FORM)
    person.prefer_language()
    person.sign_in("thomas")
    person.open(_FORM)
    return person


def _pass(person: Person, minutes: float) -> None:
    """Let time pass, for the servers and for the browser."""
    person.sandbox.advance(minutes * _MINUTE)
    person.page.clock.fast_forward(int(minutes * _MINUTE * 1000))


@contextmanager
def _staying(person: Person) -> Iterator[None]:
    """Go on when the page has read what the server said to it: before, it would count from a time that is over."""
    line = person.page.locator("[data-session-line=idle]")
    before = line.inner_text()
    with person.page.expect_response("**/session/keep"):
        yield
    expect(line).not_to_have_text(before)


def _turn(person: Person) -> bool:
    """Let the browser tell what has happened in it."""
    return bool(person.page.evaluate("true"))


def _dialog(person: Person, heading: str) -> Locator:
    return person.page.get_by_role("alertdialog", name=person.words(heading))


def _end_soon(sandbox: Sandbox, minutes: float) -> None:
    """Let the twelve hours of every session be over after so many minutes."""
    at = sandbox.now() + minutes * _MINUTE
    engine = make_engine(Settings.from_environment(sandbox.environment).database_url)
    with make_sessions(engine).begin() as session:
        session.execute(update(LoginSession).values(expires_at=datetime.fromtimestamp(at, UTC)))
    engine.dispose()
