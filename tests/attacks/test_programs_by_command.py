"""Programs let in by a command (security.md, case 145): one person at a machine lets nothing read every member."""

import getpass
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from oauth.apps import clients, programs
from oauth.apps.clients import ClientStatus
from service import mail
from service.accounts.models import Account
from service.clock import now
from service.db import make_sessions
from service.mail import OutboxMail
from service.plan.models import PendingAct, PlanStaff, StaffRole
from service.plan.staff import plan_staff
from service.plan.staff.second_looks import ActOver
from tests.attacks.operators import Operator, client_of, events, program_of, read_status, refuse
from tests.attacks.test_refresh_and_revocation import introspect
from tests.attacks.test_roles_by_command import say_yes, waiting
from tests.conftest import MovableClock
from tests.factories import make_account, make_organization, make_plan_staff, make_portal_staff
from tests.oauth.desk import App, Desk
from tests.oauth.keyed import Program, ec, key_server, register_backend, register_keyed, rsa
from tests.oauth.proofs import Prover
from tests.staff.console import make_clerk

ADMINISTRATOR = StaffRole.ADMINISTRATOR


@pytest.fixture
def operator(app: Flask, tmp_path: Path) -> Operator:
    return Operator(app, tmp_path)


def test_case_145_a_program_gets_no_token_before_an_administrators_yes(
    app: Flask, session: Session, operator: Operator
) -> None:
    administrator, reviewer = make_clerk(app, session, ADMINISTRATOR), make_clerk(app, session, StaffRole.APP_REVIEWER)
    told = operator.register("--may-introspect", "--dpop-bound", "--reason", "Quality reports of 2026")
    assert "Asked for" in told.stdout and "It gets no token before" in told.stdout
    program = program_of(app, told)
    assert client_of(session, program.id) is None
    assert program.ask("system/*.rs").status_code == 401 and program.knock().status_code == 401
    assert f"Waits for an administrator, until {now() + timedelta(hours=48):%Y-%m-%d}" in operator.run("list").stdout

    act = waiting(session)
    assert say_yes(reviewer, act) == 404
    page = administrator.browser.get("/staff/second-looks/").text
    shown = (
        "Program Everything", program.id, "Reporting", "system/*.rs", "Every member of the plan", "tokens of every app",
        "bound to a key that it proves", ec().key.thumbprint(), "Quality reports of 2026",
        f"{getpass.getuser()}, by a command",
    )  # fmt: skip
    assert [words for words in shown if words not in page] == []
    assert program.ask("system/*.rs").status_code == 401

    assert say_yes(administrator, act) == 303
    asked = {"grant_type": "client_credentials", "scope": "system/*.rs __introspect"} | program.proof()
    with_proof = app.test_client().post("/oauth/token", data=asked, headers={"DPoP": Prover().proof()})
    assert with_proof.get_json()["token_type"] == "DPoP"
    assert program.ask("system/*.rs __introspect").get_json()["error"] == "invalid_dpop_proof"
    assert f"{program.id}  approved  backend (plan)" in operator.run("list").stdout
    assert say_yes(administrator, act) == 409
    [event] = events(session, "staff:pending_act:ask")
    [done] = [one for one in events(session, "oauth:client:register") if one.client_id == program.id]
    assert (event.detail or {})["operator"] == getpass.getuser() and event.reason == "Quality reports of 2026"
    assert done.account_id == administrator.account.id


def test_case_145_a_no_leaves_nothing_and_it_may_be_asked_anew(
    app: Flask, session: Session, operator: Operator
) -> None:
    administrator = make_clerk(app, session, ADMINISTRATOR)
    program = program_of(app, operator.register())
    again = operator.register(name="EVERYTHING")
    assert again.exit_code == 1 and "waits for a second person already" in again.stderr
    act = waiting(session)
    assert refuse(administrator, act) == 303
    assert say_yes(administrator, act) == 409
    assert client_of(session, program.id) is None and program.ask("system/*.rs").status_code == 401
    assert "Waits for an administrator" not in operator.run("list").stdout
    assert operator.register().exit_code == 0


def test_case_145_a_program_that_was_asked_for_lapses_after_48_hours(
    app: Flask, session: Session, operator: Operator, clock: MovableClock
) -> None:
    make_plan_staff(session, ADMINISTRATOR)
    session.commit()
    program = program_of(app, operator.register())
    clock.advance(48 * 3600 - 30)
    administrator = make_clerk(app, session, ADMINISTRATOR)
    administrator.browser.get("/staff/second-looks/")
    clock.advance(31)
    act_id = waiting(session).id
    assert administrator.browser.post(f"/staff/second-looks/{act_id}/approve").status_code == 409
    assert client_of(session, program.id) is None


