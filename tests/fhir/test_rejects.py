"""What a load tells whoever has to mend the data: where, what is wrong, what to do; and that mended it loads."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from consent.policy import Access
from fhir import store
from fhir.loading import ingest
from fhir.loading.faults import Rejected
from fhir.loading.preparation import prepare
from fhir.outcomes import Gone
from service.db import make_sessions
from tests.fhir import records

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _write(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def test_rejected_entries_of_a_bundle_load_once_they_are_corrected(
    engine: Engine, system: Access, tmp_path: Path
) -> None:
    ingest.load_resources(engine, [records.patient("old")], access=system)
    entries = [
        {"request": {"method": "PATCH", "url": "Patient/new"}, "resource": records.patient("new")},
        {"request": {"method": "DELETE", "url": "Patient?name=x"}},
        {"fullUrl": "Patient/3"},
        {"resource": records.patient("fourth", gender=4)},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    path, rejects = _write(tmp_path / "in.ndjson", records.patient("good"), bundle), tmp_path / "rejects.ndjson"
    summary = ingest.load(engine, [path], access=system, rejects=rejects)
    assert [str(one).partition(": ")[0] for one in summary.problems] == [
        "in.ndjson, line 2, entry 1, Bundle.entry.request.method",
        "in.ndjson, line 2, entry 2",
        "in.ndjson, line 2, entry 3, Bundle.entry.resource",
        "in.ndjson, line 2, entry 4, Patient.gender",
    ]
    again = ingest.load(engine, [rejects], access=system)
    assert [one.rule for one in again.problems] == [one.rule for one in summary.problems], "as they are"

    told = _lines(rejects)
    assert [(one["line"], one["entry"]) for one in told] == [(2, number) for number in (1, 2, 3, 4)]
    put, third = json.loads(told[0]["content"]), json.loads(told[2]["content"])
    put["request"]["method"] = "PUT"
    told[0]["content"] = json.dumps(put)
    told[1]["resource"]["request"]["url"] = "Patient/old"
    told[2]["content"] = json.dumps(third | {"resource": records.patient("third")})
    told[3]["resource"]["gender"] = "male"
    mended = ingest.load(engine, [_write(rejects, *told)], access=system)

    assert (mended.added, mended.deleted, mended.rejected) == (3, 1, 0)


def test_rejected_names_to_delete_load_once_they_are_corrected(engine: Engine, system: Access, tmp_path: Path) -> None:
    ingest.load_resources(engine, [records.patient("p")], access=system)
    (tmp_path / "gone.txt").write_text("Patient p\n")
    rejects, further = tmp_path / "rejects.ndjson", tmp_path / "further.ndjson"
    ingest.load(engine, [], access=system, delete=[tmp_path / "gone.txt"], rejects=rejects)
    (told,) = _lines(rejects)
    assert (told["rule"], told["content"]) == ("name", "Patient p")

    still = ingest.load(engine, [_write(rejects, told | {"content": "Patient-p"})], access=system, rejects=further)
    assert [one.rule for one in still.problems] == ["name"]
    (again,) = _lines(further)
    done = ingest.load(engine, [_write(further, again | {"content": "Patient/p"})], access=system)

    assert (done.deleted, done.rejected) == (1, 0)
    with make_sessions(engine)() as session, pytest.raises(Gone):
        store.read(session, system, "Patient", "p")


def test_a_reject_that_is_rejected_again_holds_the_text_itself(engine: Engine, system: Access, tmp_path: Path) -> None:
    path, rejects, further = (tmp_path / name for name in ("in.ndjson", "rejects.ndjson", "further.ndjson"))
    path.write_text('{"resourceType":"Patient"')
    ingest.load(engine, [path], access=system, rejects=rejects)

    ingest.load(engine, [rejects], access=system, rejects=further)

    assert _lines(further)[0]["content"] == '{"resourceType":"Patient"'


def test_control_characters_leave_a_reject_one_that_can_be_corrected(
    engine: Engine, system: Access, tmp_path: Path
) -> None:
    path, rejects, further = (tmp_path / name for name in ("in.ndjson", "rejects.ndjson", "further.ndjson"))
    named = '{"resourceType":"Patient","id":"%s","name":[{"family":"a%sb"}]}\n'
    path.write_text(named % ("escaped", "\\u0000") + named % ("bare", "\x01") + named % ("text", "\\\\u0000"))

    first = ingest.load(engine, [path], access=system, rejects=rejects)
    again = ingest.load(engine, [rejects], access=system, rejects=further)

    assert [one.rule for one in first.problems] == ["control-character", "json"]
    assert first.added == 1, "behind an escaped backslash it is text like any other"
    assert [one.rule for one in again.problems] == ["control-character", "json"]
    told = _lines(further)
    assert [one["content"] for one in told] == [one["content"] for one in _lines(rejects)], "no deeper in than before"
    mended = [one | {"content": one["content"].replace("\\u0000", "").replace("\\x01", "")} for one in told]
    assert ingest.load(engine, [_write(further, *mended)], access=system).added == 2


def test_a_reject_of_a_whole_file_stays_one_line_about_it(engine: Engine, system: Access, tmp_path: Path) -> None:
    path, rejects = tmp_path / "in.ndjson.gz", tmp_path / "rejects.ndjson"
    path.write_bytes(b"not packed")
    ingest.load(engine, [path], access=system, rejects=rejects)

    for name in ("second.ndjson", "third.ndjson"):
        again = ingest.load(engine, [rejects], access=system, rejects=tmp_path / name)
        (told,) = _lines(rejects := tmp_path / name)
        assert [one.rule for one in again.problems] == ["reject"] and "send that file again" in told["hint"]
        assert not told["content"].strip()


def test_entries_of_a_file_that_is_a_bundle_are_told_by_their_number(
    engine: Engine, system: Access, tmp_path: Path
) -> None:
    entries = [{"resource": records.patient("p")}, {"resource": records.patient("q", gender=[])}, {"nothing": 1}]
    path, rejects = tmp_path / "bundle.json", tmp_path / "rejects.ndjson"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}, indent=1))

    summary = ingest.load(engine, [path], access=system, rejects=rejects)

    assert [str(one).partition(": ")[0] for one in summary.problems] == [
        "bundle.json, entry 2, Patient.gender", "bundle.json, entry 3, Bundle.entry.resource",
    ]  # fmt: skip
    assert [("line" in one, one["entry"]) for one in _lines(rejects)] == [(False, 2), (False, 3)]


def test_files_of_one_name_are_told_with_their_folders(engine: Engine, system: Access, tmp_path: Path) -> None:
    for folder in ("monday", "tuesday"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Patient.ndjson").write_text("nonsense\n")
    (tmp_path / "tuesday" / "Coverage.ndjson").write_text("nonsense\n")

    summary = ingest.load(engine, [tmp_path / "monday", tmp_path / "tuesday"], access=system)

    assert {one.file for one in summary.problems} == {
        f"{tmp_path}/monday/Patient.ndjson", f"{tmp_path}/tuesday/Patient.ndjson", "Coverage.ndjson",
    }  # fmt: skip


_ONE = json.dumps(records.patient("p"))


@pytest.mark.parametrize(
    ("name", "raw", "says"),
    [
        ("a.ndjson.gz", _ONE.encode(), "not packed by gzip"),
        ("a.ndjson", gzip.compress(_ONE.encode()), "let its name end in .gz"),
        ("a.json", gzip.compress(_ONE.encode()), "let its name end in .gz"),
        ("a.ndjson", _ONE.encode("utf-16"), "this one is UTF-16"),
        ("a.json", _ONE.encode("utf-16"), "this one is UTF-16"),
        ("a.json.gz", gzip.compress(_ONE.encode("utf-16")), "this one is UTF-16"),
        ("a.json", f"{_ONE}\n{_ONE}\n".encode(), "one resource a line ends in .ndjson"),
        ("a.ndjson", json.dumps(records.patient("p"), indent=1).encode(), "in several lines ends in .json"),
        ("a.json", f"[{_ONE}]".encode(), "as a Bundle"),
    ],
)
def test_a_file_that_is_another_kind_than_its_name_says_is_told_so(
    engine: Engine, system: Access, tmp_path: Path, name: str, raw: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(raw)

    summary = ingest.load(engine, [tmp_path / name], access=system)

    assert says in summary.problems[0].hint
    assert summary.added == 0


@pytest.mark.parametrize(
    ("given", "path", "hint"),
    [
        ({"gender": 5}, "Patient.gender", "Expected a string, got a whole number."),
        ({"name": {}}, "Patient.name", "Expected an array, got an object."),
        ({"active": "true"}, "Patient.active", "Expected true or false, got a string."),
        ({"gender": ""}, "Patient.gender", "An element without a value is left out; this one is empty."),
        ({"name": []}, "Patient.name", "An element without a value is left out; this one is empty."),
        ({"str": 1}, "Patient", "This object contains unknown field `str`."),
        ({"id": None}, "Patient.id", "An id has 1 to 64 letters, digits, hyphens and dots."),
    ],
)
def test_hints_speak_the_words_of_json(given: dict[str, Any], path: str, hint: str) -> None:
    with pytest.raises(Rejected) as refused:
        prepare(json.dumps(records.patient("p") | given).encode())
    assert (refused.value.path, refused.value.hint) == (path, hint)


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ('{"id":"a"}', "resourceType", "Say in resourceType what the resource is."),
        ('{"resourceType":"Patient"}', "Patient.id", "Give the resource an id."),
        ('{"resourceType":"Coverage","id":"a"}', "Coverage.beneficiary", "Name the patient by a reference Patient/id."),
    ],
)
def test_what_is_missing_is_told_by_its_name(text: str, path: str, hint: str) -> None:
    with pytest.raises(Rejected) as refused:
        prepare(text.encode())
    assert (refused.value.path, refused.value.hint) == (path, hint)


def test_a_patient_who_is_deleted_from_above_their_records_is_told(
    engine: Engine, system: Access, tmp_path: Path
) -> None:
    every = [records.patient("p"), records.observation("o", "p"), records.patient("q"), records.observation("r", "q")]
    ingest.load_resources(engine, every, access=system)
    (tmp_path / "gone.txt").write_text("Patient/p\nPatient/q\nObservation/r\nPatient/nobody\n")
    warnings = tmp_path / "warnings.ndjson"

    summary = ingest.load(engine, [], access=system, delete=[tmp_path / "gone.txt"], warnings=warnings)

    assert (summary.deleted, summary.warned) == (3, 1)
    (told,) = _lines(warnings)
    assert (told["file"], told["line"], told["rule"]) == ("gone.txt", 1, "records-left")
    assert told["hint"].startswith("Patient/p is deleted and records of theirs are left")


def test_codes_of_fhir_itself_are_known_to_strict_loads(engine: Engine, system: Access, tmp_path: Path) -> None:
    profile = {"profile": [f"{US_CORE}/us-core-observation-lab", f"{US_CORE}/us-core-observation-clinical-result"]}
    wrong = records.observation("wrong", "p", meta=profile, status="finished")
    checks = ingest.Checks(ingest.Level.PROFILES, strict=True)

    told = ingest.load(engine, [_write(tmp_path / "a.ndjson", wrong)], access=system, checks=checks)
    good = ingest.load(
        engine, [_write(tmp_path / "b.ndjson", wrong | {"status": "final"})], access=system, checks=checks
    )

    (problem,) = told.problems
    assert (problem.rule, problem.path) == ("binding", "Observation.status")
    assert problem.hint == "Use a code of http://hl7.org/fhir/ValueSet/observation-status."
    assert (good.added, good.rejected) == (1, 0)
    no_profile = ingest.load(
        engine,
        [_write(tmp_path / "c.ndjson", wrong | {"meta": {"profile": ["http://example.org/ours"]}})],
        access=system,
        checks=checks,
    )
    assert "None of those it names is a profile of Observation" in no_profile.problems[0].hint
