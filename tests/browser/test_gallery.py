"""The App Gallery from its public page to a launched app that reads, in both widths, and a reviewer at the console."""

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
    person.fill(**{"Search_by_name_or_word": "porch"})
    person.press("Search")
    person.follow("Porch Notes")
    person.follow("Sign in to launch")
    person.sign_in("thomas")
    person.heading("Porch Notes")
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
    person.fill(**{"What_happened?": "No abre."})
    person.press("Send")
    person.reads("Thank you. The plan looks at what you told us; the developer does not learn who you are.")
    person.look("reported")
    story.step("found, launched, reported")
