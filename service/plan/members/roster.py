"""The roster: members as the plan knows them, loaded from CSV, matched at registration."""

import csv
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.clock import now
from service.db import Statement
from service.plan.models import FormerUnit, Member

_NUMBER = re.compile(r"[A-Za-z0-9-]{3,40}")
_PATIENT_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_MOST_BORN = 2_000
_UNIT = re.compile(r"[A-Z0-9][A-Z0-9 ._/-]{0,39}")
_COLUMNS = {"patient": "patient_id", "member_id": "member_number", "subscriber_id": "subscriber_number",
            "given": "given_name", "family": "family_name", "zip": "zip_code"}  # fmt: skip
_NEEDED = ("patient", "member_id", "given", "family", "birth_date")
_BY_PATIENTS = Statement(
    "SELECT patient_id, id FROM member WHERE patient_id IN (SELECT json_array_elements_text(%s::json))",
    sqlite="SELECT patient_id, id FROM member WHERE patient_id IN (SELECT value FROM json_each(%s))",
)
_BLANK_SPEAKS = frozenset({"deceased_on", "subscriber_number"})
"""Fields in which a blank says something, where the file has their column: the member lives, or is the subscriber
(decision 134)."""
_REPORTED = ("line_of_business", "report_unit")
_YES_OR_NO = {"yes": True, "no": False}


class UnknownMember(Exception):
    """No member has that id."""


@dataclass(frozen=True)
class RosterRow:
    """One member as the plan's roster gives it; names and numbers are normalised by `read_row`."""

    patient_id: str
    member_number: str
    subscriber_number: str
    given_name: str
    family_name: str
    birth_date: date
    zip_code: str = ""
    line_of_business: str = ""
    report_unit: str = ""
    address_line: str = ""
    city: str = ""
    state: str = ""
    phone: str = ""
    email_on_file: str = ""
    deceased_on: date | None = None
    confidential: bool = False
    unsaid: frozenset[str] = frozenset()
    """Fields of which the file says nothing: what the plan knows of them stays."""


_FIELDS = tuple(one.name for one in fields(RosterRow) if one.name != "unsaid")


@dataclass(frozen=True)
class Problem:
    """A roster line that was not taken: where and why."""

    line: int
    why: str


@dataclass
class RosterSummary:
    """What a load did."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deaths_taken_back: int = 0
    unread_columns: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    born_otherwise: list[Member] = field(default_factory=list)
    """Members whose birth date was corrected: who acts for them is for the caller to look at, before it commits."""


class RosterProblem(ValueError):
    """A roster row that cannot be taken; the sentence says what to mend."""


class UnreadableRoster(Exception):
    """The file as a whole is no roster; the sentence says what one looks like."""


def load_csv(session: Session, path: Path) -> RosterSummary:
    """Load the roster of a CSV file with a header line; good lines are kept, bad ones reported by line.

    Raises UnreadableRoster for a file that is no UTF-8 CSV or whose header lacks a column that every line needs.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or ()
            _require_columns(header)
            summary = load(session, reader)
    except (UnicodeDecodeError, csv.Error):
        raise UnreadableRoster("not comma-separated text in UTF-8") from None
    summary.unread_columns = tuple(name for name in header if name and _COLUMNS.get(name, name) not in _FIELDS)
    return summary


def _require_columns(header: Iterable[str]) -> None:
    named = {_COLUMNS.get(column, column) for column in header}
    missing = [column for column in _NEEDED if _COLUMNS.get(column, column) not in named]
    if missing:
        raise UnreadableRoster(f"the header line names no column {', '.join(missing)}")


def load(session: Session, lines: Iterable[Mapping[str, str]]) -> RosterSummary:
    """Load roster lines (column names as in the CSV form). Line 1 is the header, so data begins at 2."""
    summary = RosterSummary()
    for number, line in enumerate(lines, start=2):
        try:
            _store(session, read_row(line), summary)
        except RosterProblem as problem:
            summary.problems.append(Problem(number, str(problem)))
    return summary


