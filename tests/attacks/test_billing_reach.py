"""What a billing organisation reaches, and when it ends (security.md, cases 134 and 135)."""

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import authorization_answers, billing_authorizations, policy
from consent.authorization_answers import Limits
from consent.billing_models import BillingAuthorization
from service.plan.models import GroupStatus, OrganizationKind, PortalFunction, StaffRole
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.attacks.billing import link, reached, second_group
from tests.consent.firm import ALL, Firm
from tests.factories import make_entry, make_organization, make_plan_staff, make_portal_staff

YES = {"functions": ["remittances", "claims", "eligibility"]}


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


@pytest.fixture
def contact(app: Flask) -> Visitor:
    """The contact's browser, in which nobody is signed in."""
    return Visitor(app)


def test_case_134_a_firm_reaches_only_what_was_approved_for_it(firm: Firm, contact: Visitor, session: Session) -> None:
    sibling = second_group(session)
    stranger = make_portal_staff(session, make_organization(session, kind=OrganizationKind.BILLING))
    make_entry(session, firm.staff, tax_id="071234501")
    session.commit()
    firm.ask()
    address = link(firm)
    contact.get(address)
    limited = {"functions": ["remittances"], "covers_from": "01/01/2026", "covers_until": "2026-03-31"}
    assert contact.post(f"{address}/yes", **limited).status_code == 200

    access = policy.provider_authority(session, firm.staff, PortalFunction.REMITTANCES, reason="payment")
    assert [(one.group_id, one.since, one.until) for one in access.groups] == [
        (firm.client.id, date(2026, 1, 1), date(2026, 3, 31))
    ]
    assert sibling.id not in {one.group_id for one in access.groups}, "a shared Tax ID is split by group"
    session.commit()
    for function in (PortalFunction.CLAIMS, PortalFunction.ELIGIBILITY, PortalFunction.PROFILES):
        assert reached(session, firm.staff, function) == set()
    assert reached(session, stranger) == set()


def test_case_134_earlier_payments_are_covered_unless_dates_are_limited(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    firm.ask()
    address = link(firm)
    contact.get(address)
    assert contact.post(f"{address}/yes", **YES, covers_from="", covers_until="").status_code == 200
    access = policy.provider_authority(session, firm.staff, PortalFunction.CLAIMS, reason="payment")
    assert [(one.since, one.until) for one in access.groups] == [(None, None)]


def test_case_134_a_login_without_the_application_reaches_nothing_that_its_firm_may(
    firm: Firm, session: Session
) -> None:
    firm.ask()
    authorization_answers.allow(session, firm.secret(), Limits(ALL), account_id=None)
    clerk = make_portal_staff(session, firm.organization, functions=[PortalFunction.CLAIMS.value])
    session.commit()
    assert reached(session, clerk) == set()
    assert reached(session, clerk, PortalFunction.CLAIMS) == {firm.client.id}


@pytest.mark.parametrize("by", ["provider", "firm", "plan", "contract", "day"])
def test_case_135_what_is_revoked_or_ended_is_gone_at_the_next_request(
    firm: Firm, contact: Visitor, app: Flask, session: Session, by: str
) -> None:
    firm.ask()
    address = link(firm)
    contact.get(address)
    contact.post(f"{address}/yes", **YES)
    given = session.scalars(select(BillingAuthorization)).one()
    clerk = make_portal_staff(session, firm.organization)
    provider = make_portal_staff(session, is_delegate=True)
    make_entry(session, provider, tax_id="071234501")
    staff = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    session.commit()
    assert reached(session, firm.staff) == reached(session, clerk) == {firm.client.id}

    browser = Visitor(app)
    if by == "provider":
        browser.enter(provider.account)
        browser.get(f"/provider/access/permissions/{given.id}")
        assert browser.post(f"/provider/access/permissions/{given.id}/end").status_code == 303
    elif by == "firm":
        browser.enter(firm.staff.account)
        browser.get(f"/provider/access/clients/{given.request_id}")
        assert browser.post(f"/provider/access/clients/permissions/{given.id}/end", reason="").status_code == 303
    elif by == "plan":
        browser.enter(staff.account)
        browser.get("/staff/authorizations?q=keystone")
        assert browser.post(f"/staff/authorizations/permissions/{given.id}/end", reason="Asked by phone").location
    elif by == "contract":
        firm.client.status = GroupStatus.TERMINATED
    else:
        firm.client.terminated_on = date(2026, 1, 1)
    session.commit()
    for function in (PortalFunction.REMITTANCES, PortalFunction.CLAIMS, PortalFunction.ELIGIBILITY):
        assert reached(session, firm.staff, function) == reached(session, clerk, function) == set()
    assert reached(session, provider) == {firm.client.id}, "the provider keeps its own past payments"


def test_case_135_a_limit_holds_from_the_next_request_on(firm: Firm, session: Session) -> None:
    firm.ask()
    given = authorization_answers.allow(session, firm.secret(), Limits(ALL), account_id=None)
    session.commit()
    before = given.version
    billing_authorizations.limit(
        session, given, [PortalFunction.CLAIMS], covers_from=None, covers_until=None,
        by_account_id=firm.staff.account_id,
    )  # fmt: skip
    session.commit()
    assert given.version == before + 1
    assert reached(session, firm.staff) == set()
    assert reached(session, firm.staff, PortalFunction.CLAIMS) == {firm.client.id}


def test_case_135_nobody_but_a_delegate_of_the_provider_or_the_firm_ends_it(
    firm: Firm, app: Flask, session: Session
) -> None:
    firm.ask()
    given = authorization_answers.allow(session, firm.secret(), Limits(ALL), account_id=None)
    clerk = make_portal_staff(session, firm.organization)
    office = make_portal_staff(session)
    make_entry(session, office, tax_id="071234501")
    stranger = make_portal_staff(session, is_delegate=True)
    make_entry(session, stranger, tax_id="079999998")
    session.commit()
    for staff in (clerk, office, stranger, firm.staff):
        browser = Visitor(app)
        browser.enter(staff.account)
        browser.get("/sign-in")
        browser.get("/provider/access")
        for path in ("limit", "end"):
            assert browser.post(f"/provider/access/permissions/{given.id}/{path}", **YES).status_code == 404
        if staff is not firm.staff:
            assert browser.post(f"/provider/access/clients/permissions/{given.id}/end").status_code == 404
    session.refresh(given)
    assert given.ended_at is None
    assert given.version == 1
