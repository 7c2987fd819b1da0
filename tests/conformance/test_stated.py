"""What the guides state, as data: every requirement of every edition has its line, and the file is as published."""

import csv
from collections import Counter
from pathlib import Path

from service.conformance.guides import published, stated
from service.conformance.sections import REQUIREMENTS
from tests.conftest import SHARED, require


def definitions() -> Path:
    require(SHARED is not None, "the folder with the guides' definitions is not here (set SHARED)")
    assert SHARED
    return SHARED / "data" / "definitions"


def test_each_of_the_2491_requirements_of_the_table_is_stated() -> None:
    with (definitions() / "search-requirements.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    named = Counter((row["resource"], row["kind"], row["name"].replace(" ", "")) for row in rows)
    ours = {
        (one.resource_type, one.kind, one.name): len(one.guides) for one in stated.everything() if one.kind != "profile"
    }

    assert len(rows) == sum(ours.values()) == 2_491
    assert ours == named


def test_the_file_is_what_the_guides_publish(tmp_path: Path) -> None:
    published.write(definitions(), tmp_path / "made.json")

    assert (tmp_path / "made.json").read_bytes() == stated.FILE.read_bytes()


def test_everything_stated_has_its_line() -> None:
    keys = {requirement.key for requirement in REQUIREMENTS}
    missing = [one for one in stated.everything() if not _lines(one) & keys]

    assert missing == []


def _lines(one: stated.Stated) -> set[str]:
    name = one.name.rpartition("/")[2] if one.kind == "profile" else one.name
    sections = ("searching", "following", "profiles")
    return {f"{section}.{one.resource_type}.{name}" for section in sections} | (
        {f"following.{one.resource_type}.writing"} if one.name in {"create", "update", "patch", "delete"} else set()
    )


def test_the_strongest_published_word_counts_and_a_draft_demands_nothing() -> None:
    found = {(one.resource_type, one.name): one for one in stated.everything()}

    assert found["Observation", "patient+category"].force == "SHALL"
    assert found["Group", "identifier"].guides and found["Group", "identifier"].force == "MAY"
    assert found["CarePlan", "status"].any_of and not found["CarePlan", "category"].any_of
    assert found["Condition", "onset-date"].comparators == ("gt", "ge", "lt", "le")


def test_a_folder_without_guides_is_refused_with_what_is_looked_for(tmp_path: Path) -> None:
    try:
        published.rows(tmp_path)
    except published.NothingPublished as nothing:
        assert "us-core-6.1.0" in str(nothing)
    else:
        raise AssertionError