def load_rows(session: Session, rows: Iterable[RosterRow]) -> RosterSummary:
    """Load roster rows that are already read."""
    summary = RosterSummary()
    for row in rows:
        _store(session, row, summary)
    return summary


def read_row(line: Mapping[str, str]) -> RosterRow:
    """The roster row of one CSV line; raises RosterProblem naming the column."""
    # A line that is broken off says nothing of the columns behind; one with more cells than columns has them displaced.
    told = {_COLUMNS.get(name, name): value.strip() for name, value in line.items() if isinstance(value, str)}
    if _is_too_long(line):
        raise RosterProblem("more values than the header has columns; a value with a comma needs quotation marks")
    values: dict[str, Any] = {name: value for name, value in told.items() if name in _FIELDS}
    for column in _NEEDED:
        if not values.get(_COLUMNS.get(column, column)):
            raise RosterProblem(f"{column} is missing")
    if not _PATIENT_ID.fullmatch(values["patient_id"]):
        raise RosterProblem("patient is not a FHIR id: letters, digits, - and . up to 64")
    if not _NUMBER.fullmatch(values["member_number"]):
        raise RosterProblem("member_id must be 3 to 40 letters, digits or -")
    values["birth_date"] = _read_date("birth_date", values["birth_date"])
    died = values.get("deceased_on")
    values["deceased_on"] = _read_date("deceased_on", died) if died else None
    values["subscriber_number"] = values.get("subscriber_number") or values["member_number"]
    values["report_unit"] = _read_unit(values.get("report_unit", ""))
    unsaid = _BLANK_SPEAKS - told.keys()
    if not (word := values.pop("confidential", "")):
        unsaid |= {"confidential"}
    elif word.casefold() not in _YES_OR_NO:
        raise RosterProblem("confidential must be yes or no")
    return RosterRow(**values, confidential=_YES_OR_NO.get(word.casefold(), False), unsaid=unsaid)


def _is_too_long(line: Mapping[Any, Any]) -> bool:
    # `csv.DictReader` keeps what has no column under None; blank cells behind the last are a spreadsheet's habit.
    return any(str(value).strip() for value in line.get(None) or ())


def find_by_proof(
    session: Session, *, member_number: str, family_name: str, birth_date: date, zip_code: str
) -> Member | None:
    """The member whose number, family name, birth date and ZIP all match the roster; None when any does not."""
    found = session.scalar(select(Member).where(Member.member_number == member_number.strip().upper()))
    proofs = (
        found is not None and same_name(found.family_name, family_name),
        found is not None and found.birth_date == birth_date,
        found is not None and found.merged_into_id is None,
        found is not None and bool(found.zip_code) and found.zip_code[:5] == zip_code.strip()[:5],
    )
    return found if all(proofs) else None


def find_by_number(session: Session, member_number: str) -> Member | None:
    """The member with the number on a card, however it was typed; of a merged record the one it is part of."""
    found = session.scalar(select(Member).where(Member.member_number == member_number.strip().upper()))
    return surviving(session, found) if found else None


def surviving(session: Session, member: Member) -> Member:
    """The record that a member's has become part of by merges; its own where it is part of none."""
    while member.merged_into_id is not None:
        member = session.get_one(Member, member.merged_into_id)
    return member


def parts(session: Session, member: Member) -> list[str]:
    """The ids of a record and of every one that has become part of it by merges."""
    return list(patients_of_parts(session, member))


def patients_of_parts(session: Session, member: Member) -> dict[str, str]:
    """By the id of a record and of every one that has become part of it by merges, that of its FHIR Patient."""
    found, newest = {member.id: member.patient_id}, [member.id]
    while newest:
        merged = select(Member.id, Member.patient_id).where(Member.merged_into_id.in_(newest))
        further = {row.id: row.patient_id for row in session.execute(merged)}
        found, newest = found | further, list(further)
    return found


def find_by_name(session: Session, family_name: str, birth_date: date, *, limit: int = 20) -> list[Member]:
    """The members of that family name, but for case, accents and punctuation, born on that day."""
    born = (
        select(Member)
        .where(Member.birth_date == birth_date, Member.merged_into_id.is_(None))
        .order_by(Member.id)
        .limit(_MOST_BORN)
    )
    return [found for found in session.scalars(born) if same_name(found.family_name, family_name)][:limit]