@pytest.mark.parametrize("deed", ["register", "keys"])
def test_case_145_two_yeses_at_one_moment_count_once(
    app: Flask, session: Session, engine: Engine, operator: Operator, deed: str
) -> None:
    ids = [make_plan_staff(session, ADMINISTRATOR).id for _ in range(2)]
    session.commit()
    if deed == "register":
        client_id = program_of(app, operator.register()).id
    else:
        client_id = register_backend(Desk(app)).id
        assert operator.run("set-keys", client_id, "--jwks", operator.keys("new")).exit_code == 0
    act_id, barrier, outcomes = waiting(session).id, Barrier(2), []
    settings = app.extensions["latchstring"].settings

    def allow(staff_id: str) -> None:
        with make_sessions(engine)() as own:
            by, act = own.get_one(PlanStaff, staff_id), own.get_one(PendingAct, act_id)
            own.commit()
            barrier.wait()
            try:
                programs.carry_out(own, act, by=by, settings=settings)
                own.commit()
                outcomes.append("done")
            except ActOver:
                outcomes.append("late")

    threads = [Thread(target=allow, args=(one,)) for one in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "late"]
    tag = "oauth:client:register" if deed == "register" else "oauth:client:replace-keys"
    assert len([one for one in events(session, tag) if one.client_id == client_id and one.account_id]) == 1
    assert len(events(session, "staff:pending_act:approve")) == 1


def test_case_145_who_ran_the_command_does_not_allow_the_program(
    app: Flask, session: Session, operator: Operator
) -> None:
    asker = make_clerk(app, session, ADMINISTRATOR)
    session.get_one(Account, asker.account.id).username = getpass.getuser().upper()
    session.commit()
    refused = operator.register()
    assert refused.exit_code == 1 and "--break-glass" in refused.stderr
    assert session.scalars(select(PendingAct)).all() == []
    make_plan_staff(session, ADMINISTRATOR)
    session.commit()
    program = program_of(app, operator.register())
    assert say_yes(asker, waiting(session)) == 409
    assert client_of(session, program.id) is None


def test_case_145_nobody_of_a_providers_office_allows_its_program(
    app: Flask, session: Session, operator: Operator
) -> None:
    office = make_organization(session, tax_id="071234509")
    both = make_clerk(app, session, ADMINISTRATOR)
    make_portal_staff(session, organization=office, account=session.get_one(Account, both.account.id))
    session.commit()
    asked = ("register", "Billing Desk", "--developer", "Ledger", "--jwks", operator.keys(), "--provider", "071234509")
    refused = operator.run(*asked)
    assert refused.exit_code == 1 and "No other administrator" in refused.stderr
    neutral = make_clerk(app, session, ADMINISTRATOR)
    program = program_of(app, operator.run(*asked))
    act = waiting(session)
    assert say_yes(both, act) == 409 and client_of(session, program.id) is None
    assert "Tax ID 071234509" in neutral.browser.get("/staff/second-looks/").text
    assert say_yes(neutral, act) == 303
    found = client_of(session, program.id)
    assert found is not None and found.provider_organization_id == office.id


def test_case_145_a_program_whose_name_was_taken_meanwhile_is_not_let_in(
    app: Flask, session: Session, operator: Operator
) -> None:
    administrator = make_clerk(app, session, ADMINISTRATOR)
    program = program_of(app, operator.register())
    register_backend(program.desk, name="Everything")
    assert say_yes(administrator, waiting(session)) == 409
    assert client_of(session, program.id) is None and waiting(session).spent_at is None


def test_case_145_keys_wait_and_the_ones_of_now_go_on(app: Flask, session: Session, operator: Operator) -> None:
    administrator = make_clerk(app, session, ADMINISTRATOR)
    before = register_backend(Desk(app))
    after, token = Program(before.desk, before.app, ec("new")), before.token("system/*.rs")
    told = operator.run("set-keys", before.id, "--jwks", operator.keys("new"))
    assert told.exit_code == 0 and "Nothing was changed yet" in told.stdout
    assert before.knock().status_code == 200 and after.knock().status_code == 401
    assert read_status(before, token) == 200
    assert operator.run("set-keys", before.id, "--jwks", operator.keys("other")).exit_code == 1, "one at a time"

    page = administrator.browser.get("/staff/second-looks/").text
    thumbprints = (ec().key.thumbprint(), ec("new").key.thumbprint())
    assert all(shown in page for shown in (*thumbprints, "system/*.rs", before.id))
    assert say_yes(administrator, waiting(session)) == 303
    assert before.knock().status_code == 401 and after.knock().status_code == 200
    assert read_status(before, token) == 401
    [done] = events(session, "oauth:client:replace-keys")
    assert done.account_id == administrator.account.id


