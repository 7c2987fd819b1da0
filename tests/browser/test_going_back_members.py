"""Back, Forward and Reload after every form of a member's own place, and of those who act for members.

The page that comes is asked for anew and says what is so now; nothing is done a second time, and no page tells of a
member for whom its reader does not act.
"""

import re
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from consent import representative_reviews, representatives
from consent.birthdays import majority, twelfth_birthday
from consent.models import Basis, EndedBy, RepresentativeLink
from consent.request_models import RepresentativeRequest
from oauth.apps.models import AppReport
from service.accounts.models import Account
from service.plan.models import PlanStaff
from service.settings import Settings
from tests.browser.conftest import LONG, Story
from tests.browser.going_back import goes_back, moved, sends_nothing
from tests.browser.going_back_members import banner, count, database, links_of, make_link, signed_in, version
from tests.browser.looking import WIDTHS
from tests.browser.person import MAIL_SECONDS, Person
from tests.browser.plain_app import PlainApp
from tests.browser.test_passkeys import sign_out, wait_for_link
from tests.conftest import wait_until

pytestmark = pytest.mark.browser
_LONGER_THAN_A_PASSWORD_LASTS = 6 * 60
_BETWEEN_CODES = 61


def _tellings() -> list[tuple[int, str, bool]]:
    """Width, language and scripts of each telling."""
    if not LONG:
        return [(360, "es", True), (1280, "en", False)]
    return [(width, language, scripts) for width in WIDTHS for language in ("en", "es") for scripts in (True, False)]


told_both = pytest.mark.parametrize(("width", "language", "scripts"), _tellings(), ids=str)


@told_both
def test_pages_after_back_name_the_member_for_whom_one_acts_now(story: Story, scripts: bool) -> None:
    anna = signed_in(story, "anna", scripts=scripts)
    for member in ("Leo Miller", "Mia Miller"):
        anna.open("/select-member")
        _pick(anna, member)
        assert banner(anna) == member
        anna.open("/apps")
        anna.open("/gallery/sample-app")
    mia = next(one["fhir_id"] for one in story.sandbox.account("anna")["members"] if one["name"] == "Mia Miller")

    with sends_nothing(anna.page):
        for go in [anna.page.go_back] * 6 + [anna.page.go_forward] * 6:
            moved(go)
            assert banner(anna) == "Mia Miller", anna.page.url
            named = anna.page.locator("main input[name=member]").all()
            assert {one.input_value() for one in named} <= {mia}, "its forms act for her"
    story.step("went back over what was opened for the other child")

    app = PlainApp(anna.page, story.site, story.sandbox, f"Back {scripts:d}")
    app.launch()
    _pick(anna, "Leo Miller")
    anna.heading("Share information with %(app)s?", app=app.name)
    _goes_back_to(anna, "Whose information do you want to share?", "Share information with %(app)s?", app=app.name)
    assert banner(anna) == "Leo Miller"
    anna.press("I need more time")
    anna.reads("You have more time. Nothing was shared yet, and what you had checked stays as it was.")
    goes_back(anna)
    anna.page.go_forward()
    anna.press("Don't allow")
    anna.page.wait_for_url(lambda url: "error=access_denied" in url)
    answer = moved(anna.page.go_back)
    assert answer is not None and answer.request.method == "GET"
    anna.reads("You may have answered it already, or it waited too long. Nothing more was shared. To begin again, go "
               "back to the app and connect to your health plan there once more.")  # fmt: skip
    assert not app.tokens


