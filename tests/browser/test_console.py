"""The member's whole story: register, connect with a preview, see what it reads, share less, pause, resume, revoke.

Told with scripts and without; once by keyboard alone. What the steps took is printed, and stands in
docs/accessibility.md.
"""

import json
import re

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import LONG, Story, told
from tests.browser.looking import WIDTHS
from tests.browser.person import Person
from tests.browser.plain_app import PlainApp
from tests.browser.portal import PASSWORD
from tests.browser.sandbox import Sandbox

pytestmark = pytest.mark.browser
_OBSERVATION = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|"
_SCOPE = (
    "launch/patient openid fhirUser offline_access patient/Patient.rs patient/ExplanationOfBenefit.rs "
    f"patient/Coverage.rs patient/Condition.rs patient/Consent.rs {_OBSERVATION}laboratory {_OBSERVATION}vital-signs"
)
_MOST_TRANSFERRED = 100_000
_TRANSFERRED = """() => performance.getEntries()
  .filter(({ entryType }) => ["navigation", "resource"].includes(entryType))
  .reduce((sum, { transferSize }) => sum + transferSize, 0)"""


def _tellings() -> list[tuple[int, str, bool]]:
    """Width, language and scripts of each telling: two that differ in all of them, in the long form all."""
    if not LONG:
        return [(360, "en", True), (1280, "es", False)]
    return [(width, language, scripts) for width in WIDTHS for language in ("en", "es") for scripts in (True, False)]


@pytest.mark.parametrize(("width", "language", "scripts"), _tellings(), ids=str)
def test_member_holds_an_app_in_hand(story: Story, scripts: bool) -> None:
    person = story.browser(scripts=scripts)
    app = PlainApp(person.page, story.site, story.sandbox)

    app.launch(_SCOPE)
    person.prefer_language()
    _register(person, f"holder{story.width}{story.language}{scripts:d}", story.sandbox, nth=0 if scripts else 1)
    story.step("registered")
    person.heading("Share information with %(app)s?", app=app.name)
    assert re.search(r"\d+ re(cord|gistro)s", person.page.locator("#data-claims + label").inner_text())
    _box(person, "data-coverage").uncheck()
    _box(person, "part-1-results").uncheck()
    _box(person, "sensitive-mental_health").check()
    person.look("consent-with-preview")
    person.press("Allow")
    assert app.receive() == 200
    assert "Coverage" not in app.tokens["scope"] and "laboratory" not in app.tokens["scope"]
    assert app.read().json()["entry"]
    story.step("connected with less than was asked")

    person.open("/apps", "console")
    assert person.page.evaluate(_TRANSFERRED) < _MOST_TRANSFERRED
    _way(person, "What it has read")
    person.heading("What %(app)s has read", app=app.name)
    person.reads("Claims and costs")
    person.look("activity")
    person.follow("Back to App Management Console")

    _way(person, "Share less")
    person.heading("Share less with %(app)s", app=app.name)
    person.field("Last day").fill("2040-01-01")
    person.press("Save")
    person.look("share-less-refused")
    person.field("Last day").fill(person.page.evaluate("() => new Date(Date.now() + 9e8).toISOString().slice(0, 10)"))
    _box(person, "data-conditions").uncheck()
    _box(person, "sensitive-mental_health").uncheck()
    person.look("share-less")
    person.press("Save")
    person.reads("The app now sees less. Its permission to see more has ended.")
    person.look("console-narrowed")
    assert app.read().status_code == 401
    assert app.refresh() == 200
    assert "Condition" not in app.tokens["scope"]
    assert app.read().status_code == 200
    story.step("shared less")

    person.press("Pause")
    person.reads("Paused apps")
    person.look("console-paused")
    assert (app.read().status_code, app.refresh()) == (401, 400)
    person.press("Resume")
    person.reads("The app is no longer paused. It can see information again.")
    assert (app.read().status_code, app.refresh()) == (200, 200)
    story.step("paused and resumed")

    person.press("Revoke")
    person.heading("Access ended")
    assert (app.read().status_code, app.refresh()) == (401, 400)
    person.follow("Back to App Management Console")
    person.look("console-afterwards")
    _way(person, "What was agreed")
    person.heading("What was agreed")
    person.reads("What happened since")
    person.look("receipt")
    told = json.loads(_download(person, "Download for programs (JSON)"))
    assert told["language"] == story.language and len(told["afterwards"]) == 5
    assert _download(person, "Download to print (PDF)").startswith(b"%PDF-")
    person.open("/apps")
    assert app.name.encode() in _download(person, "Download as a table (CSV)")
    story.step("revoked, with receipt and copy")
    assert story.seconds < 300


