"""Back, a session that runs out over a form, a right that ends in mid-question: nothing is lost or done twice."""

import re

import pytest

from consent import representatives
from consent.models import EndedBy, RepresentativeLink
from service.db import make_engine, make_sessions
from service.settings import Settings
from tests.browser.codes import Codes
from tests.browser.conftest import LONG, Story, told
from tests.browser.going_back import back, goes_back
from tests.browser.looking import WIDTHS
from tests.browser.person import Person
from tests.browser.plain_app import PlainApp
from tests.browser.portal import enter
from tests.browser.sandbox import Sandbox

pytestmark = pytest.mark.browser
_IDLE = 16 * 60


@told(360, "en")
def test_back_after_every_form_sends_nothing_again_and_repeats_no_confirmation(story: Story) -> None:
    person = story.browser()
    app = PlainApp(person.page, story.site, story.sandbox)
    app.launch()
    person.prefer_language()
    person.sign_in("thomas", password="Wrong-password1")
    goes_back(person)
    person.sign_in("thomas")
    goes_back(person)
    person.press("Allow")
    assert app.receive() == 200
    assert back(person.page).request.method == "GET"
    person.reads("You may have answered it already, or it waited too long. Nothing more was shared. To begin again, go "
                 "back to the app and connect to your health plan there once more.")  # fmt: skip

    for deed, said in (("Pause", "paused"), ("Resume", "can see information again")):
        person.open("/apps")
        person.press(deed)
        assert said in person.page.content() or story.language != "en"
        goes_back(person)
        assert person.page.locator(".usa-alert--success").count() == 0, "what was said once is not said again"
    person.open("/apps")
    person.page.get_by_role("link", name=re.compile(re.escape(person.words("Share less")))).first.click()
    person.field("Last day").fill("2040-01-01")
    person.press("Save")
    goes_back(person)
    person.field("Last day").fill(person.page.evaluate("() => new Date(Date.now() + 9e8).toISOString().slice(0, 10)"))
    person.press("Save")
    goes_back(person)
    person.open("/settings")
    _send(person, "/settings/language")
    goes_back(person)
    person.open("/messages")
    _send(person, "/messages/mails")
    goes_back(person)
    # Requests to act for a member show strangers' words, so that no script runs there: back from a refused form leads
    # to the form; forward again, the browser says that it would have to send it once more.
    person.open("/people/requests/new?for=another")
    person.press("Send the request")
    assert back(person.page).request.method == "GET"
    person.open("/apps")
    person.press("Revoke")
    goes_back(person)
    story.step("gone back after each form of a member")


@told(360, "es")
def test_without_scripts_back_and_forward_after_every_deed_ask_for_pages_and_send_nothing(story: Story) -> None:
    person = story.browser(scripts=False)
    app = PlainApp(person.page, story.site, story.sandbox)
    person.open("/password-reset")
    person.prefer_language()
    person.fill(Username="thomas")
    person.field("E-mail address").fill("thomas@example.org")
    person.press("Send verification code")
    person.look("code-of-password-reset")
    goes_back(person)
    app.launch()
    person.sign_in("thomas")
    goes_back(person)
    person.press("Allow")
    assert app.receive() == 200
    for deed in ("Pause", "Resume"):
        person.open("/apps")
        person.press(deed)
        person.look(f"after-{deed.lower()}")
        goes_back(person)
    person.open("/apps")
    person.page.get_by_role("link", name=re.compile(re.escape(person.words("Share less")))).first.click()
    person.press("Save")
    goes_back(person)
    for page, action in (("/settings", "/settings/language"), ("/messages", "/messages/mails")):
        person.open(page)
        _send(person, action)
        goes_back(person)
    person.open("/apps")
    person.press("Revoke")
    goes_back(person)
    story.step("gone back after each deed of a member without scripts")


# The staff console is in English alone.
@pytest.mark.parametrize(
    ("width", "language"), [(width, "en") for width in WIDTHS] if LONG else [(1280, "en")], ids=str
)
def test_back_in_the_staff_console_asks_for_no_form_again(story: Story, codes: Codes) -> None:
    olivia = enter(story, codes, "olivia", "/staff/plan-texts/phone-lines")
    olivia.field("Reason").fill("")
    olivia.press("Ask a colleague to look")
    goes_back(olivia)
    olivia.open("/staff/plan-texts/phone-lines")
    olivia.page.locator("#number-0").fill("1-555-010-7777")
    olivia.field("Reason").fill("The line moved")
    olivia.press("Ask a colleague to look")
    olivia.reads("A colleague must look at it within 48 hours.")
    goes_back(olivia)
    assert "1-555-010-7777" not in olivia.page.locator("footer").inner_text()
    olivia.open("/staff/audit/")
    olivia.press("Search")
    goes_back(olivia)


@told(360, "es")
def test_what_was_typed_outlives_a_session_that_ran_out_without_javascript(story: Story) -> None:
    susan = story.browser(scripts=False)
    susan.open("/people/requests/new?for=another")
    susan.prefer_language()
    susan.sign_in("susan")
    susan.fill(Member_ID="MHP1000010", Last_name_of_the_member="King", Birth_date_of_the_member="1950-02-03")
    story.sandbox.advance(_IDLE)
    susan.press("Send the request")
    susan.sign_in("susan")
    susan.look("what-was-typed-is-there-again")
    assert susan.field("Last name of the member").input_value() == "King"
    assert susan.field("Birth date of the member").input_value() == "1950-02-03"

    susan.fill(Last_name_of_the_member="Kingston")
    story.sandbox.advance(_IDLE)
    susan.press("Send the request")
    susan.sign_in("thomas")
    assert susan.field("Last name of the member").input_value() == "", "nobody reads what another person typed"


@told(360, "en")
def test_a_right_that_ends_while_the_question_is_read_shares_nothing_and_says_so(story: Story) -> None:
    susan = story.browser()
    app = PlainApp(susan.page, story.site, story.sandbox)
    app.launch()
    susan.prefer_language()
    susan.sign_in("susan")
    susan.field("Select member").select_option(label="Walter Green")
    susan.press("Continue")
    susan.heading("Share information with %(app)s?", app=app.name)
    _end_every_link(story.sandbox)

    susan.press("Allow")

    susan.look("the-right-is-over")
    assert susan.page.url.startswith(story.sandbox.url), "nothing went to the app"
    assert not app.tokens
    assert back(susan.page).request.method == "GET"


def _send(person: Person, action: str) -> None:
    with person.page.expect_navigation():
        person.page.locator(f"form[action$='{action}'] button").first.click()


def _end_every_link(sandbox: Sandbox) -> None:
    engine = make_engine(Settings.from_environment(sandbox.environment).database_url)
    with make_sessions(engine).begin() as session:
        for link in session.query(RepresentativeLink):
            representatives.end_link(session, link, by=EndedBy.PLAN)
    engine.dispose()