def _other_keys(operator: Operator, client_id: str) -> None:
    told = operator.run("set-keys", client_id, "--jwks", operator.keys("other"), "--break-glass", "They leaked")
    assert told.exit_code == 0, told.output


def _less(operator: Operator, client_id: str) -> None:
    assert operator.run("narrow", client_id, "system/Patient.rs", "--reason", "less").exit_code == 0


def _retire(operator: Operator, client_id: str) -> None:
    assert operator.run("retire", client_id, "--reason", "over").exit_code == 0


@pytest.mark.parametrize("deed", [_other_keys, _less, _retire])
def test_case_145_keys_of_a_program_that_has_changed_meanwhile_are_not_given(
    app: Flask, session: Session, operator: Operator, deed: Callable[[Operator, str], None]
) -> None:
    administrator, program = make_clerk(app, session, ADMINISTRATOR), register_backend(Desk(app))
    assert operator.run("set-keys", program.id, "--jwks", operator.keys("new")).exit_code == 0
    deed(operator, program.id)
    assert say_yes(administrator, waiting(session)) == 409
    found = client_of(session, program.id)
    assert found is not None and "new" not in str(found.jwks)
    if found.status is ClientStatus.RETIRED:
        closed = operator.run("set-keys", program.id, "--jwks", operator.keys("new"))
        assert closed.exit_code == 1 and "closed for good" in closed.stderr


def test_case_145_a_program_that_is_shut_out_meanwhile_gets_its_keys_and_stays_out(
    app: Flask, session: Session, operator: Operator
) -> None:
    administrator, before = make_clerk(app, session, ADMINISTRATOR), register_backend(Desk(app))
    assert operator.run("set-keys", before.id, "--jwks", operator.keys("new")).exit_code == 0
    assert operator.run("suspend", before.id, "--reason", "leaked").exit_code == 0
    assert say_yes(administrator, waiting(session)) == 303
    after = Program(before.desk, before.app, ec("new"))
    assert after.ask("system/*.rs").status_code in {400, 401}
    assert operator.run("resume", before.id, "--reason", "mended").exit_code == 0
    assert after.ask("system/*.rs").status_code == 200 and before.ask("system/*.rs").status_code == 401


def test_case_145_the_yes_to_an_address_of_keys_asks_nobodys_server(
    app: Flask, session: Session, operator: Operator
) -> None:
    administrator = make_clerk(app, session, ADMINISTRATOR)
    with key_server(rsa()) as server:
        asked = operator.run("register", "Afar", "--developer", "Reporting", "--jwks-uri", server.url)
        program = replace(program_of(app, asked), pair=rsa())
        assert rsa().key.thumbprint() in administrator.browser.get("/staff/second-looks/").text
        # Taken out again before the yes: what was read at the asking lets nobody in.
        times, server.jwks = len(server.asked), ec("later").jwks
        assert say_yes(administrator, waiting(session)) == 303
        assert len(server.asked) == times
        assert program.ask("system/*.rs").status_code == 401
        assert replace(program, pair=ec("later")).ask("system/*.rs").status_code == 200


def test_case_145_a_secret_of_a_resource_server_counts_from_the_yes_on(
    app: Flask, session: Session, operator: Operator, clock: MovableClock
) -> None:
    desk = Desk(app)
    server, token = desk.register_confidential(may_introspect=True), desk.connect(desk.register())["access_token"]
    make_plan_staff(session, ADMINISTRATOR)
    session.commit()
    told = operator.run("rotate-secret", server.id)
    secret = told.stdout.strip()
    assert told.exit_code == 0 and "Nothing was changed yet" in told.stderr and re.fullmatch(r"\S{43}", secret)
    fresh = replace(server, secret=secret)
    assert introspect(desk, server, token)["active"] and _is_unknown(desk, fresh)
    assert secret not in json.dumps(waiting(session).content)
    clock.advance(24 * 3600)
    administrator = make_clerk(app, session, ADMINISTRATOR)
    assert say_yes(administrator, waiting(session)) == 303
    assert not _is_unknown(desk, fresh) and not _is_unknown(desk, server), "the day of the one before begins now"
    clock.advance(24 * 3600 + 1)
    assert not _is_unknown(desk, fresh) and _is_unknown(desk, server)


