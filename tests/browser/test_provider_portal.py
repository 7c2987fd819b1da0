"""The provider portal in a browser, story by story."""

import pytest
from playwright.sync_api import Locator
from sqlalchemy import select

from service.plan.models import ProviderGroup, Remittance, RemittanceClaim
from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.person import Person
from tests.browser.portal import (
    PASSWORD,
    accept_terms,
    choose_application,
    enter,
    in_english,
    link_of,
    newest_mail,
    only_row,
    paid_to,
    proof_of,
    register,
    search_payment,
    set_up_factor,
)
from tests.browser.sandbox import Sandbox
from tests.papers import words_of

pytestmark = pytest.mark.browser


@in_english(1280)
def test_office_registers_by_check_and_looks_up_a_payment(story: Story, codes: Codes) -> None:
    proof = proof_of(story.sandbox, "Stonebrook Pediatrics")
    person = story.browser()
    person.open("/provider", "portal")
    person.follow("Register your facility")
    person.follow("I work for a health care provider")
    person.follow("Tax ID/NPI")
    person.fill(Tax_ID=proof["tax_id"], Type_2_NPI=proof["npi"])
    _number_field(person).fill(proof["check"])
    person.press("Continue")
    person.reads("Stonebrook Pediatrics")
    person.look("choose-your-provider")
    person.press("Continue")
    register(person, "Alma", "Reyes", "alma.reyes@stonebrookpediatrics.example")
    story.step("registered by check")

    person.follow("Sign in")
    person.sign_in("alma.reyes", PASSWORD)
    set_up_factor(person, codes)
    accept_terms(person)
    person.heading("Welcome, %(name)s", name="Alma")
    person.look("home")
    story.step("second factor and terms")

    choose_application(person)
    person.heading("Remittance Inquiry")
    search_payment(person, proof["check"])
    person.heading(f"Check {proof['check']}")
    person.look("payment")
    paid = paid_to(story.sandbox, "Stonebrook Pediatrics")
    person.open("/provider/remittances")
    search_payment(person, paid.number)
    person.heading(paid.number)
    person.look("payment-of-claims")
    person.open("/provider/remittances")
    search_payment(person, proof_of(story.sandbox, "Fairhollow Dental")["check"])
    person.reads("No results found")
    person.look("no-results")
    person.follow("Try another search or view/add your Tax ID & NPI access")
    person.heading("Tax ID & NPI access")
    person.look("access")


@in_english(360)
def test_office_registers_by_non_payment_notice(story: Story, codes: Codes) -> None:
    proof = proof_of(story.sandbox, "Clearview Eye Care")
    person = story.browser()
    person.open("/provider/register/provider/npi")
    person.fill(Tax_ID=proof["tax_id"], Type_2_NPI=proof["npi"])
    _number_field(person).fill(proof["non_payment"].replace("NP", "np "))
    person.press("Continue")
    person.press("Continue")
    register(person, "Ines", "Vega", "ines.vega@clearvieweye.example")
    person.look("registered")


@in_english(1280)
def test_office_registers_by_vendor_number(story: Story, codes: Codes) -> None:
    proof = proof_of(story.sandbox, "Rivermont Home Health")
    person = story.browser()
    person.open("/provider/register/provider/vendor", "vendor-number")
    person.fill(Tax_ID=proof["tax_id"], Vendor_number=proof["vendor_number"])
    _number_field(person).fill(proof["eft"])
    person.press("Continue")
    person.reads("Rivermont Home Health")
    assert "Rivermont General Hospital" not in person.page.get_by_role("main").inner_text()
    person.press("Continue")
    # The hospital under the same Tax ID has a delegate: somebody with proof is asked why they cannot assist.
    person.heading("Your organization has a delegate")
    person.page.get_by_role("radio").first.check()
    person.press("Continue")
    register(person, "Olga", "Petrov", "olga.petrov@rivermonthome.example")
    person.look("registered")


