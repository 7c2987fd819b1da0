"""A developer signs up, registers an app, and it works in the sandbox at once, through the consent of a member."""

import base64
import hashlib
import json
import secrets
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.person import Person
from tests.browser.portal import enter

pytestmark = pytest.mark.browser
# Developers' pages are in English (docs/decisions/0015).
both_widths = pytest.mark.parametrize(("width", "language"), [(360, "en"), (1280, "en")], ids=str)
_PASSWORD = "Larch-Window-58"
_SCOPE = "openid patient/*.rs"


@pytest.mark.parametrize(("width", "language", "scripts"), [(360, "en", False), (1280, "en", True)], ids=str)
def test_developer_signs_up_and_the_app_works_at_once(story: Story, scripts: bool) -> None:
    person, address = story.browser(scripts=scripts), f"ada{story.width}@lantern.example"
    person.open("/developers", "home")
    person.open("/developers/rules", "rules")
    person.open("/developers/terms", "terms")
    person.open("/developers")
    person.follow("Sign up")
    person.press("Send verification code")
    person.look("sign-up-refused")
    _fill_sign_up(person, story.width, address)
    person.look("sign-up")
    person.press("Send verification code")
    person.look("code")
    person.field("Verify Email Address").fill(person.code_from_mail(address, "mail-with-the-code"))
    person.press("Verify")
    person.look("account")
    person.fill(Username=f"ada.moss{story.width}", Password=_PASSWORD)
    person.field("Confirm password").fill(_PASSWORD)
    person.press("Create account")
    person.heading("My apps")
    person.look("my-apps-empty")
    story.step("signed up")

    client_id, secret = _register(person, story)
    story.step("app registered")
    _read_as_member(story, client_id, secret)
    story.step("a member connected it, and it read")
    _go_on(person)
    story.step("answered, submitted, changed")


@both_widths
def test_developers_pages_are_readable(story: Story) -> None:
    person = story.browser()
    person.open("/sign-in?next=/developers/apps")
    person.sign_in("devon")
    person.heading("My apps")
    person.look("my-apps")
    person.follow("Claim Lens")
    person.look("approved-app")
    person.follow("Change name, addresses, scopes, logo or pages")
    person.look("change")
    person.field("Launch addresses (optional)").fill("https://browser-app.example/launch")
    person.press("Save")
    person.reads("The approved version works on meanwhile.")
    person.look("version-that-waits")
    person.press("Submit for review")
    person.look("submitted")
    person.press("Give this version up")
    person.look("given-up")
    person.open("/developers/apps/new", "register")
    person.press("Register the app")
    person.look("register-refused")


@both_widths
def test_staff_shut_an_organization_out_and_let_it_in_again(story: Story, codes: Codes) -> None:
    gwen = enter(story, codes, "gwen", "/staff/")
    gwen.follow("Developer organizations")
    gwen.look("organizations")
    gwen.field("Search (optional)").fill("no such name")
    gwen.press("Search")
    gwen.look("none-found")
    gwen.field("Search (optional)").fill("claim lens")
    gwen.press("Search")
    gwen.follow("Claim Lens Inc.")
    gwen.look("organization")
    gwen.page.locator("summary", has_text="Shut out").click()
    gwen.press("Shut out")
    gwen.look("no-reason")
    gwen.field("Reason, as the developers read it").fill("The privacy policy is a lie")
    gwen.press("Shut out")
    gwen.look("shut-out")
    gwen.follow("Claim Lens")
    gwen.look("its-app")
    gwen.follow("The organization is shut out: let it in again")
    devon = story.browser()
    devon.open("/sign-in?next=/developers/apps")
    devon.sign_in("devon")
    devon.reads("The privacy policy is a lie")
    devon.look("read-by-its-developer")
    gwen.page.locator("summary", has_text="Let in again").click()
    gwen.field("Reason, as the developers read it").fill("They have mended it")
    gwen.press("Let in again")
    gwen.look("let-in-again")
    gwen.open("/staff/developer-organizations/", "all-let-in")


def _fill_sign_up(person: Person, width: int, address: str) -> None:
    for label, value in {
        "Your first name": "Ada", "Your last name": "Moss",
        "Name of your organization": f"Lantern Apps {width} Inc.",
        "Website of your organization": "https://lantern.example", "Your e-mail address": address,
    }.items():  # fmt: skip
        person.field(label).fill(value)
    person.page.get_by_label("I accept the terms for developers").check()


def _register(person: Person, story: Story) -> tuple[str, str]:
    person.follow("Register an app")
    person.field("Name of the app").fill(f"Claim Lantern {'I' * (story.width // 360)}")
    person.page.get_by_label("A secret, sent in the Authorization header").check()
    person.field("Redirect addresses").fill(f"{story.site.origin}/thanks")
    person.page.get_by_label("Reason for openid", exact=True).fill("To know you again.")
    for scope in ("fhirUser", "launch/patient"):
        person.page.get_by_label(f"{scope}", exact=False).first.uncheck()
    person.page.get_by_label("Reason for patient/*.rs", exact=True).fill("To show what was paid.")
    person.look("register-filled")
    person.press("Register the app")
    person.look("secret")
    page = person.page
    client_id = page.locator("dt", has_text="Client id").locator("+ dd").inner_text().strip()
    secret = page.locator("#client-secret").inner_text().strip()
    person.follow("I have kept it. Continue")
    person.look("draft")
    assert secret not in page.content()
    return client_id, secret


def _read_as_member(story: Story, client_id: str, secret: str) -> None:
    member, redirect_uri = story.browser(), f"{story.site.origin}/thanks"
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "scope": _SCOPE, "state": "s1",
        "aud": story.sandbox.fhir_base, "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    member.open(f"/oauth/authorize?{urlencode(asked)}")
    member.sign_in("thomas")
    member.look("consent")
    member.press("Allow")
    member.page.wait_for_url(f"{redirect_uri}**")
    code = parse_qs(urlsplit(member.page.url).query)["code"][0]
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    tokens = _call(
        f"{story.sandbox.url}/oauth/token", {"Authorization": f"Basic {basic}"},
        {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier},
    )  # fmt: skip
    read = _call(
        f"{story.sandbox.fhir_base}/Patient", {"Authorization": f"Bearer {tokens['access_token']}"}
    )  # fmt: skip
    expected = story.sandbox.account("thomas")["members"][0]["fhir_id"]
    assert [entry["resource"]["id"] for entry in read["entry"]] == [expected]


def _go_on(person: Person) -> None:
    page = person.page
    page.get_by_label("Yes", exact=True).check()
    person.press("Keep the answer")
    person.look("attested")
    person.field("Description (optional)").fill("Shows what was paid for, in plain words.")
    page.get_by_label("Web", exact=True).check()
    person.field("Support contact (optional)").fill("help@lantern.example")
    page.locator("#describe").get_by_role("button", name="Save").click()
    person.follow("Change name, addresses, scopes, logo or pages")
    person.field("Privacy policy (optional)").fill("https://lantern.example/privacy")
    person.field("Terms (optional)").fill("https://lantern.example/terms")
    person.press("Save")
    person.look("ready")
    person.press("Submit for review")
    person.look("submitted")
    assert "has been waiting since" in page.content()


def _call(url: str, headers: dict[str, str], form: dict[str, str] | None = None) -> dict[str, Any]:
    data = urlencode(form).encode() if form else None
    asked = urllib.request.Request(url, data, {"Accept": "application/json", **headers})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
