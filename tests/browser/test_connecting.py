"""The main job: a person connects a real SMART app, sees it in the App Management Console, and revokes it."""

import pytest

from tests.browser.conftest import Story, told
from tests.browser.person import Person
from tests.browser.smart_app import SmartApp

pytestmark = pytest.mark.browser
_LONGER_THAN_A_PASSWORD_LASTS = 6 * 60


@told(1280, "en")
def test_member_connects_an_app_and_revokes_it(story: Story) -> None:
    person = story.browser()
    app = story.app(person)
    thomas = story.sandbox.account("thomas")

    app.launch()
    person.prefer_language()
    person.look("sign-in")
    person.sign_in("thomas")
    story.step("from the app to sign-in and consent")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.look("consent")
    person.press("Allow")
    assert app.wait_until_back() == "done", app.text("problem")
    assert app.text("patient-id") == thomas["members"][0]["fhir_id"]
    assert app.text("patient") == thomas["members"][0]["name"]
    assert int(app.text("claims")) > 0
    story.step("consent, and the app reads patient and claims")

    assert app.press("refresh") == "done", app.text("problem")
    assert ("POST /oauth/token", 200) in app.calls
    assert app.press("read") == "done", app.text("problem")
    story.step("the app refreshes and reads again")

    console = _second_tab(story, person)
    console.open("/member", "home")
    story.sandbox.advance(_LONGER_THAN_A_PASSWORD_LASTS)
    console.follow("App Management Console")
    console.heading("Enter your password again")
    console.look("password-again")
    console.fill(Username="thomas", Password=thomas["password"])
    console.press("Sign in")
    console.heading("App Management Console")
    console.look("console")
    entry = console.page.locator("section.ls-app", has=console.button("Revoke"))
    assert "Claim Lens" in entry.inner_text()
    last_used = entry.locator("dt", has_text=console.words("Last used")).locator("+ dd").inner_text()
    assert last_used != console.words("Not yet")
    story.step("password again, and the console shows the app")
    entry.get_by_role("link", name=console.words("What was agreed")).click()
    console.heading("What was agreed")
    console.look("what-was-agreed")
    console.follow("Back to App Management Console")

    console.press("Revoke")
    console.heading("Access ended")
    console.look("revoked")
    _require_shut_out(app)
    console.open("/apps", "console-afterwards")
    assert console.button("Revoke").count() == 0
    assert "Claim Lens" in console.page.locator("section.ls-former").inner_text()
    story.step("revoked: the app is out")
    # A minute on a quiet machine; here only a story that hangs fails.
    assert story.seconds < 300


@told(360, "en")
def test_member_does_not_allow(story: Story) -> None:
    person = story.browser()
    app = story.app(person)

    app.launch()
    person.prefer_language()
    person.sign_in("david")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.press("Don't allow")

    assert app.wait_until_back() == "failed"
    assert "access_denied" in app.text("problem")
    person.open("/apps", "console-without-apps")
    person.reads("No app may see it at the moment.")


@told(360, "en")
def test_representative_selects_a_member_and_connects_an_app(story: Story) -> None:
    person = story.browser()
    app = story.app(person)
    anna = story.sandbox.account("anna")
    child = next(member for member in anna["members"] if member["relation"] == "parent")

    person.open("/sign-in")
    person.prefer_language()
    person.look("sign-in")
    person.sign_in("anna")
    person.heading("For whom do you act?")
    person.look("select-member")
    person.field("Select member").select_option(label=child["name"])
    person.press("Continue")
    person.look("home-for-the-child")
    assert child["name"] in person.page.get_by_role("region").first.inner_text()
    story.step("signed in and chose a member")

    app.launch()
    person.heading("Whose information do you want to share?")
    person.look("select-member-at-consent")
    person.field("Select member").select_option(label=child["name"])
    person.press("Continue")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.look("consent-for-the-child")
    person.press("Allow")
    assert app.wait_until_back() == "done", app.text("problem")
    assert app.text("patient-id") == child["fhir_id"]
    assert "Person/" in app.text("user")
    story.step("connected the app for the member")

    console = _second_tab(story, person)
    console.open("/apps", "console-for-the-child")
    console.press("Revoke")
    console.heading("Access ended")
    _require_shut_out(app, refresh_first=True)
    story.step("revoked")


@told(1280, "en")
def test_guardian_who_is_no_member_connects_an_app(story: Story) -> None:
    person = story.browser()
    app = story.app(person)
    ward = story.sandbox.account("helen")["members"][0]

    app.launch()
    person.prefer_language()
    person.sign_in("helen")
    person.field("Select member").select_option(label=ward["name"])
    person.press("Continue")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.look("consent-for-the-ward")
    person.press("Allow")

    assert app.wait_until_back() == "done", app.text("problem")
    assert app.text("patient-id") == ward["fhir_id"]


@told(1280, "en")
def test_switching_the_account_keeps_the_request(story: Story) -> None:
    person = story.browser()
    app = story.app(person)

    app.launch()
    person.prefer_language()
    person.sign_in("julia")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.press("Not you? Switch account")
    person.sign_in("grace")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.press("Allow")

    assert app.wait_until_back() == "done", app.text("problem")
    assert app.text("patient-id") == story.sandbox.account("grace")["members"][0]["fhir_id"]


def _second_tab(story: Story, person: Person) -> Person:
    return Person(person.page.context.new_page(), story.sandbox, person.words, person.looks)


def _require_shut_out(app: SmartApp, *, refresh_first: bool = False) -> None:
    """The next call gets 401 and refreshing fails, whichever the app tries first (the library forgets after a 401)."""
    if refresh_first:
        assert app.press("refresh") == "failed"
        assert app.calls == [("POST /oauth/token", 400)]
    assert app.press("read") == "failed"
    assert [status for _, status in app.calls] == [401]
    assert app.calls[0][0].startswith("GET /fhir/r4/Patient/")
    assert app.text("patient") == ""
    assert app.press("refresh") == "failed"