def find_by_patient(session: Session, patient_id: str) -> Member | None:
    """The member whose FHIR Patient has that id."""
    return session.scalar(select(Member).where(Member.patient_id == patient_id))


def ids_by_patient(session: Session, patient_ids: Collection[str]) -> dict[str, str]:
    """The ids of the members whose FHIR Patients have these ids, by Patient, in one statement."""
    if not patient_ids:
        return {}
    return dict(_BY_PATIENTS.run(session, orjson.dumps(sorted(patient_ids)).decode()).fetchall())


def count_without_unit(session: Session, *, lines_aside: Collection[str]) -> dict[str, int]:
    """How many living members, whose record is their own, are reported under no unit: by line of business."""
    lacking = (
        select(Member.line_of_business, func.count())
        .where(Member.report_unit == "", Member.merged_into_id.is_(None), Member.deceased_on.is_(None))
        .where(Member.line_of_business.not_in(lines_aside))
        .group_by(Member.line_of_business)
        .order_by(Member.line_of_business)
    )
    return dict(session.execute(lacking).all())


def get(session: Session, member_id: str) -> Member:
    """The member with our id; raises UnknownMember."""
    found = session.get(Member, member_id)
    if found is None:
        raise UnknownMember
    return found


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same but for case, accents, spaces and punctuation (O'Neil, ONEIL)."""
    return _name_key(one) == _name_key(other) != ""


def _name_key(name: str) -> str:
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in parts if letter.isalnum())


def _store(session: Session, row: RosterRow, summary: RosterSummary) -> None:
    number = row.member_number.upper()
    found = session.scalar(select(Member).where(Member.patient_id == row.patient_id))
    holder = session.scalar(select(Member).where(Member.member_number == number))
    if holder is not None and holder is not found:
        # A number that is used again never joins two people (security.md 67, 68): plan staff decide.
        raise RosterProblem("member_id is already another patient's")
    values = {name: getattr(row, name) for name in _FIELDS}
    values |= {"member_number": number, "subscriber_number": row.subscriber_number.upper()}
    if found is None:
        session.add(Member(**values, loaded_at=now()))
        summary.added += 1
    elif new := _news(found, values, row.unsaid):
        if "birth_date" in new:
            summary.born_otherwise.append(found)
        summary.deaths_taken_back += "deceased_on" in new and row.deceased_on is None
        _change(session, found, new)
        summary.changed += 1
    else:
        summary.unchanged += 1
    session.flush()


def _news(member: Member, values: Mapping[str, Any], unsaid: frozenset[str]) -> dict[str, Any]:
    if member.subscriber_number == member.member_number:
        # Their own subscriber stays so under another number.
        unsaid -= {"subscriber_number"}
    # A blank text says nothing either: what the row has, perhaps from the member's FHIR Patient, stays.
    said = {name: value for name, value in values.items() if value != "" and name not in unsaid}
    new = {name: value for name, value in said.items() if getattr(member, name) != value}
    if "line_of_business" in new and member.line_of_business and "report_unit" not in said and member.report_unit:
        # A contract is one of its line of business: of another line nobody has said it.
        new["report_unit"] = ""
    return new


def _change(session: Session, member: Member, new: Mapping[str, Any]) -> None:
    # What was blank is told now and has not changed: days that are not counted yet are reported under it too.
    if any(name in new and getattr(member, name) for name in _REPORTED):
        before = {name: getattr(member, name) for name in _REPORTED}
        session.add(FormerUnit(member_id=member.id, until=now(), **before))
    for name, value in new.items():
        setattr(member, name, value)
    member.loaded_at = now()


def _read_unit(text: str) -> str:
    unit = " ".join(text.split()).upper()
    if unit and not _UNIT.fullmatch(unit):
        raise RosterProblem("report_unit must be up to 40 letters, digits, spaces and . _ / -, like H1234")
    return unit


def _read_date(column: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RosterProblem(f"{column} must be a date like 1956-04-30") from None
