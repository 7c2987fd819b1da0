"""Who registers: names, accounts that exist, delegates who left, terms of use, second people of a firm."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.accounts import passwords
from service.accounts.models import Account
from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    EntrySource,
    PortalFunction,
    PortalOrganization,
    Practitioner,
    PractitionerAffiliation,
    ProviderGroup,
    ProviderStaff,
    RegistrationProof,
    StaffStatus,
    TermsAcceptance,
)
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.conftest import MovableClock
from tests.factories import PASSWORD, make_account, make_member, make_npi, make_portal_staff
from tests.provider.conftest import Person
from tests.provider.registrant import NPI, TAX_ID, days_ago, read


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


def test_a_user_name_taken_while_the_password_is_hashed_leaves_no_organization(
    clinic: ProviderGroup, person: Person, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    pat, real = person(), passwords.make_hash
    assert pat.show_payment().status_code == pat.choose(clinic).status_code == 303
    assert pat.give_contact().status_code == pat.enter_code().status_code == 303

    def taken_meanwhile(password: str) -> str:
        make_account(session, username=pat.username)
        session.commit()
        return real(password)

    with monkeypatch.context() as patched:
        patched.setattr(passwords, "make_hash", taken_meanwhile)
        refused = pat.open_account()
    assert refused.status_code == 400 and "taken" in refused.text
    assert read(session, PortalOrganization) == []
    assert pat.open_account(username="pat.two").status_code == 303
    assert "pat.two" in {account.username for account in read(session, Account)}
