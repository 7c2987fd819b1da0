"""The real data: everything loads, is served as it came, and is found by what it holds."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.policy import Access, plan_system
from fhir import store
from fhir.compartment import PATIENT_ELEMENT, TYPES
from fhir.models import StoredResource
from fhir.search import clauses, parameters
from fhir.search import query as searching
from fhir.search.combinations import COMBINATIONS
from fhir.search.declared import Column, Kind
from fhir.storage import statements
from fhir.storage.projections import instant_text
from tests.conftest import SHARED, require

BASE = "http://localhost/fhir/r4"


@pytest.fixture
def access() -> Access:
    """The plan's own access."""
    return plan_system("tests")


def originals() -> Iterator[dict[str, object]]:
    """Every resource of the demo folder."""
    require(SHARED is not None, "the folder with real data is not here (set SHARED)")
    assert SHARED
    for path in sorted((SHARED / "data" / "demo").glob("*.ndjson")):
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)


def found(session: Session, access: Access, resource_type: str, query: list[tuple[str, str]]) -> set[str]:
    """The ids that a search finds, all pages."""
    asked = searching.parse(resource_type, [("_count", "100"), *query], base=BASE, patient_ids=None, strict=True)
    page = store.search(session, access, asked)
    ids = [one.id for one in page.matches]
    while page.following:
        page = store.search(session, access, asked, page.following)
        ids += [one.id for one in page.matches]
    assert len(ids) == len(set(ids))
    return set(ids)


def test_all_of_it_is_there_and_says_the_same(demo: Session, access: Access) -> None:
    number = 0
    for original in originals():
        number += 1
        stored = json.loads(store.read(demo, access, str(original["resourceType"]), str(original["id"])).body)
        for resource in (original, stored):
            resource.setdefault("meta", {})
            resource["meta"].pop("lastUpdated", None)  # type: ignore[attr-defined]
            resource["meta"].pop("versionId", None)  # type: ignore[attr-defined]
        assert _without_displays(stored) == _without_displays(original)
    assert number == 2_807
    assert demo.scalar(select(func.count()).select_from(StoredResource)) == 2_807


def test_every_indexed_value_finds_its_resource(demo: Session, access: Access) -> None:
    tried: Counter[Kind] = Counter()
    for resource_type in TYPES:
        rows = demo.scalars(select(StoredResource).where(StoredResource.type == resource_type).limit(3)).all()
        for row in rows:
            for parameter in parameters.of(resource_type):
                for value in _values(row, parameter):
                    query = [(parameter.name, value), ("_id", row.id)]
                    assert found(demo, access, resource_type, query) == {row.id}, (resource_type, parameter.name)
                    tried[parameter.kind] += 1
    assert all(tried[kind] > 3 for kind in set(Kind) - {Kind.URI, Kind.CANONICAL}), tried


def test_every_combination_of_the_guides_finds(demo: Session, access: Access) -> None:
    tried = set()
    for resource_type, rows in COMBINATIONS.items():
        stored = demo.scalars(select(StoredResource).where(StoredResource.type == resource_type).limit(400)).all()
        for _force, names in rows:
            for row in stored:
                query = [(name, value) for name in names.split("+") if (value := _value(row, resource_type, name))]
                if len(query) < 2 or len(query) < len(names.split("+")):
                    continue
                assert row.id in found(demo, access, resource_type, query), (resource_type, query)
                other = [(name, "nobody" if name == "patient" else value) for name, value in query]
                assert ("patient", "nobody") not in other or not found(demo, access, resource_type, other)
                tried.add((resource_type, names))
                break
    wanted = {(resource_type, names) for resource_type, rows in COMBINATIONS.items() for _force, names in rows}
    assert tried == wanted


def _value(row: StoredResource, resource_type: str, name: str) -> str:
    """A value by which the row is found, as the public suites take it from what they have seen; empty for none."""
    if name == "patient":
        return f"Patient/{row.patient_id}"
    if name == "_lastUpdated":
        return instant_text(row.last_updated)
    parameter = parameters.find(resource_type, name)
    assert parameter
    return next(iter(_values(row, parameter)), "")


