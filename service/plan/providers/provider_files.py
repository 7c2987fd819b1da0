"""The plan's provider records as CSV: four files, each with a header line; good lines are kept, bad ones told.

| file | columns that every line needs | others |
| --- | --- | --- |
| `provider-groups.csv` | group_id, legal_name, tax_id | dba_name, kind, prior_tax_id, npi, npi_type, taxonomy, \
taxonomy_name, vendor_number, office_id, status, contracted, effective_date, term_date, phone, fax, email, \
contact_name, fhir_organization_id, service_specialist, contract_manager, note |
| `provider-addresses.csv` | group_id, use, line, city, state, zip | name, phone, valid_from, valid_to, is_current |
| `practitioners.csv` | npi, given, family | fhir_practitioner_id, npi_type, gender, taxonomy, taxonomy_name |
| `group-affiliations.csv` | group_id, practitioner_npi, start | tax_id, end |

Dates are written 2026-04-30. Each file may be loaded alone; a file loaded again changes only what changed.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sqlalchemy.orm import Session

from service.plan.models import GroupStatus
from service.plan.providers import numbers, provider_groups
from service.plan.providers.provider_groups import (
    AddressRow,
    AffiliationRow,
    Change,
    GroupRow,
    PractitionerRow,
    ProviderProblem,
)

Line = Mapping[str, str]
_USES = ("practice", "correspondence", "payment", "mailing", "billing")


class UnreadableProviders(Exception):
    """The file or folder as a whole holds no provider records; the sentence says what is looked for."""


@dataclass(frozen=True)
class Problem:
    """A line that was not taken: where and why."""

    file: str
    line: int
    why: str


@dataclass
class ProviderSummary:
    """What a load did, by file."""

    counts: dict[str, dict[Change, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def load(session: Session, path: Path) -> ProviderSummary:
    """Load a folder with any of the four files, or one of them; raises UnreadableProviders."""
    found = [path] if path.is_file() else [path / name for name in _FILES if (path / name).is_file()]
    if not found or any(one.name not in _FILES for one in found):
        raise UnreadableProviders(f"none of {', '.join(_FILES)} is there")
    summary = ProviderSummary()
    for one in found:
        _load_file(session, one, summary)
    return summary


def read_group(line: Line) -> GroupRow:
    """The group of one line; raises ProviderProblem naming the column."""
    needed = _needed(line, "group_id", "legal_name", "tax_id")
    return GroupRow(
        number=needed["group_id"],
        tax_id=_number(line, "tax_id", numbers.tax_id),
        prior_tax_id=_optional(line, "prior_tax_id", numbers.tax_id),
        npi=_optional(line, "npi", numbers.npi),
        npi_type=_npi_type(line, 2),
        vendor_number=_optional(line, "vendor_number", numbers.vendor_number),
        office_id=_optional(line, "office_id", numbers.vendor_number),
        contact_name=line.get("contact_name", ""),
        contact_email=line.get("email", ""),
        values={
            "legal_name": needed["legal_name"],
            "status": _status(line),
            "contracted": line.get("contracted", "Y").upper() not in {"N", "NO", "FALSE"},
            "effective_on": _day(line, "effective_date"),
            "terminated_on": _day(line, "term_date"),
            "organization_id": line.get("fhir_organization_id") or None,
            **{name: line.get(name, "") for name in _TEXTS},
        },
    )


def read_address(line: Line) -> AddressRow:
    """The address of one line; raises ProviderProblem naming the column."""
    needed = _needed(line, "group_id", "use", "line", "city", "state", "zip")
    if needed["use"] not in _USES:
        raise ProviderProblem(f"use must be one of {', '.join(_USES)}")
    return AddressRow(
        group_number=needed["group_id"],
        use=needed["use"],
        line=needed["line"],
        city=needed["city"],
        state=needed["state"],
        zip_code=needed["zip"],
        name=line.get("name", ""),
        phone=line.get("phone", ""),
        valid_from=_day(line, "valid_from"),
        valid_until=_day(line, "valid_to"),
        current=line.get("is_current", "Y").upper() != "N",
    )


def read_practitioner(line: Line) -> PractitionerRow:
    """The practitioner of one line; raises ProviderProblem naming the column."""
    needed = _needed(line, "npi", "given", "family")
    if _npi_type(line, 1) != 1:
        raise ProviderProblem("npi_type must be 1: a practitioner is a person")
    return PractitionerRow(
        npi=_number(line, "npi", numbers.npi),
        given_name=needed["given"],
        family_name=needed["family"],
        practitioner_id=line.get("fhir_practitioner_id", ""),
        gender=line.get("gender", ""),
        taxonomy=line.get("taxonomy", ""),
        taxonomy_name=line.get("taxonomy_name", ""),
    )


def read_affiliation(line: Line) -> AffiliationRow:
    """The affiliation of one line; raises ProviderProblem naming the column."""
    needed = _needed(line, "group_id", "practitioner_npi", "start")
    starts_on = _day(line, "start")
    assert starts_on is not None
    npi = _number(line, "practitioner_npi", numbers.npi)
    return AffiliationRow(needed["group_id"], npi, starts_on, _day(line, "end"))


_TEXTS = (
    "dba_name", "kind", "taxonomy", "taxonomy_name", "phone", "fax", "service_specialist", "contract_manager", "note",
)  # fmt: skip
_FILES: Mapping[str, Callable[[Session, Line], Change]] = {
    "provider-groups.csv": lambda session, line: provider_groups.store_group(session, read_group(line)),
    "provider-addresses.csv": lambda session, line: provider_groups.store_address(session, read_address(line)),
    "practitioners.csv": lambda session, line: provider_groups.store_practitioner(session, read_practitioner(line)),
    "group-affiliations.csv": lambda session, line: provider_groups.store_affiliation(session, read_affiliation(line)),
}
"""In the order in which they build on each other."""


def _load_file(session: Session, path: Path, summary: ProviderSummary) -> None:
    counts = summary.counts.setdefault(path.name, dict.fromkeys(Change, 0))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, line in enumerate(csv.DictReader(file), start=2):
                try:
                    counts[_FILES[path.name](session, _stripped(line))] += 1
                except ProviderProblem as problem:
                    summary.problems.append(Problem(path.name, number, str(problem)))
    except (UnicodeDecodeError, csv.Error):
        raise UnreadableProviders(f"{path.name} is not comma-separated text in UTF-8") from None


def _stripped(line: Mapping[str | None, str | None]) -> dict[str, str]:
    # A line with more fields than the header has them under None, as a list.
    return {name: value.strip() for name, value in line.items() if name and isinstance(value, str)}


def _needed(line: Line, *columns: str) -> dict[str, str]:
    missing = [column for column in columns if not line.get(column)]
    if missing:
        raise ProviderProblem(f"{', '.join(missing)} is missing")
    return {column: line[column] for column in columns}


def _number(line: Line, column: str, read: Callable[[str], str]) -> str:
    try:
        return read(line[column])
    except numbers.UnusableNumber as unusable:
        raise ProviderProblem(f"{column}: {unusable.sentence}") from None


def _optional(line: Line, column: str, read: Callable[[str], str]) -> str | None:
    return _number(line, column, read) if line.get(column) else None


def _npi_type(line: Line, usual: int) -> int:
    given = line.get("npi_type") or str(usual)
    if given not in {"1", "2"}:
        raise ProviderProblem("npi_type must be 1 (a person) or 2 (an organisation)")
    return int(given)


def _status(line: Line) -> GroupStatus:
    try:
        return GroupStatus(line.get("status") or GroupStatus.ACTIVE)
    except ValueError:
        raise ProviderProblem(f"status must be one of {', '.join(_words(GroupStatus))}") from None


def _words(kind: Iterable[GroupStatus]) -> list[str]:
    return [word.value for word in kind]


def _day(line: Line, column: str) -> date | None:
    text = line.get(column)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ProviderProblem(f"{column} must be a date like 2026-04-30") from None
