"""Somebody turns 18: what their parents had let in is over, they read so, and decide."""

import pytest

from tests.browser.conftest import LONG, Story
from tests.browser.looking import WIDTHS
from tests.browser.portal import PASSWORD

pytestmark = pytest.mark.browser
_TOLD = [(width, language) for width in WIDTHS for language in ("en", "es")] if LONG else [(360, "es")]
_DAY = 86_400


@pytest.mark.parametrize(("width", "language"), _TOLD, ids=str)
def test_a_new_adult_registers_reads_what_ended_and_decides(story: Story) -> None:
    person, roster = story.browser(), story.sandbox.roster("Mia", "Miller")
    story.sandbox.advance(float(roster["of_age"]) + _DAY - story.sandbox.now())
    person.open("/sign-in")
    person.prefer_language()
    person.follow("Register for an account")
    person.fill(Member_ID=roster["member_number"], Last_name="Miller", Birth_date=roster["birth_date"])
    person.field("ZIP code").fill(roster["zip_code"])
    person.press("Continue")
    person.field("E-mail address").fill("mia.miller@example.org")
    person.press("Send verification code")
    person.field("Verify Email Address").fill(person.code_from_mail("mia.miller@example.org", "mail-with-the-code"))
    person.press("Verify")
    person.fill(Username="mia.miller", Password=PASSWORD)
    person.field("Confirm password").fill(PASSWORD)
    person.press("Create account")
    person.open("/member", "turned-18")
    person.reads("You are 18 and decide for yourself now")
    person.follow("See which, and decide")
    person.heading("You decide now")
    person.look("you-decide")
    assert "Anna Miller" in person.page.get_by_role("main").inner_text()
    person.press("I have decided. Do not show this again")
    person.heading("You have decided")
    person.look("you-have-decided")
    person.follow("Home")
    assert person.page.get_by_text(person.words("You are 18 and decide for yourself now")).count() == 0
