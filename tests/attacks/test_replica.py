"""A replica that lags shows old data at most: what was ended, narrowed or hidden is so at once (case 192)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent import grant_changes, grants
from consent.grant_changes import Narrower
from consent.models import EndedBy, Grant
from consent.policy import plan_system
from consent.representatives import right_for
from consent.scopes import parse
from fhir import store
from fhir.loading import relabelling
from fhir.models import StoredResource, VisibilityEpoch
from service import clock
from service.accounts.models import Account
from service.app import create_app
from service.databases.replica import Replica
from service.db import Base, make_engine, make_sessions
from tests import clusters
from tests.clusters import Cluster
from tests.conftest import settings_on, wait_until
from tests.fhir import records
from tests.oauth.desk import Desk

SYSTEM = plan_system("tests")
HIV = {"code": records.concept("http://loinc.org", "75622-1")}
PLAIN = {"code": records.concept("http://loinc.org", "8867-4")}


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    with clusters.running_pair() as made:
        engine = make_engine(made[0].url)
        Base.metadata.create_all(engine)
        engine.dispose()
        yield made


class Plan:
    """The application on a primary and its replica, an app that is let in, and an observation of the member's."""

    def __init__(self, app: Flask, primary: Cluster, copy: Cluster) -> None:
        self.desk, self.primary, self.copy = Desk(app), primary, copy
        self.patient_id = self.desk.member.patient_id
        self.observation = f"o-{self.patient_id}"
        self.put(records.patient(self.patient_id))
        self.write(1, **PLAIN)
        self.token = self.connect()
        copy.wait_for(primary)

    @property
    def replica(self) -> Replica:
        found: Replica = self.desk.app.extensions["latchstring"].reading.replica
        return found

    def connect(self, **given: Any) -> str:
        scope = "openid launch/patient offline_access patient/*.rs"
        token: str = self.desk.connect(self.desk.register(), scope=scope, **given)["access_token"]
        return token

    def write(self, value: int, **given: Any) -> None:
        quantity = {"value": value, "unit": "1"}
        self.put(records.observation(self.observation, self.patient_id, valueQuantity=quantity, **given))

    def put(self, resource: dict[str, Any]) -> None:
        with self.desk.session() as session:
            store.put(session, SYSTEM, resource)

    def get(self, path: str, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return self.desk.app.test_client().get(f"/fhir/r4/{path}", headers=headers)

    def value(self) -> tuple[int, str]:
        """The observation's value and the instant it claims."""
        found = self.get(f"Observation/{self.observation}")
        assert found.status_code == 200, found.text
        return found.get_json()["valueQuantity"]["value"], found.get_json()["meta"]["lastUpdated"]

    def sees(self) -> set[int]:
        """By which ways the observation is seen."""
        seen = {
            1: self.get(f"Observation/{self.observation}").status_code == 200,
            2: self.observation in self.get(f"Observation?patient={self.patient_id}").text,
            3: self.get(f"Observation/{self.observation}/_history/1").status_code == 200,
            4: self.get(f"Observation/{self.observation}/_history").status_code == 200,
            5: self.observation in self.get(f"Patient/{self.patient_id}/$everything").text,
        }
        return {way for way, is_so in seen.items() if is_so}


@pytest.fixture
def plan(pair: tuple[Cluster, Cluster], tmp_path: Path) -> Iterator[Plan]:
    primary, copy = pair
    (tmp_path / "var").mkdir()
    settings = replace(settings_on(primary.url, tmp_path / "var"), database_read_url=copy.url)
    engine = make_engine(primary.url)
    made = Plan(create_app(settings, engine), primary, copy)
    yield made
    copy.go_on()
    engine.dispose()
    made.replica.engine.dispose()
    clock.obey(None)


def test_data_alone_may_lag_and_says_of_when_it_is(plan: Plan) -> None:
    first, at_first = plan.value()
    assert (first, plan.replica.state) == (1, "current")

    plan.copy.hold_back()
    plan.write(2, **PLAIN)
    assert plan.value() == (1, at_first), "the replica answers, with the instant of what it shows"
    plan.copy.go_on()
    plan.copy.wait_for(plan.primary)

    second, at_second = plan.value()
    assert second == 2 and at_second > at_first


def test_case_192_what_is_ended_on_the_primary_is_ended_though_the_replica_lags(plan: Plan) -> None:
    assert plan.value()[0] == 1
    plan.copy.hold_back()
    newer = plan.connect()
    assert plan.get(f"Observation/{plan.observation}", newer).status_code == 200, "a token the replica never saw"

    with plan.desk.session() as session:
        for grant in session.scalars(select(Grant).where(Grant.account_id == plan.desk.account.id)):
            grants.revoke(session, grant, by=EndedBy.MEMBER)

    for token in (plan.token, newer):
        assert plan.get(f"Observation/{plan.observation}", token).status_code == 401
        assert plan.get(f"Observation?patient={plan.patient_id}", token).status_code == 401


def test_case_192_a_narrower_grant_is_narrower_at_once_and_a_paused_one_rests(plan: Plan) -> None:
    account_id, member_id = plan.desk.account.id, plan.desk.member.id
    plan.copy.hold_back()
    with plan.desk.session() as session:
        account = session.get_one(Account, account_id)
        grant = session.scalars(select(Grant).where(Grant.account_id == account_id)).one()
        choice = right_for(session, account, member_id)
        assert choice is not None
        left = Narrower(parse("openid launch/patient patient/Coverage.rs"), frozenset(), False, grant.expires_at)
        grant_changes.narrow(session, grant, left, account, choice)
    assert plan.get(f"Observation/{plan.observation}").status_code == 401

    with plan.desk.session() as session:
        grant = session.scalars(select(Grant).where(Grant.account_id == account_id)).one()
        grants.revoke(session, grant, by=EndedBy.MEMBER)
    again = plan.connect()
    with plan.desk.session() as session:
        account = session.get_one(Account, account_id)
        grant = session.scalars(select(Grant).where(Grant.account_id == account_id, Grant.ended_at.is_(None))).one()
        choice = right_for(session, account, member_id)
        assert choice is not None
        grant_changes.pause(session, grant, account, choice)
    assert plan.get(f"Observation/{plan.observation}", again).status_code == 401


def test_case_192_what_becomes_sensitive_is_hidden_at_once(plan: Plan) -> None:
    assert plan.sees() == {1, 2, 3, 4, 5} and plan.replica.state == "current"
    plan.copy.hold_back()

    plan.write(1, **HIV)

    assert plan.sees() == set()
    assert plan.replica.state == "behind"
    plan.copy.go_on()
    plan.copy.wait_for(plan.primary)
    assert plan.sees() == set() and plan.replica.state == "current"


def test_case_192_what_newer_code_tables_find_sensitive_is_hidden_at_once(plan: Plan) -> None:
    plan.write(1, **HIV)
    with plan.desk.session() as session:
        # As older tables left it, which did not know the code.
        values = {"labels": [], "labelled_by": "1999-01"}
        session.execute(update(StoredResource).where(StoredResource.id == plan.observation).values(values))
    plan.copy.wait_for(plan.primary)
    assert 2 in plan.sees() and plan.replica.state == "current"
    plan.copy.hold_back()

    relabelling.relabel(make_sessions(plan.desk.app.extensions["latchstring"].engine), access=SYSTEM, progress=print)

    assert plan.sees() & {1, 2, 4, 5} == set()


@pytest.mark.parametrize("deed", ["deleted", "of another member"])
def test_case_192_what_is_not_the_members_any_more_is_gone_at_once(plan: Plan, deed: str) -> None:
    assert 1 in plan.sees()
    plan.copy.hold_back()

    with plan.desk.session() as session:
        if deed == "deleted":
            store.delete(session, SYSTEM, "Observation", plan.observation)
        else:
            store.put(session, SYSTEM, records.observation(plan.observation, "somebody-else", **PLAIN))

    assert plan.sees() & {1, 2, 5} == set()


def test_case_192_a_replica_that_lags_too_far_is_passed_over(plan: Plan) -> None:
    plan.replica._most_lag = 0.2
    assert plan.value()[0] == 1
    plan.copy.hold_back()
    plan.write(2, **PLAIN)

    wait_until(lambda: plan.value()[0] == 2, 10, "old data is still shown")

    assert plan.replica.state == "behind"


def test_a_change_that_hides_nothing_leaves_the_epoch(plan: Plan) -> None:
    def epoch(session: Session) -> str | None:
        return session.scalar(select(VisibilityEpoch.epoch))

    with plan.desk.session() as session:
        before = epoch(session)
    plan.write(3, **PLAIN)
    with plan.desk.session() as session:
        assert epoch(session) == before
    plan.write(3, **HIV)
    with plan.desk.session() as session:
        hidden = epoch(session)
        assert hidden not in {before, None}
    plan.write(3, **PLAIN)
    with plan.desk.session() as session:
        assert epoch(session) == hidden, "to be seen by more is no narrowing"


def test_without_its_replica_the_primary_answers_and_it_is_asked_again(plan: Plan) -> None:
    assert plan.value()[0] == 1 and plan.replica.state == "current"
    plan.copy.stop()
    plan.write(4, **PLAIN)
    assert plan.value()[0] == 4
    assert plan.replica.state == "away"

    plan.copy.start()
    plan.copy.wait_for(plan.primary)
    plan.replica._asked_again_at = 0.0

    assert plan.value()[0] == 4 and plan.replica.state == "current"


def test_a_server_that_follows_nobody_is_no_replica(pair: tuple[Cluster, Cluster], tmp_path: Path) -> None:
    primary, copy = pair
    (tmp_path / "var").mkdir()
    settings = replace(settings_on(primary.url, tmp_path / "var"), database_read_url=primary.url)
    engine = make_engine(primary.url)
    made = Plan(create_app(settings, engine), primary, copy)
    assert made.value()[0] == 1
    assert made.replica.state == "no replica"
    engine.dispose()
    made.replica.engine.dispose()
    clock.obey(None)


def test_doctor_looks_at_the_replica(plan: Plan) -> None:
    runner = plan.desk.app.test_cli_runner()
    assert "(DATABASE_READ_URL)" not in runner.invoke(args=["doctor"]).output
    assert " follows; its newest transaction is " in runner.invoke(args=["doctor"]).output

    plan.replica.engine.dispose()
    plan.copy.stop()
    told = runner.invoke(args=["doctor"])
    plan.copy.start()
    assert told.exit_code == 1 and "DATABASE_URL answers in its place" in told.output