@told_both
def test_a_member_ends_and_shuts_out_and_lets_an_app_be_connected_again(story: Story, scripts: bool) -> None:
    username = "thomas" if scripts else "julia"
    name = story.sandbox.account(username)["members"][0]["name"]
    given = make_link(story, "susan", username, Basis.POWER_OF_ATTORNEY)
    by_court = make_link(story, "helen", username, Basis.GUARDIAN)
    susan = signed_in(story, "susan", scripts=scripts)
    app = PlainApp(susan.page, story.site, story.sandbox, f"Back to {username}")
    app.launch()
    _pick(susan, name)
    susan.press("Allow")
    assert app.receive() == 200

    member = signed_in(story, username, scripts=scripts)
    member.open("/apps")
    member.press("Pause")
    goes_back(member)
    for summary, deed in (("End it", "End it now"), ("I do not feel safe", "Shut out now")):
        member.open("/people")
        member.page.locator("summary", has_text=member.words(summary)).first.click()
        button = member.page.locator("button", has_text=member.words(deed)).first
        with member.page.expect_navigation():
            button.click()
        if deed == "End it now":
            assert version(story, given) == (2, False)
        goes_back(member)
        assert member.page.locator(".usa-alert--success").count() == 0, "what was said once is not said again"
        assert member.page.locator("button", has_text=member.words("End it now")).count() == 0
    assert (version(story, given), version(story, by_court)) == ((2, False), (2, True))
    assert member.page.locator("button", has_text=member.words("Shut out now")).count() == 0
    story.step("ended one, shut out another, each once")
    member.open("/messages")
    with member.page.expect_navigation():
        member.page.locator("form[action$='/unread'] button").first.click()
    goes_back(member)

    member.open("/apps")
    let = member.words("Let %(name)s connect it again", name="Susan Green")
    with member.page.expect_navigation():
        member.page.get_by_role("button", name=let).click()
    member.reads("Your personal representative may connect the app again.")
    goes_back(member)
    assert app.read().status_code == 401
    susan.open("/people/i-act-for")
    for go in (susan.page.go_back, susan.page.go_forward):
        moved(go)
        assert name not in susan.page.locator("body").inner_text(), "of who ended it nothing is shown any more"


@told_both
def test_a_new_adult_decides_once(story: Story, scripts: bool) -> None:
    username = "grace" if scripts else "david"
    link_id = make_link(story, "helen", username, Basis.GUARDIAN)
    with database(story.sandbox) as session:
        link = session.get_one(RepresentativeLink, link_id)
        zone, born = Settings.from_environment(story.sandbox.environment).plan.timezone, link.member.birth_date
        link.valid_until = link.ended_at = majority(born, zone)
        link.valid_from, link.narrows_at = link.valid_until - timedelta(9), twelfth_birthday(born, zone)
        link.ended_by = EndedBy.TIME
    member = signed_in(story, username, scripts=scripts)
    member.open("/people/of-age")
    member.press("I have decided. Do not show this again")
    member.heading("You have decided")
    # There is nothing to decide any more, which the page says that had asked.
    goes_back(member)
    member.heading("You have decided")
    member.open("/member")
    assert member.page.get_by_text(member.words("You are 18 and decide for yourself now")).count() == 0


@told_both
def test_a_request_to_act_is_sent_answered_and_taken_back_once(story: Story, scripts: bool) -> None:
    username, other = ("susan", "david") if scripts else ("anna", "thomas")
    stopped = make_link(story, username, other, Basis.POWER_OF_ATTORNEY)
    before = count(story, RepresentativeRequest)
    person = signed_in(story, username, scripts=scripts)
    person.open("/people/requests/new?for=another")
    king = story.sandbox.roster("Thomas", "King")
    person.fill(Member_ID=king["member_number"], Last_name_of_the_member="King")
    person.field("Birth date of the member").fill(king["birth_date"])
    person.page.get_by_text(person.words("I hold a power of attorney for health care")).click()
    person.page.get_by_text(person.words("All information")).click()
    person.page.set_input_files("#files", _paper("poa.png"))
    person.page.get_by_text(person.words("What I have written is true, and I sign it by sending it.")).click()
    person.press("Send the request")
    person.heading("Your request")
    sent = person.page.url.split("?")[0]
    goes_back(person)
    assert count(story, RepresentativeRequest) == before + 1

    _ask_back(story)
    person.page.goto(sent)
    person.field("Your answer").fill("Signed in May")
    person.page.set_input_files("#files", _paper("page-two.png"))
    person.press("Send the answer")
    person.reads("Sent. We tell you by e-mail when there is news.")
    goes_back(person)
    person.page.goto(sent)
    assert person.page.get_by_text("Signed in May").count() == 1, "it was sent once"
    assert person.page.get_by_role("link", name="page-two.png").count() == 1
    person.page.locator("summary", has_text=person.words("Take this request back")).click()
    person.press("Take it back")
    goes_back(person)
    person.page.goto(sent)
    assert person.button("Take it back").count() == 0
    story.step("sent, answered and taken back, each once")

    person.open("/people/i-act-for")
    name = story.sandbox.account(other)["members"][0]["name"]
    person.page.locator("summary", has_text=name).click()
    with person.page.expect_navigation():
        person.page.locator(f"section:has-text('{name}') button").click()
    goes_back(person)
    assert version(story, stopped) == (2, False)
    person.open("/people/i-act-for")
    assert person.page.locator("section.ls-app", has_text=name).count() == 0