@in_english(360)
def test_letter_is_printed_and_its_pin_fills_the_menu(story: Story, codes: Codes) -> None:
    peter = enter(story, codes, "peter", "/provider/home")
    peter.reads("Your Applications menu is still empty.")
    peter.look("empty-menu")
    assert peter.field("Choose an application").locator("option").count() == 0
    ruth = enter(story, codes, "ruth", "/staff/letters")
    ruth.heading("PIN letters")
    ruth.look("letters")
    with ruth.page.expect_download() as download:
        ruth.button("Print all waiting letters (PDF)").click()
    letter = words_of(download.value.path().read_bytes())
    pin = next(word for word in letter.split() if len(word) == 11 and word[5] == "-" and word.isupper())
    story.step("printed")

    peter.follow("Validate your account")
    peter.fill(PIN=pin.lower())
    peter.press("Validate")
    peter.look("validated")
    peter.open("/provider/home")
    set_up_factor(peter, codes)
    accept_terms(peter)
    peter.heading("Welcome, %(name)s", name="Peter")
    assert peter.field("Choose an application").locator("option").first.inner_text() == "Remittance Inquiry"
    peter.look("menu")


@in_english(1280)
def test_provider_who_is_not_listed_asks_for_help(story: Story, codes: Codes) -> None:
    proof = proof_of(story.sandbox, "Ashford Heart Associates")
    person = story.browser()
    person.open("/provider/register/provider/npi")
    person.fill(Tax_ID=proof["tax_id"], Type_2_NPI=proof["npi"])
    _number_field(person).fill(proof["check"])
    person.press("Continue")
    person.page.locator("#provider-not-listed").check()
    person.press("Continue")
    person.heading("My provider is not listed")
    for name, value in {
        "organization_name": "Willow Road Chiropractic", "contact_name": "Sid Marlow",
        "contact_email": "sid@willowroad.example", "contact_phone": "555-240-0188",
    }.items():  # fmt: skip
        person.page.locator(f"#{name}").fill(value)
    person.look("form")
    person.press("Send")
    person.look("sent")

    ruth = enter(story, codes, "ruth", "/staff/not-listed")
    asked = ruth.page.locator("section.ls-app", has_text="Willow Road Chiropractic")
    asked.get_by_text("Close this request").click()
    asked.get_by_label("Resolved: they can register now").check()
    asked.get_by_label("What you did").fill("Called: they bill under Ashford Heart, told them how to register.")
    ruth.look("queue")
    with ruth.page.expect_navigation():
        asked.get_by_role("button", name="Save").click()
    ruth.reads("Saved.")
    assert ruth.page.get_by_text("Willow Road Chiropractic").count() == 0


@in_english(360)
def test_office_whose_delegate_has_left_goes_on(story: Story, codes: Codes) -> None:
    proof = proof_of(story.sandbox, "Rivermont Community Clinic")
    person = story.browser()
    person.open("/provider/register/provider/npi")
    person.fill(Tax_ID=proof["tax_id"], Type_2_NPI=proof["npi"])
    _number_field(person).fill(proof["eft"])
    person.press("Continue")
    person.press("Continue")
    person.heading("Your organization has a delegate")
    person.page.get_by_label("left", exact=False).first.check()
    person.look("why-the-delegate-cannot-assist")
    person.press("Continue")
    register(person, "Cora", "Nash", "cora.nash@rivermontclinic.example")
    person.follow("Sign in")
    person.sign_in("cora.nash", PASSWORD)
    accept_terms(person)
    person.look("home")
    choose_application(person)
    search_payment(person, proof["check"])
    person.heading(f"Check {proof['check']}")
    person.look("payment")
    told = newest_mail(story.sandbox, story.sandbox.account("marge")["email"], "Cora Nash")
    assert "waits for your word" in told["text"]


@in_english(1280)
def test_delegate_creates_a_colleague_and_another_delegate(story: Story, codes: Codes) -> None:
    marge = enter(story, codes, "marge", "/provider/home")
    marge.follow("View all accounts")
    marge.look("all-accounts")
    marge.follow("Create new user account")
    _invite(marge, "Tess", "Rowan", "tess.rowan@rivermontclinic.example")
    tess = story.browser()
    _accept(tess, story.sandbox, "tess.rowan@rivermontclinic.example")
    accept_terms(tess)
    tess.heading("Welcome, %(name)s", name="Tess")
    assert tess.page.get_by_role("link", name="Claims Inquiry").count() == 0
    tess.look("home-of-the-colleague")
    story.step("a colleague")

    marge.follow("Create delegate")
    _invite(marge, "Ruben", "Hart", "ruben.hart@rivermontclinic.example")
    ruben = story.browser()
    _accept(ruben, story.sandbox, "ruben.hart@rivermontclinic.example")
    set_up_factor(ruben, codes)
    accept_terms(ruben)
    ruben.follow("View all accounts")
    ruben.heading("View all accounts")


