"""*Back* on the pages of registration and of asking a client: it leads one page back, and nothing typed is lost."""

import re

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.plan.models import ProviderGroup
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.consent.firm import Firm
from tests.factories import make_account, make_entry, make_organization, make_portal_staff
from tests.provider.registrant import (
    CHECK,
    NPI,
    TAX_ID,
    Registrant,
    new_registrant,
)

BACK = "/provider/register/back"
CONTACT = {"given_name": "Pat", "family_name": "Moss", "phone": "555", "email": "pat@half"}
CLIENT = {"tax_id": "071234501", "number": "7000001"}
NAMED = {"contact_name": "Pat Moss", "contact_email": "pat.moss@", "contact_phone": "555-555-0101"}


@pytest.fixture
def person(app: Flask, session: Session, settings: Settings) -> Registrant:
    return new_registrant(app, session, settings)


def held(page: str) -> dict[str, str]:
    """What stands in the fields of a page."""
    fields = re.findall(r'<input[^>]*name="(\w+)" type="\w+"\s+value="([^"]*)"', page)
    return dict(fields)


def test_back_from_the_choice_leads_to_the_numbers_as_they_were_given(
    clinic: ProviderGroup, person: Registrant
) -> None:
    person.show_payment()
    assert "Back" in person.get("/provider/register/choose").text
    assert person.post(f"{BACK}/choose").location == "/provider/register/provider/npi"
    assert held(person.get("/provider/register/provider/npi").text) == {"tax_id": TAX_ID, "number": CHECK, "npi": NPI}


def test_back_keeps_what_is_typed_and_not_yet_right(clinic: ProviderGroup, person: Registrant) -> None:
    person.show_payment()
    person.choose(clinic)
    assert "Back" in person.get("/provider/register/contact").text
    assert person.post(f"{BACK}/contact", **CONTACT).location == "/provider/register/choose"
    assert f'value="{clinic.id}" checked' in person.get("/provider/register/choose").text
    assert held(person.get("/provider/register/contact").text) == CONTACT


def test_what_is_typed_outlives_a_second_beginning_in_the_same_browser_only(
    app: Flask, clinic: ProviderGroup, person: Registrant, session: Session, settings: Settings
) -> None:
    person.show_payment()
    person.choose(clinic)
    person.post(f"{BACK}/contact", **CONTACT)
    person.show_payment()
    person.choose(clinic)
    assert held(person.get("/provider/register/contact").text) == CONTACT
    other = new_registrant(app, session, settings, ("Lee", "Park"))
    other.show_payment()
    other.choose(clinic)
    assert held(other.get("/provider/register/contact").text) == {}


def test_back_from_user_name_and_password_keeps_the_name_and_the_proof_of_the_address(
    clinic: ProviderGroup, person: Registrant
) -> None:
    person.show_payment()
    person.choose(clinic)
    person.give_contact()
    assert person.get("/provider/register/code").text.count(">Back</a>") == 1
    person.enter_code()
    person.get("/provider/register/account")
    secret = "Never-kept-2026!"
    answer = person.post(f"{BACK}/account", username="pat.moss.9", password=secret, confirmation=secret)
    assert answer.location == "/provider/register/contact"
    assert person.give_contact().location == "/provider/register/account"
    page = person.get("/provider/register/account").text
    assert (held(page).get("username"), secret in page) == ("pat.moss.9", False)
    assert person.open_account().location == "/provider/register/done"


def test_another_address_after_back_is_proven_anew(clinic: ProviderGroup, person: Registrant) -> None:
    person.show_payment()
    person.choose(clinic)
    person.give_contact()
    person.enter_code()
    assert person.give_contact(email="other@clinic.example").location == "/provider/register/code"


def test_back_from_a_form_for_a_provider_that_is_not_listed(clinic: ProviderGroup, person: Registrant) -> None:
    person.get("/provider/not-listed")
    assert person.post(f"{BACK}/not-listed", message="Hello").location == "/provider/register/provider"
    person.ask_for_pin()
    assert person.choose("not_listed").location == "/provider/not-listed"
    assert person.post(f"{BACK}/not-listed", contact_name="Pat Moss", message="Hello").location == (
        "/provider/register/choose"
    )
    page = person.get("/provider/not-listed").text
    assert (held(page), "Hello</textarea>" in page) == ({"contact_name": "Pat Moss"}, True)


def test_back_from_the_reason_and_to_it(
    app: Flask, clinic: ProviderGroup, person: Registrant, session: Session, settings: Settings
) -> None:
    person.register(clinic)
    late = new_registrant(app, session, settings, ("Lee", "Park"))
    late.show_payment()
    assert late.choose(clinic).location == "/provider/register/reason"
    assert late.post(f"{BACK}/reason", reason="other", detail="On leave").location == "/provider/register/choose"
    page = late.get("/provider/register/reason").text
    assert (held(page).get("detail"), 'value="other" checked' in page) == ("On leave", True)
    late.give_reason()
    assert late.post(f"{BACK}/contact").location == "/provider/register/reason"


def test_a_billing_firm_goes_back_to_its_name_and_tax_id(person: Registrant) -> None:
    person.get("/provider/register/billing")
    person.post("/provider/register/billing", name="Keystone Billing LLC", tax_id="12-3456789")
    assert person.post(f"{BACK}/contact", **CONTACT).location == "/provider/register/billing"
    page = person.get("/provider/register/billing").text
    assert held(page) == {"name": "Keystone Billing LLC", "tax_id": "123456789"}


@pytest.mark.parametrize(("page", "status"), [("contact", 401), ("home", 404)])
def test_there_is_no_way_back_to_what_was_never_begun(person: Registrant, page: str, status: int) -> None:
    person.get("/provider/register/billing")
    assert person.post(f"{BACK}/{page}").status_code == status


def test_asking_a_client_goes_back_two_pages_with_everything_typed(
    app: Flask, session: Session, settings: Settings
) -> None:
    firm = Firm(session, settings)
    session.commit()
    biller = Visitor(app)
    biller.sign_in_with_factor(firm.staff.account)
    biller.get("/provider/access/clients/new")
    form = CLIENT | {"group_id": firm.client.id} | NAMED
    choice = biller.post("/provider/access/clients/new", functions=["claims"], **form).text
    numbers = biller.post("/provider/access/clients/new/numbers", functions=["claims"], **form).text
    for page in (choice, numbers):
        assert 'name="contact_email" value="pat.moss@"' in page
        assert page.count('name="functions" value="claims"') == 1
    assert f'value="{firm.client.id}" checked' in choice
    assert held(numbers) == CLIENT
    again = biller.post("/provider/access/clients/new/contact", functions=["claims"], **form).text
    assert held(again) == NAMED
    assert 'value="claims" checked' in again
    assert 'value="remittances" checked' not in again


def test_going_back_to_the_numbers_is_for_firms_only(app: Flask, session: Session) -> None:
    office = Visitor(app)
    staff = make_portal_staff(session, make_organization(session), account=make_account(session))
    make_entry(session, staff, tax_id="071234501")
    session.commit()
    office.sign_in(staff.account)
    office.get("/provider/access/add")
    assert office.post("/provider/access/clients/new/numbers", **CLIENT).status_code == 404
