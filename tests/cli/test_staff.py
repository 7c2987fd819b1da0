"""Who of the plan works in the staff console, from the command line."""

import getpass

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.plan.models import StaffRole
from service.plan.staff import plan_staff
from tests.factories import make_account, make_member
from tests.staff.console import sign_in_clerk


def test_staff_is_appointed_listed_and_ended(app: Flask, session: Session) -> None:
    account = make_account(session)
    session.commit()
    runner = app.test_cli_runner()

    appointed = runner.invoke(args=["staff", "appoint", account.username, "provider_services", "privacy_officer"])
    browser = sign_in_clerk(app, account)
    listed = runner.invoke(args=["staff", "list"])
    opened = browser.get("/staff/").status_code
    ended = runner.invoke(args=["staff", "end", account.username])
    after = browser.get("/staff/").status_code
    again = runner.invoke(args=["staff", "end", account.username])

    assert appointed.exit_code == 0 and "privacy_officer, provider_services" in appointed.stdout
    assert account.username in listed.stdout and listed.exit_code == 0
    assert (opened, after) == (200, 303)
    assert ended.exit_code == 0
    assert again.exit_code == 1 and "flask staff list" in again.stderr
    told = session.scalars(select(AuditEvent).where(AuditEvent.tag.startswith("plan:staff:"))).all()
    assert [event.tag for event in told] == ["plan:staff:appoint", "plan:staff:end"]
    assert [(event.detail or {}).get("operator") for event in told] == [getpass.getuser()] * 2


def test_whose_account_of_disclosures_somebody_prints_is_kept_with_who_printed_it(app: Flask, session: Session) -> None:
    member = make_member(session)
    session.commit()
    assert app.test_cli_runner().invoke(args=["reports", "disclosures", member.member_number]).exit_code == 0
    told = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:disclosure:account")).one()
    assert told.member_id == member.id and told.detail == {"operator": getpass.getuser()}
    last = told.id
    session.commit()
    # The web server, in the same process here, tells of nobody.
    account = make_account(session)
    session.commit()
    sign_in_clerk(app, account)
    signed_in = select(AuditEvent).where(AuditEvent.detail.is_not(None), AuditEvent.id > last)
    assert all("operator" not in (event.detail or {}) for event in session.scalars(signed_in))


def test_a_second_appointment_replaces_the_roles_also_after_an_end(app: Flask, session: Session) -> None:
    account = make_account(session)
    session.commit()
    runner = app.test_cli_runner()

    runner.invoke(args=["staff", "appoint", account.username, "administrator"])
    runner.invoke(args=["staff", "appoint", account.username, "app_reviewer", "app_reviewer"])
    runner.invoke(args=["staff", "end", account.username])
    last = runner.invoke(args=["staff", "appoint", account.username, "member_services"])

    assert last.exit_code == 0
    session.expire_all()
    found = plan_staff.find(session, account)
    assert found is not None and plan_staff.roles_of(found) == {StaffRole.MEMBER_SERVICES}


def test_unknown_people_and_roles_are_told_in_a_line(app: Flask, session: Session) -> None:
    account = make_account(session)
    session.commit()
    runner = app.test_cli_runner()

    nobody = runner.invoke(args=["staff", "appoint", "no.such.person", "administrator"])
    no_role = runner.invoke(args=["staff", "appoint", account.username, "emperor"])
    none_at_all = runner.invoke(args=["staff", "appoint", account.username])
    empty = runner.invoke(args=["staff", "list"])

    assert nobody.exit_code == 1 and "no account with the user name" in nobody.stderr
    assert no_role.exit_code == 2 and "provider_services" in no_role.stderr
    assert none_at_all.exit_code == 2
    assert empty.exit_code == 0 and not empty.stdout and "Nobody yet" in empty.stderr
    assert plan_staff.serving(session) == []
