"""The queues of plan staff: providers not listed, hand-overs, second looks; and the tabs that lead there."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.billing_models import AuthorizationRequest, AuthorizationStatus
from service.audit import AuditEvent
from service.clock import now
from service.plan.models import (
    DelegateRequest,
    NotListedRequest,
    PendingAct,
    ProfileChange,
    ProfileChangeKind,
    ProviderStaff,
    RequestStatus,
    StaffRole,
    StaffStatus,
)
from service.plan.registering import mailed_pins
from service.plan.staff import second_looks
from service.settings import Settings
from tests.factories import make_organization, make_portal_staff
from tests.provider.registrant import make_clinic, make_payment
from tests.staff.console import make_clerk


def not_listed(session: Session) -> NotListedRequest:
    """A request of somebody who did not find their provider."""
    made = NotListedRequest(
        organization_name="Cedar Hollow Pediatrics", tax_id="061234567", contact_name="Lee\u202e Gray",
        contact_email="lee@cedar.example", contact_phone="1-555-010-2222", message="We moved.\nPlease help.",
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def hand_over(session: Session) -> DelegateRequest:
    """A wish to become delegate where there is one."""
    organization = make_organization(session)
    make_portal_staff(session, organization, is_delegate=True)
    staff = make_portal_staff(session, organization)
    made = DelegateRequest(staff_id=staff.id, reason="left", detail="She retired in May.")
    session.add(made)
    session.flush()
    return made


def test_a_request_of_a_provider_not_listed_is_closed_with_what_was_done(app: Flask, session: Session) -> None:
    made = not_listed(session)
    clerk = make_clerk(app, session)
    page = clerk.browser.get("/staff/not-listed/")
    assert "Cedar Hollow Pediatrics" in page.text and "We moved.\nPlease help." in page.text
    assert "\u202e" not in page.text

    empty = clerk.browser.post(f"/staff/not-listed/{made.id}", status="approved", resolution="")
    odd = clerk.browser.post(f"/staff/not-listed/{made.id}", status="open", resolution="Done")
    done = clerk.browser.post(f"/staff/not-listed/{made.id}", status="approved", resolution="Loaded, called back.")

    assert [answer.status_code for answer in (empty, odd, done)] == [400, 400, 303]
    session.refresh(made)
    assert (made.status, made.resolution) == (RequestStatus.APPROVED, "Loaded, called back.")
    assert made.handled_by_account_id == clerk.account.id
    session.commit()
    assert clerk.browser.post(f"/staff/not-listed/{made.id}", status="refused", resolution="No").status_code == 404


def test_a_hand_over_is_refused_by_one_person(app: Flask, session: Session) -> None:
    made = hand_over(session)
    clerk = make_clerk(app, session)
    page = clerk.browser.get("/staff/hand-overs/")
    assert "They have left our organization: She retired in May." in page.text

    without = clerk.browser.post(f"/staff/hand-overs/{made.id}/refuse", reason=" ")
    refused = clerk.browser.post(f"/staff/hand-overs/{made.id}/refuse", reason="She works there still.")

    assert (without.status_code, refused.status_code) == (400, 303)
    session.refresh(made)
    assert (made.status, made.decision_reason) == (RequestStatus.REFUSED, "She works there still.")
    assert not session.get_one(ProviderStaff, made.staff_id).is_delegate


def test_a_hand_over_asked_twice_waits_once(app: Flask, session: Session) -> None:
    made = hand_over(session)
    clerk = make_clerk(app, session)
    clerk.browser.get("/staff/hand-overs/")

    answers = [clerk.browser.post(f"/staff/hand-overs/{made.id}/approve", reason="Called them") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 409]
    assert len(session.scalars(select(PendingAct)).all()) == 1


def test_refusing_a_hand_over_ends_what_waits_for_it(app: Flask, session: Session) -> None:
    made = hand_over(session)
    clerk = make_clerk(app, session)
    clerk.browser.get("/staff/hand-overs/")
    clerk.browser.post(f"/staff/hand-overs/{made.id}/approve", reason="Called them")

    assert clerk.browser.post(f"/staff/hand-overs/{made.id}/refuse", reason="They called back").status_code == 303

    act = session.scalars(select(PendingAct)).one()
    session.refresh(made)
    assert act.approved is False and not second_looks.waits(act)
    assert made.status is RequestStatus.REFUSED


@pytest.mark.parametrize(
    ("fate", "is_delegate", "status"),
    [("", True, StaffStatus.ACTIVE), ("former", False, StaffStatus.ACTIVE), ("left", False, StaffStatus.DEACTIVATED)],
)
def test_the_delegate_before_stays_steps_back_or_is_deactivated(
    app: Flask, session: Session, fate: str, is_delegate: bool, status: StaffStatus
) -> None:
    organization = make_organization(session)
    former = make_portal_staff(session, organization, is_delegate=True)
    staff = make_portal_staff(session, organization)
    clerk, other = make_clerk(app, session), make_clerk(app, session)
    form = {"reason": "Called the office", "former_id": former.id if fate else ""}
    form |= {"former_has_left": "yes"} if fate == "left" else {}
    clerk.browser.get(f"/staff/users/{staff.id}")
    assert clerk.browser.post(f"/staff/users/{staff.id}/delegate", **form).status_code == 303
    act = session.scalars(select(PendingAct)).one()
    session.commit()
    page = other.browser.get("/staff/second-looks/")
    assert ("deactivated" in page.text) == (fate == "left")

    assert other.browser.post(f"/staff/second-looks/{act.id}/approve").status_code == 303

    session.refresh(former)
    session.refresh(staff)
    assert staff.is_delegate
    assert (former.is_delegate, former.status) == (is_delegate, status)


def test_only_a_working_login_and_a_delegate_of_its_own_organization_are_named(app: Flask, session: Session) -> None:
    staff, foreign = make_portal_staff(session), make_portal_staff(session, is_delegate=True)
    clerk = make_clerk(app, session)
    clerk.browser.get(f"/staff/users/{staff.id}")

    named = clerk.browser.post(f"/staff/users/{staff.id}/delegate", reason="Called", former_id=foreign.id)
    clerk.browser.get(f"/staff/users/{foreign.id}")
    again = clerk.browser.post(f"/staff/users/{foreign.id}/delegate", reason="Called")

    assert [answer.status_code for answer in (named, again)] == [400, 400]
    assert session.scalars(select(PendingAct)).all() == []


def test_who_asked_takes_it_back(app: Flask, session: Session) -> None:
    made = hand_over(session)
    clerk = make_clerk(app, session)
    clerk.browser.get("/staff/hand-overs/")
    clerk.browser.post(f"/staff/hand-overs/{made.id}/approve", reason="Called them")
    act = session.scalars(select(PendingAct)).one()
    session.commit()
    page = clerk.browser.get("/staff/second-looks/").text
    assert "Take back</button>" in page and "Refuse</button>" not in page

    assert clerk.browser.post(f"/staff/second-looks/{act.id}/refuse", reason="").status_code == 400
    taken_back = clerk.browser.post(f"/staff/second-looks/{act.id}/refuse", reason="A mistake")
    assert (taken_back.status_code, taken_back.location) == (303, "/staff/second-looks/?done=taken_back")
    page = clerk.browser.get(taken_back.location).text
    assert "Taken back. Nothing was changed." in page and "taken back by" in page
    assert clerk.browser.post(f"/staff/second-looks/{act.id}/refuse", reason="Again").status_code == 409

    session.refresh(made)
    assert made.status is RequestStatus.OPEN
    tags = session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.startswith("staff:pending_act:"))).all()
    assert tags == ["staff:pending_act:ask", "staff:pending_act:refuse"]


def test_the_home_page_counts_what_waits_and_leaves_out_what_is_not_there(app: Flask, session: Session) -> None:
    not_listed(session)
    hand_over(session)
    clerk = make_clerk(app, session)

    page = clerk.browser.get("/staff/")

    queues = page.text.split("What waits")[1]
    assert queues.count("ls-badge") == 2
    present = {rule.endpoint for rule in app.url_map.iter_rules()}
    for endpoint, words in (("staff_letters.index", "PIN letters"), ("staff_not_listed.index", "Providers not listed")):
        assert (words in queues) == (endpoint in present)


def test_the_home_page_counts_letters_contacts_profiles_and_payments(
    app: Flask, session: Session, settings: Settings
) -> None:
    clinic = make_clinic(session)
    make_payment(session, None)
    login = make_portal_staff(session, status=StaffStatus.AWAITING_PIN, functions=[])
    for _ in range(2):
        mailed_pins.send(session, login, clinic.id, key=settings.secret_key)
    session.add(
        ProfileChange(
            group_id=clinic.id, kind=next(iter(ProfileChangeKind)), content={}, asked_by_account_id=login.account_id
        )
    )  # fmt: skip
    for status in (AuthorizationStatus.AWAITING_PLAN, AuthorizationStatus.REFUSED):
        session.add(
            AuthorizationRequest(
                organization_id=login.organization_id, group_id=clinic.id, asked_by_account_id=login.account_id,
                contact_name="Pat Moss", contact_email="pat@clinic.example", contact_key="pat@clinic.example",
                functions=["claims"], status=status, asked_at=now(), expires_at=now() + timedelta(days=30),
            )
        )  # fmt: skip
    session.flush()
    clerk = make_clerk(app, session)

    queues = clerk.browser.get("/staff/").text.split("What waits")[1]

    for words in (
        "PIN letters", "Billing authorizations: contacts to verify, resend", "Provider data profiles",
        "Remittances with an unknown payee",
    ):  # fmt: skip
        assert re.search(rf'{words}</a>\s*<span class="ls-badge">1', queues), words


@pytest.mark.parametrize(
    ("role", "tabs"),
    [
        (StaffRole.PROVIDER_SERVICES, ["Home", "Mailbox", "Users"]),
        (StaffRole.PRIVACY_OFFICER, ["Home", "Users", "Reports"]),
        (StaffRole.APP_REVIEWER, ["Home", "App reviews", "Reports", "Self-test"]),
    ],
)
def test_a_role_sees_only_the_tabs_it_may_open(app: Flask, session: Session, role: StaffRole, tabs: list[str]) -> None:
    clerk = make_clerk(app, session, role)

    page = clerk.browser.get("/staff/")

    bar = page.text.split('class="ls-tabs__list"')[1].split("</ul>")[0]
    assert [part.split("<")[0].strip() for part in bar.split(">") if part.split("<")[0].strip()] == tabs
