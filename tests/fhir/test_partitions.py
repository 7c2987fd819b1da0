"""The tables of records cut by member: every unique key has the member in it, and nothing else changes."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from consent.policy import Access, GrantFacts, access_for_grant
from fhir import store
from fhir.loading import ingest
from fhir.models import StoredResource, StoredVersion, VisibilityEpoch
from fhir.search import query as searching
from fhir.storage import partitions
from service.db import Base, make_engine, make_sessions
from tests.conftest import new_schema
from tests.fhir import records

MEMBERS = [f"p{number}" for number in range(12)]
PARTS = 4
_UNIQUE = """
    SELECT t.relname, i.indexrelid::regclass::text, array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = i.indexrelid
    WHERE i.indisunique AND t.relname LIKE 'resource%' AND t.relnamespace = current_schema()::regnamespace
    GROUP BY 1, 2
"""


@pytest.fixture
def whole() -> Iterator[Engine]:
    with new_schema() as url:
        made = make_engine(url)
        Base.metadata.create_all(made)
        yield made
        made.dispose()


def _load(engine: Engine, system: Access, **given: Any) -> None:
    resources = [one for member in MEMBERS for one in records.record_of(member)]
    extra = [records.observation(f"o-{member}", member, **given) for member in MEMBERS]
    summary = ingest.load_resources(engine, [*resources, *extra], access=system)
    assert summary.rejected == 0, summary.problems


def _seen(engine: Engine, member: str) -> list[tuple[str, str, int]]:
    facts = GrantFacts("g", "a", "c", "m", member, *(["patient/*.rs"] * 3), frozenset())
    access = access_for_grant(facts)
    found = []
    with make_sessions(engine)() as session:
        for kind in ("ExplanationOfBenefit", "Observation", "Coverage", "Patient"):
            given = [("_count", "50")]
            asked = searching.parse(kind, given, base="http://x", patient_ids=access.patient_ids, strict=True)
            page = store.search(session, access, asked)
            found += [(one.type, one.id, one.version) for one in page.matches]
            for one in page.matches:
                assert store.read(session, access, one.type, one.id).body == one.body
    return found


def test_every_member_owned_table_has_the_member_in_its_keys_and_no_foreign_key(whole: Engine, system: Access) -> None:
    _load(whole, system)
    before = {member: _seen(whole, member) for member in MEMBERS}

    with whole.begin() as connection:
        partitions.cut(connection, PARTS)
        unique = connection.execute(text(_UNIQUE)).all()
        foreign = connection.scalar(text(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND (conrelid::regclass::text LIKE 'resource%'"
            " OR confrelid::regclass::text LIKE 'resource%')"
        ))  # fmt: skip
        filled = [connection.scalar(text(f"SELECT count(*) FROM resource_{part}")) for part in range(PARTS)]

    assert len(unique) == 2 * (PARTS + 1)
    assert all(partitions.KEY in columns for _table, _index, columns in unique), unique
    assert foreign == 0
    assert all(filled), "each part has some of the members"
    assert {member: _seen(whole, member) for member in MEMBERS} == before


def test_what_changes_moves_and_goes_is_so_in_parts_too(whole: Engine, system: Access) -> None:
    _load(whole, system)
    with whole.begin() as connection:
        partitions.cut(connection, PARTS)
    mine, sessions = MEMBERS[0], make_sessions(whole)

    def epoch(session: Session) -> str | None:
        return session.scalar(select(VisibilityEpoch.epoch))

    _load(whole, system, valueString="other")
    with sessions() as session:
        assert ("Observation", f"o-{mine}", 2) in _seen(whole, mine)
        assert session.scalar(select(func.count()).select_from(StoredVersion)) == len(MEMBERS)
        first = epoch(session)
    for other in MEMBERS[1:4]:
        # To a record of whichever part; its older versions are out of sight then.
        with sessions.begin() as session:
            store.put(session, system, records.observation(f"o-{mine}", other))
            moved = epoch(session)
            assert moved != first
            first = moved
        assert f"o-{mine}" not in {one[1] for one in _seen(whole, mine)}
        assert f"o-{mine}" in {one[1] for one in _seen(whole, other)}
    with sessions.begin() as session:
        store.delete(session, system, "Observation", f"o-{mine}")
        assert epoch(session) != first
        standing = select(func.count()).where(StoredResource.id == f"o-{mine}")
        assert session.scalar(standing) == 1, "an id stands once, in whichever part"


def test_tables_are_cut_once(whole: Engine) -> None:
    with whole.begin() as connection:
        partitions.cut(connection, PARTS)
    with whole.begin() as connection, pytest.raises(partitions.AlreadyCut):
        partitions.cut(connection, PARTS)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_has_no_parts(app: Flask) -> None:
    done = app.test_cli_runner().invoke(args=["fhir", "partition"])
    assert done.exit_code == 1 and "Only PostgreSQL" in done.output
