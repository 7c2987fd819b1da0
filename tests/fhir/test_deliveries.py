"""Deliveries as an operator meets them: folders with other things in them, reject files corrected in place."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Engine

from consent.policy import Access
from fhir.loading import ingest, reading
from fhir.loading.rejects import IsBeingRead
from service.web import held_by
from tests.fhir import records

GOOD = json.dumps(records.patient("good")) + "\n"


def _load(app: Flask, *arguments: str | Path) -> Result:
    result: Result = app.test_cli_runner().invoke(args=["fhir", "load", *map(str, arguments)])
    return result


def _reject(number: int, **further: object) -> str:
    told = {"file": "Patient.ndjson", "line": number, "path": "", "rule": "structure", "hint": "x"}
    return json.dumps(told | {"resource": records.patient(f"p{number}", **further)}) + "\n"


def test_every_reject_corrected_in_place_is_read_though_some_are_still_wrong(app: Flask) -> None:
    rejects = held_by(app).settings.var / "rejected.ndjson"
    rejects.parent.mkdir(parents=True, exist_ok=True)
    # More than is read at once, the first of them still wrong.
    corrected = [_reject(number, **({} if number else {"multipleBirthInteger": "two"})) for number in range(1_600)]
    rejects.write_text("".join(corrected))

    told = _load(app, rejects)

    again = rejects.with_name("rejected-again.ndjson")
    assert told.exit_code == 1 and told.stdout == "1599 added, 0 changed, 0 unchanged.\n", told.output
    assert f"1 rejected: {again}" in told.stderr and rejects.read_text() == "".join(corrected)
    again.write_text(again.read_text().replace('"two"', "2"))
    last = _load(app, again)
    assert (last.exit_code, last.stdout) == (0, "1 added, 0 changed, 0 unchanged.\n")


def test_nothing_is_written_over_what_is_read(app: Flask, engine: Engine, system: Access, tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    path.write_text(_reject(1) + "broken\n")
    for findings in ({"rejects": path}, {"warnings": tmp_path / "." / "r.ndjson"}):
        with pytest.raises(IsBeingRead):
            ingest.load(engine, [tmp_path], access=system, **findings)
    told = _load(app, path, "--rejects", path)
    assert told.exit_code == 1 and f"{path} is one of the files to load: name another one" in told.stderr
    assert path.read_text() == _reject(1) + "broken\n"


def test_rejects_of_a_load_that_goes_on_may_go_elsewhere(engine: Engine, system: Access, tmp_path: Path) -> None:
    path, first, second = tmp_path / "Patient.ndjson", tmp_path / "first.out", tmp_path / "second.out"
    lines = [json.dumps(records.patient(f"p{number}")) if number % 1_000 else "broken" for number in range(5_000)]
    path.write_text("\n".join(lines))

    def stop(_summary: ingest.LoadSummary) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ingest.load(engine, [path], access=system, rejects=first, progress=stop, processes=0)
    summary = ingest.load(engine, [path], access=system, rejects=second, processes=0)

    assert summary.resumed and summary.rejected == 5
    told = [json.loads(line)["line"] for line in (first.read_text() + second.read_text()).splitlines()]
    assert told == [1, 1_001, 2_001, 3_001, 4_001]


def test_other_things_in_a_folder_are_left_alone_and_told(app: Flask, tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "secret"
    (folder / "more").mkdir(parents=True)
    (folder / "Patient.ndjson").write_text(GOOD)
    (folder / "claims.csv").write_text("a,b\n")
    outside.write_text("root:x:0:0\n")
    (folder / "Link.ndjson").symlink_to(outside)
    (folder / "Again.ndjson").symlink_to("Patient.ndjson")

    told = _load(app, folder)

    assert (told.exit_code, told.stdout) == (0, "1 added, 0 changed, 1 unchanged.\n"), told.output
    left = [line for line in told.stderr.splitlines() if line.startswith("Left alone: ")]
    assert left == [f"Left alone: {folder / name}" for name in ("Link.ndjson", "claims.csv", "more")]


def test_a_folder_without_files_of_ours_is_told_though_others_have_some(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "small" / "deep").mkdir(parents=True)
    (tmp_path / "small" / "deep" / "Patient.ndjson").write_text(GOOD)
    file = tmp_path / "Patient.ndjson"
    file.write_text(GOOD)
    told = _load(app, file, tmp_path / "small")
    assert told.exit_code == 1 and f"No file of resources in {tmp_path / 'small'}" in told.stderr


def test_a_packed_file_of_which_nothing_came_is_told(tmp_path: Path) -> None:
    (path := tmp_path / "Patient.ndjson.gz").write_bytes(b"")
    faults = [line.fault for piece in reading.pieces(path) for line in piece.lines]
    assert [one.rule for one in faults if one] == ["gzip"]


@pytest.mark.parametrize(
    ("raw", "path", "hint"),
    [
        (
            '{"resourceType":"Patient",', "",
            "The line is not one JSON object: it ends in the middle. "
            "The name of a file with one resource in several lines ends in .json.",
        ),
        ('{"resourceType":"Patient"} {}', "", "The line is not one JSON object: trailing characters (byte 28)."),
        ('{"resourceType":"Patient","id":NaN}', "", "The line is not one JSON object: invalid character (byte 31)."),
        ('{"id":"\\ud800"}', "", "A surrogate (\\uD800 to \\uDFFF) stands without its pair."),
        ('{"id":"\\udc00\\ud800"}', "", "A surrogate (\\uD800 to \\uDFFF) stands without its pair."),
        ("[" * 100_000, "", "The resource is nested too deeply: more than 100 levels."),
        (
            json.dumps(records.patient("p", name=[{"text": "2026-02-28"}, {"text": "2026"}], birthDate="2026-02-31")),
            "Patient.birthDate",
            "Dates are days of the calendar, written as 2026-04-30, times as 2026-04-30T10:11:12Z.",
        ),
    ],
)  # fmt: skip
def test_hints_say_where_to_look(
    engine: Engine, system: Access, tmp_path: Path, raw: str, path: str, hint: str
) -> None:
    (file := tmp_path / "Patient.ndjson").write_text(raw + "\n")
    (told,) = ingest.load(engine, [file], access=system).problems
    assert (told.path, told.hint) == (path, hint)
