"""The queue of remittances whose payee nobody knows: for provider services alone."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.models import ProviderGroup, Remittance, StaffRole
from service.plan.remittances import remittance_files
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_group, make_plan_staff, make_portal_staff
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
