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
from fhir.loading.faults import Rejected
from fhir.loading.lines import LONGEST, Place
from fhir.loading.preparation import prepare, prepare_resource
from fhir.models import StoredResource
from fhir.outcomes import Gone
from service.db import make_sessions
from tests.fhir import records

GOOD = json.dumps(records.patient("good")).encode()


def _bare(**given: Any) -> dict[str, Any]:
    whole = records.observation("a", "p")
    return {name: whole[name] for name in ("resourceType", "id", "status", "code", "subject")} | given


def _observation(**given: Any) -> bytes:
    return json.dumps(_bare(**given)).encode()


def _extended(**given: Any) -> bytes:
    return json.dumps(records.patient("a", extension=[{"url": "http://x.example/y", **given}])).encode()


_CODE = records.concept(records.LOINC, "4548-4")
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
    (b'{"resourceType":"Patient","id":"a","contained":[{"resourceType":"Foo","bar":1}]}', "structure"),
    (b'{"resourceType":"Patient","id":"a","contained":[{"id":"b"}]}', "structure"),
    (_observation(valueString="x", valueInteger=7), "structure"),
    (_observation(valueString="x", _valueInteger={"id": "y"}), "structure"),
    (_observation(component=[{"code": _CODE}, {"code": _CODE, "valueString": "x", "valueInteger": 7}]), "structure"),
    (_extended(valueString="x", valueCode="y"), "structure"),
    (_extended(extension=[{"url": "z", "valueString": "x", "_valueCode": {"id": "y"}}]), "structure"),
    (_observation(issued="2026-02-30T10:00:00Z"), "date"),
    (_observation(issued="2026-04-30"), "date"),
    (_observation(effectiveDateTime="2026-99"), "date"),
    (_observation(effectiveDateTime="2026-99-01T10:00:00Z"), "date"),
    (_observation(effectiveDateTime="2025-02-29"), "date"),
    (_observation(effectiveDateTime="0000"), "date"),
    (_observation(effectiveDateTime="2026-04-30\n"), "date"),
    (_observation(effectivePeriod={"start": "2100-02-29"}), "date"),
    (_observation(effectiveDateTime="٢٠٢٦"), "date"),
    (_observation(method={}), "structure"),
    (_observation(method={"coding": [{}]}), "structure"),
    (_observation(component=[{"code": _CODE, "valueQuantity": {}}]), "structure"),
    (_observation(component=[]), "structure"),
    (_observation(_status={"extension": []}), "structure"),
    (_observation(meta={}), "structure"),
    (_observation(contained=[{"resourceType": "Basic", "code": {}}]), "structure"),
    (_observation(contained=[{"resourceType": "Basic", "code": {}}]).replace(b"{}", b"{ }"), "structure"),
    (_observation(status="final\n"), "structure"),
    (_observation(status=" final"), "structure"),
    (_observation(code={"coding": [{"system": records.LOINC, "code": "4548-4 "}]}), "structure"),
    (_observation(code={"coding": [{"system": "http://loinc.org ", "code": "4548-4"}]}), "structure"),
    (_observation(meta={"profile": ["http://x.example/a b"]}), "structure"),
    (_extended(valueId="a_b"), "structure"),
    (_extended(valueUrl="http://x.example/ a"), "structure"),
    (_extended(valueOid="urn:oid:3.1"), "structure"),
    (_extended(valueBase64Binary="QUJ"), "structure"),
    (_extended(valueBase64Binary="QUJ-"), "structure"),
    (b'{"resourceType":["Patient"],"id":"a"}', "unknown-type"),
    (b'{"resourceType":"Bundle","type":"history","entry":[]}', "bundle"),
    (b'{"resourceType":"Bundle","type":"collection","entry":{}}', "bundle"),
    (b'{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"PATCH","url":"a/b"}}]}', "bundle"),
    (b'{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"x"}}]}', "name"),
    (b'{"rule":"json","hint":"x"}', "reject"),
    (b'{"rule":"json","hint":"x","content":"{"}', "json"),
]  # fmt: skip


