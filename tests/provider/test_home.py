"""The signed-in home, the menu, My Profile, the help center: as the source documents tell them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Blueprint, Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.app import create_app
from service.clock import now
from service.plan.models import (
    IdKind,
    MessageThread,
    PortalFunction,
    ProviderIdentifier,
    SecureMessage,
    StaffStatus,
    ThreadReading,
    ThreadTopic,
)
from service.plan_file import Plan
from service.provider import menu
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_organization, make_portal_staff
from tests.member.pages import forms_of
from tests.provider.office import Office, billed, office

__all__ = ["office"]
HOME = "/provider/home"
PUBLIC = ("/provider/help", "/provider/contact", "/provider/e-services", "/provider/tools", "/provider/network")


def options(page: str) -> list[str]:
    """The names in the Applications menu."""
    (form,) = [one for one in forms_of(page) if one.action == "/provider/go"]
    return [text for _, text in form.options]


def test_the_menu_holds_the_applications_of_the_login(office: Office) -> None:
    functions = [PortalFunction.ELIGIBILITY.value, PortalFunction.CLAIMS.value]
    desk = office.browser(office.login(office.group("mine"), functions=functions))

    assert options(desk.get(HOME).text) == ["Claims Inquiry", "Eligibility"]


def test_go_leads_to_the_application_without_javascript(office: Office) -> None:
    desk = office.browser(office.login(office.group("mine")))

    assert desk.get("/provider/go?application=claims").headers["Location"] == "/provider/claims"
    assert desk.get("/provider/go?application=eligibility").headers["Location"] == "/provider/eligibility"
    for other in ("", "?application=", "?application=no-such", "?application=https://elsewhere.example"):
        assert desk.get(f"/provider/go{other}").headers["Location"] == HOME


def test_remittance_inquiry_is_the_default_where_there_is_one(app: Flask) -> None:
    assert menu.APPLICATIONS[0].function is PortalFunction.REMITTANCES
    with app.test_request_context():
        assert [one.endpoint for one in menu.applications()] == [
            one.endpoint for one in menu.APPLICATIONS if one.endpoint in app.view_functions
        ]


def test_every_application_has_a_place_in_the_menu() -> None:
    assert {one.function for one in menu.APPLICATIONS} == set(PortalFunction)
    assert len({one.endpoint for one in menu.APPLICATIONS}) == len(menu.APPLICATIONS)


def test_an_application_one_lacks_names_the_delegate(office: Office) -> None:
    delegate_account = make_account(office.session, given_name="Dele", family_name="<b>Gate</b>")
    delegate = office.login(is_delegate=True, account=delegate_account)
    staff = office.login(organization=delegate.organization, functions=[PortalFunction.CLAIMS.value])
    desk = office.browser(staff)

    home = desk.get(HOME).text
    answer = desk.get("/provider/go?application=eligibility")

    assert "Not on your account:" in home
    assert "Your delegate can add an application: Dele &lt;b&gt;Gate&lt;/b&gt;." in home
    assert answer.status_code == 403
    assert "Ask your delegate to add it to your account: Dele &lt;b&gt;Gate&lt;/b&gt;." in answer.text


def test_without_a_delegate_one_is_sent_to_the_plan(office: Office) -> None:
    desk = office.browser(office.login(functions=[]))

    assert "Your organization has no delegate at the moment." in desk.get(HOME).text
    assert "Your organization has no delegate now." in desk.get("/provider/claims").text


def test_until_the_pin_is_entered_the_menu_is_empty(office: Office) -> None:
    mine = office.group("mine")
    staff = office.login(mine, status=StaffStatus.AWAITING_PIN, is_delegate=True)
    desk = office.browser(staff)

    home = desk.get(HOME).text

    assert options(home) == []
    assert "validated your account with the PIN that was mailed to your location" in home
    assert "View all accounts" not in home
    assert "You are a delegate" not in home
    assert desk.get("/provider/go?application=claims").headers["Location"] == HOME
    assert desk.get("/provider/claims").status_code == 403
    assert "Group mine" not in desk.get("/provider/profile").text
    assert "Group mine" not in desk.get("/provider/contact").text


def test_a_deactivated_login_has_no_portal(office: Office) -> None:
    staff = office.login(office.group("mine"))
    desk = office.browser(staff)
    staff.status = StaffStatus.DEACTIVATED
    office.session.commit()

    for path in (HOME, "/provider/go", "/provider/profile", "/provider/claims", "/provider/eligibility"):
        assert desk.get(path).status_code == 404
    assert "Group mine" not in desk.get("/provider/contact").text


def test_signed_in_pages_are_for_logins_of_the_portal(office: Office) -> None:
    stranger = office.stranger()

    for path in (HOME, "/provider/go", "/provider/profile"):
        assert Visitor(office.app).get(path).status_code == 303
        assert stranger.get(path).status_code == 404


def test_every_page_has_help_e_services_and_tools(office: Office) -> None:
    desk = office.browser(office.login(office.group("mine")))

    for path in (HOME, "/provider/profile", "/provider/claims", "/provider/eligibility", "/provider/nowhere", *PUBLIC):
        page = desk.get(path).text
        for link in ("/provider/help", "/provider/e-services", "/provider/tools", "/provider/contact"):
            assert f'href="{link}"' in page, (path, link)
        assert "Help ?" in page


def test_help_is_open_to_everybody(office: Office) -> None:
    for path in PUBLIC:
        assert Visitor(office.app).get(path).status_code == 200
        assert office.stranger().get(path).status_code == 200


@pytest.fixture
def mailbox_app(settings: Settings, engine: Engine) -> Flask:
    """The application with somebody's mailbox, accounts and access pages, wherever those are built."""
    made = create_app(settings, engine)
    for name, views in (("provider_mailbox", ("index", "compose")), ("provider_accounts", ("index",)),
                        ("provider_access", ("index",)), ("provider_remittances", ("search",))):  # fmt: skip
        missing = [view for view in views if f"{name}.{view}" not in made.view_functions]
        if missing:
            blueprint = Blueprint(name, __name__, url_prefix=f"/provider/{name}")
            for view in missing:
                blueprint.add_url_rule(f"/{view}", view, lambda: "a page")
            made.register_blueprint(blueprint)
    return made


