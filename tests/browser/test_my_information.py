"""A member reads what the plan knows: costs and a lab over time drawn and in figures, then takes all of it home."""

import json

import pytest

from tests.browser.conftest import Story, told
from tests.browser.person import Person

pytestmark = pytest.mark.browser
_MOST_TRANSFERRED = 100_000
_TRANSFERRED = """() => performance.getEntries()
  .filter(({ entryType }) => ["navigation", "resource"].includes(entryType))
  .reduce((sum, { transferSize }) => sum + transferSize, 0)"""
_LISTS = (
    "coverage", "visits", "conditions", "medicines", "allergies", "vaccines", "treatments", "reports", "care",
    "devices", "questionnaires",
)  # fmt: skip


@pytest.mark.parametrize("width", (360, 1280))
@pytest.mark.parametrize("language", ("en", "es"))
def test_member_reads_their_record(story: Story) -> None:
    person = story.browser()
    person.open("/sign-in")
    person.prefer_language()
    person.sign_in("thomas")
    person.heading("Welcome, %(name)s", name="Thomas")
    person.follow("My information")
    person.heading("My information")
    person.look("my-information")
    _light(person)

    person.follow("Claims and costs")
    _drawn(person, "claims", 2)
    _press(person, "table a")
    _drawn(person, "claims-of-year", 2)
    _press(person, ".ls-record h3 a")
    person.look("claim")
    _light(person)
    person.open("/my-information/results", "results")
    _light(person)
    _press(person, "table a")
    _drawn(person, "measurement", 1)
    for name in _LISTS:
        person.open(f"/my-information/{name}", name)
        _light(person)

    person.open("/my-information")
    assert _download(person, "Download to read or print (PDF)").startswith(b"%PDF-")
    record = json.loads(_download(person, "Download for another app or plan (FHIR, JSON)"))
    assert record["resourceType"] == "Bundle" and len(record["entry"]) > 100
    person.open("/who-has-looked", "who-has-looked")
    person.reads("Downloaded your whole record")
    person.open("/profile", "profile")


@told(360, "en")
def test_daughter_reads_about_her_father_and_not_about_herself(story: Story) -> None:
    person = story.browser()
    person.open("/sign-in")
    person.prefer_language()
    person.sign_in("susan")
    person.open("/my-information")
    person.heading("For whom do you act?")
    person.page.get_by_role("combobox").select_option(label="Walter Green")
    person.press("Continue")
    person.open("/my-information", "my-information-of-her-father")
    assert "Walter Green" in person.page.get_by_role("main").inner_text()
    person.reads("You see what your right to act for this member covers.")
    person.follow("Medicines")
    person.heading("Medicines")
    record = json.loads(_record_of(person))
    names = {entry["resource"].get("subscriberId") for entry in record["entry"]} - {None}
    assert len(names) == 1
    patients = [one["resource"] for one in record["entry"] if one["resource"]["resourceType"] == "Patient"]
    assert [one["name"][0]["given"] for one in patients] == [["Walter"]]


def _record_of(person: Person) -> bytes:
    person.open("/my-information")
    return _download(person, "Download for another app or plan (FHIR, JSON)")


def _drawn(person: Person, look: str, least: int) -> None:
    """The page has a chart that says what it shows, and the figures in tables."""
    chart = person.page.locator("svg[role=img]")
    chart.wait_for()
    assert chart.locator("title").inner_html() and chart.locator("desc").inner_html()
    assert person.page.get_by_role("table").count() >= least
    person.look(look)
    _light(person)


def _press(person: Person, link: str) -> None:
    with person.page.expect_navigation():
        person.page.locator(link).first.click()


def _light(person: Person) -> None:
    assert person.page.evaluate(_TRANSFERRED) < _MOST_TRANSFERRED


def _download(person: Person, text: str) -> bytes:
    with person.page.expect_download() as begun:
        person.page.get_by_role("main").get_by_role("link", name=person.words(text), exact=True).click()
    return begun.value.path().read_bytes()
