"""Who of the plan works in the staff console, from the command line."""

import getpass

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.plan.models import StaffRole
from service.plan.staff import plan_staff
from tests.factories import make_account, make_member, make_plan_staff
from tests.staff.console import sign_in_clerk


def test_staff_is_appointed_listed_and_ended(app: Flask, session: Session) -> None:
    account = make_account(session)
    session.commit()
    runner = app.test_cli_runner()

    appointed = runner.invoke(args=["staff", "appoint", account.username, "administrator", "privacy_officer"])
    browser = sign_in_clerk(app, account)
    listed = runner.invoke(args=["staff", "list"])
    opened = browser.get("/staff/").status_code
    ended = runner.invoke(args=["staff", "end", account.username])
    after = browser.get("/staff/").status_code
    again = runner.invoke(args=["staff", "end", account.username])

    assert appointed.exit_code == 0 and "administrator, privacy_officer" in appointed.stdout
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


def test_a_command_takes_roles_away_at_once_and_asks_for_them_after_an_end(app: Flask, session: Session) -> None:
    make_plan_staff(session, StaffRole.ADMINISTRATOR)
    account = make_plan_staff(session, StaffRole.APP_REVIEWER, StaffRole.MEMBER_SERVICES).account
    session.commit()
    runner = app.test_cli_runner()

    less = runner.invoke(args=["staff", "appoint", account.username, "app_reviewer", "app_reviewer"])
    session.expire_all()
    found = plan_staff.find(session, account)
    assert less.exit_code == 0 and found is not None and plan_staff.roles_of(found) == {StaffRole.APP_REVIEWER}

    session.commit()
    runner.invoke(args=["staff", "end", account.username])
    again = runner.invoke(args=["staff", "appoint", account.username, "app_reviewer"])
    session.expire_all()
    assert again.exit_code == 0 and "Nothing was changed yet" in again.stdout
    assert plan_staff.find(session, account) is None
    session.commit()
    assert "Waits for an administrator: Roles of" in runner.invoke(args=["staff", "list"]).stdout


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
