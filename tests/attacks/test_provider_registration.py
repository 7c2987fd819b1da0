"""Registering for the portal under attack (security.md, cases 127, 128, 137 and 154)."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from service.accounts.models import Account, LoginSession
from service.audit import AuditEvent
from service.clock import now
from service.db import make_sessions
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    OrganizationKind,
    PortalOrganization,
    ProviderGroup,
    ProviderStaff,
    StaffStatus,
)
from service.plan.registering import joining
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account, make_group, make_organization, make_portal_staff
from tests.provider.registrant import TAX_ID, make_clinic, make_payment, new_registrant


@pytest.fixture
def waiting(session: Session, clinic: ProviderGroup) -> ProviderStaff:
    """A login of the clinic that waits for its PIN."""
    organization = make_organization(session, tax_id=TAX_ID)
    made = make_portal_staff(session, organization, status=StaffStatus.AWAITING_PIN, functions=[])
    session.commit()
    return made


def test_case_127_before_the_pin_no_delegate_is_named(app: Flask, session: Session, waiting: ProviderStaff) -> None:
    dora = make_account(session, given_name="Dora", family_name="Dell", email="dora@victim.example")
    make_portal_staff(session, waiting.organization, account=dora, is_delegate=True, phone="555-555-7777")
    session.commit()
    stranger = Visitor(app)
    stranger.enter(waiting.account)
    pages = {path: stranger.get(path) for path in ("/provider/delegate/", "/provider/home", "/provider/remittances")}
    for page in pages.values():
        assert not re.search("Dora|Dell|dora@victim.example|555-555-7777", page.text)
    assert pages["/provider/delegate/"].location == "/provider/validate"
    assert pages["/provider/remittances"].status_code == 403
    assert "enter your PIN first" in pages["/provider/remittances"].text
    assert 'href="/provider/validate"' in pages["/provider/remittances"].text
    waiting.status = StaffStatus.ACTIVE
    session.commit()
    assert "dora@victim.example" in stranger.get("/provider/delegate/").text
    assert "Dora Dell" in stranger.get("/provider/home").text


def test_case_127_the_second_has_access_at_once_and_delegate_status_on_a_word_only(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    first = new_registrant(app, session, settings)
    first.register(clinic)
    second = new_registrant(app, session, settings, ("Lee", "Ford"))
    second.register(clinic)
    login = second.login()
    assert (login.status, login.is_delegate) == (StaffStatus.ACTIVE, False)
    with Session(session.get_bind()) as own:
        assert own.scalars(select(DelegateRequest)).one().staff_id == login.id
        assert own.scalar(select(func.count()).where(AccessEntry.staff_id == login.id)) == 1
    told = letters(session, settings, first.email)[-1]
    assert "Lee Ford" in told and "waits for your word" in told


def test_case_127_before_the_proof_a_registered_group_looks_like_any_other(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    def walk(name: str) -> list[tuple[int, str]]:
        who = new_registrant(app, session, settings, (name, "Post"))
        steps = [who.show_payment(number="WRONG"), who.ask_for_pin(), who.get("/provider/register/choose"),
                 who.choose(clinic), who.get("/provider/register/reason"), who.give_contact()]  # fmt: skip
        hide = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|name=\"csrf_token\" value=\"[^\"]+\"")
        return [(step.status_code, hide.sub("", step.text)) for step in steps]

    before = walk("Ann")
    new_registrant(app, session, settings).register(clinic)
    assert walk("Ben") == before


def test_case_127_two_first_registrants_at_once_make_one_delegate(
    engine: Engine, session: Session, clinic: ProviderGroup
) -> None:
    accounts = [make_account(session).id for _ in range(8)]
    session.commit()
    sessions, gate = make_sessions(engine), threading.Barrier(8)

    def join(account_id: str) -> bool:
        gate.wait(10)
        with sessions.begin() as own:
            organization = joining.lock_organization(own, OrganizationKind.PROVIDER, TAX_ID, "Alder Creek")
            account = own.get_one(Account, account_id)
            return joining.enlist(own, account, organization, phone="1").is_delegate

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(join, accounts)) == 1
    with Session(engine) as own:
        assert own.scalar(select(func.count()).select_from(PortalOrganization)) == 1
        assert own.scalar(select(func.count()).where(ProviderStaff.is_delegate.is_(True))) == 1
        assert own.scalar(select(func.count()).select_from(ProviderStaff)) == 8


@pytest.mark.parametrize("name", ["St Mary Clinic", "St. Mary  Clinic", "ST MARY CLINIC", "\u0405t Mary Clinic"])
def test_case_128_groups_of_one_name_are_told_apart_by_ids_and_never_matched_by_name(
    session: Session, app: Flask, settings: Settings, name: str
) -> None:
    mine = make_clinic(session, legal_name="St. Mary Clinic", dba_name="")
    other = make_group(session, legal_name=name, tax_id="082234502", npi="2900258387")
    make_payment(session, mine)
    session.commit()
    pat = new_registrant(app, session, settings)
    assert pat.show_payment().status_code == 303
    page = pat.get("/provider/register/choose").text
    assert other.id not in page and mine.id in page
    assert "•••••4501" in page and "•••••4502" not in page and TAX_ID not in page
    pat.choose(mine)
    pat.finish()
    firm = new_registrant(app, session, settings, ("Kim", "Ledger"))
    firm.get("/provider/register/billing")
    # A firm may be called like a clinic; it is another organisation, by its Tax ID.
    assert firm.post("/provider/register/billing", name=name, tax_id="961112223").status_code == 303
    firm.finish()
    assert firm.login().organization_id != pat.login().organization_id
    assert firm.login().is_delegate


def test_case_137_fields_that_no_form_asks_for_are_ignored_and_logged(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    other = make_organization(session)
    session.commit()
    new_registrant(app, session, settings).register(clinic)
    extra = {"role": "administrator", "org_id": other.id, "organization_id": other.id, "is_admin": "true",
             "verified": "1", "is_delegate": "true", "group_id": "x", "status": "active"}  # fmt: skip
    sly = new_registrant(app, session, settings, ("Sam", "Sly"))
    with capture_logs() as logged:
        sly.show_payment(**extra)
        sly.choose(clinic)
        sly.give_reason(**extra)
        sly.give_contact(**extra)
        sly.enter_code()
        assert sly.open_account(**extra).status_code == 303
    login = sly.login()
    assert (login.is_delegate, login.organization.tax_id) == (False, TAX_ID)
    warned = [line for line in logged if line["event"] == "unknown_form_fields"]
    assert len(warned) == 4
    assert set(warned[0]["fields"]) == set(extra)
    with Session(session.get_bind()) as own:
        rows = own.scalars(select(AuditEvent).where(AuditEvent.tag == "provider:registration:unknown_fields")).all()
        assert [row.count for row in rows] == [len(extra)] * 4


def test_case_137_a_field_name_that_is_none_is_counted_and_not_written_down(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    with capture_logs() as logged:
        new_registrant(app, session, settings).show_payment(**{"Maria Alvarez 123-45-6789": "x"})
    (warned,) = [line for line in logged if line["event"] == "unknown_form_fields"]
    assert (warned["fields"], warned["count"]) == ([], 1)


@pytest.mark.parametrize(
    "name", ["Refund http://evil.example/x", "Refund at evil.example/x", "A\r\n\r\nURGENT", "www.evil"]
)
def test_case_154_no_link_or_second_line_becomes_the_name_of_an_organisation(
    app: Flask, session: Session, name: str
) -> None:
    firm = Visitor(app)
    firm.get("/provider/register/billing")
    refused = firm.post("/provider/register/billing", name=name, tax_id="991234567")
    assert refused.status_code == 400 and "Please enter the name in one line" in refused.text
    told = {"contact_name": "Al Ford", "contact_email": "al@ford.example", "contact_phone": "555-555-0101"}
    firm.get("/provider/not-listed")
    assert firm.post("/provider/not-listed", organization_name=name, **told).status_code == 400
    firm.get("/provider/not-listed")
    good = {"organization_name": "Alder & Birch (North) #2, Inc."}
    assert firm.post("/provider/not-listed", **good, **told | {"contact_name": name}).status_code == 400
    firm.get("/provider/not-listed")
    assert firm.post("/provider/not-listed", **good, **told).status_code == 303


def test_a_proof_under_way_ends_when_somebody_signs_out_of_that_browser(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    other = make_account(session, given_name="Mallory", family_name="Bee")
    session.commit()
    pat = new_registrant(app, session, settings)
    pat.show_payment()
    assert pat.choose(clinic).location == "/provider/register/contact"
    pat.sign_in(other)
    pat.get("/settings")
    assert pat.post("/sign-out").status_code == 303
    assert pat.get("/provider/register/contact").status_code == 401
    pat.sign_in(other)
    assert pat.get("/provider/register/contact").status_code == 401


def test_a_proof_that_a_signed_in_person_went_on_with_is_nobody_elses(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    owner, other = make_account(session), make_account(session, given_name="Mallory", family_name="Bee")
    session.commit()
    pat = new_registrant(app, session, settings)
    pat.sign_in(owner)
    pat.show_payment()
    assert pat.choose(clinic).location == "/provider/register/contact"
    # They walk away: their session ends by itself.
    session.execute(update(LoginSession).values(ended_at=now()))
    session.commit()
    assert pat.get("/provider/register/contact").status_code == 401
    pat.sign_in(other)
    assert pat.get("/provider/register/contact").status_code == 401
    assert pat.post("/provider/register/contact", phone="555-555-0101").status_code == 401
    session.execute(update(LoginSession).values(ended_at=now()))
    session.commit()
    pat.sign_in(owner)
    assert pat.get("/provider/register/contact").status_code == 200
    assert pat.post("/provider/register/contact", phone="555-555-0101").location == "/provider/register/done"
