"""A delegate looks after the organisation's accounts."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.plan.logins import reach
from service.plan.models import (
    DelegateRequest,
    OrganizationKind,
    PortalFunction,
    ProviderStaff,
    RequestStatus,
    StaffStatus,
)
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account, make_entry, make_organization, make_portal_staff
from tests.provider.colleagues import NEWCOMER, colleague_of, entry_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_the_list_shows_status_applications_and_last_sign_in(
    office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    colleague_of(session, delegate, given_name="Ana", family_name="Berg", functions=["claims"])
    page = office.get("/provider/accounts/").text
    assert "Create new user account" in page
    assert page.index("Ana Berg</a>") < page.index("Lee Moss</a>")
    assert "Claims Inquiry" in page
    assert "Never" in page


def test_the_list_is_searched_by_name_and_e_mail_and_holds_no_other_organisation(
    office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    colleague_of(session, delegate, given_name="Ana", family_name="Berg", email="front.desk@clinic.example")
    make_portal_staff(session, account=make_account(session, given_name="Zoe", family_name="Berg"))
    session.commit()
    for query in ("berg ana", "FRONT.desk"):
        page = office.get(f"/provider/accounts/?q={query}").text
        assert "Ana Berg" in page
        assert "Zoe" not in page
    assert "No account fits" in office.get("/provider/accounts/?q=nobody%25").text


def test_rights_are_changed_and_count_at_the_next_request(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    login = colleague_of(session, delegate, functions=["claims", "eligibility"])
    make_entry(session, login, npi="1234567893")
    session.commit()
    page = office.get(f"/provider/accounts/{login.id}").text
    assert "Tax ID ending in 4502" in page
    assert "082234502" not in page
    mine = entry_of(session, delegate).id
    session.commit()
    answer = office.post(f"/provider/accounts/{login.id}/rights", functions=["claims", "remittances"], given=[mine])
    assert answer.status_code == 303
    session.expire_all()
    assert session.get_one(ProviderStaff, login.id).functions == ["claims", "remittances"]
    assert [(one.tax_id, one.npi) for one in reach.entries_of(session, login.id)] == [("082234502", None)]
    session.commit()
    kept = reach.entries_of(session, login.id)[0].id
    session.commit()
    office.get(f"/provider/accounts/{login.id}")
    office.post(f"/provider/accounts/{login.id}/rights", functions=["claims"], kept=[kept], given=[mine])
    assert len(reach.entries_of(session, login.id)) == 1, "the same numbers are not given twice"


def test_a_delegate_who_lacks_an_application_leaves_it_or_takes_it(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    session.merge(delegate).functions = ["remittances"]
    login = colleague_of(session, delegate, functions=["claims"])
    assert "you cannot give it back" in office.get(f"/provider/accounts/{login.id}").text
    office.post(f"/provider/accounts/{login.id}/rights", functions=["claims", "remittances"])
    session.expire_all()
    assert session.get_one(ProviderStaff, login.id).functions == ["claims", "remittances"]


def test_a_deactivated_colleague_works_again_with_rights_chosen_anew(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    login = colleague_of(session, delegate)
    office.get(f"/provider/accounts/{login.id}/deactivate")
    assert office.post(f"/provider/accounts/{login.id}/deactivate").status_code == 303
    assert "Let this account work again" in office.get(f"/provider/accounts/{login.id}").text
    assert office.post(f"/provider/accounts/{login.id}/rights", functions=["claims"]).status_code == 303
    session.expire_all()
    again = session.get_one(ProviderStaff, login.id)
    assert (again.status, again.functions, again.deactivated_at) == (StaffStatus.ACTIVE, ["claims"], None)


def test_anybody_sees_who_the_delegates_are(app: Flask, delegate: ProviderStaff, session: Session) -> None:
    login = colleague_of(session, delegate)
    make_portal_staff(session, is_delegate=True, account=make_account(session, given_name="Zoe"))
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in(login.account)
    page = visitor.get("/provider/delegate/").text
    assert "Lee Moss" in page
    assert delegate.account.email in page
    assert "555-010-0100" in page
    assert "Zoe" not in page
    assert "/provider/accounts" not in page


def test_an_organisation_without_delegate_is_told_whom_to_ask(app: Flask, session: Session) -> None:
    login = make_portal_staff(session)
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in(login.account)
    assert "no delegate at the moment" in visitor.get("/provider/delegate/").text


@pytest.mark.parametrize("path", ["new", "{id}", "{id}/deactivate"])
def test_for_others_the_pages_do_not_exist(app: Flask, delegate: ProviderStaff, session: Session, path: str) -> None:
    login = colleague_of(session, delegate)
    visitor = Visitor(app)
    visitor.sign_in(login.account)
    assert visitor.get(f"/provider/accounts/{path.format(id=login.id)}").status_code == 404
    assert visitor.get("/provider/delegate/requests").status_code == 404


def test_for_a_delegate_who_awaits_the_pin_the_pages_do_not_exist_yet(app: Flask, session: Session) -> None:
    waiting = make_portal_staff(session, is_delegate=True, status=StaffStatus.AWAITING_PIN)
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in_with_factor(waiting.account)
    assert visitor.get("/provider/home").status_code == 200
    for path in ("accounts/new", f"accounts/{waiting.id}", "delegate/requests"):
        assert visitor.get(f"/provider/{path}").status_code == 404, path


def test_the_list_of_accounts_tells_others_who_their_delegate_is(
    app: Flask, delegate: ProviderStaff, session: Session
) -> None:
    visitor = Visitor(app)
    visitor.sign_in(colleague_of(session, delegate, given_name="Nobody", family_name="Special").account)

    answer = visitor.get("/provider/accounts/")

    assert answer.status_code == 403 and 'href="/provider/delegate/"' in answer.text
    assert f"Please ask: {delegate.account.full_name}." in answer.text and "Nobody Special (" not in answer.text


def test_a_request_to_become_delegate_is_approved(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session, settings: Settings
) -> None:
    asker = colleague_of(session, delegate, given_name="Ana", family_name="Berg")
    session.add(DelegateRequest(staff_id=asker.id, reason="on_leave", detail="until <b>May</b>"))
    session.commit()
    request = session.scalars(select(DelegateRequest)).one()
    session.commit()
    assert "1 person asks to become delegate" in office.get("/provider/accounts/").text
    home = office.get("/provider/home").text
    assert "1 person asks to become delegate" in home and 'href="/provider/delegate/requests"' in home
    page = office.get("/provider/delegate/requests").text
    assert "They are on leave" in page and "on_leave" not in page
    assert "until &lt;b&gt;May" in page
    assert office.post(f"/provider/delegate/requests/{request.id}", decision="approve").status_code == 303
    assert "asks to become delegate" not in office.get("/provider/home").text
    session.expire_all()
    assert session.get_one(ProviderStaff, asker.id).is_delegate
    decided = session.get_one(DelegateRequest, request.id)
    assert (decided.status, decided.decided_by_account_id) == (RequestStatus.APPROVED, delegate.account_id)
    session.commit()
    assert "You are a delegate now" in letters(session, settings, asker.account.email)[-1]
    office.get("/provider/delegate/")
    assert office.post(f"/provider/delegate/requests/{request.id}", decision="refuse").status_code in {403, 409}


def test_a_request_is_refused_with_a_word(
    office: Visitor, delegate: ProviderStaff, session: Session, settings: Settings
) -> None:
    asker = colleague_of(session, delegate)
    request = DelegateRequest(staff_id=asker.id, reason="left")
    session.add(request)
    session.commit()
    office.get("/provider/delegate/requests")
    answer = office.post(f"/provider/delegate/requests/{request.id}", decision="refuse", reason="I am back on Monday.")
    assert answer.status_code == 303
    told = letters(session, settings, asker.account.email)[-1]
    assert "was refused" in told
    assert "I am back on Monday." in told
    session.expire_all()
    assert not session.get_one(ProviderStaff, asker.id).is_delegate
    tags = session.scalars(select(AuditEvent.tag)).all()
    assert "plan:portal_staff:refuse_delegate" in tags


def test_a_request_of_another_organisation_cannot_be_decided(office: Visitor, session: Session) -> None:
    asker = make_portal_staff(session)
    request = DelegateRequest(staff_id=asker.id, reason="left")
    session.add(request)
    session.commit()
    office.get("/provider/accounts/new")
    assert office.post(f"/provider/delegate/requests/{request.id}", decision="approve").status_code == 409
    session.expire_all()
    assert not session.get_one(ProviderStaff, asker.id).is_delegate


def test_a_billing_firms_people_get_no_entries(app: Flask, session: Session) -> None:
    firm = make_organization(session, kind=OrganizationKind.BILLING, name="Tally & Sons")
    head = make_portal_staff(session, firm, is_delegate=True)
    session.commit()
    office = Visitor(app)
    office.sign_in_with_factor(head.account)
    office.get("/provider/accounts/new")
    page = office.post("/provider/accounts/new", **NEWCOMER).text
    assert "all clients who said yes" in page
    assert "Providers this person works for" not in page


def test_due_accounts_are_confirmed(app: Flask, delegate: ProviderStaff, session: Session) -> None:
    login = colleague_of(session, delegate, given_name="Ana", family_name="Berg", certified_at=NOON)
    with time_machine.travel(NOON + timedelta(days=149, hours=23), tick=False) as clock:
        office = Visitor(app)
        office.sign_in_with_factor(delegate.account)
        assert "Do these people still need" not in office.get("/provider/accounts/").text
        clock.shift(timedelta(hours=1))
        office.sign_in_with_factor(delegate.account)
        assert "Do these people still need" in office.get("/provider/accounts/").text
        assert office.post(f"/provider/accounts/{login.id}/certify").status_code == 303
        assert "Do these people still need" not in office.get("/provider/accounts/").text


def test_every_function_has_a_name(office: Visitor) -> None:
    office.get("/provider/accounts/new")
    page = office.post("/provider/accounts/new", **NEWCOMER).text
    for function in PortalFunction:
        assert f'value="{function.value}"' in page
