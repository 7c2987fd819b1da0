"""The conformance self-test in the staff console: who sees it, asking for a run, what the worker leaves behind."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.app import create_app
from service.audit import AuditEvent
from service.clock import now
from service.conformance.report import Outcome, Report, Verdict
from service.db import make_sessions
from service.plan.models import PlanStaff, SelfTestRun, StaffRole
from service.plan.staff import self_tests
from service.settings import Mode, Settings
from service.staff import self_test_runner
from tests.conftest import MovableClock, free_port
from tests.staff.console import Clerk, make_clerk

PAGE = "/staff/self-test"
OUTCOMES = (
    Outcome("discovery.answers", "A1", "the first thing", Verdict.PASS),
    Outcome("openid.nonce", "A3", "the second thing", Verdict.FAIL, expected="a nonce", found="<b>none</b>"),
    Outcome("backend.token", "A7", "the third thing", Verdict.NOT_OFFERED, reason="not advertised"),
)


@pytest.fixture
def clerk(app: Flask, session: Session) -> Clerk:
    return make_clerk(app, session, StaffRole.ADMINISTRATOR)


def make_run(session: Session, staff: PlanStaff, ago: timedelta = timedelta(), **given: object) -> SelfTestRun:
    report = Report("https://plan.example/fhir/r4", now(), 12.0, OUTCOMES).as_json()
    values = {"report": report, "spent_at": now(), "ended_at": now()} | given
    run = SelfTestRun(asked_by_account_id=staff.account_id, asked_at=now() - ago, **values)
    session.add(run)
    session.commit()
    return run


@pytest.mark.parametrize("role", StaffRole)
def test_administrators_and_app_reviewers_have_the_tab_and_the_page_and_nobody_else(
    app: Flask, session: Session, role: StaffRole
) -> None:
    browser = make_clerk(app, session, role).browser
    may = role in {StaffRole.ADMINISTRATOR, StaffRole.APP_REVIEWER}

    assert (f'href="{PAGE}"' in browser.get("/staff/").text) is may
    assert browser.get(PAGE).status_code == (200 if may else 404)
    browser.get("/staff/")
    assert browser.post(f"{PAGE}/run").status_code == (303 if may else 404)


def test_asking_for_a_run_is_kept_with_who_asked_and_told_on_the_page(clerk: Clerk, session: Session) -> None:
    assert "No run has ended yet." in clerk.browser.get(PAGE).text

    assert clerk.browser.post(f"{PAGE}/run").status_code == 303

    run = session.scalars(select(SelfTestRun)).one()
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:self_test:ask")).one()
    assert run.asked_by_account_id == event.account_id == clerk.account.id
    session.commit()
    page = clerk.browser.get(PAGE).text
    assert "A run was asked for at" in page and "Run it now" not in page


def test_a_second_run_waits_for_the_first_to_end_or_to_be_given_up(
    clerk: Clerk, session: Session, clock: MovableClock
) -> None:
    clerk.browser.get(PAGE)
    clerk.browser.post(f"{PAGE}/run")
    clerk.browser.get("/staff/")

    refused = clerk.browser.post(f"{PAGE}/run")
    clock.advance(601)
    clerk.browser.get(PAGE)
    taken = clerk.browser.post(f"{PAGE}/run")

    assert refused.status_code == 409 and "on its way already" in refused.text
    assert taken.status_code == 303
    assert len(session.scalars(select(SelfTestRun)).all()) == 2


def test_the_last_run_is_shown_by_section_with_what_failed(clerk: Clerk, session: Session) -> None:
    run = make_run(session, clerk.staff)

    page = clerk.browser.get(PAGE).text

    rows = re.findall(rf'\?run={run.id}&amp;section=(\w+)">[\w ]+</a></th>(.*?)</tr>', page, re.DOTALL)
    assert [(name, re.findall(r">(\d)<", sums)) for name, sums in rows] == [
        ("discovery", ["1", "0", "0"]), ("openid", ["0", "1", "0"]), ("backend", ["0", "0", "1"]),
    ]  # fmt: skip
    assert "the second thing" in page and "the first thing" not in page and "the third thing" not in page


def test_every_line_is_shown_with_the_sums_and_failures_first(clerk: Clerk, session: Session) -> None:
    make_run(session, clerk.staff)

    page = clerk.browser.get(f"{PAGE}?section=").text

    sums = re.findall(r"<dt>([\w ]+)</dt><dd>(\d+)</dd>", page)
    assert sums == [("Passed", "1"), ("Failed", "1"), ("Not offered", "1")]
    assert page.index("the second thing") < page.index("the first thing") < page.index("the third thing")
    assert "Expected: a nonce. Found: &lt;b&gt;none&lt;/b&gt;." in page
    assert "not advertised" in page


def test_a_section_can_be_looked_at_alone_and_so_can_an_earlier_run(clerk: Clerk, session: Session) -> None:
    earlier = make_run(session, clerk.staff, timedelta(days=1), report=None, problem="Nobody was at home.")
    make_run(session, clerk.staff)

    section = clerk.browser.get(f"{PAGE}?section=openid").text
    old = clerk.browser.get(f"{PAGE}?run={earlier.id}").text

    assert "the second thing" in section and "the first thing" not in section
    assert "Nobody was at home." in old and "the first thing" not in old
    assert clerk.browser.get(f"{PAGE}?run={clerk.account.id}").status_code == 404


def test_the_worker_takes_a_run_once_and_says_why_there_is_no_result(
    clerk: Clerk, session: Session, engine: Engine, settings: Settings
) -> None:
    clerk.browser.get(PAGE)
    clerk.browser.post(f"{PAGE}/run")

    self_test_runner.carry_out(make_sessions(engine), settings)
    self_test_runner.carry_out(make_sessions(engine), settings)

    run = session.scalars(select(SelfTestRun)).one()
    assert run.ended_at and run.report is None and "sandbox.json cannot be read" in run.problem
    session.commit()
    assert "sandbox.json cannot be read" in clerk.browser.get(PAGE).text


def test_a_server_that_does_not_answer_is_no_result(
    clerk: Clerk, session: Session, engine: Engine, settings: Settings
) -> None:
    settings.sandbox_file.write_text(
        '{"fhir_base": "http://localhost/fhir/r4", "clients": [], "accounts": [{"username": "a", "password": "b",'
        ' "members": [{"relation": "self", "fhir_id": "1"}]}]}'
    )
    clerk.browser.get(PAGE)
    clerk.browser.post(f"{PAGE}/run")

    self_test_runner.carry_out(make_sessions(engine), replace(settings, base_url=f"http://127.0.0.1:{free_port()}"))

    assert "does not answer: NewConnectionError" in session.scalars(select(SelfTestRun.problem)).one()


def test_the_last_twenty_runs_are_kept(clerk: Clerk, session: Session, engine: Engine, settings: Settings) -> None:
    for days in range(1, 26):
        make_run(session, clerk.staff, timedelta(days=days))
    clerk.browser.get(PAGE)
    clerk.browser.post(f"{PAGE}/run")

    self_test_runner.carry_out(make_sessions(engine), settings)

    kept = session.scalars(select(SelfTestRun.asked_at).order_by(SelfTestRun.asked_at)).all()
    assert len(kept) == self_tests.KEPT == 20
    assert kept[0] > now() - timedelta(days=20)


def test_a_production_system_says_how_to_check_a_test_system_and_runs_nothing(
    session: Session, engine: Engine, settings: Settings
) -> None:
    production = replace(settings, mode=Mode.PRODUCTION, base_url="https://localhost")
    clerk = make_clerk(create_app(production, engine), session, StaffRole.APP_REVIEWER)

    page = clerk.browser.get(PAGE)
    refused = clerk.browser.post(f"{PAGE}/run")
    left = make_run(session, clerk.staff, report=None, spent_at=None, ended_at=None)
    self_test_runner.carry_out(make_sessions(engine), production)

    assert "flask conformance run --base-url" in page.text and "Run it now" not in page.text
    assert refused.status_code == 409
    session.refresh(left)
    assert left.spent_at is None
