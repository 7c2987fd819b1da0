"""The sandbox plan as a stream: always the same, member by member, with the cast people look for."""

import json
import tracemalloc
from collections import Counter
from datetime import date
from typing import Any

import pytest

from fhir.loading import labels
from service.plan.members import roster
from service.sandbox.plan import stream
from service.sandbox.plan.coverage import BENEFITS
from service.sandbox.plan.stream import MemberBundle

SEED = 1


@pytest.fixture(scope="module")
def cast() -> list[MemberBundle]:
    return list(stream.members(12, SEED))


def test_the_same_seed_gives_the_same_bytes(cast: list[MemberBundle]) -> None:
    again = list(stream.members(12, SEED))

    assert json.dumps([bundle.resources for bundle in again]) == json.dumps([bundle.resources for bundle in cast])
    assert [bundle.roster for bundle in again] == [bundle.roster for bundle in cast]
    assert list(stream.shared(SEED)) == list(stream.shared(SEED))


def test_a_member_is_the_same_however_many_are_made() -> None:
    few, many = list(stream.members(30, SEED)), list(stream.members(50, SEED))

    assert few[5] == many[5]
    assert few[29] == many[29] == stream.member(29, SEED)


def test_another_seed_gives_other_ids_and_the_same_cast(cast: list[MemberBundle]) -> None:
    other = list(stream.members(12, SEED + 1))

    assert not _ids(cast) & _ids(other)
    assert [bundle.roster.family_name for bundle in other] == [bundle.roster.family_name for bundle in cast]


def test_members_come_one_at_a_time_in_constant_memory() -> None:
    stream.member(60, SEED)
    tracemalloc.start()
    first = _peak(6)
    later = _peak(24)
    tracemalloc.stop()

    assert later < first * 2


def test_every_number_and_id_stands_once() -> None:
    bundles = list(stream.members(60, SEED))

    numbers = [bundle.roster.member_number for bundle in bundles]
    assert len(set(numbers)) == 60
    assert len({bundle.roster.email_on_file for bundle in bundles}) == 60
    made = [f"{one['resourceType']}/{one['id']}" for bundle in bundles for one in bundle.resources]
    made += [f"{one['resourceType']}/{one['id']}" for one in stream.shared(SEED)]
    assert [name for name, count in Counter(made).items() if count > 1] == []


def test_the_roster_says_what_the_patient_resource_says(cast: list[MemberBundle]) -> None:
    for bundle in cast:
        patient, row = bundle.resources[0], bundle.roster
        assert patient["resourceType"] == "Patient"
        assert patient["id"] == row.patient_id
        assert patient["birthDate"] == row.birth_date.isoformat()
        assert patient["name"][0] == {"use": "official", "family": row.family_name, "given": [row.given_name]}
        assert patient["address"][0]["postalCode"] == row.zip_code
        assert row.member_number in {one["value"] for one in patient["identifier"]}


def test_each_line_of_business_has_its_units_and_medicare_two() -> None:
    rows = [bundle.roster for bundle in stream.members(60, SEED)]
    units = {line: {row.report_unit for row in rows if row.line_of_business == line} for line in BENEFITS}

    assert units == {line: set(terms.report_units) or {""} for line, terms in BENEFITS.items()}
    assert len(units["Medicare"]) == 2 and len({row.report_unit for row in rows[:12] if row.report_unit}) == 4
    for unit in {unit for every in units.values() for unit in every - {""}}:
        # As the roster's file would have it.
        line = {"patient": "p", "member_id": "MHP1", "given": "A", "family": "B", "birth_date": "1956-04-30"}
        assert roster.read_row(line | {"report_unit": unit}).report_unit == unit


def test_the_parent_stands_for_a_teenager_and_a_younger_child(cast: list[MemberBundle]) -> None:
    anna = next(person for person in stream.people(SEED) if person.given_name == "Anna")
    ages = [_age(cast[one.member]) for one in anna.represents]

    assert anna.member == 0
    assert {one.basis for one in anna.represents} == {"parent"}
    assert ages == [14, 8]
    assert all(cast[one.member].roster.subscriber_number == cast[0].roster.member_number for one in anna.represents)


def test_guardian_and_executor_have_a_representative_id_and_the_daughter_a_membership() -> None:
    by_basis = {one.basis: person for person in stream.people(SEED) for one in person.represents}

    assert by_basis["power of attorney"].member == 4
    assert by_basis["power of attorney"].personal_representative_id is None
    for basis in ("guardian", "executor"):
        assert by_basis[basis].member is None
        assert by_basis[basis].personal_representative_id


def test_the_former_member_was_covered_until_a_day_and_has_nothing_after_it(cast: list[MemberBundle]) -> None:
    grace = cast[6]
    (coverage,) = _of(grace, "Coverage")

    assert coverage["status"] == "cancelled"
    end = coverage["period"]["end"]
    assert end < stream.AS_OF.isoformat()
    assert all(claim["billablePeriod"]["end"] <= end for claim in _of(grace, "ExplanationOfBenefit"))


