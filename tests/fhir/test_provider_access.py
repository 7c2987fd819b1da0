"""What a provider's Access reaches in the FHIR store: claims its groups billed, within their dates; nothing else."""

import csv
import json
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.orm import Session

from consent import policy
from consent.models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from consent.policy import Access, plan_system
from fhir import clauses, ingest, statements, store
from fhir.compartment import TYPES
from fhir.index import index
from fhir.models import StoredResource, StoredVersion
from fhir.outcomes import NotFound
from fhir.search import Include, Search, Sort
from oauth.tokens.token_problems import InsufficientScope
from service.clock import now
from service.db import make_engine, make_sessions
from service.plan.logins.reach import GroupReach
from service.plan.models import OrganizationKind, PortalFunction, ProviderGroup, ProviderStaff
from service.sandbox import schema
from service.settings import Settings
from tests.conftest import ROOT, SHARED, require
from tests.factories import make_entry, make_group, make_member, make_organization, make_portal_staff
from tests.fhir import records

CLAIM = "ExplanationOfBenefit"


def load(session: Session, *resources: dict[str, Any]) -> None:
    """Store resources as the plan does."""
    session.commit()
    bound = session.get_bind()
    assert isinstance(bound, Engine)
    summary = ingest.load_resources(bound, resources, access=plan_system("tests"))
    assert summary.rejected == 0, summary.problems


def staff_of(session: Session, group: ProviderGroup, **numbers: str) -> ProviderStaff:
    """A login that reaches the group by its Tax ID, or by the numbers given."""
    staff = make_portal_staff(session)
    make_entry(session, staff, **numbers or {"tax_id": tax_id_of(session, group)})
    return staff


def tax_id_of(session: Session, group: ProviderGroup) -> str:
    """The group's Tax ID."""
    found = session.scalar(
        text("SELECT value FROM provider_identifier WHERE group_id = :group AND kind = 'tax_id'").bindparams(
            group=group.id
        )
    )
    return str(found)


def of(group: ProviderGroup) -> dict[str, Any]:
    """The provider of a claim that the group billed."""
    return {"provider": records.to(f"Organization/{group.organization_id}")}


def claims_of(session: Session, staff: ProviderStaff, **given: Any) -> list[str]:
    """The ids of the claims the login finds."""
    access = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="tests")
    return [one.id for one in store.search(session, access, Search(CLAIM, count=100, **given)).matches]


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"reference": "Organization/org-1"}, "org-1"),
        ({"reference": "https://plan.example/fhir/Organization/org-1/_history/3"}, "org-1"),
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


def test_a_provider_finds_the_claims_it_billed_and_no_others(session: Session) -> None:
    mine, other = make_group(session), make_group(session)
    staff, stranger = staff_of(session, mine), staff_of(session, other)
    load(
        session, *records.record_of("one"), records.claim("mine", "one", **of(mine)),
        records.claim("theirs", "one", **of(other)),
        records.claim("no-one", "one", provider=records.to("Practitioner/x")),
    )  # fmt: skip

    assert claims_of(session, staff) == ["mine"]
    assert claims_of(session, stranger) == ["theirs"]


def test_a_provider_reads_nothing_but_its_claims_of_any_type(session: Session) -> None:
    group = make_group(session)
    staff = staff_of(session, group)
    load(session, *records.shared(), *records.record_of("one"), records.claim("mine", "one", **of(group)))
    dialect = statements.dialect_of(session)
    access = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="tests")

    for resource_type in sorted(set(TYPES) - {CLAIM}):
        assert clauses.visible(dialect, access, resource_type) == clauses.NOTHING
        with pytest.raises(InsufficientScope):
            store.search(session, access, Search(resource_type))
    included = store.search(session, access, Search(CLAIM, includes=(Include(CLAIM, "*"),)))
    assert [one.id for one in included.matches] == ["mine"]
    assert included.included == ()
    assert store.counts(session, access) == {CLAIM: 1}
    with pytest.raises(NotFound):
        store.read(session, access, CLAIM, "eob-1-one")