def test_claims_of_a_member_by_date_agree_with_a_plain_count(demo: Session, access: Access) -> None:
    claims = [one for one in originals() if one["resourceType"] == "ExplanationOfBenefit"]
    for day in ("2020-05-24", "2023-01-01", "2025-06-30"):
        starts = {str(one["id"]): one["billablePeriod"]["start"][:10] for one in claims}  # type: ignore[index]
        later = {one for one, start in starts.items() if start > day}
        for prefix, expected in (("gt", later), ("le", set(starts) - later)):
            query = [("billable-period-start", prefix + day)]
            assert found(demo, access, "ExplanationOfBenefit", query) == expected


def test_the_hand_kept_statements_agree_with_plain_selects(demo: Session, access: Access) -> None:
    dialect = statements.dialect_of(demo)
    for resource_type in ("ExplanationOfBenefit", "Observation", "Coverage"):
        table = StoredResource
        plain = demo.scalars(
            select(table)
            .where(table.type == resource_type, table.deleted.is_(False))
            .order_by(table.sort_date.desc(), table.id)
            .limit(40)
        ).all()
        of_type = clauses.Clause(f"type = {dialect.mark}", (resource_type,))
        where = clauses.all_of((of_type, clauses.visible(dialect, access, resource_type)))
        rows = statements.search(demo, where, searching.Sort(), 40, with_refs=True)
        assert [
            (row.type, row.id, row.patient_id, row.version, row.last_updated, row.deleted, row.dictionary_id,
             bytes(row.body), row.place, row.refs) for row in rows
        ] == [
            (row.type, row.id, row.patient_id, row.version, row.last_updated, row.deleted, row.dictionary_id,
             bytes(row.body), row.sort_date, row.refs) for row in plain
        ]  # fmt: skip
        first = statements.read(demo, resource_type, plain[0].id, clauses.Clause("1 = 1"))
        assert first is not None
        assert (first.id, bytes(first.body)) == (plain[0].id, bytes(plain[0].body))
        count = select(func.count()).where(table.type == resource_type)
        assert statements.count(demo, where) == demo.scalar(count)


def test_every_record_belongs_to_a_patient(demo: Session) -> None:
    patients = set(demo.scalars(select(StoredResource.id).where(StoredResource.type == "Patient")))
    owners = demo.execute(select(StoredResource.type, StoredResource.patient_id).distinct()).all()
    assert len(patients) > 10 and len(owners) > 100
    for kind, owner in owners:
        assert (owner in patients) == (kind in PATIENT_ELEMENT), (kind, owner)


def _without_displays(node: object) -> object:
    # Names of other people are taken out at load; whatever else differs is a fault.
    if isinstance(node, list):
        return [_without_displays(item) for item in node]
    if isinstance(node, dict):
        keep = {name: value for name, value in node.items() if not (name == "display" and "reference" in node)}
        return {name: _without_displays(value) for name, value in keep.items()}
    return node


def _values(row: StoredResource, parameter: parameters.Parameter) -> list[str]:
    """Search values that must find this row."""
    lead = parameters.stored_name(parameter)
    if parameter.column is Column.TEXTS:
        texts = [one for one in row.texts.split("\x1f") if one.startswith(lead)]
        return [_escaped(one.removeprefix(lead)) for one in texts[:2]]
    if parameter.column in {Column.ID, Column.PATIENT, Column.LAST_UPDATED}:
        return []
    if parameter.kind is Kind.DATE:
        return ["gt1800-01-01", "lt2200"] if getattr(row, f"{parameter.column}_start") is not None else []
    words = [one.removeprefix(lead) for one in getattr(row, parameter.column) if one.startswith(lead)]
    if parameter.kind is Kind.TOKEN:
        return ["|".join(_escaped(part) for part in one.split("|", 1)) for one in words[:2]]
    return [_escaped(one) for one in words[:2]]


def _escaped(text: str) -> str:
    for letter in "\\,|$":
        text = text.replace(letter, "\\" + letter)
    return text
