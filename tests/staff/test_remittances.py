"""The queue of remittances whose payee nobody knows: for provider services alone."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.plan.models import IdKind, PlanStaff, ProviderGroup, ProviderIdentifier, Remittance, StaffRole
from service.plan.remittances import remittance_files
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_entry, make_group, make_plan_staff, make_portal_staff
from tests.plan.era import Interchange


@pytest.fixture
def remittance(session: Session, tmp_path: Path) -> Remittance:
    """A payment with a Tax ID that two groups have."""
    make_group(session, number="PG1", dba_name="Alder East", tax_id="071234501", npi=None)
    make_group(session, number="PG2", dba_name="Alder West", tax_id="071234501", npi=None)
    remittance_files.load_file(session, Interchange().write(tmp_path))
    found = session.scalars(select(Remittance)).one()
    session.commit()
    return found


@pytest.fixture
def clerk(app: Flask, session: Session) -> Visitor:
    """Somebody of provider services, signed in."""
    staff = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    session.commit()
    made = Visitor(app)
    made.enter(staff.account)
    return made


def test_staff_give_a_payment_to_its_group(session: Session, clerk: Visitor, remittance: Remittance) -> None:
    assert "EFT1" in clerk.get("/staff/remittances").text
    page = clerk.get(f"/staff/remittances/{remittance.id}").text
    assert "Alder East" in page and "Alder West" in page and "LEE" not in page and "CLAIM1" not in page
    west = session.scalars(select(ProviderGroup.id).where(ProviderGroup.number == "PG2")).one()
    session.commit()

    answer = clerk.post(f"/staff/remittances/{remittance.id}", group=west)

    assert (answer.status_code, answer.location) == (303, "/staff/remittances")
    session.refresh(remittance)
    assert remittance.group_id == west
    session.commit()
    assert "None." in clerk.get("/staff/remittances").text
    assert clerk.get(f"/staff/remittances/{remittance.id}").status_code == 404


def test_a_number_finds_the_group(session: Session, clerk: Visitor, remittance: Remittance) -> None:
    make_group(session, dba_name="Birchwood", vendor_number="V777777")
    session.commit()

    page = clerk.get(f"/staff/remittances/{remittance.id}?number=v-777777").text

    assert "Birchwood" in page and "Alder East" not in page
    assert "No group has that number" in clerk.get(f"/staff/remittances/{remittance.id}?number=%25").text


@pytest.mark.parametrize("group", [None, "", "no such group", "x" * 40])
def test_a_group_must_be_chosen(session: Session, clerk: Visitor, remittance: Remittance, group: str | None) -> None:
    clerk.get(f"/staff/remittances/{remittance.id}")

    answer = clerk.post(f"/staff/remittances/{remittance.id}", **({} if group is None else {"group": group}))

    assert answer.status_code == 400 and "Please choose the group that was paid." in answer.text
    session.refresh(remittance)
    assert remittance.group_id is None


@pytest.mark.parametrize("role", sorted(set(StaffRole) - {StaffRole.PROVIDER_SERVICES}))
def test_other_roles_do_not_have_the_page(
    app: Flask, session: Session, remittance: Remittance, role: StaffRole
) -> None:
    staff = make_plan_staff(session, role)
    session.commit()
    visitor = Visitor(app)
    visitor.enter(staff.account)

    assert visitor.get("/staff/remittances").status_code == 404
    assert visitor.get(f"/staff/remittances/{remittance.id}").status_code == 404


def test_providers_and_members_do_not_have_the_page(app: Flask, session: Session, remittance: Remittance) -> None:
    for account in (make_portal_staff(session).account, make_account(session)):
        session.commit()
        visitor = Visitor(app)
        visitor.enter(account)
        assert visitor.get("/staff/remittances").status_code == 404


def test_a_wrong_assignment_is_taken_back_with_its_reason(
    app: Flask, session: Session, clerk: Visitor, remittance: Remittance
) -> None:
    west, east = (group_id(session, number) for number in ("PG2", "PG1"))
    page_of = f"/staff/remittances/{remittance.id}"
    seen_at = f"/provider/remittances/{remittance.id}"
    seer = make_portal_staff(session, account=make_account(session))
    make_entry(session, seer, office_id=number_of(session, west, "WEST1"))
    seer_id = seer.account_id
    session.commit()
    office = Visitor(app)
    office.enter(seer.account)
    session.commit()
    clerk.get(page_of)
    clerk.post(page_of, group=west)
    assert office.get(seen_at).status_code == 200
    page = clerk.get("/staff/remittances").text
    assert f"{page_of}/assigned" in page and "Alder West" in page

    clerk.get(f"{page_of}/assigned")
    assert clerk.post(f"{page_of}/assigned", reason=" ").status_code == 400
    answer = clerk.post(f"{page_of}/assigned", reason="Same Tax ID, other practice")

    assert answer.location == page_of
    assert office.get(seen_at).status_code == 404
    session.expire_all()
    assert (remittance.group_id, remittance.assigned_at) == (None, None)
    events = session.scalars(select(AuditEvent).where(AuditEvent.resource_type == "Remittance")).all()
    assert [(one.tag, one.reason) for one in events if one.tag.endswith("assign")] == [
        ("plan:remittance:assign", None), ("plan:remittance:unassign", "Same Tax ID, other practice"),
    ]  # fmt: skip
    assert any(one.account_id == seer_id and one.tag == "provider:remittance:read" for one in events)
    session.commit()
    clerk.get(page_of)
    assert clerk.post(page_of, group=east).status_code == 303
    assert clerk.get(f"{page_of}/assigned").status_code == 200


def group_id(session: Session, number: str) -> str:
    return session.scalars(select(ProviderGroup.id).where(ProviderGroup.number == number)).one()


def number_of(session: Session, group: str, office_id: str) -> str:
    session.add(ProviderIdentifier(group_id=group, kind=IdKind.OFFICE_ID, value=office_id))
    return office_id


def test_what_its_own_numbers_gave_to_a_group_is_not_taken_back(
    session: Session, clerk: Visitor, remittance: Remittance
) -> None:
    remittance.group_id = session.scalars(select(ProviderGroup.id).where(ProviderGroup.number == "PG1")).one()
    page_of = f"/staff/remittances/{remittance.id}"
    session.commit()
    clerk.get("/staff/remittances")
    assert clerk.get(f"{page_of}/assigned").status_code == 404
    clerk.get("/staff/")
    assert clerk.post(f"{page_of}/assigned", reason="I want it").status_code == 404
    session.refresh(remittance)
    assert remittance.group_id is not None


def test_nobody_takes_back_what_their_own_office_was_given(
    session: Session, clerk: Visitor, remittance: Remittance
) -> None:
    west = group_id(session, "PG2")
    page_of = f"/staff/remittances/{remittance.id}"
    session.commit()
    clerk.get(page_of)
    clerk.post(page_of, group=west)
    insider = session.scalars(select(PlanStaff)).one()
    login = make_portal_staff(session, account=insider.account)
    make_entry(session, login, tax_id="071234501")
    session.commit()
    clerk.enter(insider.account)
    session.commit()
    clerk.get(f"{page_of}/assigned")
    assert clerk.post(f"{page_of}/assigned", reason="Mine").status_code == 400
    session.refresh(remittance)
    assert remittance.group_id == west
