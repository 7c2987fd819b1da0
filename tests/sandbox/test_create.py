"""Making the sandbox plan: everything a visitor or a tester is promised is there, and a second run changes nothing."""

import json
import stat
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.models import RepresentativeLink
from fhir.models import StoredResource
from oauth.apps.models import Developer
from service.accounts import passwords
from service.accounts.models import Account
from service.accounts.passwords import Rule
from service.db import make_engine, make_sessions
from service.plan.models import Member
from service.sandbox import create, gather, handout
from service.sandbox.portal_people import PORTAL_PEOPLE
from service.sandbox.sign_ins import PASSWORD, SIGN_INS
from service.settings import Mode, Settings


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """The plan is made from nothing, tables included."""
    return empty_database_url


def _create(settings: Settings, members: int = 12, seed: int = 1) -> str:
    told = StringIO()
    create.create(settings, members=members, seed=seed, console=Console(file=told, width=100))
    return told.getvalue()


def _count(settings: Settings) -> dict[str, int]:
    tables = (Member, StoredResource, Account, RepresentativeLink, Developer)
    engine = make_engine(settings.database_url)
    with make_sessions(engine)() as session:
        found = {table.__tablename__: _rows(session, table) for table in tables}
    engine.dispose()
    return found


def _rows(session: Session, table: type[Any]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_the_plan_is_made_to_its_end_and_a_second_run_changes_nothing(settings: Settings) -> None:
    told = _create(settings)
    first = _count(settings)

    _create(settings)

    assert "12 members with" in told
    assert first["member"] == 12 and first["resource"] > 1_000
    assert first["account"] == len(SIGN_INS) + len(PORTAL_PEOPLE) + 1 and first["representative_link"] == 5
    assert first["developer"] == 2
    assert create.is_complete(settings)
    assert _count(settings) == first


def test_the_hand_out_names_every_kind_of_sign_in_and_app(settings: Settings) -> None:
    _create(settings)

    told = json.loads(settings.sandbox_file.read_text())
    kinds = {account["kind"] for account in told["accounts"] if "organization" not in account}
    members = {account["username"]: len(account["members"]) for account in told["accounts"]}
    apps = {app["client_id"]: app for app in told["clients"]}
    assert (told["base_url"], told["fhir_base"]) == ("http://localhost", "http://localhost/fhir/r4")
    assert kinds == {"member", "former_member", "personal_representative"}
    assert (members["thomas"], members["anna"], members["susan"], members["helen"]) == (1, 3, 2, 1)
    assert [one["for_member"] for one in told["representative_requests"]] == ["Thomas King"]
    assert all(account["password"] == PASSWORD and account["email"] for account in told["accounts"])
    assert {app["token_endpoint_auth_method"] for app in apps.values()} == {
        "none", "client_secret_basic", "client_secret_post", "private_key_jwt",
    }  # fmt: skip
    by_key = [app for app in apps.values() if app["token_endpoint_auth_method"] == "private_key_jwt"]
    assert {app["client_id"] for app in by_key} == {"keyed-app", "plan-reporting", "clinic-billing", "plan-gateway"}
    assert all(("private_jwk" in app) == (app in by_key) for app in apps.values())
    confidential = [app for app in apps.values() if app["kind"] == "confidential"]
    assert all(("client_secret" in app) == (app in confidential and app not in by_key) for app in apps.values())
    assert apps["declined-app"]["attestation"] == "declined"
    developers = {one["username"]: one["organization"] for one in told["accounts"] if one["kind"] == "developer"}
    assert developers == {"devon": "Claim Lens Inc.", "ines": "Brightpath Labs Inc."}
    assert told["registrations"]["members"] and told["registrations"]["personal_representatives"]


def test_the_hand_out_is_for_its_owner_only_and_stays_the_same(settings: Settings) -> None:
    _create(settings, members=4)
    path = settings.sandbox_file
    before = path.read_text()

    path.unlink()
    gather.write_for(settings)

    assert path.read_text() == before, "secrets and ids do not change"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_password_of_the_sandbox_keeps_the_plans_rule() -> None:
    assert passwords.judge(PASSWORD, Rule(("thomas", "Thomas", "King", "Meridian Health Plan"))).good


def test_a_plan_smaller_than_the_cast_has_the_sign_ins_of_its_members(settings: Settings) -> None:
    _create(settings, members=3)

    accounts = handout.read(settings)["accounts"]
    names = {account["username"] for account in accounts if "organization" not in account}

    assert names == {"anna", "helen"}


def test_a_plan_of_another_seed_is_refused(settings: Settings) -> None:
    _create(settings, members=1, seed=1)

    with pytest.raises(create.CannotCreate, match="another seed"):
        _create(settings, members=1, seed=2)


def test_production_gets_no_invented_people(settings: Settings) -> None:
    with pytest.raises(create.CannotCreate, match="production"):
        _create(replace(settings, mode=Mode.PRODUCTION))

    assert not settings.sandbox_file.exists()
