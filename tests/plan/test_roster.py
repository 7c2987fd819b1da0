"""The roster: good lines are kept, bad ones told; people match it with all their proofs or not at all."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from service.plan.members import roster
from service.plan.models import Member

HEADER = "patient,member_id,subscriber_id,given,family,birth_date,zip\n"
GOOD = "p-1,MEM001,MEM001,María,O'Neil,1956-04-30,19104-1234\n"


def load(session: Session, tmp_path: Path, text: str) -> roster.RosterSummary:
    path = tmp_path / "members.csv"
    path.write_text(text, encoding="utf-8")
    return roster.load_csv(session, path)


def test_good_lines_are_kept_and_bad_ones_told_by_line_and_column(session: Session, tmp_path: Path) -> None:
    summary = load(
        session, tmp_path,
        HEADER + GOOD
        + "p-2,MEM002,,Ana,Ruiz,30/04/1956,19104\n"
        + "p-3,,,Ana,Ruiz,1956-04-30,19104\n"
        + "p 4,MEM004,,Ana,Ruiz,1956-04-30,19104\n"
        + "p-5,MEM001,,Ana,Ruiz,1956-04-30,19104\n"
        + "p-6,MEM006,,Ana,Ruiz,1956-04-30,19104\n",
    )  # fmt: skip
    assert (summary.added, [problem.line for problem in summary.problems]) == (2, [3, 4, 5, 6])
    whys = [problem.why for problem in summary.problems]
    expected = ("birth_date", "member_id is missing", "FHIR id", "member_id is already")
    assert all(told in why for told, why in zip(expected, whys, strict=True)), whys


def test_loading_again_changes_only_what_changed(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, HEADER + GOOD)
    again = load(session, tmp_path, HEADER + GOOD)
    moved = load(session, tmp_path, HEADER + GOOD.replace("19104-1234", "10001"))
    assert (again.unchanged, again.changed, moved.changed) == (1, 0, 1)
    assert session.query(Member).one().zip_code == "10001"


def test_case_067_numbers_that_differ_by_one_character_are_two_members(session: Session, tmp_path: Path) -> None:
    lines = "".join(f"p-{n},MEM{n:03},,A,B,1956-04-30,19104\n" for n in (1, 10, 100))
    assert load(session, tmp_path, HEADER + lines + "P-1,MEM0001,,A,B,1956-04-30,19104\n").added == 4


RIGHT = {"member_number": "mem001 ", "family_name": "oneil", "birth_date": date(1956, 4, 30), "zip_code": "19104"}


@pytest.mark.parametrize(
    "wrong",
    [{"member_number": "MEM002"}, {"family_name": "Neil"}, {"birth_date": date(1956, 4, 29)}, {"zip_code": "19103"}],
)
def test_every_proof_must_match(session: Session, tmp_path: Path, wrong: dict[str, object]) -> None:
    load(session, tmp_path, HEADER + GOOD)
    assert roster.find_by_proof(session, **RIGHT)  # type: ignore[arg-type]
    assert roster.find_by_proof(session, **RIGHT | wrong) is None  # type: ignore[arg-type]


def test_a_member_without_a_zip_on_file_matches_nobody(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, HEADER + GOOD.replace("19104-1234", ""))
    assert roster.find_by_proof(session, **RIGHT | {"zip_code": ""}) is None  # type: ignore[arg-type]
