"""Which claims and coverage a provider reaches."""

import csv
import json
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import policy
from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from consent.policy import plan_system
from fhir import store
from fhir.compartment import TYPES
from fhir.models import StoredResource, StoredVersion
from fhir.outcomes import NotFound
from fhir.search import clauses
from fhir.search.query import Include, Search
from fhir.storage import statements
from oauth.tokens.token_problems import InsufficientScope
from service.clock import now
from service.plan.logins.reach import GroupReach
from service.plan.models import OrganizationKind, PortalFunction, ProviderGroup, ProviderStaff
from tests.conftest import SHARED, require
from tests.factories import make_entry, make_group, make_member, make_organization, make_portal_staff
from tests.fhir import records
from tests.fhir.providers import CLAIM, load, of, staff_of, tax_id_of


def claims_of(session: Session, staff: ProviderStaff, **given: Any) -> list[str]:
    """The ids of the claims the login finds."""
    access = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason="tests")
    return [one.id for one in store.search(session, access, Search(CLAIM, count=100, **given)).matches]


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

    assert [one.version for one in store.history(session, access, CLAIM, "same").page] == [2, 1]


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
