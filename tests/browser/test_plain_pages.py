"""Everything without JavaScript, and every page there is: readable, nothing wider than the screen, no barrier."""

import pytest

from tests.browser.conftest import Story, told
from tests.browser.plain_app import PlainApp

pytestmark = pytest.mark.browser
_FOR_ANYBODY = {
    "/": "start", "/sign-in": "sign-in", "/forgot-username": "forgot-username", "/password-reset": "password-reset",
    "/register": "register", "/register/representative": "register-representative", "/help": "help",
    "/help/your-data": "education", "/sandbox/mail": "mail", "/no-such-page": "not-found",
    "/oauth/authorize?client_id=nobody": "unknown-app", "/consent?request=over": "request-over",
}  # fmt: skip
_FOR_MEMBERS = {
    "/member": "home", "/settings": "settings", "/settings/change-password": "change-password", "/profile": "profile",
    "/apps": "console", "/people": "people", "/confirm-password": "password-again", "/select-member": "select-member",
}  # fmt: skip


@told(360, "es")
def test_main_job_without_javascript(story: Story) -> None:
    person = story.browser(scripts=False)
    app = PlainApp(person.page, story.site, story.sandbox)

    app.launch()
    person.prefer_language()
    person.look("sign-in")
    person.sign_in("thomas")
    person.heading("Share information with %(app)s?", app=app.name)
    person.look("consent")
    person.press("Allow")
    assert app.receive() == 200
    assert app.read().json()["entry"]
    assert app.refresh() == 200
    story.step("connected")

    person.open("/apps", "console")
    person.press("Revoke")
    person.heading("Access ended")
    person.look("revoked")
    assert app.read().status_code == 401
    assert app.refresh() == 400
    story.step("revoked")


@told(1280, "en")
def test_app_goes_straight_through_when_nothing_new_is_asked(story: Story) -> None:
    first, later = story.browser(), story.browser()
    app, again = (PlainApp(person.page, story.site, story.sandbox) for person in (first, later))
    app.launch()
    first.prefer_language()
    first.sign_in("susan")
    first.field("Select member").select_option(index=0)
    first.press("Continue")
    first.press("Allow")
    assert app.receive() == 200

    again.launch()
    later.prefer_language()
    later.sign_in("susan")
    later.field("Select member").select_option(index=0)
    later.press("Continue")

    assert again.receive() == 200
    assert again.read().status_code == 200
    assert app.read().status_code == 200


@told(1280, "es")
def test_own_app_goes_straight_through_after_sign_in(story: Story) -> None:
    first, later = story.browser(), story.browser()
    app, again = (PlainApp(person.page, story.site, story.sandbox) for person in (first, later))
    app.launch()
    first.prefer_language()
    first.sign_in("julia")
    first.press("Allow")
    assert app.receive() == 200

    again.launch()
    later.prefer_language()
    later.sign_in("julia")

    assert again.receive() == 200


@told(360, "es")
def test_every_page_is_readable(story: Story) -> None:
    person = story.browser()
    person.page.goto(f"{story.sandbox.url}/?lang={story.language}")

    for path, name in _FOR_ANYBODY.items():
        person.open(path, name)
    person.page.goto(f"{story.sandbox.url}/sign-in")
    person.press("Sign in")
    person.page.get_by_role("alert").wait_for()
    person.look("sign-in-empty")
    person.sign_in("anna")
    person.press("Continue")
    for path, name in _FOR_MEMBERS.items():
        person.open(path, f"{name}-signed-in")
