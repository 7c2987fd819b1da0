"""A daughter asks to act for a second member, the plan links her, two tabs never mix, and the member ends it."""

from io import BytesIO

import pytest
from PIL import Image

from service.sandbox.plan import cast, stream
from tests.browser.conftest import Story, told
from tests.browser.person import Person
from tests.browser.portal import Codes, give_code
from tests.browser.smart_app import SmartApp
from tests.browser.words import Words

pytestmark = pytest.mark.browser
_CHECKS = 5


@told(360, "es")
def test_request_link_two_members_in_two_tabs_and_the_member_ends_it(story: Story) -> None:
    codes = Codes(story.sandbox)
    susan = story.browser()
    _ask(story, susan)
    story.step("the request with its paper is sent")

    nora = _clerk(story, codes, "nora", "/staff/representatives/")
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
    david = _clerk(story, codes, "dyoung", "/staff/second-looks/")
    david.look("second-look")
    david.press("Approve")
    david.reads("Approved and done.")
    story.step("checked by one, linked by another")

    susan.open("/people/i-act-for", "i-act-for")
    tab = Person(susan.page.context.new_page(), story.sandbox, susan.words, susan.looks)
    for_father, for_neighbor = _connect(story, susan, "Walter Green"), _connect(story, tab, "Thomas King")
    story.step("connected for two members in two tabs")

    first, second = (Person(susan.page.context.new_page(), story.sandbox, susan.words, susan.looks) for _ in range(2))
    _select(first, "Walter Green")
    first.open("/apps", "apps-of-the-father")
    _select(second, "Thomas King")
    first.press("Revoke")
    first.heading("This page has expired")
    first.reads(
        "You act for %(name)s now. If the page that you used was made for somebody else, in a second window, choose "
        "that member again, open the page anew and do it there.",
        name="Thomas King",
    )
    first.look("two-tabs")
    for app in (for_father, for_neighbor):
        assert app.press("read") == "done", app.text("problem")

    thomas = story.browser()
    thomas.open("/people")
    thomas.prefer_language()
    thomas.sign_in("thomas")
    thomas.heading("People who act for me")
    thomas.page.locator("summary", has_text=thomas.words("End it")).click()
    thomas.look("who-acts-for-me")
    with thomas.page.expect_navigation():
        thomas.page.locator("button", has_text=thomas.words("End it now")).click()
    thomas.look("ended")
    assert for_neighbor.press("read") == "failed"
    assert [status for _, status in for_neighbor.calls] == [401]
    assert for_father.press("read") == "done", for_father.text("problem")
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
    susan.page.set_input_files("#files", [{"name": "poa.png", "mimeType": "image/png", "buffer": _scan()}])
    susan.page.get_by_text(susan.words("What I have written is true, and I sign it by sending it.")).click()
    susan.look("request-filled-in")
    susan.press("Send the request")
    susan.heading("Your request")
    susan.look("request-sent")


def _number_of(name: str) -> tuple[str, str]:
    people = (cast.person(index, stream.AS_OF) for index in range(cast.SIZE))
    person = next(one for one in people if f"{one.given_name} {one.family_name}" == name)
    return person.number, person.birth_date.isoformat()


def _clerk(story: Story, codes: Codes, username: str, path: str) -> Person:
    """Somebody of the plan, whose pages are in English whatever the story's language is."""
    person = story.browser()
    person.words, person.looks.language = Words("en"), "en"
    person.open(path)
    person.sign_in(username)
    give_code(person, codes, story.sandbox.account(username)["totp_secret"])
    return person


def _connect(story: Story, person: Person, member: str) -> SmartApp:
    app = story.app(person)
    app.launch()
    person.field("Select member").select_option(label=member)
    person.press("Continue")
    person.heading("Share information with %(app)s?", app="Claim Lens")
    person.press("Allow")
    assert app.wait_until_back() == "done", app.text("problem")
    assert app.text("patient") == member
    assert "Person/" in app.text("user")
    return app


def _select(person: Person, member: str) -> None:
    person.open("/select-member")
    person.field("Select member").select_option(label=member)
    person.press("Continue")


def _scan() -> bytes:
    made = BytesIO()
    Image.new("L", (80, 60), 240).save(made, "PNG")
    return made.getvalue()
