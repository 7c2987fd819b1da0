"""Back, Forward and Reload after every form of an account, with scripts and without, and buttons pressed twice.

No deed is done again, no page says what is not so any more, and where a form has done something the browser never asks
whether to send it again.
"""

import pytest
from playwright.sync_api import Page, Request

from tests.browser.codes import Codes
from tests.browser.conftest import LONG, Story
from tests.browser.looking import WIDTHS
from tests.browser.person import Person
from tests.browser.portal import PASSWORD
from tests.browser.test_passkeys import give_device, sign_out
from tests.conftest import wait_until

pytestmark = pytest.mark.browser
_CODES = ".ls-codes li"
_NEW_PASSWORD = "Walnut-Shutter-31"
_QUIET_LOOKS = 12


def _tellings() -> list[tuple[int, str, bool]]:
    if not LONG:
        return [(360, "en", True), (1280, "es", False)]
    return [(width, language, scripts) for width in WIDTHS for language in ("en", "es") for scripts in (True, False)]


told_both = pytest.mark.parametrize(("width", "language", "scripts"), _tellings(), ids=str)


@told_both
def test_registering_as_a_member(story: Story, scripts: bool) -> None:
    person = story.browser(scripts=scripts)
    member = story.sandbox.handout["registrations"]["members"][0 if scripts else 1]
    address = f"back{scripts:d}@example.org"
    person.open("/sign-in")
    person.prefer_language()
    person.follow("Register for an account")
    person.fill(Member_ID=member["member_number"], Last_name=member["family_name"], Birth_date=member["birth_date"])
    person.field("ZIP code").fill(member["zip_code"])
    person.press("Continue")
    _stays(person, "Your e-mail address")
    person.page.go_back()
    assert person.field("Member ID").input_value() == member["member_number"], "what was typed is there"
    person.page.go_forward()
    code = _by_mail(person, address)
    _verifies(person, "Username and password", code)
    _stays(person, "Username and password", behind="Username and password")
    person.fill(Username=f"back.{scripts:d}.{story.width}", Password=PASSWORD)
    person.field("Confirm password").fill(PASSWORD)
    sent = _dblclick(person, "Create account")
    assert sent == 1 or not scripts
    if not scripts and person.page.url.endswith("done=registered"):
        person.reads("Your account is ready")
        person.fill(Username=f"back.{scripts:d}.{story.width}", Password=PASSWORD)
        person.press("Sign in")
    person.page.wait_for_url("**/member")
    _comes_home(person)
    story.step("registered")


@told_both
def test_registering_as_a_representative(story: Story, scripts: bool) -> None:
    person = story.browser(scripts=scripts)
    [letter] = story.sandbox.handout["registrations"]["personal_representatives"]
    person.open("/register/representative")
    person.prefer_language()
    person.fill(Last_name=letter["family_name"], Birth_date="1931-02-03")
    person.field("Personal Representative ID").fill(letter["personal_representative_id"])
    person.press("Continue")
    person.reads("We could not register you online")
    assert person.field("Personal Representative ID").input_value() == letter["personal_representative_id"]
    assert person.field("Birth date").input_value() == "1931-02-03", "what was typed is there to be mended"
    if not scripts:
        # The letter is used up by the telling with scripts, which stands for both from here on.
        return
    person.fill(Last_name=letter["family_name"], Birth_date=letter["birth_date"])
    person.field("Personal Representative ID").fill(letter["personal_representative_id"])
    person.press("Continue")
    _stays(person, "Your e-mail address")
    _verifies(person, "Username and password", _by_mail(person, "letter@example.org"))
    person.fill(Username=f"letter.{story.width}.{story.language}", Password=PASSWORD)
    person.field("Confirm password").fill(PASSWORD)
    person.press("Create account")
    person.page.wait_for_url(lambda url: "/register" not in url)
    _comes_home(person)


