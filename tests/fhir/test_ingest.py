"""Loading: good resources kept, bad ones told, again and again without harm."""

import gzip
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text

from consent.policy import Access
from fhir import store
from fhir.loading import ingest, reading
from fhir.loading.batches import BATCH
from fhir.models import BodyDictionary, StoredResource, StoredVersion
from fhir.outcomes import NotFound
from service.db import make_sessions
from tests.fhir import records


def lines(*resources: dict[str, Any]) -> bytes:
    """NDJSON."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


def test_good_lines_are_kept_and_bad_ones_told(engine: Engine, system: Access, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    bad = b'{"resourceType":"Observation","id":"x"}\n\nnot json\n'
    (folder / "Observation.ndjson").write_bytes(lines(records.observation("o", "p")) + bad)
    (folder / "Patient.ndjson.gz").write_bytes(gzip.compress(lines(records.patient("p"))))
    (folder / "notes.txt").write_text("not ours")

    summary = ingest.load(engine, [folder], access=system, rejects=tmp_path / "out" / "rejected.ndjson")

    assert (summary.read, summary.added, summary.rejected) == (4, 2, 2)
    assert [str(one) for one in summary.problems] == [
        "Observation.ndjson, line 2, Observation.subject: patient. Name the patient by a reference Patient/id.",
        "Observation.ndjson, line 4: json. The line is not one JSON object: invalid character (byte 4).",
    ]
    assert summary.reject_file is not None
    told = [json.loads(line) for line in summary.reject_file.read_text().splitlines()]
    assert [(one["line"], one["rule"]) for one in told] == [(2, "patient"), (4, "json")]
    assert told[0]["resource"]["id"] == "x"
    assert stat.S_IMODE(summary.reject_file.stat().st_mode) == 0o600


def test_loading_again_changes_nothing(engine: Engine, system: Access) -> None:
    def load(**given: Any) -> ingest.LoadSummary:
        resources = [records.patient("p", **given), records.claim("c", "p")]
        return ingest.load_resources(engine, resources, access=system)

    assert (load().added, load().unchanged) == (2, 2)
    changed = load(gender="male")
    assert (changed.added, changed.changed, changed.unchanged) == (0, 1, 1)
    with make_sessions(engine)() as session:
        assert session.scalar(select(func.count()).select_from(StoredVersion)) == 1
        assert store.read(session, system, "Patient", "p").version == 2
        assert b'"female"' in store.vread(session, system, "Patient", "p", "1").body


def test_the_same_id_twice_in_one_load_makes_two_versions(engine: Engine, system: Access) -> None:
    summary = ingest.load_resources(engine, [records.patient("p"), records.patient("p", gender="male")], access=system)

    assert (summary.added, summary.changed) == (1, 1)


def test_a_resource_that_moves_leaves_nothing_with_the_former_patient(engine: Engine, system: Access) -> None:
    ingest.load_resources(engine, [records.observation("o", "p")], access=system)

    ingest.load_resources(engine, [records.observation("o", "q")], access=system)

    with make_sessions(engine)() as session:
        owners = session.scalars(select(StoredVersion.patient_id)).all()
        assert session.scalars(select(StoredResource.patient_id)).all() == ["q"]
    assert not {"p", "q"} & set(owners)


@pytest.mark.parametrize("file", ["bundle.json", "bundle.ndjson"])
def test_a_bundle_is_loaded_with_its_references_made_literal(
    engine: Engine, system: Access, tmp_path: Path, file: str
) -> None:
    name = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
    entries = [
        {"fullUrl": "urn:uuid:0", "resource": records.observation("o", "p") | {"subject": {"reference": name}}},
        {"fullUrl": "urn:uuid:1", "resource": records.observation("x", "p", gendre="x", subject={"reference": name})},
        {"fullUrl": name, "resource": records.patient("p")},
        {"fullUrl": 7, "resource": records.observation("y", "p", performer=[{"reference": "urn:uuid:nobody"}])},
    ]
    path, rejects = tmp_path / file, tmp_path / "rejects.ndjson"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))

    summary = ingest.load(engine, [path], access=system, rejects=rejects)

    assert (summary.added, summary.rejected) == (3, 1)
    rejects.write_text(rejects.read_text().replace("gendre", "language"))
    assert ingest.load(engine, [rejects], access=system).added == 1, "a reject keeps whom it is about"
    with make_sessions(engine)() as session:
        for one in ("o", "x"):
            assert b"Patient/p" in store.read(session, system, "Observation", one).body
        assert b"urn:uuid:nobody" in store.read(session, system, "Observation", "y").body


def test_a_provenance_belongs_to_whom_it_is_about(engine: Engine, system: Access) -> None:
    early = records.provenance("early", "Observation/o")
    lost = records.provenance("lost", "Observation/nowhere")

    summary = ingest.load_resources(engine, [early, lost, records.observation("o", "p")], access=system)

    assert (summary.added, summary.rejected) == (2, 1)
    assert summary.problems[0].path == "Provenance.target"
    with make_sessions(engine)() as session:
        owner = select(StoredResource.patient_id).where(StoredResource.id == "early")
        assert session.scalar(owner) == "p"


def test_a_prescription_is_as_sensitive_as_its_medication(engine: Engine, system: Access) -> None:
    rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm"
    order = {
        "resourceType": "MedicationRequest", "id": "m", "subject": records.to("Patient/p"), "status": "active",
        "intent": "order", "medicationReference": records.to("Medication/b"),
    }  # fmt: skip
    medication = {"resourceType": "Medication", "id": "b", "code": records.concept(rxnorm, "1010600")}

    def labels() -> tuple[str, ...]:
        with make_sessions(engine)() as session:
            return tuple(session.scalars(select(StoredResource.labels).where(StoredResource.id == "m")).one())

    ingest.load_resources(engine, [dict(order)], access=system)
    assert labels() == ("restricted",)
    ingest.load_resources(engine, [medication, dict(order)], access=system)
    assert labels() == ("substance_use",)


def test_bodies_share_a_dictionary_once_there_are_enough(engine: Engine, system: Access) -> None:
    claims = [records.claim(f"c{n}", "p", f"2026-01-{n % 28 + 1:02}") for n in range(150)]
    ingest.load_resources(engine, [records.patient("p"), *claims], access=system)

    with make_sessions(engine)() as session:
        assert session.scalars(select(BodyDictionary.type)).all() == ["ExplanationOfBenefit"]
        packed = session.scalar(
            select(func.sum(func.length(StoredResource.body))).where(StoredResource.type == "ExplanationOfBenefit")
        )
        body = store.read(session, system, "ExplanationOfBenefit", "c149").body
    assert json.loads(body)["id"] == "c149"
    assert packed is not None
    assert packed * 4 < len(body) * 150


def test_put_and_delete_keep_versions(engine: Engine, system: Access) -> None:
    with make_sessions(engine).begin() as session:
        assert store.put(session, system, records.patient("p")).version == 1
        assert store.put(session, system, records.patient("p")).version == 1
        store.delete(session, system, "Patient", "p")
        store.delete(session, system, "Patient", "p")
        assert store.put(session, system, records.patient("p")).version == 3
        assert [one.deleted for one in store.history(session, system, "Patient", "p").page] == [False, True, False]
        with pytest.raises(NotFound):
            store.delete(session, system, "Patient", "nobody")


def test_there_must_be_something_to_load(engine: Engine, system: Access, tmp_path: Path) -> None:
    with pytest.raises(reading.NothingToLoad):
        ingest.load(engine, [tmp_path], access=system)


def test_models_find_more_than_the_schema(engine: Engine, system: Access, tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    path.write_bytes(lines(records.patient("p", communication=[{"preferred": True}])))

    assert ingest.load(engine, [path], access=system).rejected == 0
    strict = ingest.load(engine, [path], access=system, checks=ingest.Checks(ingest.Level.MODELS))
    assert strict.problems[0].path == "Patient.communication[0].language"


def test_the_planner_knows_of_the_rows_after_the_first_batch(engine: Engine, system: Access) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite's planner needs no statistics to look a key up")
    ingest.load_resources(engine, (records.patient(f"p{number}") for number in range(BATCH)), access=system)

    with engine.connect() as connection:
        believed = text("SELECT reltuples FROM pg_class WHERE oid = 'resource'::regclass")
        # An estimate: the server may have vacuumed meanwhile.
        assert BATCH / 2 < connection.scalar(believed) < 2 * BATCH