def test_two_coverages_follow_one_another_without_a_gap(cast: list[MemberBundle]) -> None:
    before, after = _of(cast[7], "Coverage")

    gap = date.fromisoformat(after["period"]["start"]) - date.fromisoformat(before["period"]["end"])
    assert gap.days == 1
    used = {claim["insurance"][0]["coverage"]["reference"] for claim in _of(cast[7], "ExplanationOfBenefit")}
    assert used == {f"Coverage/{before['id']}", f"Coverage/{after['id']}"}


def test_a_dependents_coverage_names_no_record_of_the_parent(cast: list[MemberBundle]) -> None:
    for bundle in cast[1:3]:
        written = json.dumps(bundle.resources)
        assert cast[0].roster.patient_id not in written
        assert _of(bundle, "Coverage")[0]["subscriberId"] == cast[0].roster.member_number


def test_a_record_names_no_other_patient(cast: list[MemberBundle]) -> None:
    for bundle in cast:
        others = {other.roster.patient_id for other in cast} - {bundle.roster.patient_id}
        written = json.dumps(bundle.resources)
        assert not [one for one in others if one in written]


def test_sensitive_records_can_be_told_by_their_codes(cast: list[MemberBundle]) -> None:
    julia = cast[8].resources
    found = {label for one in julia for label in _labels(one)}

    assert {"substance_use", "mental_health", "sexual_reproductive"} <= found
    # What says in words that it is about dependence carries a code that says so too.
    telling = [
        one for one in julia if "opioid" in json.dumps(one).lower() or "buprenorphine" in json.dumps(one).lower()
    ]
    assert telling
    assert [one["resourceType"] for one in telling if "substance_use" not in _labels(one)] == []


def test_nothing_ordinary_is_told_as_sensitive(cast: list[MemberBundle]) -> None:
    checkups = [one for one in cast[0].resources if one["resourceType"] in ("Encounter", "ExplanationOfBenefit")]

    assert len(checkups) > 40
    assert [_labels(one) for one in checkups if _labels(one)] == []


def test_an_app_can_be_shown_every_pharmacy_claim_without_a_sensitive_drug(cast: list[MemberBundle]) -> None:
    filled = [
        one for bundle in cast for one in _of(bundle, "ExplanationOfBenefit") if "pharmacy" in json.dumps(one["type"])
    ]
    labelled = [_labels(one) for one in filled]

    assert len(filled) > 100
    assert "restricted" not in frozenset().union(*labelled)
    assert labelled.count(frozenset()) > len(filled) * 0.8


def test_every_kind_of_resource_is_there(cast: list[MemberBundle]) -> None:
    found = {one["resourceType"] for bundle in cast for one in bundle.resources}
    found |= {one["resourceType"] for one in stream.shared(SEED)}

    assert found == {
        "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "Coverage", "Device", "DiagnosticReport",
        "DocumentReference", "Encounter", "Endpoint", "ExplanationOfBenefit", "Goal", "HealthcareService",
        "Immunization", "InsurancePlan", "Location", "Media", "Medication", "MedicationDispense", "MedicationRequest",
        "Observation", "Organization", "OrganizationAffiliation", "Patient", "Practitioner",
        "PractitionerRole", "Procedure", "Provenance", "QuestionnaireResponse", "RelatedPerson",
        "ServiceRequest", "Specimen",
    }  # fmt: skip


def test_families_after_the_cast_have_children_under_a_parent_with_a_lower_index() -> None:
    rows = [bundle.roster for bundle in stream.members(60, SEED)]
    numbers = [row.member_number for row in rows]
    children = [row for row in rows[12:] if row.subscriber_number != row.member_number]

    assert children
    for row in children:
        parent = rows[numbers.index(row.subscriber_number)]
        assert numbers.index(row.subscriber_number) < numbers.index(row.member_number)
        assert (parent.family_name, parent.zip_code) == (row.family_name, row.zip_code)
        assert (row.birth_date - parent.birth_date).days > 16 * 365


def _ids(bundles: list[MemberBundle]) -> set[str]:
    return {one["id"] for bundle in bundles for one in bundle.resources}


def _peak(count: int) -> int:
    tracemalloc.reset_peak()
    for bundle in stream.members(count, SEED):
        assert bundle.resources
    return tracemalloc.get_traced_memory()[1]


def _age(bundle: MemberBundle) -> int:
    born, on = bundle.roster.birth_date, stream.AS_OF
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _of(bundle: MemberBundle, kind: str) -> list[dict[str, Any]]:
    return [one for one in bundle.resources if one["resourceType"] == kind]


def _labels(resource: dict[str, Any]) -> frozenset[str]:
    return labels.labels(resource)
