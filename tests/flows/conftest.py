"""Fixtures of the whole stories: a desk on the database of a running server."""

import pytest
from sqlalchemy import Engine

from consent.policy import plan_system
from fhir import store
from service.app import create_app
from tests.conftest import LiveServer
from tests.oauth.desk import Desk


@pytest.fixture
def live_desk(live_server: LiveServer, engine: Engine) -> Desk:
    """A desk on the running server's database, whose member has a Patient."""
    desk = Desk(create_app(live_server.settings, engine))
    with desk.session() as session:
        patient = {
            "resourceType": "Patient", "id": desk.member.patient_id, "gender": "female",
            "name": [{"family": desk.member.family_name, "given": [desk.member.given_name]}],
            "identifier": [{"system": "https://plan.example/members", "value": desk.member.member_number}],
        }  # fmt: skip
        store.put(session, plan_system("test"), patient)
    return desk
