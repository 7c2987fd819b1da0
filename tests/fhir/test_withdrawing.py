"""Shared resources with members in them, from before loads refused those: `reindex` takes them out of sight."""

import orjson
import pytest
from flask import Flask
from sqlalchemy import Engine, update

from consent.policy import Access
from fhir import store
from fhir.loading import ingest, withdrawing
from fhir.models import StoredResource, StoredVersion
from fhir.outcomes import Gone, NotFound
from fhir.storage.bodies import bodies_of
from service.db import make_sessions
from tests.fhir import records

_CANARY = "Canary-contained"


def _doctor(**given: object) -> dict[str, object]:
    return {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Doctor"}], **given}


@pytest.fixture
def kept(engine: Engine, system: Access) -> Access:
    """A Practitioner and an Organization, as an earlier release took them: with a member in one version."""
    ingest.load_resources(engine, [*records.shared(), records.patient("p")], access=system)
    ingest.load_resources(engine, [_doctor(gender="female")], access=system)
    held = _doctor(contained=[{"resourceType": "Patient", "id": "in", "name": [{"family": _CANARY}]}])
    with make_sessions(engine).begin() as session:
        for table, key in ((StoredResource, "clinic"), (StoredVersion, "doctor")):
            number, (body,) = bodies_of(session).pack(session, "none", [orjson.dumps(held)])
            session.execute(update(table).where(table.id == key).values(dictionary_id=number, body=body))
    return system


def test_what_names_members_is_out_of_sight_with_all_its_versions(engine: Engine, kept: Access) -> None:
    sessions = make_sessions(engine)

    withdrawn = withdrawing.withdraw(sessions, access=kept)

    assert sorted(withdrawn) == [("Organization", "clinic"), ("Practitioner", "doctor")]
    with sessions() as session:
        for resource_type, resource_id, version in (("Practitioner", "doctor", "1"), ("Organization", "clinic", "1")):
            with pytest.raises(Gone):
                store.read(session, kept, resource_type, resource_id)
            with pytest.raises(NotFound):
                store.vread(session, kept, resource_type, resource_id, version)
        assert store.read(session, kept, "Organization", "payer").version == 1
    assert withdrawing.withdraw(sessions, access=kept) == []


def test_what_was_withdrawn_can_be_loaded_again(engine: Engine, kept: Access) -> None:
    withdrawing.withdraw(make_sessions(engine), access=kept)

    ingest.load_resources(engine, [_doctor()], access=kept)

    with make_sessions(engine)() as session:
        found = store.read(session, kept, "Practitioner", "doctor")
        assert found.version == 4 and _CANARY.encode() not in found.body
        assert [one.version for one in store.history(session, kept, "Practitioner", "doctor").page] == [4, 3]


def test_reindex_tells_what_it_withdrew(app: Flask, kept: Access) -> None:
    told = app.test_cli_runner().invoke(args=["fhir", "reindex"])

    assert told.exit_code == 0
    assert "Practitioner/doctor holds a member's record" in told.stderr
    assert "2 deleted with their versions." in told.stdout
