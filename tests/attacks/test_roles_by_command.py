"""Roles given by a command (security.md, case 145): whoever holds the machine does not hold the console by it."""

import getpass

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from service.accounts.models import Account
from service.audit import AuditEvent
from service.mail import OutboxMail
from service.plan.models import PendingAct, StaffRole
from service.plan.staff import plan_staff
from tests.conftest import MovableClock
from tests.factories import make_account, make_plan_staff
from tests.staff.console import Clerk, make_clerk

ADMINISTRATOR = StaffRole.ADMINISTRATOR


def appoint(app: Flask, account: Account, *words: str) -> Result:
    """`flask staff appoint`."""
    return command(app, account, "appoint", *words)


def command(app: Flask, account: Account, deed: str, *words: str) -> Result:
    """`flask staff` about somebody; the test's own session, which looked for the name, is in nobody's way."""
    username = account.username
    if own := object_session(account):
        own.commit()
    return app.test_cli_runner().invoke(args=["staff", deed, username, *words])


def roles(session: Session, account: Account) -> set[StaffRole]:
    """What the account may do now."""
    session.expire_all()
    found = plan_staff.find(session, account)
    session.commit()
    return set(plan_staff.roles_of(found)) if found else set()


def waiting(session: Session) -> PendingAct:
    """The one act that there is."""
    act = session.scalars(select(PendingAct)).one()
    session.expunge(act)
    session.commit()
    return act


def say_yes(clerk: Clerk, act: PendingAct) -> int:
    """The second yes, from the page."""
    clerk.browser.get("/staff/second-looks/")
    return clerk.browser.post(f"/staff/second-looks/{act.id}/approve").status_code


def test_case_145_a_role_raised_by_a_command_waits_for_an_administrators_yes(app: Flask, session: Session) -> None:
    administrator = make_clerk(app, session, ADMINISTRATOR)
    clerk = make_clerk(app, session, StaffRole.MEMBER_SERVICES, given_name="Wanda")
    other = make_clerk(app, session, StaffRole.MEMBER_SERVICES)
    asked = appoint(app, clerk.account, "member_services", "administrator", "--reason", "Takes over from Ann")
    assert asked.exit_code == 0 and "Nothing was changed yet" in asked.stdout
    assert roles(session, clerk.account) == {StaffRole.MEMBER_SERVICES}
    act = waiting(session)
    assert say_yes(clerk, act) == say_yes(other, act) == 404

    page = administrator.browser.get("/staff/second-looks/").text
    shown = ("Wanda", "administrator, member services", "Takes over from Ann", f"{getpass.getuser()}, by a command")
    assert [words for words in shown if words not in page] == []
    assert roles(session, clerk.account) == {StaffRole.MEMBER_SERVICES}
    assert say_yes(administrator, act) == 303
    assert roles(session, clerk.account) == {StaffRole.MEMBER_SERVICES, ADMINISTRATOR}
    tags = ("plan:staff:appoint", "staff:pending_act:ask")
    told = session.scalars(select(AuditEvent).where(AuditEvent.tag.in_(tags)).order_by(AuditEvent.id)).all()
    assert [event.account_id for event in told[-2:]] == [None, administrator.account.id]
    assert (told[-2].detail or {})["operator"] == getpass.getuser()


def test_case_145_nobody_allows_their_own_roles_nor_those_asked_for_under_their_own_name(
    app: Flask, session: Session
) -> None:
    administrator, asker = make_clerk(app, session, ADMINISTRATOR), make_clerk(app, session, ADMINISTRATOR)
    appoint(app, administrator.account, "administrator", "privacy_officer")
    act = waiting(session)
    assert say_yes(administrator, act) == 409
    session.get_one(Account, asker.account.id).username = getpass.getuser()
    session.commit()
    assert say_yes(asker, act) == 409
    assert roles(session, administrator.account) == {ADMINISTRATOR}


def test_case_145_nothing_is_asked_where_the_one_administrator_bears_the_operators_name(
    app: Flask, session: Session
) -> None:
    administrator, account = make_plan_staff(session, ADMINISTRATOR), make_account(session)
    administrator.account.username = getpass.getuser().upper()
    session.commit()
    refused = appoint(app, account, "app_reviewer")
    assert refused.exit_code == 1 and "--break-glass" in refused.stderr
    assert session.scalars(select(PendingAct)).all() == [] and roles(session, account) == set()
    make_plan_staff(session, ADMINISTRATOR)
    assert appoint(app, account, "app_reviewer").exit_code == 0
    assert waiting(session).subject_id == account.id