@told_both
def test_an_app_is_reported_once_and_launched(story: Story, scripts: bool) -> None:
    person = signed_in(story, "david" if scripts else "grace", scripts=scripts)
    before = count(story, AppReport)
    person.open("/gallery/sample-app/report")
    person.page.get_by_label(person.words("It does not work")).check()
    person.page.locator("#words").fill("No abre.")
    person.press("Send")
    person.reads("Thank you. The plan looks at what you told us; the developer does not learn who you are.")
    goes_back(person)
    assert count(story, AppReport) == before + 1
    person.open("/gallery/sample-app")
    person.press("Launch")
    if scripts:
        # The sample app is a program of the browser's own: without scripts it stays where it is.
        person.page.wait_for_url("**/consent**")
        for _ in range(3):
            moved(person.page.go_back)
        person.open("/gallery/sample-app")
    else:
        goes_back(person)


@told_both
def test_sessions_end_and_no_page_comes_back_from_the_browser_s_keeping(story: Story, scripts: bool) -> None:
    username = "david" if scripts else "julia"
    name = story.sandbox.account(username)["members"][0]["name"]
    here, phone, tablet, library = (signed_in(story, username, scripts=scripts) for _ in range(4))
    for device in (phone, tablet, library):
        device.open("/my-information")
        device.open("/help")
    here.open("/settings")
    others = here.button("Sign out there").count()
    assert others >= 3
    with here.page.expect_navigation():
        here.button("Sign out there").first.click()
    goes_back(here)
    assert here.page.locator(".usa-alert--success").count() == 0, "what was said once is not said again"
    here.open("/settings")
    assert here.button("Sign out there").count() == others - 1, "one of them, and no other"
    here.press("Sign out everywhere else")
    goes_back(here)
    here.open("/settings")
    assert here.button("Sign out there").count() == 0
    for device in (phone, tablet, library):
        _shows_nothing_after_back(device, name)
    story.step("others' pages are gone when they are gone back to")

    story.sandbox.advance(_LONGER_THAN_A_PASSWORD_LASTS)
    here.open("/apps")
    here.heading("Enter your password again")
    here.fill(Username=username, Password=story.sandbox.account(username)["password"])
    here.press("Sign in")
    here.heading("App Management Console")
    goes_back(here)
    here.open("/my-information")
    here.open("/member")
    sign_out(here)
    _shows_nothing_after_back(here, name)


