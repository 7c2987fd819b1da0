"""Purges of the audit (security.md, case 145): how long events are kept is no one person's to shorten."""

import getpass
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.audit import AuditEvent
from service.clock import now
from service.mail import OutboxMail
from service.plan.models import PendingAct, StaffRole
from tests.attacks.chains import ROWS, Chain
from tests.attacks.operators import events, refuse
from tests.attacks.test_roles_by_command import say_yes, waiting
from tests.conftest import MovableClock
from tests.factories import make_plan_staff
from tests.staff.console import make_clerk

ADMINISTRATOR, OFFICER = StaffRole.ADMINISTRATOR, StaffRole.PRIVACY_OFFICER


@pytest.fixture
def old(sealed: Chain, clock: MovableClock) -> Chain:
    """ROWS events that are older than six years, and none of which anything is under way."""
    clock.advance(7 * 366 * 86_400)
    return sealed


def purge(app: Flask, *words: str, days: int = 0) -> Result:
    """`flask audit purge` of what is older than six years and some days."""
    before = now() - timedelta(days=6 * 366 + 1 + days)
    return app.test_cli_runner().invoke(args=["audit", "purge", "--before", f"{before:%Y-%m-%d}", *words])


def left(session: Session) -> int:
    """How many of the old events there are."""
    number = session.scalar(select(func.count()).where(AuditEvent.tag == "fhir:Patient:read")) or 0
    session.commit()
    return number


def test_case_145_a_purge_waits_for_an_administrators_yes_and_is_done_by_the_command(
    app: Flask, session: Session, old: Chain
) -> None:
    administrator, officer = make_clerk(app, session, ADMINISTRATOR), make_clerk(app, session, OFFICER)
    asked, again = purge(app, "--reason", "The disk is full"), purge(app)
    assert asked.exit_code == 0 and "Nothing was purged yet" in asked.stdout
    assert again.exit_code == 1 and "waits for a second person already" in again.stderr
    act = waiting(session)
    assert say_yes(officer, act) == 404

    page = administrator.browser.get("/staff/second-looks/").text
    shown = (act.subject_id, "AUDIT_YEARS is 6", "The disk is full", f"{getpass.getuser()}, by a command")
    assert [words for words in shown if words not in page] == []
    assert say_yes(administrator, act) == 303
    assert "giving the command again" in administrator.browser.get("/staff/second-looks/?done=allowed").text
    assert left(session) == ROWS, "the yes allows it; the command does it"
    done = purge(app)

    assert done.exit_code == 0 and f"Purged {ROWS} events" in done.stdout and left(session) == 0
    [told] = events(session, "audit:event:purge")
    assert told.count == ROWS and told.detail is not None
    assert (told.detail["years"], told.detail["hold"], told.detail["act"]) == (6, False, act.id)
    old.checkpoint()
    assert old.verify().fault is None


def test_case_145_a_yes_counts_for_its_day_and_for_48_hours(
    app: Flask, session: Session, old: Chain, clock: MovableClock
) -> None:
    administrator = make_clerk(app, session, ADMINISTRATOR)
    purge(app, days=5)
    assert say_yes(administrator, waiting(session)) == 303
    other_day = purge(app)
    assert "Asked for" in other_day.stdout and left(session) == ROWS
    clock.advance(48 * 3_600 + 1)
    late = purge(app, days=7)
    assert "Asked for" in late.stdout and left(session) == ROWS


def test_case_145_a_purge_that_was_refused_is_not_done(app: Flask, session: Session, old: Chain) -> None:
    administrator = make_clerk(app, session, ADMINISTRATOR)
    purge(app)
    assert refuse(administrator, waiting(session)) == 303
    assert "Asked for" in purge(app).stdout and left(session) == ROWS


def test_case_145_nobody_allows_the_purge_of_a_command_under_their_own_name(
    app: Flask, session: Session, old: Chain
) -> None:
    asker = make_clerk(app, session, ADMINISTRATOR)
    make_plan_staff(session, ADMINISTRATOR)
    session.commit()
    purge(app)
    session.get_one(Account, asker.account.id).username = getpass.getuser()
    session.commit()
    assert say_yes(asker, waiting(session)) == 409
    assert "already" in purge(app).stderr and left(session) == ROWS


@pytest.mark.parametrize("kept", [{"audit_years": 10}, {"audit_hold": True}])
def test_case_145_a_purge_that_the_servers_own_settings_forbid_is_not_allowed(
    app: Flask, session: Session, old: Chain, kept: dict[str, int]
) -> None:
    administrator = make_clerk(app, session, ADMINISTRATOR)
    # Whoever runs the command has an environment of their own.
    purge(app)
    held = app.extensions["latchstring"]
    held.settings = replace(held.settings, **kept)
    act = waiting(session)
    assert "do not let these events go" in administrator.browser.get("/staff/second-looks/").text
    assert say_yes(administrator, act) == 409
    assert purge(app).exit_code == 1 and left(session) == ROWS


def test_case_145_without_an_administrator_nothing_is_asked(app: Flask, session: Session, old: Chain) -> None:
    refused = purge(app)
    assert refused.exit_code == 1 and "no administrator yet" in refused.stderr
    assert session.scalars(select(PendingAct)).all() == []


def test_case_145_a_glass_broken_for_a_purge_is_audited_and_told(app: Flask, session: Session, old: Chain) -> None:
    hear = [make_plan_staff(session, role) for role in (ADMINISTRATOR, OFFICER)]
    make_plan_staff(session, StaffRole.APP_REVIEWER)
    session.commit()
    assert purge(app, "--break-glass", " ").exit_code == 1 and left(session) == ROWS
    broken = purge(app, "--break-glass", "A court told us to")

    assert broken.exit_code == 0 and "without a second person" in broken.stderr and left(session) == 0
    mails = {one.recipient: one for one in session.scalars(select(OutboxMail))}
    session.commit()
    assert set(mails) == {one.account.email for one in hear}
    assert all(one.template == "audit_purged" and "A court" not in str(one.context) for one in mails.values())
    glass, purged = events(session, "audit:event:break_glass", "audit:event:purge")
    assert (glass.reason, (glass.detail or {})["told"], (purged.detail or {})["act"]) == ("A court told us to", 2, None)


def test_case_145_no_glass_breaks_a_hold_or_the_years(app: Flask, session: Session, old: Chain) -> None:
    make_plan_staff(session, ADMINISTRATOR)
    session.commit()
    assert "kept for 6 years" in purge(app, "--break-glass", "why", days=-400).stderr
    held = app.extensions["latchstring"]
    held.settings = replace(held.settings, audit_hold=True)
    assert "legal hold" in purge(app, "--break-glass", "why").stderr
    assert left(session) == ROWS and session.scalars(select(OutboxMail)).all() == []
