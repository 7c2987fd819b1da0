"""Records of the sandbox plan: references resolve, dates are past and in order, numbers pass their checks."""

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from fhir import r4
from service.sandbox.plan import stream
from service.sandbox.plan.identifiers import luhn_check_digit

SEED = 1
_UNUSED_EIN_PREFIXES = {"07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89", "96", "97"}
_AHEAD = {"dueDate", "expirationDate", "validityPeriod"}
"""Elements that look ahead by their nature: a goal's day, an implant's or a prescription's end."""
Resource = dict[str, Any]


@pytest.fixture(scope="module")
def shared() -> list[Resource]:
    return list(stream.shared(SEED))


@pytest.fixture(scope="module")
def records() -> list[list[Resource]]:
    return [bundle.resources for bundle in stream.members(40, SEED)]


def test_every_reference_resolves_within_the_plan(shared: list[Resource], records: list[list[Resource]]) -> None:
    everywhere = {_name(one) for one in shared}
    assert [target for one in shared for target in _references(one) if target not in everywhere] == []
    for record in records:
        here = everywhere | {_name(one) for one in record}
        assert [target for one in record for target in _references(one) if target not in here] == []


def test_the_patient_comes_first_and_targets_before_what_points_at_them(records: list[list[Resource]]) -> None:
    for record in records:
        assert record[0]["resourceType"] == "Patient"
        assert [one["resourceType"] for one in record].count("Patient") == 1
        seen = set()
        for one in record:
            own = [target for target in _references(one) if target in {_name(other) for other in record[:1]}]
            assert set(own) <= seen | {_name(record[0])}
            seen.add(_name(one))


def test_nothing_lies_after_the_day_of_the_plan(shared: list[Resource], records: list[list[Resource]]) -> None:
    today = stream.AS_OF.isoformat()
    for one in [*shared, *(one for record in records for one in record)]:
        assert [(one["resourceType"], found) for found in _dates(one) if found[:10] > today] == []


def test_nothing_lies_before_birth_or_after_death(records: list[list[Resource]]) -> None:
    for record in records:
        born, died = record[0]["birthDate"], record[0].get("deceasedDateTime", "9999")
        for one in record:
            happened = (
                one.get("effectiveDateTime") or one.get("period", {}).get("start") or one.get("occurrenceDateTime")
            )
            if happened is not None:
                assert born <= happened[:10] <= died


def test_periods_begin_before_they_end(records: list[list[Resource]]) -> None:
    found = [span for record in records for one in record for span in _periods(one)]

    assert found
    assert [span for span in found if span["start"] > span["end"]] == []


def test_every_resource_has_its_stamp_and_profiles(shared: list[Resource], records: list[list[Resource]]) -> None:
    for one in [*shared, *(one for record in records for one in record)]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["meta"]["lastUpdated"])
        assert re.fullmatch(r"[a-z0-9-]{36}", one["id"])
        profiles = one["meta"].get("profile", [])
        # US Core and CARIN have a profile of all but these.
        bare = {"Endpoint", "HealthcareService", "InsurancePlan", "Media", "OrganizationAffiliation"}
        assert profiles or one["resourceType"] in bare
        assert all(name.endswith("|2.0.0" if "carin-bb" in name else "|6.1.0") for name in profiles)


def test_npis_begin_with_two_and_pass_the_check_digit(shared: list[Resource]) -> None:
    found = [value for one in shared for value in _identifiers(one, "http://hl7.org/fhir/sid/us-npi")]

    assert len(set(found)) == len(found) > 20
    for value in found:
        assert re.fullmatch(r"2\d{9}", value)
        assert luhn_check_digit(f"80840{value[:9]}") == int(value[9])


def test_the_check_digit_is_the_one_of_the_standards_example() -> None:
    # 45 CFR 162.406 points to the standard, whose example is 1234567893.
    assert luhn_check_digit("80840123456789") == 3


def test_tax_ids_have_a_prefix_that_is_in_no_use(shared: list[Resource]) -> None:
    found = [value for one in shared for value in _identifiers(one, "urn:oid:2.16.840.1.113883.4.4")]

    assert len(set(found)) == len(found) > 10
    assert all(re.fullmatch(r"\d\d-\d{7}", value) and value[:2] in _UNUSED_EIN_PREFIXES for value in found)


def test_the_payer_has_its_payer_id_and_a_company_code(shared: list[Resource]) -> None:
    payer = shared[0]
    kinds = {one["type"]["coding"][0]["code"]: one["value"] for one in payer["identifier"]}

    assert payer["name"] == "Meridian Health Plan"
    assert kinds["payerid"] == "99901"
    assert "naiccode" in kinds


def test_addresses_and_phones_belong_to_nobody(records: list[list[Resource]]) -> None:
    for record in records:
        patient = record[0]
        assert all(one["postalCode"].startswith("419") for one in patient["address"])
        assert all(
            re.fullmatch(r"555-\d{3}-01\d\d", one["value"]) for one in patient["telecom"] if one["system"] == "phone"
        )
        assert all(one["value"].endswith("@example.org") for one in patient["telecom"] if one["system"] == "email")


def test_the_fhir_models_accept_all_of_the_cast(shared: list[Resource]) -> None:
    cast = [one for bundle in stream.members(12, SEED) for one in bundle.resources]

    assert len(cast) > 900
    assert [(_name(one), _problem(one)) for one in [*shared, *cast] if _problem(one)] == []


def test_the_fhir_models_accept_a_sample_of_the_others(records: list[list[Resource]]) -> None:
    sample = [one for record in records[12:] for one in record][::7]

    assert [(_name(one), _problem(one)) for one in sample if _problem(one)] == []


def test_a_plan_of_another_day_is_whole_too() -> None:
    earlier = date(2024, 2, 29)
    record = [one for bundle in stream.members(24, SEED, earlier) for one in bundle.resources]

    assert [one["resourceType"] for one in record for found in _dates(one) if found[:10] > earlier.isoformat()] == []


def test_missing_data_says_so_by_extension_and_by_code(records: list[list[Resource]]) -> None:
    written = json.dumps(records)

    assert '"http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"' in written
    assert (
        '"dataAbsentReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason"'
        in written
    )


def _problem(resource: Resource) -> r4.ModelProblem | None:
    return r4.find_problem(json.dumps(resource).encode())


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _references(one)
    elif isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for one in node.values():
            yield from _references(one)


def _dates(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _dates(one)
    elif isinstance(node, dict):
        for name, one in node.items():
            if name not in _AHEAD:
                yield from _dates(one)
    elif isinstance(node, str) and re.fullmatch(r"\d{4}-\d\d-\d\d(T.*)?", node):
        yield node


def _periods(node: Any) -> Iterator[dict[str, str]]:
    if isinstance(node, list):
        for one in node:
            yield from _periods(one)
    elif isinstance(node, dict):
        if isinstance(node.get("start"), str) and isinstance(node.get("end"), str):
            yield node
        for one in node.values():
            yield from _periods(one)


def _identifiers(resource: Resource, system: str) -> list[str]:
    return [one["value"] for one in resource.get("identifier", []) if one.get("system") == system]