@pytest.mark.parametrize("level", ingest.Level)
def test_each_malformed_line_is_told_and_the_good_ones_are_kept(
    engine: Engine, system: Access, tmp_path: Path, level: ingest.Level
) -> None:
    path = tmp_path / "Patient.ndjson"
    lines = [b"\xef\xbb\xbf" + GOOD, b"", *(raw for raw, _ in MALFORMED), GOOD.replace(b"good", b"last")]
    path.write_bytes(b"\r\n".join(lines))

    checks = ingest.Checks(level)
    summary = ingest.load(engine, [path], access=system, checks=checks, rejects=tmp_path / "rejects.ndjson")

    told = {one.line: one.rule for one in summary.problems}
    expected = {number: rule for number, (_, rule) in enumerate(MALFORMED, start=3)}
    assert told == expected
    with make_sessions(engine)() as session:
        kept = set(session.scalars(select(StoredResource.id)))
    assert {"good", "last"} <= kept
    again = ingest.load(engine, [tmp_path / "rejects.ndjson"], access=system, checks=checks)
    assert (again.added, again.changed, again.rejected) == (0, 0, summary.rejected), "loading rejects as they are"


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        (_observation(valueString="x", valueInteger=7), "Observation", "valueInteger and valueString"),
        (_observation(component=[{"code": _CODE, "valueString": "x", "valueInteger": 7}]), "Observation.component[0]",
         "valueInteger and valueString"),
        (_extended(valueString="x", valueCode="y"), "Patient.extension[0]", "valueCode and valueString"),
        (_observation(effectiveDateTime="0000"), "Observation.effectiveDateTime", "days of the calendar"),
        (_observation(effectivePeriod={"end": "2026-02-30"}), "Observation.effectivePeriod.end", "of the calendar"),
        (_observation(component=[{"code": _CODE, "valueQuantity": {}}]), "Observation.component[0].valueQuantity",
         "left out"),
        (_observation(method={"coding": [{"code": "x"}, {}]}), "Observation.method.coding[1]", "left out"),
        (_observation(status="final\n"), "Observation.status", "no space before"),
        (_extended(valueUrl="http://x.example/ a"), "Patient.extension[0].valueUrl", "no spaces"),
        (_extended(valueOid="urn:oid:3.1"), "Patient.extension[0].valueOid", "urn:oid:1.2.3"),
        (_extended(valueId="a_b"), "Patient.extension[0].valueId", "hyphens and dots"),
        (_extended(valueBase64Binary="QUJ"), "Patient.extension[0].valueBase64Binary", "groups of four"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_element(raw: bytes, path: str, words: str) -> None:
    for _ in range(2):
        with pytest.raises(Rejected) as refused:
            prepare(raw)
        assert (refused.value.path, words in refused.value.hint) == (path, True)


def test_a_date_that_nobody_checked_is_told_by_element_too() -> None:
    period = {"extension": [{"url": "x", "valueString": "0000"}], "start": "2026", "end": "0000"}
    for given, path in (({"effectiveDateTime": "0000"}, "effectiveDateTime"),
                        ({"effectivePeriod": period}, "effectivePeriod.end")):  # fmt: skip
        with pytest.raises(Rejected) as refused:
            prepare_resource(_bare(**given))
        assert (refused.value.rule, refused.value.path) == ("date", f"Observation.{path}")


def test_what_only_looks_wrong_is_taken() -> None:
    texts = {"note": [{"text": "{} and []"}], "component": [{"code": {"text": "{}"}, "valueString": "[]"}]}
    dates = {"effectiveDateTime": "2024-02-29T23:59:60.123456789+14:00", "issued": "2000-02-29T10:00:00Z"}
    choice = {"valueString": "x", "_valueString": {"id": "y"}}
    for given in (texts, dates, choice, {"effectiveDateTime": "2026"}, {"effectiveDateTime": "2026-12"}):
        assert prepare(_observation(**given)).id == "a"
    document = {"valueBase64Binary": "QUJD" * 19 + "\r\n" + "QUI="}
    for given in (document, {"valueCode": "of two words"}, {"valueUri": "urn:oid:3.1"}, {"valueOid": "urn:oid:2.16.0"}):
        assert prepare(_extended(**given)).id == "a"


def test_what_the_models_break_on_is_one_reject(engine: Engine, system: Access, tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    unknown = {"resourceType": "MedicinalProduct", "id": "m", "name": "Canary"}
    path.write_bytes(json.dumps(records.patient("a", contained=[unknown])).encode() + b"\n" + GOOD)

    summary = ingest.load(engine, [path], access=system, checks=ingest.Checks(ingest.Level.MODELS))

    assert [(one.line, one.rule, one.path) for one in summary.problems] == [(1, "model", "Patient")]
    assert summary.added == 1 and "Canary" not in repr(summary.problems)


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


@pytest.mark.parametrize("strict", [False, True])
def test_profiles_ask_the_models_too(engine: Engine, system: Access, tmp_path: Path, strict: bool) -> None:
    path = tmp_path / "ExplanationOfBenefit.ndjson"
    path.write_text(json.dumps(records.claim("c", "p", item=[{"sequence": 1}])) + "\n")

    checks = ingest.Checks(ingest.Level.PROFILES, strict=strict)
    summary = ingest.load(engine, [path], access=system, checks=checks)

    assert [one.rule for one in summary.problems] == ["model"]
    assert ingest.load(engine, [path], access=system).added == 1, "by schema alone it is taken"


def test_profiles_warn_by_default_and_refuse_when_strict(engine: Engine, system: Access, tmp_path: Path) -> None:
    base = "http://hl7.org/fhir/us"
    profiles: dict[str, Any] = {
        "Patient": f"{base}/core/StructureDefinition/us-core-patient|6.1.0",
        "ExplanationOfBenefit": f"{base}/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit-Pharmacy",
    }
    bare = records.patient("p", meta={"profile": [profiles["Patient"]]})
    del bare["gender"], bare["identifier"]
    adjudication = {"category": records.claim("x", "p")["total"][0]["category"], "amount": {"value": 99.999}}
    item = {"sequence": 1, "productOrService": {"text": "x"}, "adjudication": [adjudication]}
    claim = records.claim("c", "p", meta={"profile": [profiles["ExplanationOfBenefit"]]}, item=[item])
    path = tmp_path / "in.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in (bare, claim, records.patient("none"))))

    by_default = ingest.Checks(ingest.Level.PROFILES)
    summary = ingest.load(engine, [path], access=system, checks=by_default, warnings=tmp_path / "warnings.ndjson")

    assert (summary.added, summary.rejected) == (3, 0)
    found = {(one.rule, one.path) for one in summary.warnings}
    assert {("cardinality", "Patient.gender"), ("cardinality", "Patient.identifier"),
            ("no-profile", "Patient.meta.profile"), ("money", "ExplanationOfBenefit.total"),
            ("cardinality", "ExplanationOfBenefit.item.serviced[x]"), ("reference", "")} <= found  # fmt: skip
    assert any("binding" in rule or "cardinality" in rule for rule, path in found if ":" in path), "slices"
    assert len((tmp_path / "warnings.ndjson").read_text().splitlines()) == summary.warned
    strict = ingest.load(engine, [path], access=system, checks=ingest.Checks(ingest.Level.PROFILES, strict=True))
    assert (strict.rejected, strict.unchanged) == (3, 0)
