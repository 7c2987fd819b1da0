"""The sandbox's portal: who signs in and what waits for them is there, codes are right, nothing comes twice."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from rich.console import Console
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from service.accounts import second_factors
from service.accounts.authentication import find_by_username
from service.accounts.second_factors import Shown
from service.app import create_app
from service.clock import now
from service.db import Base, make_engine, make_sessions
from service.plan.logins import delegates, portal_staff
from service.plan.mailbox import threads
from service.plan.models import MessageThread, OrganizationKind, ThreadStatus, ThreadTopic
from service.plan.registering import mailed_pins, not_listed, payment_proof, terms
from service.plan.registering.payment_proof import ShownPayment
from service.sandbox import codes, create, guide, portal
from service.sandbox.portal_people import PORTAL_PEOPLE, WANDA
from service.sandbox.sign_ins import Kind
from service.settings import Mode, Settings
from tests.accounts.visitor import Visitor
from tests.conftest import settings_on
from tests.sandbox.conftest import make_plan

HandOut = dict[str, Any]
MEMBERS = 1
"""The portal does not depend on how many there are."""


@pytest.fixture
def settings(kept_plan: Settings) -> Settings:
    """One sandbox for all of them."""
    return kept_plan


def _told(settings: Settings) -> HandOut:
    found: HandOut = json.loads(settings.sandbox_file.read_text())
    return found


def _accounts(settings: Settings) -> dict[str, HandOut]:
    everybody = _told(settings)["accounts"]
    return {one["username"]: one for one in everybody if "organization" in one and one["kind"] != "developer"}


def _rows(session: Session) -> dict[str, int]:
    # Loading FHIR data writes a row of its own each time, whatever it changes.
    every = [table for table in Base.metadata.sorted_tables if table.name != "audit_event"]
    return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in every}


def test_the_hand_out_names_everybody_of_the_portal_and_what_they_reach(settings: Settings) -> None:
    told = _accounts(settings)

    kinds = {one["kind"] for one in told.values()}
    assert kinds == {"provider_delegate", "provider_staff", "billing_delegate", "billing_staff", "plan_staff"}
    assert set(told) == {person.username for person in PORTAL_PEOPLE if person.kind is not Kind.DEVELOPER}
    assert sorted(name for name, one in told.items() if "totp_secret" in one) == sorted(codes.with_factor())
    assert told["luis"]["functions"] == ["eligibility", "remittances"]
    assert told["hugo"]["entries"][0]["groups"] == ["Rivermont General Hospital"]
    assert {"tax_id", "vendor_number"} <= told["hugo"]["entries"][0].keys()
    assert (told["peter"]["status"], told["peter"]["entries"]) == ("awaiting_pin", [])
    assert [one["groups"] for one in told["omar"]["entries"]] == [one["groups"] for one in told["nadia"]["entries"]]
    assert "covers_until" in told["nadia"]["entries"][1] and "covers_until" not in told["nadia"]["entries"][0]
    assert told["olivia"]["roles"] == ["administrator", "app_reviewer", "privacy_officer"]


def test_what_waits_for_offices_and_plan_staff_is_there(settings: Settings, session: Session) -> None:
    waiting = session.scalars(select(AuthorizationRequest.status)).all()
    facility = session.scalars(select(MessageThread).where(MessageThread.topic == ThreadTopic.ADD_FACILITY)).one()
    answered = session.scalars(select(MessageThread).where(MessageThread.topic == ThreadTopic.QUESTION)).one()

    assert sorted(waiting) == sorted(
        [AuthorizationStatus.APPROVED] * 2 + [AuthorizationStatus.ASKED, AuthorizationStatus.AWAITING_PLAN]
    )
    assert session.scalar(select(func.count()).select_from(BillingAuthorization)) == 2
    assert facility.status is ThreadStatus.OPEN
    assert answered.status is ThreadStatus.CLOSED and len(threads.messages_of(session, answered)[0]) == 2
    assert len(delegates.open_requests(session)) == len(not_listed.open_requests(session)) == 1
    assert len(mailed_pins.waiting_letters(session)) == 1


def test_every_number_of_the_hand_out_proves_its_group(settings: Settings, session: Session) -> None:
    proofs = _told(settings)["provider_proofs"]

    assert len(proofs) > 10 and {one["registered"] for one in proofs} == {True, False}
    for one in proofs:
        for method in ("check", "eft", "non_payment"):
            for second in ("npi", "vendor_number"):
                shown = ShownPayment(one["tax_id"], one[method], **{second: one[second]})
                assert payment_proof.verify(session, shown, network="tests").group.name == one["group"]


def test_making_it_again_changes_nothing(settings: Settings, session: Session) -> None:
    before, told = _rows(session), settings.sandbox_file.read_text()
    session.commit()

    make_plan(settings, MEMBERS)

    # That somebody looked whether there is anything to load is on record.
    assert _rows(session) == before | {"fhir_load": before["fhir_load"] + 1}
    assert settings.sandbox_file.read_text() == told


def test_somebody_who_is_missing_is_opened_by_the_next_run(empty_database_url: str, tmp_path: Path) -> None:
    settings = settings_on(empty_database_url, tmp_path)
    make_plan(settings, MEMBERS)
    engine = make_engine(settings.database_url)
    with make_sessions(engine).begin() as session:
        # A sandbox of before the portal: nobody of it is there.
        account = find_by_username(session, "felix")
        assert account is not None and portal.is_complete(session)
        account.username, account.username_key, account.username_skeleton = "f3lix", "f3lix", "f3lix"
        account.email, account.email_key = "f3lix@meridian.example", "f3lix@meridian.example"
    engine.dispose()
    assert not create.is_complete(settings)

    make_plan(settings, MEMBERS)

    assert create.is_complete(settings)


def test_the_first_page_is_home_but_for_who_must_accept_the_terms(settings: Settings, session: Session) -> None:
    accounts = {person: find_by_username(session, person.username) for person in PORTAL_PEOPLE}
    logins = {person: portal_staff.find_staff(session, account) for person, account in accounts.items() if account}

    asked = {
        person for person, staff in logins.items() if staff and terms.outstanding(session, staff, settings.plan.terms)
    }
    kinds = {staff.organization.kind for staff in logins.values() if staff}
    assert asked == {WANDA} and None not in accounts.values()
    assert kinds == {OrganizationKind.PROVIDER, OrganizationKind.BILLING}


def test_the_code_of_the_command_and_the_page_opens_the_sign_in(
    app: Flask, settings: Settings, session: Session
) -> None:
    account = find_by_username(session, "marge")
    assert account is not None
    at = now()
    session.commit()

    with time_machine.travel(at, tick=False):
        page = Visitor(app).get("/sandbox/code?username=Marge")
        told = app.test_cli_runner().invoke(args=["sandbox", "code", "marge"])
        code, seconds = codes.current(settings, "marge")

    assert code in page.text and told.stdout.strip() == code and 0 < seconds <= 30
    assert second_factors.show(session, settings.secret_key, account, code) is Shown.APP


def test_a_name_without_a_code_is_told_in_plain_words(app: Flask, settings: Settings) -> None:
    answer = Visitor(app).get("/sandbox/code?username=luis")

    assert answer.status_code == 404
    assert "Nobody of this name has an authenticator app here" in answer.text
    told = app.test_cli_runner().invoke(args=["sandbox", "code", "luis"])
    assert told.exit_code == 1 and "The sandbox knows the codes of marge" in told.stderr


def test_codes_are_told_by_no_production(settings: Settings, engine: Engine) -> None:
    production = create_app(replace(settings, mode=Mode.PRODUCTION, base_url="https://health.example.org"), engine)

    told = production.test_cli_runner().invoke(args=["sandbox", "code", "marge"])

    assert not [rule.rule for rule in production.url_map.iter_rules() if rule.rule.startswith("/sandbox")]
    assert told.exit_code == 1 and told.stdout == "" and "production" in told.stderr


def test_no_two_sandboxes_share_a_secret(settings: Settings) -> None:
    other = replace(settings, secret_key=b"another installation's key, quite as long")

    assert codes.secret_of(settings, "marge") == codes.secret_of(settings, "marge")
    secrets = {codes.secret_of(one, name) for one in (settings, other) for name in codes.with_factor()}
    assert len(secrets) == 2 * len(codes.with_factor())


def test_the_console_shows_the_portal(settings: Settings) -> None:
    told = StringIO()
    guide.show(Console(file=told, width=120), _told(settings))

    assert all(name in told.getvalue() for name in ("marge", "nadia", "ruth", "/provider", "/sandbox/code"))
    assert "peter" not in told.getvalue()