def test_a_login_without_the_application_or_an_organization_finds_nothing(session: Session) -> None:
    group, unknown = make_group(session), make_group(session, organization_id=None)
    load(session, *records.record_of("one"), records.claim("mine", "one", **of(group)))
    numbers = {"tax_id": tax_id_of(session, group)}
    without = make_portal_staff(session, functions=[PortalFunction.REMITTANCES.value])
    make_entry(session, without, **numbers)

    assert claims_of(session, without) == []
    assert claims_of(session, staff_of(session, unknown)) == []
    assert claims_of(session, make_portal_staff(session)) == []


def test_a_shared_tax_id_is_split_by_the_other_numbers(session: Session) -> None:
    hospital = make_group(session, tax_id="082234502", npi="2900258387")
    emergency = make_group(session, tax_id="082234502", npi="2900179195")
    load(
        session, *records.record_of("one"), records.claim("ward", "one", **of(hospital)),
        records.claim("emergency", "one", **of(emergency)),
    )  # fmt: skip

    assert claims_of(session, staff_of(session, hospital, tax_id="082234502", npi="2900258387")) == ["ward"]
    both = staff_of(session, hospital, tax_id="082234502")
    assert set(claims_of(session, both)) == {"ward", "emergency"}


def authorize(session: Session, group: ProviderGroup, **given: Any) -> tuple[ProviderStaff, BillingAuthorization]:
    """A billing firm's login that the group let in."""
    firm = make_organization(session, kind=OrganizationKind.BILLING)
    staff = make_portal_staff(session, firm)
    asked = AuthorizationRequest(
        organization_id=firm.id, group_id=group.id, asked_by_account_id=staff.account_id, contact_name="Pat Moss",
        contact_email="pat@clinic.example", contact_key="pat@clinic.example", functions=["claims"],
        status=AuthorizationStatus.APPROVED, asked_at=now(), expires_at=now() + timedelta(days=30),
    )  # fmt: skip
    session.add(asked)
    session.flush()
    values = {"functions": ["claims", "eligibility"]} | given
    made = BillingAuthorization(
        request_id=asked.id, organization_id=firm.id, group_id=group.id, given_at=now(), **values
    )  # fmt: skip
    session.add(made)
    session.flush()
    return staff, made


def test_dates_of_an_authorization_are_both_included(session: Session) -> None:
    group = make_group(session)
    days = ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01")
    load(
        session, *records.record_of("one"), *(records.claim(day, "one", day, **of(group)) for day in days),
        records.claim("undated", "one", billablePeriod={}, **of(group)),
    )  # fmt: skip
    january, _ = authorize(session, group, covers_from=date(2026, 1, 1), covers_until=date(2026, 1, 31))
    since, _ = authorize(session, group, covers_from=date(2026, 1, 31))
    until, _ = authorize(session, group, covers_until=date(2025, 12, 31))
    unlimited, _ = authorize(session, group)

    assert claims_of(session, january) == ["2026-01-31", "2026-01-01"]
    assert claims_of(session, since) == ["2026-02-01", "2026-01-31"]
    assert claims_of(session, until) == ["2025-12-31"]
    assert claims_of(session, unlimited) == ["2026-02-01", "2026-01-31", "2026-01-01", "2025-12-31", "undated"]


def test_fifteen_hundred_clients_with_dates_of_their_own_are_searched_at_once(session: Session) -> None:
    first, last = make_group(session), make_group(session)
    load(
        session, *records.record_of("one"), records.claim("first", "one", "2026-03-01", **of(first)),
        records.claim("early", "one", "2026-02-28", **of(first)), records.claim("last", "one", **of(last)),
        records.claim("undated", "one", billablePeriod={}, **of(last)),
    )  # fmt: skip
    staff, _ = authorize(session, first)
    made = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="tests")
    many = [GroupReach(f"g{one}", f"o{one}", date(2020, 1, 1) + timedelta(days=one)) for one in range(1_498)]
    dated = GroupReach(first.id, first.organization_id, date(2026, 3, 1), date(2026, 3, 1))
    access = replace(made, groups=(dated, *many, GroupReach(last.id, last.organization_id)))

    found = store.search(session, access, Search(CLAIM, count=100)).matches

    assert {one.id for one in found} == {"first", "last", "undated"}
    assert store.counts(session, access) == {CLAIM: 3}
    assert store.read(session, access, CLAIM, "first").id == "first"
    with pytest.raises(NotFound):
        store.read(session, access, CLAIM, "early")


