"""Bad input of loads: every malformed line is told by file, line and rule; nothing crashes, the good ones are kept."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from consent.policy import Access
from fhir import store
from fhir.loading import ingest, reading
from fhir.loading.lines import LONGEST, Place
from fhir.models import StoredResource
from fhir.outcomes import Gone
from service.db import make_sessions
from tests.fhir import records

GOOD = json.dumps(records.patient("good")).encode()
MALFORMED = [
    (b"not json", "json"),
    (b'{"resourceType":"Patient","id":"a"', "json"),
    (b'"text"', "json"),
    (b"[]", "json"),
    (b"[" * 100_000, "json"),
    (b'{"resourceType":"Patient","id":"a","x":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, "json"),
    (b'{"resourceType":"Patient","id":"a","contained":[' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"]}", "json"),
    (b'{"resourceType":"Patient","id":"a","contained":[' + b'{"a":' * 99 + b'"}"' + b"}" * 99 + b"]}", "json"),
    (b'{"resourceType":"Patient","id":"a","id":"b"}', "duplicate-key"),
    (b'{"resourceType":"Patient","id":"a","gender":"\\ud800"}', "json"),
    (b'{"resourceType":"Patient","id":"a","gender":"\\u0000"}', "control-character"),
    (b'{"resourceType":"Patient","id":"a","gender":"\x00"}', "json"),
    (b'{"resourceType":"Patient","id":"a","gender":"\xff\xfe"}', "utf-8"),
    (b'{"resourceType":"Patient","id":"a","gender":7}', "structure"),
    (b'{"resourceType":"Patient","id":"a","gendre":"male"}', "structure"),
    (b'{"resourceType":"Patient","id":"a","name":{"family":"x"}}', "structure"),
    (b'{"resourceType":"Patient","id":"a","active":"true"}', "structure"),
    (b'{"resourceType":"Patient","id":"a","multipleBirthInteger":1.5}', "structure"),
    (b'{"resourceType":"Patient","id":"a","birthDate":"30.4.1956"}', "date"),
    (b'{"resourceType":["Patient"],"id":"a"}', "unknown-type"),
    (b'{"resourceType":"Bundle","type":"history","entry":[]}', "bundle"),
    (b'{"resourceType":"Bundle","type":"collection","entry":{}}', "bundle"),
    (b'{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"PATCH","url":"a/b"}}]}', "bundle"),
    (b'{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"x"}}]}', "name"),
    (b'{"rule":"json","hint":"x"}', "reject"),
    (b'{"rule":"json","hint":"x","content":"{"}', "json"),
]  # fmt: skip


def test_each_malformed_line_is_told_and_the_good_ones_are_kept(engine: Engine, system: Access, tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    lines = [b"\xef\xbb\xbf" + GOOD, b"", *(raw for raw, _ in MALFORMED), GOOD.replace(b"good", b"last")]
    path.write_bytes(b"\r\n".join(lines))

    summary = ingest.load(engine, [path], access=system, rejects=tmp_path / "rejects.ndjson")

    told = {one.line: one.rule for one in summary.problems}
    expected = {number: rule for number, (_, rule) in enumerate(MALFORMED, start=3)}
    assert told == expected
    with make_sessions(engine)() as session:
        kept = set(session.scalars(select(StoredResource.id)))
    assert {"good", "last"} <= kept
    again = ingest.load(engine, [tmp_path / "rejects.ndjson"], access=system)
    assert (again.added, again.changed, again.rejected) == (0, 0, summary.rejected), "loading rejects as they are"


def test_a_reject_that_is_corrected_can_be_loaded(engine: Engine, system: Access, tmp_path: Path) -> None:
    path, rejects = tmp_path / "Patient.ndjson", tmp_path / "rejects.ndjson"
    wrong = records.patient("p", name={"family": "x"}, multipleBirthInteger=7)
    path.write_bytes(json.dumps(wrong).encode() + b"\n" + b'{"resourceType":"Patient","id":"q"')
    assert ingest.load(engine, [path], access=system, rejects=rejects).rejected == 2

    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert (told[0]["file"], told[0]["line"], told[0]["path"]) == ("Patient.ndjson", 1, "Patient.name")
    told[0]["resource"]["name"] = [told[0]["resource"]["name"]]
    told[1]["content"] += "}"
    rejects.write_text("".join(json.dumps(one) + "\n" for one in told))

    assert ingest.load(engine, [rejects], access=system).added == 2


def test_a_line_of_any_length_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(100):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\n" + GOOD + b"\n")

    lines = [line for piece in reading.pieces(path) for line in piece.lines]

    assert [(line.number, line.fault.rule if line.fault else None) for line in lines] == [(1, "too-long"), (2, None)]
    assert sum(len(line.raw) for line in lines) < LONGEST


@pytest.mark.parametrize("cut", ["short", "damaged", "none at all"])
def test_a_packed_file_that_is_cut_or_damaged_is_told(engine: Engine, system: Access, tmp_path: Path, cut: str) -> None:
    path = tmp_path / "Patient.ndjson.gz"
    whole = gzip.compress(b"".join(json.dumps(records.patient(f"p{n}")).encode() + b"\n" for n in range(2_000)))
    damaged = whole[:-2_000] + b"\0" * 100 + whole[-1_900:]
    path.write_bytes({"short": whole[:-2_000], "damaged": damaged, "none at all": b"no gzip"}[cut])

    summary = ingest.load(engine, [path], access=system)

    assert summary.problems[-1].rule in {"gzip", "json"}
    assert (summary.added > 500) == (cut != "none at all")


@pytest.mark.parametrize(
    ("raw", "faults", "entries"),
    [
        (b"", ["json"], 0),
        (b'{"resourceType":"Bundle","entry":[', ["json"], 0),
        (b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"p"}}', ["json"], 1),
        (b'{"resourceType":"Bundle","entry":[{"a":"}]\\""},{"b":[{}]}]} {}', ["json"], 2),
        (b'{"resourceType":"Bundle","entry":[{"a":"' + b"x" * (LONGEST + 3_000_000) + b'"}]}', ["too-long"], 0),
        (b'{"resourceType":"Bundle","entry":[{"a":[' + b'"x",' * 5_000_000 + b'""]},{"b":1}]}', ["too-long"], 1),
        (b'{"resourceType":"Bundle","type":"history","entry":[{"a":1}]}', ["bundle"], 0),
        (b'{"resourceType":"Bundle","entry":["x",{"a":["y", 1]}, null ,12,{"b":"z"},"\\"",true]}', ["bundle"] * 5, 2),
        (b'{"entry":[ {"a":1} ],"resourceType":"Bundle","total":1,"x":["y",2]}', [], 1),
    ],
)
def test_a_bundle_file_is_read_entry_by_entry(tmp_path: Path, raw: bytes, faults: list[str], entries: int) -> None:
    path = tmp_path / "bundle.json"
    path.write_bytes(raw)

    lines = [line for piece in reading.pieces(path) for line in piece.lines]

    assert [line.fault.rule for line in lines if line.fault] == faults
    assert sum(line.is_entry and not line.fault for line in lines) == entries


def test_what_was_read_before_must_be_the_same(tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    path.write_bytes(b"".join(b'{"id":"%d"}\n' % number for number in range(1_200)))
    first, second, *_ = reading.pieces(path)

    assert next(reading.pieces(path, first.end)).lines == second.lines
    for wrong in (Place(first.end.line, b"other"), Place(5_000, first.end.digest)):
        with pytest.raises(reading.ChangedFile):
            next(reading.pieces(path, wrong))


def test_a_text_too_long_for_an_index_is_refused_and_its_neighbours_kept(
    engine: Engine, system: Access, tmp_path: Path
) -> None:
    # Random enough that no database packs it: PostgreSQL keeps at most some 2,700 bytes of it in an index.
    number = "".join(f"{n * 7_919 % 104_729:x}" for n in range(4_000))
    long = {"identifier": [{"system": records.CLAIM_NUMBER, "value": number}]}
    path = tmp_path / "ExplanationOfBenefit.ndjson"
    claims = [records.claim("a", "p"), records.claim("b", "p", **long), records.claim("c", "p")]
    path.write_text("".join(json.dumps(one) + "\n" for one in claims))

    summary = ingest.load(engine, [path], access=system)

    if engine.dialect.name == "postgresql":
        assert [(one.line, one.rule) for one in summary.problems] == [(2, "database")]
    assert summary.added + summary.rejected == 3 and summary.added >= 2


def test_bundles_and_lists_delete(engine: Engine, system: Access, tmp_path: Path) -> None:
    ingest.load_resources(engine, [records.patient("p"), records.patient("q"), records.patient("r")], access=system)
    entry = {"request": {"method": "DELETE", "url": "Patient/p"}}
    again = {"request": {"method": "PUT", "url": "Patient/q"}, "resource": records.patient("q", gender="male")}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry, again]}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "deleted.ndjson").write_text(json.dumps(bundle) + "\n")
    (tmp_path / "gone.txt").write_text("Patient/r\n\nPatient/nobody\nnonsense\n")

    summary = ingest.load(engine, [tmp_path / "in"], access=system, delete=[tmp_path / "gone.txt"])

    assert (summary.deleted, summary.changed, summary.rejected) == (2, 1, 1)
    assert [(one.file, one.line) for one in summary.problems] == [("gone.txt", 4)]
    with make_sessions(engine)() as session:
        for gone in ("p", "r"):
            with pytest.raises(Gone):
                store.read(session, system, "Patient", gone)


def test_profiles_warn_by_default_and_refuse_when_strict(engine: Engine, system: Access, tmp_path: Path) -> None:
    base = "http://hl7.org/fhir/us"
    profiles: dict[str, Any] = {
        "Patient": f"{base}/core/StructureDefinition/us-core-patient|6.1.0",
        "ExplanationOfBenefit": f"{base}/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit-Pharmacy",
    }
    bare = records.patient("p", meta={"profile": [profiles["Patient"]]})
    del bare["gender"], bare["identifier"]
    adjudication = {"category": records.claim("x", "p")["total"][0]["category"], "amount": {"value": 99.999}}
    claim = records.claim("c", "p", meta={"profile": [profiles["ExplanationOfBenefit"]]},
                          item=[{"sequence": 1, "adjudication": [adjudication]}])  # fmt: skip
    path = tmp_path / "in.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in (bare, claim, records.patient("none"))))

    by_default = ingest.Checks(ingest.Level.PROFILES)
    summary = ingest.load(engine, [path], access=system, checks=by_default, warnings=tmp_path / "warnings.ndjson")

    assert (summary.added, summary.rejected) == (3, 0)
    found = {(one.rule, one.path) for one in summary.warnings}
    assert {("cardinality", "Patient.gender"), ("cardinality", "Patient.identifier"),
            ("no-profile", "Patient.meta.profile"), ("money", "ExplanationOfBenefit.total"),
            ("cardinality", "ExplanationOfBenefit.item.productOrService"), ("reference", "")} <= found  # fmt: skip
    assert any("binding" in rule or "cardinality" in rule for rule, path in found if ":" in path), "slices"
    assert len((tmp_path / "warnings.ndjson").read_text().splitlines()) == summary.warned
    strict = ingest.load(engine, [path], access=system, checks=ingest.Checks(ingest.Level.PROFILES, strict=True))
    assert (strict.rejected, strict.unchanged) == (3, 0)