def test_a_delegate_sees_all_accounts_and_unread_messages(mailbox_app: Flask, session: Session) -> None:
    office = Office(mailbox_app, session)
    staff = office.login(office.group("mine"), is_delegate=True)
    for subject in ("one", "two", "own"):
        thread = MessageThread(staff_id=staff.id, topic=ThreadTopic.QUESTION, subject=subject)
        session.add(thread)
        session.flush()
        session.add(SecureMessage(thread_id=thread.id, from_plan=subject != "own", body="Answer"))
    desk = office.browser(staff)

    home = desk.get(HOME).text
    assert "View all accounts" in home
    assert "2 unread messages" in home

    session.add(ThreadReading(thread_id=thread_named(session, "one"), account_id=staff.account_id, read_at=now()))
    session.commit()
    assert "1 unread message" in desk.get(HOME).text

    later = now() + timedelta(seconds=60)
    session.add(SecureMessage(thread_id=thread_named(session, "one"), from_plan=True, body="More", sent_at=later))
    session.commit()
    assert "2 unread messages" in desk.get(HOME).text


def test_a_claim_leads_to_its_payment_where_the_login_has_remittances(mailbox_app: Flask, session: Session) -> None:
    office = Office(mailbox_app, session)
    mine = office.group("mine")
    office.member("ann")
    office.load(billed("a1", "ann", mine))
    page = office.browser(office.login(mine)).get("/provider/claims/a1").text
    without = (
        office.browser(office.login(mine, functions=[PortalFunction.CLAIMS.value])).get("/provider/claims/a1").text
    )

    forms = [one for one in forms_of(page) if one.fields.get("number") == "EFT-a1"]
    assert [one.action for one in forms] == [address_of(mailbox_app, menu.FIND_REMITTANCE)]
    assert "See this payment" not in without
    assert "EFT-a1" in without


def address_of(app: Flask, endpoint: str) -> str:
    """The address of a page."""
    with app.test_request_context():
        return str(menu.address(endpoint))


def thread_named(session: Session, subject: str) -> str:
    """The id of a thread."""
    found = session.query(MessageThread.id).filter(MessageThread.subject == subject).scalar()
    session.commit()
    return str(found)


def test_my_profile_lists_every_id_with_what_it_reaches(office: Office) -> None:
    hospital = office.group("hospital", tax_id="082234502")
    office.group("emergency", tax_id="082234502")
    office.group("other")
    npi = office.numbers(hospital)["npi"]
    staff = office.login(
        entries=({"tax_id": "082234502", "npi": npi}, {"tax_id": "082234502"}, {"vendor_number": "V-NONE"}),
        phone="555-555-0101",
    )  # fmt: skip
    page = office.browser(staff).get("/provider/profile").text

    for told in (staff.account.full_name, staff.account.email, "555-555-0101", "08-2234502", npi, "V-NONE",
                 "No provider carries these numbers."):  # fmt: skip
        assert told in page, told
    assert page.count("Group hospital") == 2
    assert page.count("Group emergency") == 1
    assert "Group other" not in page