def test_an_authorization_that_ends_is_gone_at_the_next_request(session: Session) -> None:
    group = make_group(session)
    load(session, *records.record_of("one"), records.claim("mine", "one", **of(group)))
    staff, authorization = authorize(session, group)
    assert claims_of(session, staff) == ["mine"]

    authorization.ended_at = now()
    session.flush()

    assert claims_of(session, staff) == []


def test_a_provider_sees_the_sensitive_claims_it_billed(session: Session) -> None:
    group = make_group(session)
    staff = staff_of(session, group)
    coded = {"diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": records.concept(records.ICD, "F10.20")}]}
    load(session, *records.record_of("one"), records.claim("mine", "one", **of(group), **coded))
    row = session.scalars(select(StoredResource).where(StoredResource.id == "mine")).one()
    assert row.labels == ("substance_use",)

    assert claims_of(session, staff) == ["mine"]


def test_a_claim_that_becomes_anothers_takes_its_history_along(session: Session) -> None:
    first, second = make_group(session), make_group(session)
    former, present = staff_of(session, first), staff_of(session, second)
    load(session, *records.record_of("one"), records.claim("moved", "one", **of(first)))
    load(session, records.claim("moved", "one", **of(second)))

    assert claims_of(session, former) == []
    assert claims_of(session, present) == ["moved"]
    access = policy.provider_authority(session, former, PortalFunction.CLAIMS, reason="tests")
    with pytest.raises(NotFound):
        store.history(session, access, CLAIM, "moved")
    assert session.scalars(select(StoredVersion.provider_id)).all() == [None]


def test_a_corrected_claim_keeps_its_history_for_its_provider(session: Session) -> None:
    group = make_group(session)
    staff = staff_of(session, group)
    load(session, *records.record_of("one"), records.claim("same", "one", **of(group)))
    load(session, records.claim("same", "one", "2026-03-02", **of(group)))
    access = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="tests")

    assert [one.version for one in store.history(session, access, CLAIM, "same")] == [2, 1]


def test_a_deleted_claim_is_found_no_more(session: Session) -> None:
    group = make_group(session)
    staff = staff_of(session, group)
    load(session, *records.record_of("one"), records.claim("gone", "one", **of(group)))
    store.delete(session, plan_system("tests"), CLAIM, "gone")

    assert claims_of(session, staff) == []


def test_eligibility_reaches_the_coverage_of_one_member_only(session: Session) -> None:
    group = make_group(session)
    staff = staff_of(session, group)
    member = make_member(session, patient_id="one")
    load(
        session, *records.record_of("one"), *records.record_of("two"), records.claim("mine", "one", **of(group))
    )  # fmt: skip
    access = policy.provider_eligibility(session, staff, member, reason="payment: tests", day=date(2026, 3, 1))

    assert [one.id for one in store.search(session, access, Search("Coverage")).matches] == ["cov-one"]
    with pytest.raises(NotFound):
        store.read(session, access, "Coverage", "cov-two")
    for resource_type in sorted(set(TYPES) - {"Coverage"}):
        with pytest.raises(InsufficientScope):
            store.search(session, access, Search(resource_type))


@pytest.mark.parametrize("missing", ["entry", "application"])
def test_eligibility_reaches_nobody_without_entry_or_application(session: Session, missing: str) -> None:
    group = make_group(session)
    member = make_member(session, patient_id="one")
    load(session, *records.record_of("one"))
    functions = [PortalFunction.CLAIMS.value] if missing == "application" else ["eligibility"]
    staff = make_portal_staff(session, functions=functions)
    if missing == "application":
        make_entry(session, staff, tax_id=tax_id_of(session, group))

    access = policy.provider_eligibility(session, staff, member, reason="payment: tests", day=date(2026, 3, 1))

    assert store.search(session, access, Search("Coverage")).matches == ()


