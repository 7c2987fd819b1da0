"""Registering for the portal, by payment and as a billing firm."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.plan import expiry
from service.plan.models import (
    AccessEntry,
    OrganizationKind,
    PaymentMethod,
    PortalOrganization,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
    RegistrationProof,
    StaffStatus,
    TermsAcceptance,
)
from service.plan_editions import EditedPlan
from service.plan_file import Plan
from tests.conftest import ROOT, MovableClock
from tests.factories import PASSWORD, make_group
from tests.provider.conftest import Person
from tests.provider.registrant import (
    CHECK,
    TAX_ID,
    VENDOR,
    days_ago,
    make_clinic,
    make_payment,
    read,
)


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


def test_what_a_plan_says_of_registration_comes_from_its_file(app: Flask, person: Person) -> None:
    held = app.extensions["latchstring"]
    partners = Plan.read(ROOT / "tests/plan/partners.toml")
    held.settings, held.edited_plan = replace(held.settings, plan=partners), EditedPlan(partners)
    who = person()
    for path in ("/provider", "/provider/register/provider/npi", "/provider/registration-faq"):
        page = who.get(path).text
        assert "Meridian" not in page and "180 days" not in page
    assert "90 days" in who.get("/provider").text and "1-877-000-0042" in who.get("/provider").text
