"""Member services help a member: look up, say why, look, send the way to a new password; the member sees all of it."""

import pytest

from service.sandbox.plan import cast, stream
from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.portal import enter, in_english, newest_mail

pytestmark = pytest.mark.browser
_THOMAS = 9


@in_english(360)
def test_member_services_look_and_the_member_sees_it(story: Story) -> None:
    codes, thomas = Codes(story.sandbox), cast.person(_THOMAS, stream.AS_OF)
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
    nora.press("Close")
    nora.look("closed")
    story.step("looked, sent the mail, closed")

    address = story.sandbox.account("thomas")["email"]
    assert "/password-reset" in newest_mail(story.sandbox, address, "How to choose a new password")["text"]
    member.open("/who-has-looked", "who-has-looked")
    member.reads("Nora of member services")
    member.reads("Forgot his password")


@in_english(1280)
def test_a_protected_record_opens_behind_glass_and_is_reviewed(story: Story) -> None:
    codes, [guarded] = Codes(story.sandbox), story.sandbox.handout["protected_records"]
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
