"""How people come to a developer organization, and apps to their keys: with an account, by invitation, by a key set."""

import json

import pytest
from joserfc.jwk import ECKey

from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.portal import PASSWORD, enter, in_english, link_of, newest_mail

pytestmark = pytest.mark.browser


@in_english(360)
def test_member_becomes_a_developer_with_their_account(story: Story) -> None:
    person = story.browser()
    person.open("/sign-in?next=/developers/sign-up")
    person.sign_in("thomas")
    person.heading("Sign up as a developer")
    person.reads("You use the account that you are signed in with.")
    person.look("join")
    person.press("Sign up")
    person.look("join-refused")
    person.field("Name of your organization").fill("King's Evening Apps")
    person.field("Website of your organization").fill("https://evening.example")
    person.page.get_by_label("I accept the terms for developers").check()
    person.press("Sign up")
    person.heading("My apps")
    person.look("my-apps-empty")


@in_english(1280)
def test_colleague_is_invited_and_keys_are_changed(story: Story, codes: Codes) -> None:
    ines, address = enter(story, codes, "ines", "/developers/people"), "tom.berg@brightpathlabs.example"
    ines.look("people")
    ines.press("Send the invitation")
    ines.look("invitation-refused")
    ines.fill(First_name="Tom", Last_name="Berg")
    ines.field("E-mail address").fill(address)
    ines.press("Send the invitation")
    ines.look("invited")
    tom = story.browser()
    tom.open(link_of(story.sandbox, newest_mail(story.sandbox, address, "invites you")), "invitation")
    tom.fill(Username="tom.berg", Password="short", Confirm_password="other")
    tom.press("Create account")
    tom.look("invitation-refused")
    tom.fill(Username="tom.berg", Password=PASSWORD, Confirm_password=PASSWORD)
    tom.press("Create account")
    tom.heading("My apps")
    story.step("a colleague came by the mailed link")

    tom.follow("Register an app")
    tom.field("Name of the app").fill("Berg Station")
    tom.page.get_by_label("A key of its own (private_key_jwt)").check()
    tom.page.locator("summary", has_text="Public keys").click()
    tom.field("Redirect addresses").fill(f"{story.site.origin}/thanks")
    tom.field("Public keys (optional)").fill(_key_set("first"))
    for scope in ("openid", "fhirUser", "launch/patient", "patient/*.rs"):
        tom.page.get_by_label(f"Reason for {scope}", exact=True).fill("To show what was paid.")
    tom.press("Register the app")
    tom.look("registered-with-a-key")
    tom.follow("See or change the keys")
    tom.heading("Keys of Berg Station")
    tom.look("keys")
    tom.field("Public keys (optional)").fill("{")
    tom.press("Use these keys")
    tom.look("keys-refused")
    tom.field("Public keys (optional)").fill(_key_set("first", "second"))
    tom.press("Use these keys")
    tom.look("keys-changed")
    tom.follow("See or change the keys")
    tom.page.get_by_text("second", exact=True).wait_for()
    story.step("an app with a key, and its keys changed")


def _key_set(*names: str) -> str:
    return json.dumps({"keys": [ECKey.generate_key("P-384", {"kid": name}).as_dict(private=False) for name in names]})
