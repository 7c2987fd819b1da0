"""The index of claims by provider."""

from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from consent import policy
from consent.policy import Access
from fhir.models import StoredResource, StoredVersion
from fhir.search import clauses, conditions, ordering
from fhir.search.conditions import Condition
from fhir.search.declared import Column
from fhir.search.index import index
from fhir.search.ordering import NEWEST_FIRST
from fhir.storage import statements
from service.db import make_engine, make_sessions
from service.plan.models import PortalFunction
from service.sandbox import schema
from service.settings import Settings
from tests.conftest import ROOT
from tests.factories import make_group
from tests.fhir import records
from tests.fhir.providers import CLAIM, load, of, staff_of


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"reference": "Organization/org-1"}, "org-1"),
        ({"reference": "Organization/org-1/_history/3"}, "org-1"),
        ({"reference": "https://elsewhere.example/fhir/Organization/org-1/_history/3"}, None),
        ({"reference": "Practitioner/doctor"}, None),
        ({"reference": "#contained"}, None),
        ({"identifier": {"value": "07-1234501"}}, None),
        ([{"reference": "Organization/org-1"}], None),
        ("Organization/org-1", None),
        (None, None),
    ],
)
def test_a_claim_is_indexed_by_the_organization_that_billed_it(provider: Any, expected: str | None) -> None:
    assert index(records.claim("eob", "someone", provider=provider)).provider_id == expected


def test_only_claims_are_indexed_by_provider() -> None:
    other = {"resourceType": "Coverage", "id": "c", "provider": {"reference": "Organization/org-1"}}

    assert index(other).provider_id is None


def test_the_search_by_provider_goes_through_its_index(session: Session) -> None:
    groups = [make_group(session) for _ in range(40)]
    load(
        session, *records.record_of("one"),
        *(
            records.claim(f"c{group.organization_id}-{number}", "one", f"2026-01-{number + 1:02}", **of(group))
            for group in groups
            for number in range(25)
        ),
    )  # fmt: skip
    session.execute(text("ANALYZE"))
    access = policy.provider_authority(
        session, staff_of(session, groups[7]), PortalFunction.CLAIMS, reason="tests"
    )  # fmt: skip
    explained = explain(session, access)

    assert "ix_resource_provider_date" in explained
    assert "Sort" not in explained, "the index gives the order too"
    assert "USE TEMP B-TREE" not in explained


def test_a_claim_number_is_looked_for_by_its_index(session: Session) -> None:
    groups = [make_group(session) for _ in range(4)]
    numbered = [
        records.claim(
            f"c{group.organization_id}-{number}", "one", identifier=[{"value": f"N{at}-{number}"}], **of(group)
        )
        for at, group in enumerate(groups)
        for number in range(200)
    ]
    load(session, *records.record_of("one"), *numbered)
    session.execute(text("ANALYZE"))
    access = policy.provider_authority(session, staff_of(session, groups[1]), PortalFunction.CLAIMS, reason="tests")

    wanted = Condition(
        Column.CLAIM_NUMBER, tuple(conditions.Term(conditions.Test.EQUALS, one) for one in ("n1-7", "N1-7"))
    )

    assert "ix_resource_claim_number" in explain(session, access, wanted)


@pytest.mark.parametrize(
    ("identifiers", "number"),
    [
        ([{"system": "urn:plan", "value": "A-1"}, {"value": "A-2"}], "A-1"),
        ([{"system": "urn:plan"}, {"value": "A-2"}], "A-2"),
        ([], None),
    ],
)
def test_the_number_of_a_claim_is_its_first_identifier(identifiers: list[Any], number: str | None) -> None:
    assert index(records.claim("eob", "someone", identifier=identifiers)).claim_number == number


def explain(session: Session, access: Access, *also: Condition) -> str:
    """The plan of the database for a provider's first page."""
    dialect = statements.dialect_of(session)
    of_type = clauses.Clause(f"type = {dialect.mark}", (CLAIM,))
    where = clauses.all_of(
        (of_type, clauses.visible(dialect, access, CLAIM), *(clauses.condition(dialect, one) for one in also))
    )
    order = ordering.order(dialect, NEWEST_FIRST)
    statement = f"SELECT id FROM resource WHERE {where.text} AND NOT deleted ORDER BY {order} LIMIT 21"
    prefix = "EXPLAIN" if dialect is clauses.Dialect.POSTGRESQL else "EXPLAIN QUERY PLAN"
    cursor = session.connection().connection.cursor()
    cursor.execute(f"{prefix} {statement}", where.values)
    return "\n".join(str(row) for row in cursor.fetchall())


def test_the_migration_fills_the_column_of_what_is_stored(empty_database_url: str, settings: Settings) -> None:
    settings = Settings.from_environment({"VAR": str(settings.var), "DATABASE_URL": empty_database_url})
    config = Config(ROOT / "alembic.ini")
    config.attributes["settings"] = settings
    schema.bring_up_to_date(settings)
    engine = make_engine(empty_database_url)
    with make_sessions(engine)() as session:
        claims = [
            records.claim("first", "one", **{"provider": records.to("Organization/org-1")}),
            records.claim("last", "one", careTeam=[], insurer={}, provider=records.to("Organization/org.2-b")),
            records.claim("person", "one", provider=records.to("Practitioner/org-3")),
            records.claim("nobody", "one", provider=None),
        ]
        load(session, *records.record_of("two"), *claims)
        load(session, records.claim("first", "one", "2026-05-05", provider=records.to("Organization/org-1")))
        expected = session.execute(select(StoredResource.id, StoredResource.provider_id)).all()
        numbers = session.execute(select(StoredResource.id, StoredResource.claim_number)).all()
    engine.dispose()

    command.downgrade(config, "0010")
    engine = make_engine(empty_database_url)
    assert "provider_id" not in {column["name"] for column in inspect(engine).get_columns("resource")}
    engine.dispose()
    schema.bring_up_to_date(settings)

    engine = make_engine(empty_database_url)
    with make_sessions(engine)() as session:
        assert set(session.execute(select(StoredResource.id, StoredResource.provider_id)).all()) == set(expected)
        assert set(session.execute(select(StoredResource.id, StoredResource.claim_number)).all()) == set(numbers)
        assert session.scalars(select(StoredVersion.provider_id)).all() == ["org-1"]
    engine.dispose()
    assert dict(expected) == {  # type: ignore[arg-type]
        **{f"{name}-two": "clinic" for name in ("eob-1", "eob-2", "eob-3", "eob-s")},
        **dict.fromkeys(("two", "cov-two", "lab-two", "pulse-two", "prov-two", "person", "nobody")),
        "first": "org-1", "last": "org.2-b",
    }  # fmt: skip
