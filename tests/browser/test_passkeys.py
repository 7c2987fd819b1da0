"""Passkeys as members use them, with the device that Chromium simulates; and the ways of who runs no script."""

import re

import pytest
from playwright.sync_api import Page

from tests.browser.codes import Codes
from tests.browser.conftest import LONG, Story, told
from tests.browser.looking import WIDTHS
from tests.browser.person import MAIL_SECONDS, Person
from tests.browser.plain_app import PlainApp
from tests.browser.portal import give_code, set_up_factor
from tests.conftest import wait_until

pytestmark = pytest.mark.browser
_UNDO = re.compile(r"(/email-change/undo/\S+)")
_LONGER_THAN_A_STEP_UP_LASTS = 6 * 60
_TOLD = [(width, language) for width in WIDTHS for language in ("en", "es")] if LONG else [(1280, "en"), (360, "es")]


def give_device(page: Page) -> None:
    """A device with a fingerprint reader, whose owner is there and puts the finger on it when asked."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }})  # fmt: skip


def sign_out(person: Person) -> None:
    """Own name in the upper right corner, then Sign out."""
    person.page.locator("header summary").click()
    with person.page.expect_navigation():
        person.page.get_by_role("banner").get_by_role("button", name=person.words("Sign out"), exact=True).click()


def wait_for_link(person: Person, address: str) -> str:
    """The path of the link in the newest mail to an address that holds one."""
    found: list[str] = []

    def has_come() -> bool:
        texts = (mail["text"] for mail in person.sandbox.mails_to(address))
        found.extend(link[1] for text in texts if (link := _UNDO.search(text)))
        return bool(found)

    wait_until(has_come, MAIL_SECONDS, "no mail with a link came")
    return found[0]


@pytest.mark.parametrize(("width", "language"), _TOLD, ids=str)
def test_member_adds_a_passkey_signs_in_with_it_and_removes_it(story: Story) -> None:
    person = story.browser()
    give_device(person.page)
    username = "thomas" if story.language == "en" else "david"
    person.open("/sign-in")
    person.prefer_language()
    person.sign_in(username)
    person.page.wait_for_url("**/member")
    person.open_settings()
    person.follow("Passkeys, authenticator app and recovery codes")
    person.heading("Signing in safely")
    person.look("nothing-set-up")
    person.follow("Add a passkey")
    person.heading("Add a passkey")
    person.look("add-a-passkey")
    person.field("Name of this passkey").fill("Mi móvil")
    person.press("Make the passkey")
    person.heading("Your recovery codes")
    person.look("recovery-codes")
    person.follow("I have kept them. Continue")
    person.heading("Signing in safely")
    person.page.get_by_role("heading", name="Mi móvil").wait_for()
    person.look("one-passkey")
    person.page.get_by_role("main").get_by_role("link", name=person.words("Rename")).first.click()
    person.heading("Rename the passkey")
    person.look("rename-the-passkey")
    person.open("/settings/second-factor")
    person.follow("Add a passkey")
    person.button("Make the passkey").click()
    person.reads("This device keeps a passkey for your account already.")
    story.step("a passkey is added")

    sign_out(person)
    person.open("/sign-in", "sign-in-with-a-passkey")
    person.press("Sign in with a passkey")
    person.page.wait_for_url("**/member")
    sign_out(person)
    person.open("/sign-in")
    person.sign_in(username)
    person.heading("Show that it is you")
    person.look("after-the-password")
    person.press("Use a passkey")
    person.page.wait_for_url("**/member")
    story.step("signed in with it, alone and after the password")

    app = story.app(person)
    story.sandbox.advance(_LONGER_THAN_A_STEP_UP_LASTS)
    app.launch()
    person.heading("Enter your password again")
    person.look("step-up-before-consent")
    person.press("Use a passkey instead")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.press("Allow")
    assert app.wait_until_back() == "done", app.text("problem")
    story.step("stepped up by it before an app may read while the member is away")

    person.open("/settings/second-factor")
    person.page.get_by_role("link", name=person.words("Remove")).first.click()
    person.heading("Remove the passkey")
    person.look("remove-the-passkey")
    person.press("Remove the passkey")
    person.reads("The passkey was removed. We have told you by e-mail too.")
    sign_out(person)
    person.open("/sign-in")
    person.button("Sign in with a passkey").click()
    person.reads("That passkey did not work. It may have been removed from your account, or belong to another one. "
                 "Try another passkey, or go on without one.")  # fmt: skip
    person.look("removed-passkey-refused")
    person.sign_in(username)
    person.page.wait_for_url("**/member")


@told(360, "en")
def test_member_without_scripts_uses_an_app_and_recovery_codes(story: Story, codes: Codes) -> None:
    person = story.browser(scripts=False)
    person.open("/sign-in")
    person.prefer_language()
    assert not person.button("Sign in with a passkey").is_visible()
    person.sign_in("julia")
    person.open("/settings/second-factor/passkeys/add", "no-passkey-without-scripts")
    person.reads("Passkeys need JavaScript and a browser that knows them, so they do not work here.")
    person.follow("Use an authenticator app instead")
    secret = person.page.locator(".ls-key code").inner_text().replace(" ", "")
    set_up_factor(person, codes)
    sign_out(person)
    person.open("/sign-in")
    person.sign_in("julia")
    person.look("code-without-scripts")
    give_code(person, codes, secret)
    app = PlainApp(person.page, story.site, story.sandbox)
    story.sandbox.advance(_LONGER_THAN_A_STEP_UP_LASTS)
    app.launch()
    person.heading("Enter your password again")
    assert not person.button("Use a passkey instead").is_visible()
    person.fill(Username="julia", Password=story.sandbox.account("julia")["password"])
    person.press("Sign in")
    give_code(person, codes, secret)
    person.heading("Share information with %(app)s?", app=app.name)
    person.press("Allow")
    assert app.receive() == 200


@told(360, "es")
def test_member_changes_the_address_and_takes_it_back(story: Story) -> None:
    person = story.browser()
    # Each reads in the language that their account has.
    username = "carmen" if story.language == "es" else "julia"
    account, new = story.sandbox.account(username), f"{username}.nueva@example.org"
    person.open("/sign-in")
    person.prefer_language()
    person.sign_in(username)
    person.page.wait_for_url("**/member")
    person.open("/settings/email", "change-address")
    person.field("New e-mail address").fill(new)
    person.press("Send verification code")
    person.heading("Enter the code from your old e-mail address")
    person.look("old-address-code")
    person.field("Verify Email Address").fill(person.code_from_mail(account["email"], "mail-old"))
    person.press("Verify")
    person.heading("Enter the code from your new e-mail address")
    person.look("new-address-code")
    person.field("Verify Email Address").fill(person.code_from_mail(new, "mail-new"))
    person.press("Verify")
    person.heading("Settings")
    person.look("address-changed")
    story.step("changed by two codes")

    owner = story.browser()
    link = wait_for_link(owner, account["email"])
    owner.open(link)
    owner.prefer_language()
    owner.heading("Take back the change of your e-mail address")
    owner.look("take-back")
    owner.press("Take the change back")
    owner.heading("The change was taken back")
    owner.look("taken-back")
    person.open("/settings")
    person.heading("Sign in")
    person.sign_in(username)
    person.look("code-after-the-change-was-taken-back")
    assert "/sign-in/" in person.page.url, "whoever changed it must not come in by the password alone"