@told_both
def test_factors_are_set_up_shown_and_removed(story: Story, codes: Codes, scripts: bool) -> None:
    person, username = story.browser(scripts=scripts), "thomas" if scripts else "julia"
    person.open("/sign-in")
    person.prefer_language()
    person.fill(Username=username, Password=story.sandbox.account(username)["password"])
    _dblclick(person, "Sign in")
    person.page.wait_for_url("**/member")
    person.open("/settings/second-factor/set-up")
    key = person.page.locator(".ls-key code").inner_text()
    person.page.reload()
    assert person.page.locator(".ls-key code").inner_text() == key, "the phone has it already"
    person.field("Code from your authenticator app").fill(codes.next_of(key.replace(" ", "")))
    _presses(person, "Confirm and finish")
    person.heading("Your recovery codes")
    _keeps_codes(person, person.page.locator(_CODES).all_inner_texts())
    person.open("/settings/second-factor/recovery-codes", "make-new-codes")
    person.press("Make new recovery codes")
    person.look("new-codes")
    _keeps_codes(person, person.page.locator(_CODES).all_inner_texts())
    if scripts:
        give_device(person.page)
        person.open("/settings/second-factor/passkeys/add")
        person.press("Make the passkey")
        person.heading("Signing in safely")
        _stays(person, "Signing in safely", behind="Add a passkey")
        person.open("/settings/second-factor")
        person.page.get_by_role("main").get_by_role("link", name=person.words("Rename")).first.click()
        person.field("Name of this passkey").fill("Kitchen phone")
        person.press("Save the name")
        _stays(person, "Signing in safely", behind="Rename the passkey")
        assert person.page.get_by_role("heading", name="Kitchen phone").count() == 1
        sign_out(person)
        person.open("/sign-in")
        person.press("Sign in with a passkey")
        person.page.wait_for_url("**/member")
        _comes_home(person)
        person.open("/settings/second-factor")
        person.page.get_by_role("link", name=person.words("Remove")).first.click()
        person.press("Remove the passkey")
        _stays(person, "Signing in safely", behind="Signing in safely")
    sign_out(person)
    person.open("/sign-in")
    person.sign_in(username)
    person.field("Code from your authenticator app").fill(codes.next_of(key.replace(" ", "")))
    _presses(person, "Continue")
    person.page.wait_for_url("**/member")
    _stays(person)
    person.open("/settings/second-factor/remove", "remove-the-app")
    _dblclick(person, "Remove the app")
    _stays(person, "Signing in safely", behind="Signing in safely")
    person.open("/settings/second-factor/set-up")
    assert person.page.locator(".ls-key code").inner_text() != key


@told_both
def test_the_address_and_the_password_are_changed(story: Story, scripts: bool) -> None:
    person, username = story.browser(scripts=scripts), "grace" if scripts else "david"
    account = next(one for one in story.sandbox.handout["accounts"] if one["username"] == username)
    new = f"{username}.new@example.org"
    person.open("/sign-in")
    person.prefer_language()
    person.sign_in(username)
    person.open("/settings/email")
    person.field("New e-mail address").fill(new)
    person.press("Send verification code")
    _stays(person, "Enter the code from your old e-mail address", behind="Change your e-mail address")
    for address, then in ((account["email"], "Enter the code from your new e-mail address"), (new, "Settings")):
        person.field("Verify Email Address").fill(person.code_from_mail(address, "mail"))
        person.press("Verify")
        person.heading(then)
        _stays(person, then)
    sign_out(person)
    person.open("/password-reset")
    person.fill(Username=username)
    person.press("Send verification code")
    assert person.field("Username").input_value() == username, "what was typed is there"
    # A refused form is no deed: without scripts the browser would ask on the way back to it (decision 106).
    person.open("/password-reset")
    person.fill(Username=username)
    person.field("E-mail address").fill(new)
    before = len(person.codes_for(new))
    person.press("Send verification code")
    _stays(person, "Verify your e-mail address", behind="Password reset")
    _verifies(person, "Create a new password", _code_after(person, new, before))
    _stays(person, "Create a new password")
    person.field("New password").fill(_NEW_PASSWORD)
    person.field("Confirm new password").fill(_NEW_PASSWORD)
    person.press("Save new password")
    person.heading("Your password was changed")
    _reload(person.page)
    person.heading("Sign in")
    person.page.go_back()
    person.reads("Have you saved a new password already? Then you can sign in with it.")
    person.look("back-after-the-password")
    person.page.go_forward()
    person.sign_in(username, _NEW_PASSWORD)
    assert "/sign-in" not in person.page.url or person.page.url.endswith("next=/start")


