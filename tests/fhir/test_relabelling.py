"""Labels by versioned tables: a new version relabels by one command, prescriptions follow their Medications."""

from threading import Thread

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir import store
from fhir.loading import ingest, labels, relabelling
from fhir.loading.preparation import prepare_resource
from fhir.models import StoredResource, StoredVersion
from fhir.storage import reindexing
from service.audit import AuditEvent
from service.db import make_sessions
from tests.conftest import wait_until
from tests.fhir import records

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def _stored(session: Session, resource_id: str) -> tuple[tuple[str, ...], str]:
    session.expire_all()
    row = session.scalars(select(StoredResource).where(StoredResource.id == resource_id)).one()
    return tuple(row.labels), row.labelled_by


def test_a_new_version_of_the_tables_relabels_what_is_stored(engine: Engine, system: Access) -> None:
    secret = {"diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": records.concept(records.ICD, "F10.20")}]}
    ingest.load_resources(engine, [records.claim("c", "p", **secret), records.patient("p")], access=system)
    ingest.load_resources(engine, [records.claim("c", "p", "2026-04-01", **secret)], access=system)
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        assert _stored(session, "c") == (("substance_use",), labels.VERSION)
        # As an older version of the tables left them, which did not know the code.
        for table in (StoredResource, StoredVersion):
            session.execute(update(table).values(labels=[], labelled_by="1999-01"))

    told: list[int] = []
    assert relabelling.relabel(sessions, access=system, progress=told.append) == (3, 2, 0)

    assert sum(told) == 3
    with sessions.begin() as session:
        assert _stored(session, "c") == (("substance_use",), labels.VERSION)
        assert _stored(session, "p") == ((), labels.VERSION)
        assert tuple(session.scalars(select(StoredVersion)).one().labels) == ("substance_use",)
        assert "fhir:resource:relabel" in session.scalars(select(AuditEvent.tag)).all()
    assert relabelling.relabel(sessions, access=system, progress=told.append) == (0, 0, 0)


def test_a_prescription_loaded_before_its_medication_follows_it(engine: Engine, system: Access) -> None:
    order = {
        "resourceType": "MedicationRequest", "id": "m", "subject": records.to("Patient/p"), "status": "active",
        "intent": "order", "medicationReference": records.to("Medication/b"),
    }  # fmt: skip
    medication = {"resourceType": "Medication", "id": "b", "code": records.concept(_RXNORM, "1010600")}
    ingest.load_resources(engine, [order], access=system)
    with make_sessions(engine)() as session:
        assert _stored(session, "m")[0] == ("restricted",)

    ingest.load_resources(engine, [medication], access=system)

    with make_sessions(engine)() as session:
        assert _stored(session, "m")[0] == ("substance_use",)


def test_a_prescription_follows_a_medication_that_a_program_writes(engine: Engine, system: Access) -> None:
    def order(number: int) -> dict[str, object]:
        return {
            "resourceType": "MedicationRequest", "id": f"m{number}", "subject": records.to("Patient/p"),
            "status": "active", "intent": "order", "medicationReference": records.to(f"Medication/b{number}"),
        }  # fmt: skip

    def medication(number: int, code: str) -> dict[str, object]:
        return {"resourceType": "Medication", "id": f"b{number}", "code": records.concept(_RXNORM, code)}

    known = [medication(number, "197361") for number in range(2)]
    ingest.load_resources(engine, [*known, *map(order, range(2))], access=system)

    with make_sessions(engine).begin() as session:
        store.put(session, system, medication(0, "1010600"))

    with make_sessions(engine)() as session:
        assert _stored(session, "m0")[0] == ("substance_use",)
        assert _stored(session, "m1")[0] == ()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("upkeep", ["relabel", "reindex"])
def test_upkeep_waits_for_who_writes_and_takes_no_new_label_away(engine: Engine, system: Access, upkeep: str) -> None:
    """It reads first and writes then: in between a prescription may have followed its Medication."""
    medication = {"resourceType": "Medication", "id": "b", "code": records.concept(_RXNORM, "197361")}
    order = {
        "resourceType": "MedicationRequest", "id": "m", "subject": records.to("Patient/p"), "status": "active",
        "intent": "order", "medicationReference": records.to("Medication/b"),
    }  # fmt: skip
    ingest.load_resources(engine, [medication, order], access=system)
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        old = update(StoredResource).where(StoredResource.id == "m")
        session.execute(old.values(labelled_by="1999-01", code=["old"]))

    def work() -> None:
        if upkeep == "relabel":
            relabelling.relabel(sessions, access=system, progress=lambda _: None)
        else:
            reindexing.reindex(engine, access=system)

    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    worker = Thread(target=work)
    with sessions.begin() as session:
        store.put(session, system, medication | {"code": records.concept(_RXNORM, "1010600")})
        worker.start()
        wait_until(lambda: bool(session.scalar(waiting)), 10, "it waits for nobody")
    worker.join(10)

    with sessions() as session:
        assert _stored(session, "m")[0] == ("substance_use",)


def test_what_the_source_labelled_itself_stays_labelled() -> None:
    def labelled(system: str, code: str) -> frozenset[str]:
        meta = {"security": [{"system": system, "code": code}]}
        return prepare_resource(records.observation("o", "p", meta=meta)).labels

    assert labelled(_ACT, "HIV") == {"hiv"}
    assert labelled(_ACT, "PSY") == {"mental_health"}
    assert labelled(_CONFIDENTIALITY, "R") == {"restricted"}
    assert labelled(_CONFIDENTIALITY, "N") == labelled(_ACT, "TREAT") == frozenset()