@told_both
def test_an_address_is_taken_back_and_the_next_sign_in_asks_for_a_code(story: Story, scripts: bool) -> None:
    username = "thomas" if scripts else "grace"
    account, new = story.sandbox.account(username), f"{username}.other@example.org"
    person = signed_in(story, username, scripts=scripts)
    before = len(person.codes_for(account["email"]))
    person.open("/settings/email")
    person.field("New e-mail address").fill(new)
    person.press("Send verification code")
    person.heading("Enter the code from your old e-mail address")
    story.sandbox.advance(_BETWEEN_CODES)
    person.press("Send a new code")
    goes_back(person)
    person.open("/settings/email/confirm")
    for address, mails in ((account["email"], before + 2), (new, 1)):
        person.field("Verify Email Address").fill(_code(person, address, mails))
        person.press("Verify")
    person.heading("Settings")

    owner = story.browser(scripts=scripts)
    owner.open(wait_for_link(owner, account["email"]))
    owner.prefer_language()
    owner.press("Take the change back")
    owner.heading("The change was taken back")
    goes_back(owner)
    owner.heading("The change was taken back")
    assert owner.page.locator(".usa-alert--success").count() == 0, "said once"
    owner.look("taken-back-before")
    person.open("/sign-in")
    person.sign_in(username)
    story.sandbox.advance(_BETWEEN_CODES)
    person.press("Send a new code")
    _stays_at_code(person)
    person.field("Verify Email Address").fill(_code(person, account["email"], before + 4))
    person.press("Verify")
    goes_back(person)
    person.open("/member")
    assert banner(person) == account["members"][0]["name"]


@told_both
def test_who_acts_for_nobody_any_more_goes_back_to_the_app(story: Story, scripts: bool) -> None:
    helen = signed_in(story, "helen", scripts=scripts)
    with database(story.sandbox) as session:
        for link in session.scalars(links_of("helen")).unique():
            representatives.end_link(session, link, by=EndedBy.PLAN)
    app = PlainApp(helen.page, story.site, story.sandbox, f"Nobody {scripts:d}")
    app.launch()
    helen.heading("No member is linked to your account")
    helen.press("Go back to the app")
    helen.page.wait_for_url(lambda url: "error=access_denied" in url)
    with sends_nothing(helen.page):
        answer = moved(helen.page.go_back)
    assert answer is not None and answer.request.method == "GET"
    helen.reads("You may have answered it already, or it waited too long. Nothing more was shared. To begin again, go "
                "back to the app and connect to your health plan there once more.")  # fmt: skip


def _pick(person: Person, member: str) -> None:
    person.field("Select member").select_option(label=member)
    person.press("Continue")


def _goes_back_to(person: Person, behind: str, here: str, **values: str) -> None:
    with sends_nothing(person.page):
        moved(person.page.go_back)
        person.heading(behind)
        moved(person.page.go_forward)
        person.heading(here, **values)


def _shows_nothing_after_back(person: Person, name: str) -> None:
    """Whoever is signed out goes back: the pages they saw are asked for anew, and nobody's name is on what comes."""
    with sends_nothing(person.page):
        for go in [person.page.go_back] * 2 + [person.page.go_forward]:
            moved(go)
            assert name not in person.page.locator("body").inner_text(), person.page.url


def _stays_at_code(person: Person) -> None:
    with sends_nothing(person.page):
        moved(person.page.reload)
    assert person.field("Verify Email Address").count() == 1


def _code(person: Person, address: str, mails: int) -> str:
    """The code of the newest mail, once so many with one have come."""
    wait_until(lambda: len(person.codes_for(address)) >= mails, MAIL_SECONDS, "no further code came")
    found = re.search(r"\b\d{6}\b", person.codes_for(address)[0])
    assert found
    return found.group()


def _paper(name: str) -> Any:
    made = BytesIO()
    Image.new("L", (80, 60), 240).save(made, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": made.getvalue()}


def _ask_back(story: Story) -> None:
    """The plan asks something about the newest request."""
    with database(story.sandbox) as session:
        asked = session.scalars(select(RepresentativeRequest).order_by(RepresentativeRequest.asked_at.desc())).first()
        nora = session.scalars(
            select(PlanStaff).join(Account, Account.id == PlanStaff.account_id).where(Account.username == "nora")
        ).one()
        assert asked is not None
        representative_reviews.ask_back(session, asked, "When was it signed?", by=nora)