def _is_unknown(desk: Desk, server: App) -> bool:
    answer = desk.app.test_client().post("/oauth/introspect", data={"token": "t"}, headers=server.basic())
    assert answer.status_code in {200, 401}
    return answer.status_code == 401


def test_case_145_apps_of_people_need_no_second_person(app: Flask, session: Session, operator: Operator) -> None:
    desk = Desk(app)
    keyed, secret = register_keyed(desk), desk.register_confidential()
    assert operator.run("set-keys", keyed.id, "--jwks", operator.keys("new")).stdout == "Its keys are replaced.\n"
    assert Program(desk, keyed.app, ec("new")).knock().status_code == 200
    assert operator.run("rotate-secret", secret.id).stderr == ""
    for words in (("set-keys", keyed.id, "--jwks", operator.keys()), ("rotate-secret", secret.id)):
        refused = operator.run(*words, "--break-glass", "In haste")
        assert refused.exit_code == 1 and "needs no second person" in refused.stderr
    assert Program(desk, keyed.app, ec("new")).knock().status_code == 200
    assert events(session, "oauth:client:break-glass") == [] and session.scalars(select(PendingAct)).all() == []


def test_case_145_without_any_administrator_ever_nothing_is_asked_and_the_glass_can_be_broken(
    app: Flask, session: Session, operator: Operator
) -> None:
    first = make_account(session)
    username = first.username
    session.commit()
    refused = operator.register()
    assert refused.exit_code == 1 and "flask staff appoint USERNAME administrator" in refused.stderr
    broken = operator.register("--break-glass", "Installing")
    assert "Nobody could be told" in broken.stderr
    assert program_of(app, broken).ask("system/*.rs").status_code == 200
    assert app.test_cli_runner().invoke(args=["staff", "appoint", username, "administrator"]).exit_code == 0
    assert "Asked for" in operator.register(name="Another").stdout


def test_case_145_a_glass_broken_for_a_program_is_audited_and_told(
    app: Flask, session: Session, operator: Operator
) -> None:
    hear = [
        make_plan_staff(session, ADMINISTRATOR, account=make_account(session, language="es")),
        make_plan_staff(session, StaffRole.PRIVACY_OFFICER),
    ]
    gone = make_plan_staff(session, ADMINISTRATOR)
    make_plan_staff(session, StaffRole.APP_REVIEWER)
    plan_staff.end(session, gone, by_account_id=None)
    session.commit()
    why = ("--break-glass", "Ann is ill, a key must go")
    told = operator.register(*why)
    assert "without a second person" in told.stderr
    assert all(one.account.username in told.stderr for one in hear)
    session.commit()
    program = program_of(app, told)
    assert program.ask("system/*.rs").status_code == 200
    assert operator.run("set-keys", program.id, "--jwks", operator.keys("new"), *why).exit_code == 0
    assert Program(program.desk, program.app, ec("new")).ask("system/*.rs").status_code == 200
    server = program.desk.register_confidential(may_introspect=True)
    secret = operator.run("rotate-secret", server.id, *why).stdout.strip()
    assert not _is_unknown(program.desk, replace(server, secret=secret))

    letters = session.scalars(select(OutboxMail).order_by(OutboxMail.id)).all()
    assert sorted(one.recipient for one in letters) == sorted([one.account.email for one in hear] * 3)
    settings = program.desk.settings
    texts = [mail.compose(letter, settings, settings.plan).get_content() for letter in letters]
    assert all(getpass.getuser() in text and "Ann is ill" not in text and secret not in text for text in texts)
    for said in (
        "registered the program Everything", f"flask apps suspend {program.id} --reason WHY", "other keys",
        "another secret", "registró el programa Everything", "cambió las claves", "cambió el secreto",
    ):  # fmt: skip
        assert any(said in text for text in texts), said
    audited = events(session, "oauth:client:break-glass")
    assert [one.client_id for one in audited] == [program.id, program.id, server.id]
    assert [(one.detail or {})["deed"] for one in audited] == ["register", "keys", "secret"]
    assert {one.reason for one in audited} == {"Ann is ill, a key must go"}
    assert all((one.detail or {})["told"] == 2 and (one.detail or {})["operator"] for one in audited)
    assert session.scalars(select(PendingAct)).all() == []
    assert clients.get(session, program.id).status is ClientStatus.APPROVED
