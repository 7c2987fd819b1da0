"""Member services help a member: look up, say why, look, send the way to a new password; the member sees all of it."""

import pytest

from service.sandbox.plan import cast, stream
from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.person import Person
from tests.browser.plain_app import PlainApp
from tests.browser.portal import PASSWORD, enter, in_english, newest_mail

pytestmark = pytest.mark.browser
_WALTER, _THOMAS = 3, 9


@in_english(360)
def test_member_services_look_and_the_member_sees_it(story: Story, codes: Codes) -> None:
    thomas = cast.person(_THOMAS, stream.AS_OF)
    # The addresses of a sandbox just made are new; an hour later support may send its mail (security.md 147).
    story.sandbox.advance(3_700)
    member = story.browser()
    member.open("/sign-in")
    member.sign_in("thomas")
    nora = enter(story, codes, "nora", "/staff/members/")
    nora.look("members")
    nora.press("Look up")
    nora.look("nobody-named")
    nora.field("Last name (optional)").fill(thomas.family_name)
    nora.field("Birth date (optional)").fill(thomas.birth_date.isoformat())
    nora.press("Look up")
    nora.look("found")
    nora.follow(f"{thomas.given_name} {thomas.family_name}")
    nora.look("why")
    nora.page.get_by_text("Trouble signing in").click()
    nora.field("In your words").fill("Forgot his password")
    nora.press("Open the page for 15 minutes")
    nora.look("view")
    nora.follow("Send a password reset link")
    nora.look("password-link")
    nora.press("Send the e-mail")
    nora.reads("The mail is on its way. It tells the member how to choose a new password; nobody else sees or sets it.")
    nora.follow("Remove a lost second factor")
    nora.look("second-factor")
    nora.press("Ask a colleague to look")
    nora.look("second-factor-refused")
    nora.follow("Back")
    nora.press("Close")
    nora.look("closed")
    story.step("looked, sent the mail, closed")

    address = story.sandbox.account("thomas")["email"]
    assert "/password-reset" in newest_mail(story.sandbox, address, "How to choose a new password")["text"]
    member.open("/who-has-looked", "who-has-looked")
    member.reads("Nora of member services")
    member.reads("Forgot his password")


@in_english(1280)
def test_a_protected_record_opens_behind_glass_and_is_reviewed(story: Story, codes: Codes) -> None:
    [guarded] = story.sandbox.handout["protected_records"]
    clerk = enter(story, codes, "dyoung", "/staff/members/")
    clerk.field("Member ID (optional)").fill(guarded["member_number"])
    clerk.press("Look up")
    clerk.look("found-protected")
    clerk.follow("Protected record")
    clerk.look("why-protected")
    clerk.page.get_by_text("A complaint").click()
    clerk.field("In your words").fill("Wants to know which apps read")
    clerk.field("Why you must open a protected record").fill("She called the privacy office, which put her through")
    clerk.press("Open the page for 15 minutes")
    clerk.look("view-protected")
    story.step("looked behind glass")

    newest_mail(story.sandbox, story.sandbox.account("olivia")["email"], "A look at a protected record")
    olivia = enter(story, codes, "olivia", "/staff/break-glass/")
    olivia.look("break-glass")
    olivia.press("Mark as reviewed")
    olivia.reads("Marked as reviewed.")
    olivia.look("reviewed")
    olivia.open("/staff/protected-records/", "protected-records")
    olivia.open("/staff/", "home-of-the-officer")


@in_english(1280)
def test_officer_gives_the_account_of_disclosures(story: Story, codes: Codes) -> None:
    thomas = cast.person(_THOMAS, stream.AS_OF)
    olivia = enter(story, codes, "olivia", "/staff/reports/")
    olivia.follow("Accounting of disclosures: what a member may ask an account of")
    olivia.field("Member ID").fill("MHP1")
    olivia.press("Look up")
    olivia.look("no-such-member")
    olivia.field("Member ID").fill(thomas.number)
    olivia.press("Look up")
    olivia.heading("Account of disclosures")
    olivia.look("account")
    olivia.press("Keep it")
    olivia.look("account-refused")
    olivia.fill(Day=thomas.birth_date.replace(year=2026, month=2, day=3).isoformat())
    olivia.field("Who was told").fill("Department of Public Health of the State, Division of Communicable Diseases")
    olivia.field("What was told").fill("Dates and places of visits from January 5 to 20, 2026")
    olivia.field("Purpose").select_option(label="Public health (164.512(b))")
    olivia.field("Why, in a sentence").fill("Request of February 2, 2026, number PH-26-0117")
    olivia.press("Keep it")
    olivia.reads("The disclosure is kept.")
    olivia.look("kept")
    olivia.page.get_by_role("link", name="Correct this entry").click()
    olivia.page.get_by_role("heading", name="Correct an entry").wait_for()
    olivia.look("correcting")


@in_english(360)
def test_members_pause_of_a_representatives_app_may_be_lifted(story: Story, codes: Codes) -> None:
    susan, walter = story.browser(), story.browser()
    app = PlainApp(susan.page, story.site, story.sandbox)
    app.launch()
    susan.sign_in("susan")
    susan.field("Select member").select_option(label="Walter Green")
    susan.press("Continue")
    susan.press("Allow")
    assert app.receive() == 200
    _register(walter, "Walter Green")
    walter.open("/apps")
    walter.press("Pause")
    walter.reads("Paused apps")
    walter.look("paused-what-she-connected")
    assert app.read().status_code == 401
    story.step("the daughter connected, the father paused")

    nora = enter(story, codes, "nora", "/staff/members/")
    nora.field("Last name (optional)").fill("Green")
    nora.field("Birth date (optional)").fill(cast.person(_WALTER, stream.AS_OF).birth_date.isoformat())
    nora.press("Look up")
    nora.follow("Walter Green")
    nora.page.get_by_text("Trouble signing in").click()
    nora.field("In your words").fill("His daughter called: he had a stroke")
    nora.press("Open the page for 15 minutes")
    nora.look("view")
    nora.page.get_by_role("link", name="lift the pause").click()
    nora.heading("Lift a member's pause")
    nora.look("lift")
    nora.press("Ask a colleague to look")
    nora.look("lift-refused")
    nora.field("How do you know that the member cannot use the account?").fill("Letter of the court of March 3")
    nora.field("Reason").fill("The daughter called")
    nora.press("Ask a colleague to look")
    nora.look("asked")
    david = enter(story, codes, "dyoung", "/staff/second-looks/")
    david.look("second-look")
    david.press("Approve")
    david.reads("Approved and done.")
    susan.open("/apps", "hers-to-resume")
    susan.press("Resume")
    assert app.read().status_code == 200


def _register(person: Person, name: str) -> None:
    """Register the member of this name, who is signed in then."""
    members = person.sandbox.handout["registrations"]["members"]
    member = next(one for one in members if one["name"] == name)
    person.open("/register")
    person.fill(Member_ID=member["member_number"], Last_name=member["family_name"], Birth_date=member["birth_date"])
    person.field("ZIP code").fill(member["zip_code"])
    person.press("Continue")
    person.field("E-mail address").fill("walter.green@example.org")
    person.press("Send verification code")
    person.field("Verify Email Address").fill(person.code_from_mail("walter.green@example.org", "mail"))
    person.press("Verify")
    person.fill(Username="walter.green", Password=PASSWORD, Confirm_password=PASSWORD)
    person.press("Create account")