def test_add_facility_opens_a_secure_message(mailbox_app: Flask, session: Session) -> None:
    office = Office(mailbox_app, session)
    page = office.browser(office.login(office.group("mine"))).get("/provider/profile").text

    assert "Add Facility" in page
    assert "topic=add_facility" in page


def test_a_billing_firm_sees_its_clients_in_my_profile(office: Office) -> None:
    staff, _ = office.client_of(office.group("client"))
    page = office.browser(staff).get("/provider/profile").text

    assert "Group client" in page
    assert "Remittance Inquiry, Claims Inquiry, Eligibility" in page


def test_contact_us_names_the_people_of_ones_own_groups(office: Office) -> None:
    mine = office.group("mine", service_specialist="Robin Marsh", contract_manager="Lee Fontaine")
    office.group("other", service_specialist="Somebody Else")
    desk = office.browser(office.login(mine))

    for path in ("/provider/contact", "/provider/network"):
        page = desk.get(path).text
        assert "Robin Marsh" in page
        assert "Lee Fontaine" in page
        assert "Somebody Else" not in page
    assert "Robin Marsh" not in Visitor(office.app).get("/provider/contact").text


def test_the_sandbox_plan_answers_the_questions_of_its_providers(office: Office, settings: Settings) -> None:
    visitor = Visitor(office.app)
    plan = settings.plan
    help_page, network = visitor.get("/provider/help").text, visitor.get("/provider/network").text

    assert help_page.count("<summary>") >= 12
    assert f"Our payer ID is {plan.payer_id}" in help_page
    assert "less than 60 days" in network
    assert "You may begin when a contract has been signed" in network
    assert "up to 90 days" in network
    assert plan.provider.credentialing_email in network
    assert "The approval letter does not mean that your contract is complete." in network
    assert "Ambulatory surgery centers" in network
    assert "Internet Explorer" in help_page


def test_another_plan_speaks_with_its_own_numbers(settings: Settings, engine: Engine) -> None:
    plan = Plan.read(Path(__file__).with_name("second_plan.toml"))
    visitor = Visitor(create_app(replace(settings, plan=plan), engine))
    pages = {path: visitor.get(path).text for path in PUBLIC}

    assert "94267" in pages["/provider/e-services"]
    assert "952-883-5160" in pages["/provider/network"]
    assert "952-853-8702" in pages["/provider/network"]
    assert "Minnesota Uniform Practitioner Change Form" in pages["/provider/network"]
    for page in pages.values():
        assert "Meridian" not in page
        assert "555-010" not in page


def test_a_plan_that_says_nothing_about_providers_has_pages_all_the_same(settings: Settings, engine: Engine) -> None:
    bare = replace(settings.plan, provider=Plan.read(_bare_plan(settings.var)).provider)
    visitor = Visitor(create_app(replace(settings, plan=bare), engine))

    for path in PUBLIC:
        answer = visitor.get(path)
        assert answer.status_code == 200
        assert 'mailto:"' not in answer.text
        assert "None" not in answer.text


def _bare_plan(folder: Path) -> Path:
    text = Path(__file__).with_name("second_plan.toml").read_text("utf-8")
    path = folder / "plan.toml"
    path.write_text(text.partition("[provider]")[0], "utf-8")
    return path


def test_identifiers_of_other_groups_never_show(office: Office) -> None:
    other = office.group("other")
    page = office.browser(office.login(office.group("mine"))).get("/provider/profile").text
    held = office.session.query(ProviderIdentifier.value).filter(
        ProviderIdentifier.group_id == other.id, ProviderIdentifier.kind == IdKind.NPI
    )

    assert str(held.scalar()) not in page


def test_an_organization_name_is_shown_as_text(office: Office) -> None:
    organization = make_organization(office.session, name="<script>x</script> Clinic")
    page = office.browser(office.login(organization=organization)).get(HOME).text

    assert "&lt;script&gt;x&lt;/script&gt; Clinic" in page


def test_who_is_no_delegate_finds_the_way_to_become_one(app: Flask, session: Session) -> None:
    organization = make_organization(session)
    head = make_portal_staff(session, organization, account=make_account(session), is_delegate=True)
    clerk = make_portal_staff(session, organization, account=make_account(session))
    session.commit()
    link = 'href="/provider/become-delegate">Become a delegate</a>'
    visitor = Visitor(app)
    visitor.sign_in(clerk.account)
    assert link in visitor.get("/provider/home").text
    visitor.get("/provider/become-delegate")
    assert visitor.post("/provider/become-delegate", reason="left").location == "/provider/home"
    assert link not in visitor.get("/provider/home").text, "asked already"
    other = Visitor(app)
    other.sign_in_with_factor(head.account)
    assert link not in other.get("/provider/home").text
