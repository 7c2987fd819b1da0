"""Passwords and registration as people go through them, with the mails that the worker sends."""

import pytest
from sqlalchemy import select

from service.accounts.models import EmailCode
from service.db import make_engine, make_sessions
from service.settings import Settings
from tests.browser.conftest import Story, told
from tests.browser.sandbox import Sandbox
from tests.conftest import wait_until

pytestmark = pytest.mark.browser
_NEW_PASSWORD = "Larch-Window-58"


@told(1280, "en")
def test_password_is_changed_by_the_one_path(story: Story) -> None:
    person, elsewhere = story.browser(), story.browser()
    account = story.sandbox.account("grace")
    elsewhere.open("/sign-in")
    elsewhere.prefer_language()
    elsewhere.look("sign-in-elsewhere")
    elsewhere.sign_in("grace")
    elsewhere.page.wait_for_url("**/member")

    person.open("/sign-in")
    person.prefer_language()
    person.look("sign-in")
    person.sign_in("grace")
    person.page.wait_for_url("**/member")
    person.open_settings()
    person.look("settings")
    person.follow("Change Password")
    person.look("change-password")
    person.follow("Redirect to Password Reset")
    person.look("password-reset")
    person.fill(Username="grace")
    person.field("E-mail address").fill(account["email"])
    person.press("Send verification code")
    person.heading("Verify your e-mail address")
    person.look("verify")
    story.step("from settings to the mailed code")

    code = person.code_from_mail(account["email"], "mail-with-the-code")
    person.field("Verify Email Address").fill("000000" if code != "000000" else "111111")
    person.press("Verify")
    person.page.get_by_role("alert").wait_for()
    person.look("verify-wrong-code")
    person.field("Verify Email Address").fill(code)
    person.press("Verify")
    person.heading("Create a new password")
    person.field("New password").fill("password")
    person.press("Check the password against the list")
    person.look("new-password-checklist")
    person.field("New password").fill(_NEW_PASSWORD)
    person.field("Confirm new password").fill(_NEW_PASSWORD)
    person.press("Save new password")
    person.heading("Your password was changed")
    person.look("password-changed")
    story.step("code, and a new password")

    for browser in (person, elsewhere):
        browser.open("/settings", "signed-out-everywhere")
        browser.heading("Sign in")
    person.sign_in("grace")
    person.page.get_by_role("alert").wait_for()
    person.look("sign-in-refused")
    person.sign_in("grace", _NEW_PASSWORD)
    person.heading("Settings")
    story.step("signed out everywhere; the new password works, the old does not")


@told(360, "es")
def test_a_code_of_five_minutes_is_refused_and_one_of_less_opens_the_page(story: Story) -> None:
    person, email = story.browser(scripts=False), story.sandbox.account("david")["email"]
    person.open("/password-reset")
    person.prefer_language()
    for age, then in ((300.0, "Verify your e-mail address"), (298.8, "Create a new password")):
        person.open("/password-reset")
        person.fill(Username="david")
        person.field("E-mail address").fill(email)
        before = len(person.codes_for(email))
        person.press("Send verification code")
        wait_until(lambda before=before: len(person.codes_for(email)) > before, 60, "no code came")  # type: ignore[misc]
        person.field("Verify Email Address").fill(person.code_from_mail(email, "mail-with-the-code"))
        _let_the_newest_code_be(story.sandbox, age)
        person.press("Verify")
        person.heading(then)
    assert person.page.url.endswith("/password-reset/new")


def _let_the_newest_code_be(sandbox: Sandbox, seconds: float) -> None:
    """Move the sandbox's clock to where the code sent last is so old."""
    engine = make_engine(Settings.from_environment(sandbox.environment).database_url)
    with make_sessions(engine)() as session:
        sent = session.scalars(select(EmailCode.sent_at).order_by(EmailCode.sent_at.desc()).limit(1)).one()
    engine.dispose()
    sandbox.advance(seconds - (sandbox.now() - sent.timestamp()))


@told(360, "en")
def test_member_registers_on_the_way_from_an_app(story: Story) -> None:
    person = story.browser()
    app = story.app(person)
    member = min(story.sandbox.handout["registrations"]["members"], key=lambda one: one["birth_date"])
    address = "new.member@example.org"

    app.launch()
    person.prefer_language()
    person.follow("Register for an account")
    person.look("register")
    person.field("Member ID").fill(member["member_number"])
    person.field("Last name").fill(member["family_name"])
    person.field("Birth date").fill(member["birth_date"])
    person.field("ZIP code").fill(member["zip_code"])
    person.press("Continue")
    person.heading("Your e-mail address")
    person.look("register-e-mail")
    person.field("E-mail address").fill(address)
    person.press("Send verification code")
    person.look("register-code")
    person.field("Verify Email Address").fill(person.code_from_mail(address, "mail-with-the-code"))
    person.press("Verify")
    person.heading("Username and password")
    person.look("register-account")
    person.fill(Username="new.member", Password=_NEW_PASSWORD)
    person.field("Confirm password").fill(_NEW_PASSWORD)
    person.press("Create account")
    story.step("registered")

    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.press("Allow")
    assert app.wait_until_back() == "done", app.text("problem")
    assert app.text("patient-id") == member["fhir_id"]
    story.step("back in the app")


@told(1280, "en")
def test_guardian_s_letter_opens_a_registration(story: Story) -> None:
    waiting = story.sandbox.handout["registrations"]["personal_representatives"]
    person, address = story.browser(), "new.guardian@example.org"

    person.open("/register")
    person.prefer_language()
    person.look("register")
    person.follow("I am a personal representative and not a member")
    person.look("register-representative")
    person.field("Personal Representative ID").fill(waiting[0]["personal_representative_id"])
    person.field("Last name").fill(waiting[0]["family_name"])
    person.field("Birth date").fill(waiting[0]["birth_date"])
    person.press("Continue")
    person.field("E-mail address").fill(address)
    person.press("Send verification code")
    person.field("Verify Email Address").fill(person.code_from_mail(address, "mail-with-the-code"))
    person.press("Verify")
    person.fill(Username="new.guardian", Password=_NEW_PASSWORD)
    person.field("Confirm password").fill(_NEW_PASSWORD)
    person.press("Create account")

    person.page.wait_for_url(lambda url: "/register" not in url)
    person.look("home")
    assert waiting[0]["family_name"] in person.page.locator("header summary").inner_text()
