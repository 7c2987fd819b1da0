"""Registration for the provider portal as an office manager and a billing firm go through it, without scripts too."""

import pytest

from service.db import make_engine, make_sessions
from service.plan.models import MailedPin
from service.sealing import unseal
from service.settings import Settings
from tests.browser.conftest import Story
from tests.browser.person import Person
from tests.browser.portal import accept_terms
from tests.browser.sandbox import Sandbox
from tests.factories import make_npi
from tests.provider.registrant import make_clinic, make_payment

pytestmark = pytest.mark.browser
# The portal is in English (docs/decisions/0015).
both_widths = pytest.mark.parametrize(("width", "language"), [(360, "en"), (1280, "en")], ids=str)
_PASSWORD = "Larch-Window-58"
_PUBLIC = {
    "/provider": "home", "/provider/registration-faq": "faq", "/provider/register": "who",
    "/provider/register/provider": "paths", "/provider/register/provider/npi": "npi",
    "/provider/register/provider/vendor": "vendor", "/provider/register/provider/mail": "mail",
    "/provider/register/billing": "billing", "/provider/not-listed": "not-listed",
    "/provider/register/choose": "begin-here",
}  # fmt: skip


@both_widths
def test_public_pages_of_the_portal_are_readable(story: Story) -> None:
    person = story.browser()
    for path, name in _PUBLIC.items():
        person.open(path, name)
    person.open("/provider/register/provider/npi")
    person.press("Continue")
    person.look("npi-empty")
    person.fill(Tax_ID="99-9999999", Type_2_NPI="1")
    person.page.get_by_label("Check, EFT or non-payment notice number").fill("0")
    person.press("Continue")
    person.look("not-proven")


@both_widths
def test_office_manager_registers_with_a_check_and_is_in(story: Story) -> None:
    tax_id, npi = _clinic(story.sandbox, story.width)
    person = story.browser(scripts=False)
    person.open("/provider")
    person.follow("Register your facility")
    person.follow("I work for a health care provider")
    person.follow("Tax ID/NPI")
    person.fill(Tax_ID=tax_id, Type_2_NPI=npi)
    person.page.get_by_label("Check, EFT or non-payment notice number").fill(f"CHK{tax_id}")
    person.press("Continue")
    person.look("choose")
    person.press("Continue")
    _give_contact(person, "Alma", f"Reyes{'x' * (story.width // 360)}", f"alma{story.width}@clinic.example")
    person.look("done")
    story.step("registered with a check")
    person.page.get_by_role("main").get_by_role("link", name="Sign in").click()
    person.sign_in(f"alma{story.width}", _PASSWORD)
    person.look("after-sign-in")


@both_widths
def test_office_without_a_check_waits_for_the_letter(story: Story) -> None:
    tax_id, _npi = _clinic(story.sandbox, story.width + 1)
    person = story.browser()
    person.open("/provider/register/provider/mail")
    person.fill(Tax_ID=tax_id)
    person.press("Continue")
    person.press("Continue")
    address = f"mel{story.width}@clinic.example"
    _give_contact(person, "Mel", "Post", address)
    person.look("done")
    person.page.get_by_role("main").get_by_role("link", name="Sign in").click()
    person.sign_in(f"mel{story.width}", _PASSWORD)
    accept_terms(person)
    person.open("/provider/validate", "validate")
    person.fill(PIN="22222-22222")
    person.press("Validate")
    person.page.get_by_role("alert").wait_for()
    person.look("pin-refused")
    person.fill(PIN=_pin(story.sandbox))
    person.press("Validate")
    person.page.get_by_text("PIN accepted. Your account is validated.").wait_for()
    person.look("validated")
    person.page.get_by_role("main").get_by_role("link", name="Continue").click()
    story.step("registered by mail")


@both_widths
def test_billing_firm_registers_under_its_own_tax_id(story: Story) -> None:
    tax_id, _npi = _clinic(story.sandbox, story.width + 2)
    person = story.browser()
    person.open("/provider/register")
    person.follow("I work for a billing organization")
    person.fill(Full_name_of_your_organization="Ledger Lane Billing LLC", Tax_ID_of_your_organization=tax_id)
    person.press("Continue")
    person.page.get_by_role("alert").wait_for()
    person.look("providers-tax-id")
    person.fill(Tax_ID_of_your_organization=f"96-000{story.width:04}")
    person.press("Continue")
    _give_contact(person, "Kim", "Ledger", f"kim{story.width}@ledger.example")
    person.look("done")


@both_widths
def test_colleague_by_letter_asks_to_be_delegate(story: Story) -> None:
    person, address = story.browser(), f"nell{story.width}@rivermontclinic.example"
    person.open("/provider/register/provider/mail")
    person.fill(Tax_ID=story.sandbox.account("marge")["tax_id"])
    person.press("Continue")
    person.look("choose")
    person.press("Continue")
    _give_contact(person, "Nell", "Amory", address)
    person.look("done")
    person.page.get_by_role("main").get_by_role("link", name="Sign in").click()
    person.sign_in(address.partition("@")[0], _PASSWORD)
    accept_terms(person)
    person.open("/provider/validate", "validate")
    person.fill(PIN=_pin(story.sandbox))
    person.press("Validate")
    person.look("validated")
    person.follow("Continue")
    person.heading("Your organization has a delegate")
    person.look("become-delegate")
    person.press("Continue")
    person.look("no-reason")
    person.page.get_by_role("radio").first.check()
    person.press("Continue")
    person.look("asked")


def _give_contact(person: Person, given: str, family: str, address: str) -> None:
    person.heading("Your contact information")
    person.fill(Your_first_name=given, Your_last_name=family, Your_phone="555-555-0100")
    person.field("Your e-mail address").fill(address)
    person.press("Continue")
    person.field("Verify Email Address").fill(person.code_from_mail(address, "mail"))
    person.press("Verify")
    person.fill(Username=address.partition("@")[0], Password=_PASSWORD, Confirm_password=_PASSWORD)
    person.press("Create account")
    person.heading("Registration confirmation")


def _clinic(sandbox: Sandbox, number: int) -> tuple[str, str]:
    """Tax ID and NPI of a clinic of this story's own, with a check of yesterday."""
    tax_id, npi = f"97{number:07}", make_npi(900_000 + number)
    settings = Settings.from_environment(sandbox.environment)
    engine = make_engine(settings.database_url)
    with make_sessions(engine).begin() as session:
        clinic = make_clinic(
            session, tax_id=tax_id, npi=npi, vendor_number=f"W{number}", number=f"PGB{number}",
            organization_id=f"org-browser-{number}",
        )  # fmt: skip
        make_payment(session, clinic, f"CHK{tax_id}", content_hash=f"browser-{number}")
    engine.dispose()
    return tax_id, npi


def _pin(sandbox: Sandbox) -> str:
    settings = Settings.from_environment(sandbox.environment)
    engine = make_engine(settings.database_url)
    with make_sessions(engine)() as session:
        rows = session.query(MailedPin).filter(MailedPin.sealed != "").order_by(MailedPin.created_at.desc())
        pin = unseal(settings.secret_key, "mailed-pin", rows.first().sealed)  # type: ignore[union-attr]
    engine.dispose()
    return pin
