"""A daughter asks to act for a second member, the plan links her, two tabs never mix, and the member ends it."""

import base64
import json
from io import BytesIO

import pytest
from PIL import Image

from service.sandbox.plan import cast, stream
from tests.browser.codes import Codes
from tests.browser.conftest import LONG, Story
from tests.browser.looking import WIDTHS
from tests.browser.person import Person
from tests.browser.plain_app import PlainApp
from tests.browser.portal import give_code
from tests.browser.words import Words

pytestmark = pytest.mark.browser
_CHECKS = 5
_APPS = ("Kitchen Table Ledger", "Kitchen Table Diary", "Kitchen Table Clock", "Kitchen Table Scale")


def _tellings() -> list[tuple[int, str, bool]]:
    """Width, language and scripts of each telling."""
    if not LONG:
        return [(360, "es", True), (1280, "en", False)]
    return [(width, language, scripts) for width in WIDTHS for language in ("en", "es") for scripts in (True, False)]


@pytest.mark.parametrize(("width", "language", "scripts"), _tellings(), ids=str)
def test_request_link_two_members_in_two_tabs_and_the_member_ends_it(
    story: Story, codes: Codes, scripts: bool
) -> None:  # fmt: skip
    susan = story.browser(scripts=scripts)
    _ask(story, susan)
    story.step("the request with its paper is sent")

    nora = _clerk(story, codes, "nora", "/staff/representatives/", scripts=scripts)
    nora.look("queue")
    nora.page.get_by_role("link", name="Susan Green for Thomas King").click()
    nora.heading("Representative request")
    nora.look("request")
    for box in nora.page.get_by_role("checkbox").all():
        box.check()
    nora.press("Save the check-list")
    assert nora.page.locator("input[type=checkbox]:checked").count() == _CHECKS
    nora.page.locator("summary", has_text="Agree").click()
    nora.field("What you saw").fill("Health care power of attorney, signed and notarized")
    nora.look("agreeing")
    nora.press("Ask for the second yes")
    david = _clerk(story, codes, "dyoung", "/staff/second-looks/", scripts=scripts)
    david.look("second-look")
    david.press("Approve")
    david.reads("Approved and done.")
    story.step("checked by one, linked by another")

    susan.open("/people/i-act-for", "i-act-for")
    tab = Person(susan.page.context.new_page(), story.sandbox, susan.words, susan.looks)
    # Each telling has apps of its own: what was agreed once is not asked again.
    apps = _APPS[:2] if scripts else _APPS[2:]
    for_father = _connect(story, susan, "Walter Green", apps[0])
    for_neighbor = _connect(story, tab, "Thomas King", apps[1])
    story.step("connected for two members in two tabs")

    first, second = (Person(susan.page.context.new_page(), story.sandbox, susan.words, susan.looks) for _ in range(2))
    _select(first, "Walter Green")
    first.open("/apps", "apps-of-the-father")
    _select(second, "Thomas King")
    with first.page.expect_navigation():
        first.button("Revoke").first.click()
    first.heading("This page has expired")
    first.reads(
        "You act for %(name)s now. If the page that you used was made for somebody else, in a second window, "
        "choose that member again, open the page again and do it there.",
        name="Thomas King",
    )
    first.look("two-tabs")
    assert [app.read().status_code for app in (for_father, for_neighbor)] == [200, 200]

    thomas = story.browser(scripts=scripts)
    thomas.open("/people")
    thomas.prefer_language()
    thomas.sign_in("thomas")
    thomas.heading("People who act for me")
    thomas.page.locator("summary", has_text=thomas.words("End it")).click()
    thomas.look("who-acts-for-me")
    with thomas.page.expect_navigation():
        thomas.page.locator("button", has_text=thomas.words("End it now")).click()
    thomas.look("ended")
    assert (for_neighbor.read().status_code, for_neighbor.refresh()) == (401, 400)
    assert for_father.read().status_code == 200
    susan.open("/people/i-act-for", "i-act-for-one-less")
    assert "Thomas King" not in susan.page.get_by_role("main").inner_text().split(susan.words("Your requests"))[0]
    story.step("ended: out at once, the other member untouched")


def _ask(story: Story, susan: Person) -> None:
    [thomas] = story.sandbox.account("thomas")["members"]
    susan.open("/people/requests/new?for=another")
    susan.prefer_language()
    susan.sign_in("susan")
    susan.heading("Ask to act for a member")
    susan.press("Send the request")
    susan.look("request-with-gaps")
    member = _number_of(thomas["name"])
    susan.fill(Member_ID=member[0], Last_name_of_the_member="King", Birth_date_of_the_member=member[1])
    susan.page.get_by_text(susan.words("I hold a power of attorney for health care")).click()
    susan.page.get_by_text(susan.words("All information")).click()
    susan.page.set_input_files("#files", {"name": "poa.png", "mimeType": "image/png", "buffer": _scan()})
    susan.page.get_by_text(susan.words("What I have written is true, and I sign it by sending it.")).click()
    susan.look("request-filled-in")
    susan.press("Send the request")
    susan.heading("Your request")
    susan.look("request-sent")


def _number_of(name: str) -> tuple[str, str]:
    people = (cast.person(index, stream.AS_OF) for index in range(cast.SIZE))
    person = next(one for one in people if f"{one.given_name} {one.family_name}" == name)
    return person.number, person.birth_date.isoformat()


def _clerk(story: Story, codes: Codes, username: str, path: str, *, scripts: bool) -> Person:
    """Somebody of the plan, whose pages are in English whatever the story's language is."""
    person = story.browser(scripts=scripts)
    person.words, person.looks.language = Words("en"), "en"
    person.open(path)
    person.sign_in(username)
    give_code(person, codes, story.sandbox.account(username)["totp_secret"])
    return person


def _connect(story: Story, person: Person, member: str, name: str) -> PlainApp:
    app = PlainApp(person.page, story.site, story.sandbox, name)
    app.launch()
    person.field("Select member").select_option(label=member)
    person.press("Continue")
    person.heading("Share information with %(app)s?", app=name)
    person.press("Allow")
    assert app.receive() == 200
    told = story.sandbox.account("susan")["members"] + story.sandbox.account("thomas")["members"]
    assert {one["fhir_id"] for one in told if one["name"] == member} == {app.tokens["patient"]}
    claims = app.tokens["id_token"].split(".")[1]
    assert "/Person/" in json.loads(base64.urlsafe_b64decode(claims + "=="))["fhirUser"]
    return app


def _select(person: Person, member: str) -> None:
    person.open("/select-member")
    person.field("Select member").select_option(label=member)
    person.press("Continue")


def _scan() -> bytes:
    made = BytesIO()
    Image.new("L", (80, 60), 240).save(made, "PNG")
    return made.getvalue()
