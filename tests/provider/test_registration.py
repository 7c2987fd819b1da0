"""The registration stories of the source documents: check, notice, vendor number, mail, not listed, billing firms."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.plan import expiry
from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    EntrySource,
    MailedPin,
    NotListedRequest,
    OrganizationKind,
    PaymentMethod,
    PortalFunction,
    PortalOrganization,
    Practitioner,
    PractitionerAffiliation,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
    RegistrationProof,
    RequestStatus,
    StaffStatus,
    TermsAcceptance,
)
from service.plan.registering import not_listed
from service.settings import Plan, Settings
from tests.accounts.visitor import letters
from tests.conftest import ROOT, MovableClock
from tests.factories import PASSWORD, make_account, make_group, make_member, make_npi, make_portal_staff
from tests.provider.registrant import (
    CHECK,
    NPI,
    TAX_ID,
    VENDOR,
    Registrant,
    days_ago,
    make_clinic,
    make_payment,
    new_registrant,
    newest_pin,
)

Person = Callable[..., Registrant]


@pytest.fixture
def clinic(session: Session) -> ProviderGroup:
    """A clinic with a check of yesterday."""
    made = make_clinic(session)
    make_payment(session, made)
    session.commit()
    return made


@pytest.fixture
def person(app: Flask, session: Session, settings: Settings) -> Person:
    """Makes people who register."""
    return lambda *name: new_registrant(app, session, settings, name or ("Pat", "Moss"))


def read(session: Session, model: type) -> list[object]:
    """Every row of a table, in a session of its own."""
    with Session(session.get_bind(), expire_on_commit=False) as own:
        return list(own.scalars(select(model)).all())


def test_the_public_home_leads_to_registration_and_says_what_to_have_ready(person: Person) -> None:
    pat = person()
    home = pat.get("/provider").text
    for words in ("Register your facility", "Register here", "Sign in", "one time", "your Tax ID", "Type 2 NPI",
                  "vendor number", "US Mail", "Registration FAQ"):  # fmt: skip
        assert words in home
    who = pat.get("/provider/register").text
    for words in ("Please tell us who you are", "I work for a health care provider", "care system",
                  "I work for a billing organization", "Contact your delegate"):  # fmt: skip
        assert words in who
    assert pat.get("/provider/").status_code == 200


def test_the_faq_answers_every_question_of_its_source(person: Person) -> None:
    page = person().get("/provider/registration-faq").text
    assert page.count("<summary>") == 17
    assert "Be sure to include the NP" in page


def test_with_check_and_npi_one_is_in_at_once_and_the_first_is_delegate(
    clinic: ProviderGroup, person: Person, session: Session
) -> None:
    pat = person()
    pat.register(clinic, number="chk-0000777", tax_id="07-1234501")
    assert "Registration confirmation" in pat.get("/provider/register/done").text
    home = pat.come_in()

    assert home.status_code == 200
    login = pat.login()
    assert (login.status, login.is_delegate) == (StaffStatus.ACTIVE, True)
    assert set(login.functions) == set(PortalFunction)
    assert login.organization.tax_id == TAX_ID
    assert login.account.full_name == "Pat Moss"
    (entry,) = read(session, AccessEntry)
    (proof,) = read(session, RegistrationProof)
    assert (entry.tax_id, entry.npi, entry.vendor_number, entry.source) == (TAX_ID, NPI, None, EntrySource.PROOF)
    assert (proof.group_id, proof.account_id, proof.by_vendor_number) == (clinic.id, login.account_id, False)
    assert proof.remittance_id is not None and entry.proof_id == proof.id
    with Session(session.get_bind()) as own:
        assert [group.id for group in reach.groups_of_entries(own, login.id)] == [clinic.id]


def test_the_page_for_a_payment_shows_a_sample_check(clinic: ProviderGroup, person: Person) -> None:
    page = person().get("/provider/register/provider/vendor").text
    assert "<svg" in page and "Sample check" in page and "Vendor number: on the stub" in page


def test_with_the_vendor_number_on_the_check(clinic: ProviderGroup, person: Person, session: Session) -> None:
    person().register(clinic, "vendor")
    (entry,) = read(session, AccessEntry)
    (proof,) = read(session, RegistrationProof)
    assert (entry.tax_id, entry.npi, entry.vendor_number) == (TAX_ID, None, VENDOR)
    assert proof.by_vendor_number is True


def test_a_non_payment_notice_is_proof_with_np_in_front_of_its_number(
    clinic: ProviderGroup, person: Person, session: Session
) -> None:
    # As remittances are kept (docs/decisions/0020-notice-numbers.md).
    make_payment(session, clinic, "NP0000555", method=PaymentMethod.NON_PAYMENT, amount_cents=0)
    session.commit()
    assert person().show_payment(number="0000555").status_code == 400
    person().register(clinic, number="NP 0000555")


def test_an_eft_number_is_proof_too(clinic: ProviderGroup, person: Person, session: Session) -> None:
    make_payment(session, clinic, "EFT835000001", method=PaymentMethod.EFT)
    session.commit()
    person().register(clinic, number="EFT835000001")


@pytest.mark.parametrize(("age", "good"), [(180, True), (181, False)])
def test_a_proof_is_good_for_180_days(
    clinic: ProviderGroup, person: Person, session: Session, age: int, good: bool
) -> None:
    make_payment(session, clinic, "OLD1", paid_on=days_ago(age))
    session.commit()
    answer = person().show_payment(number="OLD1")
    assert (answer.status_code == 303) is good
    if not good:
        assert "US Mail" in answer.text


def test_a_group_without_vendor_number_registers_by_npi_only(person: Person, session: Session) -> None:
    bare = make_clinic(session, vendor_number=None)
    make_payment(session, bare)
    session.commit()
    assert person().show_payment("vendor").status_code == 400
    person().register(bare)


def test_a_payment_without_a_known_payee_proves_nothing(
    clinic: ProviderGroup, person: Person, session: Session
) -> None:
    make_payment(session, None, "LOST1")
    session.commit()
    assert person().show_payment(number="LOST1").status_code == 400


def test_an_older_tax_id_leads_to_the_same_organisation(
    clinic: ProviderGroup, person: Person, session: Session
) -> None:
    session.add(ProviderIdentifier(group_id=clinic.id, kind="tax_id", value="281334999", valid_until=days_ago(400)))
    session.commit()
    person().register(clinic, tax_id="281334999")
    (kept,) = read(session, PortalOrganization)
    assert kept.tax_id == TAX_ID


def test_the_menu_is_empty_until_the_mailed_pin_is_entered(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    mel = person("Mel", "Post")
    mel.register_by_mail(clinic)
    assert "A letter with your PIN" in mel.get("/provider/register/done").text
    assert mel.come_in().status_code == 200
    waiting = mel.login()
    assert (waiting.status, waiting.is_delegate, waiting.functions) == (StaffStatus.AWAITING_PIN, False, [])
    assert read(session, AccessEntry) == [] and read(session, RegistrationProof) == []

    pin = newest_pin(session, settings)
    answer = mel.enter_pin(f"{pin[:5].lower()} - {pin[5:]}")

    assert answer.status_code == 200 and "PIN accepted. Your account is validated." in answer.text
    assert 'href="/provider/home">Continue' in answer.text and "authenticator app" in answer.text
    mel.show_factor_if_asked()
    assert mel.get("/provider/home").location.startswith("/provider/terms")
    assert "Delegate/Site Administrator Terms of Use" in mel.get("/provider/terms").text
    assert mel.accept_terms().status_code == 200
    login = mel.login()
    assert (login.status, login.is_delegate) == (StaffStatus.ACTIVE, True)
    (entry,) = read(session, AccessEntry)
    assert (entry.tax_id, entry.npi, entry.source) == (TAX_ID, NPI, EntrySource.MAILED_PIN)
    assert mel.get("/provider/validate").location == "/provider/home"


def test_of_two_groups_under_one_tax_id_the_pin_opens_the_one_that_got_the_letter(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    make_clinic(session, npi=make_npi(31), vendor_number="V9", dba_name="Alder Creek Imaging")
    session.commit()
    mel = person("Mel", "Post")
    assert mel.ask_for_pin().location == "/provider/register/choose"
    page = mel.get("/provider/register/choose").text
    assert "Alder Creek Imaging" in page and "Alder Creek Medical" in page and "My provider is not listed" in page
    assert "•••••4501" in page and TAX_ID not in page
    mel.choose(clinic)
    mel.finish()
    mel.come_in()
    mel.enter_pin(newest_pin(session, settings))
    with Session(session.get_bind()) as own:
        assert [group.id for group in reach.groups_of_entries(own, mel.login().id)] == [clinic.id]


def test_a_person_who_waits_for_a_pin_may_register_with_a_payment_meanwhile(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    mel = person("Mel", "Post")
    mel.register_by_mail(clinic)
    mel.come_in()
    mel.show_payment()
    mel.choose(clinic)
    mel.get("/provider/register/contact")
    assert mel.post("/provider/register/contact", phone="555-555-0100").location == "/provider/register/done"
    assert (mel.login().status, mel.login().is_delegate) == (StaffStatus.ACTIVE, True)
    assert mel.get("/provider/validate").location is not None
    assert all(row.voided_at and not row.sealed for row in read(session, MailedPin))
    assert len(read(session, ProviderStaff)) == 1


def test_a_provider_that_is_not_listed_leads_to_a_form_for_e_services(
    clinic: ProviderGroup, person: Person, session: Session
) -> None:
    pat = person()
    pat.show_payment()
    assert pat.choose("not_listed").location == "/provider/not-listed"
    pat.get("/provider/not-listed")
    told = {"organization_name": "Fern Street Therapy", "contact_name": "Pat Moss", "contact_email": "pat@fern.example",
            "contact_phone": "555-555-0100", "tax_id": "07-7654321", "npi": "", "message": "New since May"}  # fmt: skip
    assert pat.post("/provider/not-listed", **told | {"contact_phone": "x"}).status_code == 400
    assert pat.post("/provider/not-listed", **told).location == "/provider/not-listed/sent"
    assert "contact you to assist" in pat.get("/provider/not-listed/sent").text
    (kept,) = read(session, NotListedRequest)
    assert (kept.organization_name, kept.tax_id, kept.status) == (
        "Fern Street Therapy",
        "077654321",
        RequestStatus.OPEN,
    )


def test_a_not_listed_request_is_decided_once(session: Session) -> None:
    clerk = make_account(session)
    asked = not_listed.ask(session, not_listed.NotListed("Fern", "Pat", "pat@fern.example", "1"), network="n")
    assert [one.id for one in not_listed.open_requests(session)] == [asked.id]
    done = not_listed.decide(session, asked.id, RequestStatus.APPROVED, "loaded", by_account_id=clerk.id)
    assert (done.status, done.resolution, done.handled_by_account_id) == (RequestStatus.APPROVED, "loaded", clerk.id)
    assert not_listed.open_requests(session) == []
    with pytest.raises(not_listed.HandledAlready):
        not_listed.decide(session, asked.id, RequestStatus.REFUSED, "no", by_account_id=clerk.id)


def test_not_listed_forms_are_limited(session: Session) -> None:
    form = not_listed.NotListed("Fern", "Pat", "pat@fern.example", "1")
    for _ in range(not_listed.PER_NETWORK):
        not_listed.ask(session, form, network="n")
    with pytest.raises(not_listed.TooManyForms):
        not_listed.ask(session, form, network="n")


def test_where_the_delegate_has_left_one_says_so_and_has_own_access_at_once(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    first, second = person(), person("Lee", "Ford")
    first.register(clinic)
    assert second.show_payment().location == "/provider/register/choose"
    assert second.choose(clinic).location == "/provider/register/reason"
    assert second.get("/provider/register/contact").location == "/provider/register/reason"
    second.get("/provider/register/reason")
    assert second.post("/provider/register/reason", reason="other", detail=" ").status_code == 400
    assert second.post("/provider/register/reason", reason="nonsense").status_code == 400
    second.give_reason(reason="other", detail="Retired in May")
    second.finish()
    confirmed = second.get("/provider/register/done").text
    assert "Your delegate status waits" in confirmed
    assert "Delegate/Site Administrator" not in confirmed and "authenticator" not in confirmed
    home = second.come_in().text
    assert "Your request to become a delegate waits" in home

    login = second.login()
    assert (login.status, login.is_delegate, login.organization_id) == (
        StaffStatus.ACTIVE, False, first.login().organization_id
    )  # fmt: skip
    (asked,) = read(session, DelegateRequest)
    assert (asked.staff_id, asked.reason, asked.detail) == (login.id, "other", "Retired in May")
    assert "Lee Ford" in letters(session, settings, first.email)[-1]
    assert "Lee Ford" not in "".join(letters(session, settings, second.email)[:1])


def test_by_mail_the_reason_is_asked_after_the_pin_only(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    person().register(clinic)
    mel = person("Mel", "Post")
    mel.register_by_mail(clinic)
    mel.come_in()
    accepted = mel.enter_pin(newest_pin(session, settings)).text
    assert "PIN accepted" in accepted and 'href="/provider/become-delegate">Continue' in accepted
    assert "authenticator" not in accepted
    assert (mel.login().status, mel.login().is_delegate) == (StaffStatus.ACTIVE, False)
    mel.get("/provider/become-delegate")
    assert mel.post("/provider/become-delegate", reason="on_leave").location == "/provider/home"
    (asked,) = read(session, DelegateRequest)
    assert asked.reason == "on_leave"
    assert mel.get("/provider/become-delegate").location == "/provider/home"


def test_a_place_that_a_delegate_once_had_is_not_open_to_the_next_registrant(
    clinic: ProviderGroup, person: Person, session: Session
) -> None:
    first = person()
    first.register(clinic)
    with Session(session.get_bind()) as own:
        gone = own.get_one(ProviderStaff, first.login().id)
        gone.status, gone.is_delegate = StaffStatus.DEACTIVATED, False
        own.commit()
    second = person("Lee", "Ford")
    second.register(clinic)
    assert second.login().is_delegate is False


def test_a_billing_firm_registers_under_its_own_tax_id(clinic: ProviderGroup, person: Person, session: Session) -> None:
    kim = person("Kim", "Ledger")
    kim.get("/provider/register/billing")
    refused = kim.post("/provider/register/billing", name="Ledger Lane Billing LLC", tax_id=TAX_ID)
    assert refused.status_code == 400
    assert "your own billing organization" in refused.text and "after you have registered" in refused.text
    answer = kim.post("/provider/register/billing", name="Ledger Lane Billing LLC", tax_id="96-1112223")
    assert answer.location == "/provider/register/contact"
    assert kim.finish().location == "/provider/register/done"
    home = kim.come_in()

    assert home.status_code == 200
    login = kim.login()
    assert (login.organization.kind, login.organization.tax_id, login.organization.name) == (
        OrganizationKind.BILLING, "961112223", "Ledger Lane Billing LLC"
    )  # fmt: skip
    assert (login.is_delegate, login.status) == (True, StaffStatus.ACTIVE)
    assert read(session, AccessEntry) == []
    assert {row.document for row in read(session, TermsAcceptance)} == {"provider_portal", "delegate"}


def test_a_second_person_of_a_billing_firm_gets_no_account_and_its_delegate_is_told(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    for name in (("Kim", "Ledger"), ("Sam", "Sly")):
        who = person(*name)
        who.get("/provider/register/billing")
        who.post("/provider/register/billing", name="Ledger Lane Billing LLC", tax_id="961112223")
        who.give_contact()
        who.enter_code()
        answer = who.open_account()
    assert answer.status_code == 409
    assert "registered already" in answer.text
    assert [account.username for account in read(session, Account)] == ["kim.ledger"]
    assert "Sam Sly" in letters(session, settings, "kim.ledger@clinic.example")[-1]


@pytest.mark.parametrize(
    ("given", "family"),
    [
        ("Alder Creek", "Medical"), ("ALDER CREEK MEDICAL", "Associates P.C."), ("Alder Creek Medical", "Front Desk"),
        ("Ignacio", "Towne"), ("Dr. Ignácio", "TOWNE, MD"), ("Towne", "Ignacio"),
    ],
)  # fmt: skip
def test_the_name_of_the_facility_or_a_doctor_is_refused_in_clear_words(
    clinic: ProviderGroup, person: Person, session: Session, given: str, family: str
) -> None:
    doctor = Practitioner(npi=make_npi(77), given_name="Ignacio", family_name="Towne", practitioner_id="prac-1")
    session.add(doctor)
    session.flush()
    session.add(PractitionerAffiliation(group_id=clinic.id, practitioner_id=doctor.id, starts_on=days_ago(900)))
    session.commit()
    pat = person()
    pat.show_payment()
    pat.choose(clinic)
    answer = pat.give_contact(given_name=given, family_name=family)
    assert answer.status_code == 400
    assert "give your own name" in answer.text
    assert pat.give_contact().status_code == 303


def test_an_account_that_exists_gets_the_portal_after_its_password(
    clinic: ProviderGroup, person: Person, session: Session, clock: MovableClock
) -> None:
    member = make_member(session)
    account = make_account(session, member=member, username="maria.home")
    session.commit()
    maria = person("Maria", "Home")
    maria.show_payment()
    maria.choose(clinic)
    assert "sign in and register with it" in maria.get("/provider/register/contact").text
    maria.sign_in(account, following="/provider/register/contact")
    clock.advance(301)
    assert maria.get("/provider/register/contact").location.startswith("/confirm-password")
    maria.get("/confirm-password?next=/provider/register/contact")
    again = maria.post(
        "/confirm-password?next=/provider/register/contact", username=account.username, password=PASSWORD
    )
    assert again.location == "/provider/register/contact"
    assert account.email in maria.get("/provider/register/contact").text
    assert maria.post("/provider/register/contact", phone="555-555-0100").location == "/provider/register/done"
    (login,) = read(session, ProviderStaff)
    assert (login.account_id, login.is_delegate) == (account.id, True)
    assert len(read(session, Account)) == 1
    maria.show_payment()
    maria.choose(clinic)
    maria.give_reason()
    maria.get("/provider/register/contact")
    second = maria.post("/provider/register/contact", phone="555-555-0100")
    assert second.status_code == 409 and "Nobody needs to register twice" in second.text


def test_an_address_with_an_account_gets_the_same_page_and_its_owner_a_mail(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    owner = make_account(session, email="pat.moss@clinic.example")
    session.commit()
    pat = person()
    pat.show_payment()
    pat.choose(clinic)
    assert pat.give_contact().location == "/provider/register/code"
    assert pat.get("/provider/register/code").status_code == 200
    assert pat.post("/provider/register/code", code="000000").status_code == 400
    assert "already have an account" in letters(session, settings, owner.email)[0]


def test_terms_are_asked_again_when_they_change(app: Flask, session: Session, person: Person) -> None:
    staff = make_portal_staff(session, accepted=False)
    session.commit()
    who = person()
    who.sign_in(staff.account)
    assert who.get("/provider/home").location == "/provider/terms?next=/provider/home"
    page = who.get("/provider/terms?next=/provider/home")
    assert "only individual authorized to use your account" in page.text
    assert "Delegate/Site" not in page.text
    assert who.post("/provider/terms?next=/provider/home").status_code == 400
    assert who.post("/provider/terms?next=/provider/home", provider_portal="1999-1").status_code == 400
    assert who.post("/provider/terms?next=/provider/home", provider_portal="2026-1").location == "/provider/home"
    assert who.get("/provider/home").status_code == 200
    (kept,) = read(session, TermsAcceptance)
    plan = app.extensions["latchstring"].settings.plan
    assert (kept.account_id, kept.version, kept.text) == (staff.account_id, "2026-1", plan.terms[0].text)

    changed = tuple(type(text)(text.document, text.title, "2027-1", text.text + "\n\nMore.") for text in plan.terms)
    object.__setattr__(plan, "terms", changed)
    assert who.get("/provider/home").location == "/provider/terms?next=/provider/home"


def test_a_code_can_be_asked_for_again(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings, clock: MovableClock
) -> None:
    pat = person()
    pat.show_payment()
    pat.choose(clinic)
    pat.give_contact()
    clock.advance(61)
    pat.get("/provider/register/code")
    assert pat.post("/provider/register/code/again").location == "/provider/register/code"
    assert len(letters(session, settings, pat.email)) == 2
    assert pat.enter_code().location == "/provider/register/account"


def test_the_steps_cannot_be_skipped(clinic: ProviderGroup, person: Person, session: Session) -> None:
    pat = person()
    steps = ("choose", "reason", "contact", "code", "account", "done")
    assert {pat.get(f"/provider/register/{step}").status_code for step in steps} == {401}
    pat.show_payment()
    assert {pat.get(f"/provider/register/{step}").status_code for step in steps[1:]} == {401}
    pat.choose(clinic)
    assert {pat.get(f"/provider/register/{step}").status_code for step in ("reason", "code", "account", "done")} == {
        401
    }
    pat.give_contact()
    assert {pat.get(f"/provider/register/{step}").status_code for step in ("account", "done")} == {401}
    stranger = person("Some", "Stranger")
    assert stranger.get("/provider/register/contact").status_code == 401


def test_a_registration_lasts_half_an_hour(clinic: ProviderGroup, person: Person, clock: MovableClock) -> None:
    pat = person()
    pat.show_payment()
    clock.advance(1_799)
    assert pat.get("/provider/register/choose").status_code == 200
    clock.advance(1)
    assert pat.get("/provider/register/choose").status_code == 401


@pytest.mark.parametrize("provider", ["", "00000000-0000-0000-0000-000000000000", "x" * 41])
def test_a_choice_that_is_not_in_the_list_is_explained(clinic: ProviderGroup, person: Person, provider: str) -> None:
    pat = person()
    pat.show_payment()
    answer = pat.choose(provider)
    assert answer.status_code == 400
    assert "Please choose one" in answer.text


def test_another_group_cannot_be_chosen_with_this_proof(
    clinic: ProviderGroup, person: Person, session: Session
) -> None:
    other = make_group(session)
    session.commit()
    pat = person()
    pat.show_payment()
    assert pat.choose(other).status_code == 400


def test_an_unknown_tax_id_by_mail_offers_the_form(clinic: ProviderGroup, person: Person) -> None:
    answer = person().ask_for_pin("99-9999999")
    assert answer.status_code == 400
    assert "My provider is not listed" in answer.text


def test_a_finished_registration_leaves_the_database_after_two_days(
    clinic: ProviderGroup, person: Person, session: Session, clock: MovableClock
) -> None:
    person().register(clinic, number=CHECK)
    assert expiry.delete_over(session) == 0
    clock.advance(timedelta(days=3).total_seconds())
    assert expiry.delete_over(session) == 1


def test_a_form_sent_twice_ends_at_the_confirmation(clinic: ProviderGroup, person: Person, session: Session) -> None:
    pat = person()
    pat.show_payment()
    pat.choose(clinic)
    assert pat.finish().location == "/provider/register/done"
    again = pat.post("/provider/register/account", username="pat.two", password=PASSWORD, confirmation=PASSWORD)
    assert again.location == "/provider/register/done"
    assert len(read(session, Account)) == len(read(session, ProviderStaff)) == 1


@pytest.mark.parametrize("path", ["npi", "vendor"])
def test_empty_fields_are_told_by_name(clinic: ProviderGroup, person: Person, path: str) -> None:
    answer = person().show_payment(path, tax_id=" ", number="")
    assert answer.status_code == 400
    assert answer.text.count("Please fill this in.") == 4
    assert "We could not match" not in answer.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("given_name", ""), ("given_name", "<b>Pat</b>"), ("phone", "call me"),
        ("phone", ""), ("email", "nobody"), ("email", ""), ("family_name", "x" * 101),
    ],
)  # fmt: skip
def test_contact_details_that_cannot_be_are_explained(
    clinic: ProviderGroup, person: Person, field: str, value: str
) -> None:
    pat = person()
    pat.show_payment()
    pat.choose(clinic)
    answer = pat.give_contact(**{field: value})
    assert answer.status_code == 400
    assert "Please check what you entered" in answer.text
    assert pat.give_contact(given_name="Zo\u00eb-Ann", family_name="O\u2019Neil Jr.").status_code == 303


def test_what_a_plan_says_of_registration_comes_from_its_file(app: Flask, person: Person) -> None:
    held = app.extensions["latchstring"]
    held.settings = replace(held.settings, plan=Plan.read(ROOT / "tests/plan/partners.toml"))
    who = person()
    for path in ("/provider", "/provider/register/provider/npi", "/provider/registration-faq"):
        page = who.get(path).text
        assert "Meridian" not in page and "180 days" not in page
    assert "90 days" in who.get("/provider").text and "1-877-000-0042" in who.get("/provider").text