@in_english(1280)
def test_added_facility_is_there_at_the_next_click(story: Story, codes: Codes) -> None:
    proof = proof_of(story.sandbox, "Cedar Point Behavioral Health")
    claim = _claim_number(story.sandbox, "Cedar Point Behavioral Health")
    ruth_mail = story.sandbox.account("ruth")["email"]
    before = len([mail for mail in story.sandbox.mails_to(ruth_mail) if "essage" in mail["subject"]])
    beth = enter(story, codes, "beth", "/provider/profile")
    beth.look("my-profile")
    beth.follow("Add Facility")
    beth.heading("Registration message")
    beth.page.locator("#body").fill(f"{proof['group']}: Tax ID {proof['tax_id']}, NPI {proof['npi']}")
    beth.look("registration-message")
    beth.press("Send")
    newest_mail(story.sandbox, ruth_mail, "essage", more_than=before)
    story.step("sent")

    ruth = enter(story, codes, "ruth", "/staff/mailbox/")
    ruth.look("staff-mailbox")
    ruth.follow("New Add a facility to my account")
    ruth.look("staff-thread")
    ruth.follow("Add the provider ID")
    ruth.page.locator("#tax_id").fill(proof["tax_id"])
    ruth.page.locator("#npi").fill(proof["npi"])
    ruth.look("control-panel")
    ruth.press("Show what it reaches")
    ruth.reads("Cedar Point Behavioral Health")
    ruth.look("what-it-reaches")
    ruth.press("Add to this login")
    story.step("added")
    beth.open("/provider/claims")
    _search_claim(beth, claim)
    beth.reads(claim)
    beth.look("claims-of-the-added-facility")

    ruth.follow("Answer the message now")
    ruth.page.locator("#canned").select_option(label="Your account is updated")
    ruth.press("Insert")
    ruth.page.locator("#close").check()
    ruth.press("Send answer")
    ruth.reads("Your answer was sent")
    beth.open("/provider/mailbox/", "answered")
    beth.follow("New Add a facility to my account")
    beth.page.get_by_text("your account is updated").wait_for()
    beth.look("reply")


def _number_field(person: Person) -> Locator:
    return person.page.get_by_label("Check, EFT or non-payment notice number")


def _search_claim(person: Person, number: str) -> None:
    person.page.locator("#claim_number").fill(number)
    person.press("Search")


def _invite(marge: Person, given: str, family: str, address: str) -> None:
    marge.fill(First_name=given, Last_name=family)
    marge.field("Work e-mail").fill(address)
    marge.press("Continue")
    marge.fill(Phone="555-210-0144")
    marge.page.locator("#function-remittances").check()
    marge.page.locator("input[name=given]").first.check()
    marge.look("what-they-may")
    marge.press("Send the invitation")
    marge.heading("View all accounts")


def _accept(person: Person, sandbox: Sandbox, address: str) -> None:
    person.open(link_of(sandbox, newest_mail(sandbox, address, "invites you")), "invitation")
    person.fill(Username=address.partition("@")[0], Password=PASSWORD, Confirm_password=PASSWORD)
    person.press("Create account")
    if person.page.get_by_role("heading", level=1, name="Sign in", exact=True).count():
        person.sign_in(address.partition("@")[0], PASSWORD)


def _claim_number(sandbox: Sandbox, group: str) -> str:
    statement = (
        select(RemittanceClaim)
        .join(Remittance, Remittance.id == RemittanceClaim.remittance_id)
        .join(ProviderGroup, ProviderGroup.id == Remittance.group_id)
        .where(ProviderGroup.legal_name == group)
        .order_by(Remittance.paid_on.desc())
        .limit(1)
    )
    return str(only_row(sandbox, statement).claim_number)
