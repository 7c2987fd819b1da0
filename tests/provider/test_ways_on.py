"""Where one would be stuck the portal leads on; and it speaks English to everybody (decision 15)."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.plan.models import OrganizationKind, PortalFunction, StaffRole
from tests.accounts.visitor import Visitor
from tests.factories import make_organization
from tests.provider.office import Office, office
from tests.staff.console import make_clerk

__all__ = ["office"]


def _firm(office: Office) -> Visitor:
    return office.browser(office.login(organization=make_organization(office.session, kind=OrganizationKind.BILLING)))


def test_billing_firms_have_no_provider_data_profiles(office: Office) -> None:
    desk = _firm(office)

    for path in ("/provider/home", "/provider/tools", "/provider/profile"):
        assert "Provider Data Profiles" not in desk.get(path).text, path
    assert desk.get("/provider/go?application=profiles").location == "/provider/home"
    assert "Provider Data Profiles" in Visitor(office.app).get("/provider/tools").text


def test_a_provider_who_lacks_the_profiles_is_told_so(office: Office) -> None:
    desk = office.browser(office.login(office.group("mine"), functions=[PortalFunction.CLAIMS.value]))

    assert "Provider Data Profiles" in desk.get("/provider/home").text
    assert desk.get("/provider/go?application=profiles").status_code == 403


def test_each_kind_of_office_is_led_back_from_the_other_kind_of_page(office: Office) -> None:
    firm, clinic = _firm(office), office.browser(office.login(office.group("mine")))

    assert firm.get("/provider/access/add").location == "/provider/access"
    assert clinic.get("/provider/access/clients/new").location == "/provider/access"
    assert firm.get("/provider/access/clients/new").status_code == 200
    assert clinic.get("/provider/access/add").status_code == 200


def test_without_a_check_one_writes_with_the_right_topic(office: Office) -> None:
    clinic = office.browser(office.login(office.group("mine")))

    for path in ("/provider/access", "/provider/access/add"):
        assert "topic=add_facility" in clinic.get(path).text


def test_the_public_home_leads_a_signed_in_person_home(office: Office) -> None:
    clinic = office.browser(office.login(office.group("mine")))

    page, strangers = clinic.get("/provider").text, Visitor(office.app).get("/provider").text

    assert 'href="/provider/home">Go to your home page' in page
    assert "Go to your home page" not in strangers and "authenticator app" in strangers


def test_e_services_tells_a_delegate_that_the_accounts_are_theirs(office: Office) -> None:
    delegate = office.login(office.group("mine"), is_delegate=True)
    colleague = office.browser(office.login(organization=delegate.organization))

    assert "As a delegate you create accounts" in office.browser(delegate).get("/provider/e-services").text
    assert "Your delegate creates accounts" in colleague.get("/provider/e-services").text


@pytest.mark.parametrize("path", ["/provider", "/provider/register", "/provider/help", "/provider/no-such-page"])
def test_the_portal_is_english_whatever_the_reader_prefers(app: Flask, path: str) -> None:
    reader = Visitor(app)
    assert 'lang="es"' in reader.get("/sign-in?lang=es").text

    page = reader.get(f"{path}?lang=es").text

    assert '<html lang="en"' in page and "Español" not in page and "lang=es" not in page
    assert "Saltar" not in page and "Skip to the main content" in page


def test_the_staff_console_is_english_too(app: Flask, session: Session) -> None:
    clerk = make_clerk(app, session, StaffRole.PROVIDER_SERVICES)
    clerk.account.language = "es"
    session.commit()

    page = clerk.browser.get("/staff/").text

    assert '<html lang="en"' in page and "Español" not in page
    assert '<html lang="en"' in clerk.browser.get("/settings").text, "their settings stand in the console's frame"


def test_after_a_wrong_try_the_numbers_stand_in_the_form(app: Flask, session: Session) -> None:
    reader = Visitor(app)
    reader.get("/provider/register/provider/npi")
    typed = {"tax_id": "07-1234501", "number": "CHK<9>", "npi": "2900179195"}

    page = reader.post("/provider/register/provider/npi", **typed)

    assert page.status_code == 400 and "We could not match these numbers" in page.text
    for value in ("07-1234501", "CHK&lt;9&gt;", "2900179195"):
        assert f'value="{value}"' in page.text
    assert "usa-error-message" not in page.text and 'aria-invalid="true"' not in page.text


def test_after_too_many_tries_only_the_ways_without_a_payment_are_offered(app: Flask, session: Session) -> None:
    reader = Visitor(app)
    reader.get("/provider/register/provider/npi")
    for number in range(40):
        page = reader.post(
            "/provider/register/provider/npi", tax_id="071234501", number=f"CHK{number}", npi="2900179195"
        )
        if page.status_code == 429:
            break

    assert "There were too many tries" in page.text
    main = page.text.split("<main")[1]
    assert "/provider/register/provider/mail" in main and "My provider is not listed" in main
    assert "/provider/register/provider/npi" not in main and "/provider/register/provider/vendor" not in main
