"""Control Panel, provider users: a login is found, given provider ids after a look at their reach, and loses them."""

from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.logins import access_entries, reach
from service.plan.logins.access_entries import AlreadyHeld
from service.plan.mailbox.messages import open_thread
from service.plan.models import (
    AccessEntry,
    EntrySource,
    IdKind,
    OrganizationKind,
    ProviderStaff,
    StaffRole,
    StaffStatus,
    ThreadTopic,
)
from service.settings import Settings
from tests.factories import make_account, make_entry, make_group, make_npi, make_organization, make_portal_staff
from tests.staff.console import Clerk, make_clerk


def entries(session: Session, staff: ProviderStaff) -> list[AccessEntry]:
    """All entries of a login, read anew."""
    session.commit()
    with Session(session.get_bind()) as own:
        return list(own.scalars(select(AccessEntry).where(AccessEntry.staff_id == staff.id)))


@pytest.mark.parametrize(
    "asked", ["pmoss", "PMOSS", "Moss", "pat moss", "harbor", "06-1234567", "061234567", "05 1111111"]
)
def test_a_login_is_found_by_what_staff_know(app: Flask, session: Session, asked: str) -> None:
    organization = make_organization(session, name="Harbor Point Clinic", tax_id="061234567")
    account = make_account(session, username="pmoss", given_name="Pat", family_name="Moss")
    staff = make_portal_staff(session, organization, account=account)
    make_entry(session, staff, tax_id="051111111")
    other = make_portal_staff(session)
    clerk = make_clerk(app, session)

    page = clerk.browser.browser.get("/staff/users/", query_string={"q": asked})

    assert f"/staff/users/{staff.id}" in page.text
    assert f"/staff/users/{other.id}" not in page.text


@pytest.mark.parametrize("asked", ["", " ", "x", "%%", "__"])
def test_a_search_for_everybody_finds_nobody(app: Flask, session: Session, asked: str) -> None:
    staff = make_portal_staff(session)
    clerk = make_clerk(app, session)

    page = clerk.browser.browser.get("/staff/users/", query_string={"q": asked})

    assert page.status_code in {200, 400}
    assert staff.id not in page.text


def test_the_page_of_a_login_shows_its_entries_with_source_and_date(app: Flask, session: Session) -> None:
    group = make_group(session, tax_id="061234567")
    staff = make_portal_staff(session)
    make_entry(session, staff, tax_id="061234567")
    clerk = make_clerk(app, session)

    page = clerk.browser.get(f"/staff/users/{staff.id}")

    assert "06-1234567" in page.text and group.legal_name in page.text
    assert "Proven with a check, EFT or notice" in page.text
    opened = session.scalars(select(AuditEvent).where(AuditEvent.tag == "staff:provider_user:open")).one()
    assert (opened.account_id, opened.detail) == (clerk.account.id, {"staff": staff.id})


def test_numbers_given_together_are_one_entry(app: Flask, session: Session) -> None:
    npi = make_npi(77)
    group = make_group(session, tax_id="061234567", npi=npi, vendor_number="V77", office_id="OFF9")
    make_group(session, tax_id="061234567")
    staff = make_portal_staff(session)
    clerk = make_clerk(app, session)
    clerk.browser.get(f"/staff/users/{staff.id}")
    form = {"tax_id": "06-1234567", "npi": f"{npi[:4]} {npi[4:]}", "vendor_number": "v-77", "office_id": "off 9"}

    assert "It reaches 1 provider" in clerk.browser.post(f"/staff/users/{staff.id}/preview", **form).text
    assert clerk.browser.post(f"/staff/users/{staff.id}/entries", **form).status_code == 303

    [made] = entries(session, staff)
    assert (made.tax_id, made.npi, made.vendor_number, made.office_id) == ("061234567", npi, "V77", "OFF9")
    assert (made.source, made.created_by_account_id) == (EntrySource.PLAN, clerk.account.id)
    assert reach.groups_of_entries(session, staff.id) == [group]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({}, "at least one number"),
        ({"tax_id": "12345"}, "A Tax ID has 9 digits"),
        ({"npi": "1234567890"}, "An NPI has 10 digits"),
        ({"vendor_number": "a/b"}, "up to 40 letters and digits"),
        ({"office_id": "x" * 50}, "up to 40 letters and digits"),
        ({"tax_id": "06-1234567", "npi": "12"}, "An NPI has 10 digits"),
        ({"tax_id": "99-9999999"}, "No provider in our records has all of these numbers"),
        ({"tax_id": "06-1234567", "vendor_number": "V404"}, "No provider in our records has all of these numbers"),
        ({"tax_id": "06-1234567"}, "has an entry with these numbers already"),
        ({"tax_id": "x" * 100}, "longer than any provider number"),
    ],
)
def test_a_wrong_number_is_refused_with_words(app: Flask, session: Session, form: dict[str, str], words: str) -> None:
    make_group(session, tax_id="061234567")
    staff = make_portal_staff(session)
    make_entry(session, staff, tax_id="061234567")
    clerk = make_clerk(app, session)

    for step in ("preview", "entries"):
        clerk.browser.get(f"/staff/users/{staff.id}")
        answer = clerk.browser.post(f"/staff/users/{staff.id}/{step}", **form)
        assert answer.status_code == 400
        assert words in answer.text
    assert len(entries(session, staff)) == 1