def _stays(person: Person, here: str | None = None, *, behind: str | None = None) -> None:
    """Reload, Back, Forward: each asks for a page, none sends; the headings are as told."""
    _reload(person.page)
    if here:
        person.heading(here)
    for go, heading in ((person.page.go_back, behind), (person.page.go_forward, here)):
        answer = go()
        assert answer is None or (answer.request.method, answer.status) == ("GET", 200), answer and answer.url
        if heading:
            person.heading(heading)


def _reload(page: Page) -> None:
    answer = page.reload()
    assert answer is not None and (answer.request.method, answer.status) == ("GET", 200), page.url


def _keeps_codes(person: Person, shown: list[str]) -> None:
    _reload(person.page)
    assert person.page.locator(_CODES).all_inner_texts() == shown
    person.page.go_back()
    answer = person.page.go_forward()
    assert answer is None or answer.request.method == "GET"
    assert person.page.locator(_CODES).all_inner_texts() == shown


def _comes_home(person: Person) -> None:
    """However far they go back, they are not asked to begin again."""
    for _ in range(3):
        _answer = person.page.go_back()
        assert person.page.locator(".usa-alert--warning").count() == 0, person.page.url
    person.open("/member")


def _by_mail(person: Person, address: str) -> str:
    person.field("E-mail address").fill(address)
    person.press("Send verification code")
    _stays(person, "Verify your e-mail address", behind="Your e-mail address")
    return person.code_from_mail(address, "mail-with-the-code")


def _code_after(person: Person, address: str, before: int) -> str:
    wait_until(lambda: len(person.codes_for(address)) > before, 60, "no further code came")
    return person.code_from_mail(address, "mail-with-the-code")


def _verifies(person: Person, then: str, code: str) -> None:
    person.field("Verify Email Address").fill(code)
    _presses(person, "Verify")
    person.heading(then)


def _presses(person: Person, button: str) -> None:
    """Twice where scripts hold the second back; without, browsers may drop the answer to the first (decision 110)."""
    if person.looks.scripts:
        assert _dblclick(person, button) == 1
    else:
        person.press(button)


def _dblclick(person: Person, button: str) -> int:
    """Press a button twice as fast as a hand does, wait for where that leads; how many forms were sent."""
    page, sent, under_way = person.page, list[str](), set[Request]()

    def begins(request: Request) -> None:
        if request.is_navigation_request():
            under_way.add(request)
        if request.method == "POST":
            sent.append(request.url)

    def ends(request: Request) -> None:
        under_way.discard(request)

    page.on("request", begins)
    page.on("requestfinished", ends)
    page.on("requestfailed", ends)
    page.get_by_role("main").get_by_role("button", name=person.words(button), exact=True).dblclick(delay=20)
    # The page that is left is idle too, and a second press ends what the first began before it sends anything itself.
    quiet = 0
    while quiet < _QUIET_LOOKS:
        page.wait_for_timeout(50)
        quiet = 0 if under_way or not sent else quiet + 1
    page.wait_for_load_state("networkidle")
    page.remove_listener("request", begins)
    page.remove_listener("requestfinished", ends)
    page.remove_listener("requestfailed", ends)
    return len(sent)
