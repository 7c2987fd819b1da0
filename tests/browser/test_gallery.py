"""The App Gallery from its public page to a launched app that reads."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Story, told

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


@told(360, "es")
def test_an_app_is_found_launched_and_reads_its_member(story: Story) -> None:
    person = story.browser()
    page = person.page
    person.open("/gallery")
    person.prefer_language()
    person.heading("App Gallery")
    person.look("gallery")
    page.locator("#q").fill("porch")
    person.press("Search")
    page.get_by_role("link", name="Porch Notes", exact=True).click()
    person.follow("Sign in to launch")
    person.sign_in("thomas")
    page.get_by_role("heading", level=1, name="Porch Notes", exact=True).wait_for()
    person.look("app")
    person.press("Launch")
    page.wait_for_url("**/consent**")
    person.press("Allow")
    expect(page.locator("#status")).to_contain_text("Connected.")
    expect(page.locator("#who")).to_have_text("Thomas King")

    person.open("/gallery/sample-app")
    person.reads("Connected")
    person.follow("Report this app to the plan")
    person.look("report")
    page.get_by_label(person.words("It does not work")).check()
    page.locator("#words").fill("No abre.")
    person.press("Send")
    person.reads("Thank you. The plan looks at what you told us; the developer does not learn who you are.")
    person.look("reported")
    story.step("found, launched, reported")