def test_members_are_searched_by_the_same_clause_as_ever(session: Session) -> None:
    dialect = statements.dialect_of(session)
    access = plan_system("tests")

    assert clauses.visible(dialect, access, CLAIM) is clauses.visible(dialect, access, CLAIM)
    assert "provider_id" not in clauses.visible(dialect, access, CLAIM).text


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

    assert "ix_resource_provider_type_date" in explained
    assert "Sort" not in explained, "the index gives the order too"
    assert "USE TEMP B-TREE" not in explained


def explain(session: Session, access: Access) -> str:
    """The plan of the database for a provider's first page."""
    dialect = statements.dialect_of(session)
    of_type = clauses.Clause(f"type = {dialect.mark}", (CLAIM,))
    where = clauses.all_of((of_type, clauses.visible(dialect, access, CLAIM)))
    statement = f"SELECT id FROM resource WHERE {where.text} AND NOT deleted ORDER BY {clauses.order(Sort())} LIMIT 21"
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
    engine.dispose()

    command.downgrade(config, "0010")
    engine = make_engine(empty_database_url)
    assert "provider_id" not in {column["name"] for column in inspect(engine).get_columns("resource")}
    engine.dispose()
    schema.bring_up_to_date(settings)

    engine = make_engine(empty_database_url)
    with make_sessions(engine)() as session:
        assert set(session.execute(select(StoredResource.id, StoredResource.provider_id)).all()) == set(expected)
        assert session.scalars(select(StoredVersion.provider_id)).all() == ["org-1"]
    engine.dispose()
    assert dict(expected) == {  # type: ignore[arg-type]
        **{f"{name}-two": "clinic" for name in ("eob-1", "eob-2", "eob-3", "eob-s")},
        **dict.fromkeys(("two", "cov-two", "lab-two", "pulse-two", "prov-two", "person", "nobody")),
        "first": "org-1", "last": "org.2-b",
    }  # fmt: skip


def test_each_claim_of_the_real_data_is_found_by_its_group_and_nobody_else(demo: Session) -> None:
    require(SHARED is not None, "the folder with real data is not here (set SHARED)")
    assert SHARED
    data = SHARED / "data"
    expected: dict[str, set[str]] = defaultdict(set)
    with (data / "demo" / "claims.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            expected[row["group_id"]].add(row["eob_id"])
    found: dict[str, set[str]] = {}
    with (data / "providers" / "provider-groups.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        made = make_group(
            demo, number=f"{row['group_id']}-{demo.get_bind().dialect.name}", tax_id=row["tax_id"].replace("-", ""),
            npi=row["npi"] or None, vendor_number=row["vendor_number"] or None,
            organization_id=row["fhir_organization_id"] or None,
        )  # fmt: skip
        numbers = {"tax_id": tax_id_of(demo, made)} | ({"npi": row["npi"]} if row["npi"] else {})
        staff = staff_of(demo, made, **numbers)
        found[row["group_id"]] = every_claim(demo, staff)
    demo.rollback()

    made_by_us = set().union(*expected.values())
    assert len(made_by_us) > 190
    for group, claims in found.items():
        assert claims & made_by_us == expected[group], group


def every_claim(session: Session, staff: ProviderStaff) -> set[str]:
    """The ids of all claims of a login, page by page, each once."""
    access = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="tests")
    ids: list[str] = []
    page = store.search(session, access, Search(CLAIM, count=20))
    while True:
        ids += [one.id for one in page.matches]
        for one in page.matches:
            assert json.loads(one.body)["provider"]["reference"].startswith("Organization/")
        if page.following is None:
            break
        page = store.search(session, access, Search(CLAIM, count=20), page.following)
    assert len(ids) == len(set(ids))
    return set(ids)
