"""The plans of both databases: what the statements of searches go through, on a plan of many members."""

import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
import zstandard
from sqlalchemy import Engine, text

from bench.plans import explained
from consent.policy import Access, plan_system
from fhir import store
from fhir.models import StoredResource
from fhir.search import query as searching
from fhir.storage.results import Cursor
from service.databases.reading import ReadingSessions
from service.db import Base, make_engine
from tests.conftest import new_schema
from tests.fhir.test_search_rules import BASE, member

MEMBERS, EACH = 400, 60
BODY = zstandard.compress(b"{}")
BY_MEMBER = "ix_resource_patient_type_date"
BY_NUMBER = "ix_resource_identifier"
BY_TARGET = "ix_resource_refs"
BY_ID = ("pk_resource", "PRIMARY", "autoindex")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Rows of many members, without bodies, and what the database knows of them."""
    if request.param == "sqlite":
        yield from _filled(f"sqlite:///{tmp_path_factory.mktemp('plans')}/plans.db")
        return
    with new_schema() as url:
        yield from _filled(url)


def _filled(url: str) -> Iterator[Engine]:
    made = make_engine(url)
    Base.metadata.create_all(made)
    with made.begin() as connection:
        connection.execute(StoredResource.__table__.insert(), list(_rows()))  # type: ignore[attr-defined]
    with made.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE resource"))
    yield made
    made.dispose()


def _rows() -> Iterator[dict[str, Any]]:
    chance = random.Random(1)
    for number in range(MEMBERS):
        patient_id = "member" if number == 0 else f"member-{number}"
        yield _row("Patient", patient_id, patient_id, 0, number)
        for kind in ("ExplanationOfBenefit", "Observation", "Provenance"):
            for place in range(EACH if kind != "Provenance" else 5):
                yield _row(kind, f"{kind}-{number}-{place}", patient_id, chance.randrange(10**15), place)
    for kind in ("Practitioner", "PractitionerRole", "Organization"):
        for number in range(2_000):
            yield _row(kind, f"{kind}-{number}", "", 0, number)


def _row(kind: str, resource_id: str, patient_id: str, day: int, number: int) -> dict[str, Any]:
    return {
        "type": kind, "id": resource_id, "patient_id": patient_id, "version": 1, "last_updated": day, "deleted": False,
        "content_hash": b"", "dictionary_id": 0, "body": BODY, "sort_date": day, "date1_start": day,
        "date1_end": day + 1, "status": ["final"], "category": ["laboratory"], "code": [f"code-{number % 20}"],
        "identifier": [f"no-{number}"], "tokens": [], "refs": [f"practitioner=Practitioner/Practitioner-{number}"],
        "texts": "", "labels": [],
    }  # fmt: skip


@pytest.fixture
def plans(engine: Engine) -> Iterator[Callable[..., list[str]]]:
    """The plans of the statements that a search runs, as the server runs them."""
    sessions = ReadingSessions(engine)
    session = sessions.open()

    def made(resource_type: str, query: str, access: Access, *, following: bool = False) -> list[str]:
        given = parse_qsl(query)
        asked = searching.parse(resource_type, given, base=BASE, patient_ids=access.patient_ids, strict=True)
        start = Cursor(10**14 if len(asked.sort.keys) == 1 else [10**14, "x"], "x") if following else None
        return explained(session, lambda: store.search(session, access, asked, start))

    yield made
    session.close()
    engine.dispose()


OWN = [
    ("ExplanationOfBenefit", ""),
    ("ExplanationOfBenefit", "patient=member&_count=20"),
    ("ExplanationOfBenefit", "type=pharmacy&status=active"),
    ("ExplanationOfBenefit", "service-date=ge2024-01-01&service-date=lt2025-01-01"),
    ("ExplanationOfBenefit", "identifier=no-7"),
    ("ExplanationOfBenefit", "_lastUpdated=gt2024-01-01"),
    ("ExplanationOfBenefit", "_count=0"),
    ("ExplanationOfBenefit", "_count=5&_total=accurate"),
    ("ExplanationOfBenefit", "_sort=-_lastUpdated"),
    ("ExplanationOfBenefit", "_sort=status,-service-date"),
    ("ExplanationOfBenefit", "provider=Organization/x"),
    ("Observation", "category=laboratory&code=code-1&date=ge2024"),
    ("Observation", "category:not=laboratory"),
    ("Observation", "performer:missing=true"),
    ("Provenance", "target=Observation/x"),
]


def test_a_members_searches_go_through_the_members_index(plans: Callable[..., list[str]]) -> None:
    for kind, query in OWN:
        for found in plans(kind, query, member()):
            assert BY_MEMBER in found, (kind, query, found)
            assert "Seq Scan" not in found and "SCAN resource" not in found, (kind, query, found)


def test_pages_in_the_usual_order_are_not_sorted(plans: Callable[..., list[str]]) -> None:
    for query, following in (("_count=5", False), ("_count=5", True), ("patient=member&_count=5&_include=*", True)):
        found, *_ = plans("ExplanationOfBenefit", query, member(), following=following)
        assert BY_MEMBER in found and "Sort" not in found and "TEMP B-TREE" not in found, found


def test_what_comes_along_is_found_by_id_or_member(plans: Callable[..., list[str]]) -> None:
    _matches, *others = plans("Observation", "_count=5&_include=*&_revinclude=Provenance:target", member())
    assert len(others) == 2
    for found in others:
        assert BY_MEMBER in found or any(name in found for name in BY_ID), found
        assert "Seq Scan" not in found and "SCAN resource" not in found, found


def test_people_and_places_are_found_by_their_numbers(plans: Callable[..., list[str]], engine: Engine) -> None:
    everybody = plan_system("tests")
    # SQLite has no index of words: it looks through the type.
    way = {"postgresql": BY_NUMBER, "sqlite": BY_MEMBER}[engine.dialect.name]
    for kind in ("Practitioner", "Organization"):
        (found,) = plans(kind, "identifier=no-7", everybody)
        assert way in found, (kind, found)
    by_target = BY_TARGET if way == BY_NUMBER else BY_MEMBER
    for query, ways in {
        "practitioner.identifier=no-7": [way, by_target], "practitioner.name=x": [BY_MEMBER, by_target],
        "practitioner=zoe": [by_target],
    }.items():  # fmt: skip
        for found, expected in zip(plans("PractitionerRole", query, everybody), ways, strict=True):
            assert "Seq Scan" not in found and expected in found, (query, found)
    if way == BY_NUMBER:
        (found,) = plans("Patient", "identifier=no-7", everybody)
        assert BY_NUMBER in found


def test_a_chain_that_thousands_meet_is_refused(plans: Callable[..., list[str]]) -> None:
    with pytest.raises(store.TooManyChained):
        plans("PractitionerRole", "practitioner.identifier:missing=false", plan_system("tests"))