def test_an_entry_is_ended_once_and_reaches_nothing_at_once(app: Flask, session: Session) -> None:
    make_group(session, tax_id="061234567")
    staff = make_portal_staff(session)
    entry = make_entry(session, staff, tax_id="061234567")
    clerk = make_clerk(app, session)
    clerk.browser.get(f"/staff/users/{staff.id}")
    path = f"/staff/users/{staff.id}/entries/{entry.id}/end"

    assert clerk.browser.post(path).status_code == 303
    assert reach.groups_of_entries(session, staff.id) == []
    session.commit()
    again = clerk.browser.post(path)

    assert again.status_code == 400 and "ended already" in again.text
    assert [each.ended_by_account_id for each in entries(session, staff)] == [clerk.account.id]
    assert f"ended by {clerk.account.full_name}" in clerk.browser.get(f"/staff/users/{staff.id}").text


def test_an_entry_of_another_login_is_not_ended(app: Flask, session: Session) -> None:
    staff, other = make_portal_staff(session), make_portal_staff(session)
    entry = make_entry(session, other, tax_id="061234567")
    clerk = make_clerk(app, session)
    clerk.browser.get(f"/staff/users/{staff.id}")

    assert clerk.browser.post(f"/staff/users/{staff.id}/entries/{entry.id}/end").status_code == 400
    assert [each.ended_at for each in entries(session, other)] == [None]


@pytest.mark.parametrize(("kind", "status"), [("billing", "active"), ("provider", "deactivated")])
def test_firms_and_deactivated_logins_get_no_entry(app: Flask, session: Session, kind: str, status: str) -> None:
    make_group(session, tax_id="061234567")
    organization = make_organization(session, kind=OrganizationKind(kind))
    staff = make_portal_staff(session, organization, status=StaffStatus(status))
    clerk = make_clerk(app, session)
    clerk.browser.get(f"/staff/users/{staff.id}")

    answer = clerk.browser.post(f"/staff/users/{staff.id}/entries", tax_id="061234567")

    assert answer.status_code == 400
    assert entries(session, staff) == []


def test_the_privacy_officer_looks_and_changes_nothing(app: Flask, session: Session) -> None:
    staff = make_portal_staff(session)
    make_entry(session, staff, tax_id="061234567")
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)

    page = officer.browser.get(f"/staff/users/{staff.id}")

    assert "06-1234567" in page.text
    assert "Add provider ID" not in page.text and "End this entry" not in page.text


def test_the_audit_names_no_thread_of_another_login(app: Flask, session: Session, settings: Settings) -> None:
    make_group(session, tax_id="061234567")
    staff, other = make_portal_staff(session), make_portal_staff(session)
    thread = open_thread(session, other, ThreadTopic.ADD_FACILITY, "Add", "Please", plan=settings.plan)
    clerk = make_clerk(app, session)
    clerk.browser.get(f"/staff/users/{staff.id}")

    answer = clerk.browser.post(f"/staff/users/{staff.id}/entries", tax_id="061234567", thread=thread.id)

    assert answer.status_code == 404
    assert entries(session, staff) == []


def test_two_who_add_the_same_at_once_give_one_entry(engine: Engine, session: Session) -> None:
    make_group(session, tax_id="061234567")
    staff = make_portal_staff(session)
    by = make_account(session)
    session.commit()
    barrier, refused = Barrier(8), []

    def add() -> None:
        with make_sessions(engine)() as own:
            barrier.wait()
            try:
                access_entries.add_entry(
                    own, own.get_one(ProviderStaff, staff.id), {IdKind.TAX_ID: "061234567"}, source=EntrySource.PLAN,
                    by_account_id=by.id,
                )  # fmt: skip
                own.commit()
            except AlreadyHeld:
                refused.append(True)

    every = [Thread(target=add) for _ in range(8)]
    for each in every:
        each.start()
    for each in every:
        each.join()

    assert (len(entries(session, staff)), len(refused)) == (1, 7)


def test_a_stranger_to_the_console_finds_no_login(app: Flask, session: Session) -> None:
    staff = make_portal_staff(session)
    clerk: Clerk = make_clerk(app, session)

    assert clerk.browser.get("/staff/users/00000000-0000-4000-8000-000000000000").status_code == 404
    assert staff.account.email not in clerk.browser.get("/staff/users/").text
