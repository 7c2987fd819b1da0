"""The member's whole hold on an app: connect with a preview, see what it reads, share less, pause, resume, revoke."""

import json
import re

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import Story, told
from tests.browser.person import Person
from tests.browser.plain_app import PlainApp

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


@told(360, "en")
def test_member_holds_an_app_in_hand(story: Story) -> None:
    person = story.browser()
    app = PlainApp(person.page, story.site, story.sandbox)

    app.launch(_SCOPE)
    person.prefer_language()
    person.sign_in("thomas")
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
    person.reads("The app now sees less. What it held for more was ended.")
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
    person.reads("The app may come in again.")
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
