"""Porch Notes, the app that `make run` offers to try: whoever typed one command does the whole main job with it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Story, told

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


@told(360, "en")
def test_the_sample_app_is_connected_read_renewed_and_revoked(story: Story) -> None:
    person = story.browser()
    page, status = person.page, person.page.locator("#status")
    failures: list[str] = []
    page.on("pageerror", lambda problem: failures.append(problem.message))

    page.goto(f"{story.sandbox.url}/sandbox/app")
    assert page.url == story.sandbox.handout["demo_app"]
    page.get_by_role("button", name="Connect to Meridian Health Plan").click()
    person.prefer_language()
    person.sign_in("thomas")
    person.press("Allow")
    expect(status).to_contain_text("Connected.")
    expect(page.locator("#who")).to_have_text("Thomas King")
    assert page.locator("#claims tr").count() == 20

    page.get_by_role("button", name="Renew access").click()
    expect(status).to_contain_text("Connected.")

    console = page.context.new_page()
    console.goto(f"{story.sandbox.url}/apps")
    console.get_by_role("button", name=person.words("Revoke"), exact=True).click()
    console.get_by_role("heading", level=1, name=person.words("Access ended")).wait_for()
    page.get_by_role("button", name="Read again").click()
    expect(status).to_contain_text("Access has ended")
    expect(page.locator("#record")).to_be_hidden()
    assert failures == []


@told(1280, "en")
def test_the_sample_app_takes_no_for_an_answer(story: Story) -> None:
    person = story.browser()

    person.page.goto(story.sandbox.handout["demo_app"])
    person.page.get_by_role("button", name="Connect to Meridian Health Plan").click()
    person.prefer_language()
    person.sign_in("julia")
    person.press("Don't allow")

    expect(person.page.locator("#status")).to_have_text("The plan did not let this app in (access_denied).")
    expect(person.page.get_by_role("button", name="Connect to Meridian Health Plan")).to_be_visible()