@told(1280, "en")
def test_keyboard_alone_connects_and_revokes(story: Story) -> None:
    person = story.browser()
    app, keys = PlainApp(person.page, story.site, story.sandbox), person.page.keyboard
    app.launch(_SCOPE)
    if story.language != "en":
        _tab_to(person, f"a[hreflang={story.language}]")
        _enter(person)
    _tab_to(person, "input[name=username]")
    keys.type("thomas")
    keys.press("Tab")
    keys.type(story.sandbox.account("thomas")["password"])
    _enter(person)
    person.heading("Share information with %(app)s?", app=app.name)
    _tab_to(person, "#data-coverage")
    keys.press("Space")
    _tab_to(person, "#sensitive-mental_health")
    keys.press("Space")
    _tab_to(person, "input[name=duration]")
    keys.press("ArrowUp")
    _tab_to(person, "button[value=allow]")
    keys.press("Enter")
    assert app.receive() == 200
    assert "Coverage" not in app.tokens["scope"]
    story.step("connected by keyboard")

    person.open("/member")
    _tab_to(person, "a[href='/apps']")
    _enter(person)
    _tab_to(person, "form[action$='/revoke'] button")
    _enter(person)
    person.heading("Access ended")
    assert app.read().status_code == 401
    story.step("revoked by keyboard")


_MOST_TABS = 80


def _tab_to(person: Person, selector: str) -> None:
    """Press Tab until the first such element has the focus; each stop on the way must show that it has it."""
    for _ in range(_MOST_TABS):
        person.page.keyboard.press("Tab")
        hidden = person.page.evaluate(
            "() => { const at = document.activeElement, style = getComputedStyle(at);"
            " return at !== document.body && style.outlineStyle === 'none' ? at.outerHTML.slice(0, 120) : ''; }"
        )
        assert not hidden, f"no visible focus on {hidden}"
        if person.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def _enter(person: Person) -> None:
    with person.page.expect_navigation():
        person.page.keyboard.press("Enter")


def _register(person: Person, username: str, sandbox: Sandbox, *, nth: int) -> None:
    """Register the nth oldest of the members who have no account yet, from the sign-in page on."""
    waiting = sorted(sandbox.handout["registrations"]["members"], key=lambda one: one["birth_date"])
    member, address = waiting[nth], f"{username}@example.org"
    person.follow("Register for an account")
    person.field("Member ID").fill(member["member_number"])
    person.field("Last name").fill(member["family_name"])
    person.field("Birth date").fill(member["birth_date"])
    person.field("ZIP code").fill(member["zip_code"])
    person.press("Continue")
    person.field("E-mail address").fill(address)
    person.press("Send verification code")
    person.field("Verify Email Address").fill(person.code_from_mail(address, "mail-with-the-code"))
    person.press("Verify")
    person.fill(Username=username, Password=PASSWORD)
    person.field("Confirm password").fill(PASSWORD)
    person.press("Create account")


def _box(person: Person, name: str) -> Locator:
    return person.page.locator(f"#{name}")


def _way(person: Person, text: str) -> None:
    """Follow the link of the one app on the page, whose name it says to those who hear it."""
    with person.page.expect_navigation():
        person.page.locator(".ls-app .ls-ways a", has_text=person.words(text)).first.click()


def _download(person: Person, text: str) -> bytes:
    with person.page.expect_download() as begun:
        person.page.get_by_role("main").get_by_role("link", name=person.words(text), exact=True).click()
    return begun.value.path().read_bytes()