def test_case_145_what_was_asked_from_other_roles_is_not_given(app: Flask, session: Session) -> None:
    administrator, clerk = make_clerk(app, session, ADMINISTRATOR), make_plan_staff(session, StaffRole.APP_REVIEWER)
    session.commit()
    appoint(app, clerk.account, "app_reviewer", "privacy_officer")
    assert appoint(app, clerk.account, "app_reviewer", "administrator").exit_code == 1, "one at a time"
    # Since then the place was taken away: the yes does not bring it back.
    command(app, clerk.account, "end")
    assert say_yes(administrator, waiting(session)) == 409
    assert roles(session, clerk.account) == set()


def test_case_145_what_a_command_asked_for_lapses_after_48_hours(
    app: Flask, session: Session, clock: MovableClock
) -> None:
    make_plan_staff(session, ADMINISTRATOR)
    account = make_account(session)
    session.commit()
    appoint(app, account, "app_reviewer")
    act = waiting(session)
    clock.advance(48 * 3600 - 30)
    administrator = make_clerk(app, session, ADMINISTRATOR)
    administrator.browser.get("/staff/second-looks/")
    clock.advance(31)
    assert administrator.browser.post(f"/staff/second-looks/{act.id}/approve").status_code == 409
    assert roles(session, account) == set()


def test_case_145_the_very_first_administrator_needs_nobody_and_nobody_is_first_twice(
    app: Flask, session: Session
) -> None:
    first, second, third = (make_account(session) for _ in range(3))
    session.commit()
    too_early = appoint(app, second, "app_reviewer")
    assert too_early.exit_code == 1 and "no administrator yet" in too_early.stderr
    assert appoint(app, first, "administrator").exit_code == 0 and roles(session, first) == {ADMINISTRATOR}
    # Neither by making the administrator something else, nor by ending their place.
    lowered = [appoint(app, first, "app_reviewer"), appoint(app, first, "app_reviewer", "--break-glass", "why")]
    assert [one.exit_code for one in lowered] == [1, 1] and roles(session, first) == {ADMINISTRATOR}
    command(app, first, "end")
    for account in (third, first):
        refused = appoint(app, account, "administrator")
        assert refused.exit_code == 1 and "--break-glass" in refused.stderr
        assert roles(session, account) == set()


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_case_145_a_glass_is_broken_with_a_reason_alone(app: Flask, session: Session, reason: str) -> None:
    make_plan_staff(session, ADMINISTRATOR)
    account = make_account(session)
    session.commit()
    assert appoint(app, account, "administrator", "--break-glass", reason).exit_code == 1
    assert roles(session, account) == set()


def test_case_145_a_broken_glass_is_audited_and_told_to_all_who_would_have_been_asked(
    app: Flask, session: Session
) -> None:
    hear = [make_plan_staff(session, ADMINISTRATOR), make_plan_staff(session, StaffRole.PRIVACY_OFFICER)]
    gone, deaf = make_plan_staff(session, ADMINISTRATOR), make_plan_staff(session, StaffRole.APP_REVIEWER)
    plan_staff.end(session, gone, by_account_id=None)
    account = make_account(session)
    session.commit()
    broken = appoint(app, account, "administrator", "--break-glass", "Ann is ill, a key must go")
    assert broken.exit_code == 0, broken.output
    assert roles(session, account) == {ADMINISTRATOR}
    mails = {one.recipient: one for one in session.scalars(select(OutboxMail))}
    assert set(mails) == {one.account.email for one in hear} and deaf.account.email not in mails
    assert all(one.template == "roles_given" and "Ann is ill" not in str(one.context) for one in mails.values())
    [told] = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:staff:break_glass"))
    assert told.reason == "Ann is ill, a key must go"
    assert told.detail == {
        "appointed": account.id, "roles": ["administrator"], "told": 2, "operator": getpass.getuser(),
    }  # fmt: skip
