"""The main job on real input: load the demo members and their records, register one of them, connect an app."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Story, told
from tests.conftest import SHARED, require

pytestmark = pytest.mark.browser
_MEMBER = "MEM01197644"
_PASSWORD = "Larch-Window-58"
_ADDRESS = "demo.member@example.org"


@pytest.fixture(scope="session", autouse=True)
def demo_data() -> None:
    """Asked for before a browser and a sandbox are started."""
    require(SHARED is not None, "the folder with real data is not here (set SHARED)")


@told(1280, "en")
def test_demo_member_registers_and_connects_an_app(story: Story) -> None:
    demo = _demo()
    # Three of the 13 have no member number: they are told by line, and the ten others are members.
    told_of = story.sandbox.flask("members", "load", str(demo / "members.csv"), status=1)
    assert "10 added" in told_of and told_of.count("member_id is missing") == 3
    story.sandbox.flask("fhir", "load", str(demo))
    story.step("loaded")
    member = _roster_line(demo)
    patient = next(one for one in _resources(demo, "Patient") if one["id"] == member["patient"])
    person = story.browser()
    app = story.app(person)

    app.launch()
    person.prefer_language()
    person.follow("Register for an account")
    person.field("Member ID").fill(_MEMBER)
    person.field("Last name").fill(member["family"])
    person.field("Birth date").fill(member["birth_date"])
    person.field("ZIP code").fill(patient["address"][0]["postalCode"])
    person.press("Continue")
    person.field("E-mail address").fill(_ADDRESS)
    person.press("Send verification code")
    person.field("Verify Email Address").fill(person.code_from_mail(_ADDRESS, "mail"))
    person.press("Verify")
    person.fill(Username="demo.member", Password=_PASSWORD)
    person.field("Confirm password").fill(_PASSWORD)
    person.press("Create account")
    story.step("registered")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.look("consent")
    person.press("Allow")

    assert app.wait_until_back() == "done", app.text("problem")
    assert app.text("patient") == f"{member['given']} {member['family']}"
    claims = [
        one for one in _resources(demo, "ExplanationOfBenefit") if one["patient"]["reference"].endswith(patient["id"])
    ]
    assert 10 < int(app.text("claims")) <= len(claims)
    story.step("read")
    person.open("/apps", "console")
    person.press("Revoke")
    person.heading("Access ended")


def _demo() -> Path:
    assert SHARED is not None
    return SHARED / "data/demo"


def _roster_line(demo: Path) -> dict[str, str]:
    with (demo / "members.csv").open(encoding="utf-8", newline="") as file:
        return next(line for line in csv.DictReader(file) if line["member_id"] == _MEMBER)


def _resources(demo: Path, kind: str) -> list[dict[str, Any]]:
    with (demo / f"{kind}.ndjson").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
