"""What an element adds is worked out once for each text; one resource's facts are not taken for another's."""

import json
from typing import Any

import pytest

from consent.models import SensitiveClass
from fhir.loading import elements
from fhir.loading.faults import Rejected
from fhir.loading.preparation import Prepared, prepare, prepare_resource
from tests.fhir import records


def prepared(resource: dict[str, Any]) -> Prepared:
    return prepare(json.dumps(resource, separators=(",", ":")).encode())


def body(resource: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(prepared(resource).stamped(1, 0))
    return found


def test_the_same_display_is_ones_own_name_or_anothers() -> None:
    performer = [records.to("Patient/q", "Canary"), records.to("Organization/o", "Clinic")]

    for patient_id, displays in (("p", [None, "Clinic"]), ("q", ["Canary", "Clinic"]), ("p", [None, "Clinic"])):
        kept = body(records.observation("o", patient_id, performer=performer))
        assert [one.get("display") for one in kept["performer"]] == displays


def test_whom_a_local_reference_means_is_seen_anew_in_each_resource() -> None:
    performer = [{"reference": "#who", "display": "Canary"}]
    clinic = {"resourceType": "Organization", "id": "who", "name": "Clinic"}
    person = {"resourceType": "RelatedPerson", "id": "who", "patient": records.to("Patient/q")}

    for contained, display in ((clinic, "Canary"), (person, None), (clinic, "Canary")):
        kept = body(records.observation("o", "p", contained=[contained], performer=performer))
        assert kept["performer"][0].get("display") == display


def test_a_shape_that_nobody_checked_is_checked_when_it_comes_from_a_file() -> None:
    odd = records.observation("o", "p", interpretation=[{"words": "of no standard"}])

    assert prepare_resource(odd).id == "o"
    for _ in range(2):
        with pytest.raises(Rejected) as refused:
            prepared(odd)
        assert (refused.value.rule, refused.value.path) == ("structure", "Observation.interpretation[0]")
    with pytest.raises(Rejected) as refused:
        prepared(records.observation("o", "p", remark="of no standard"))
    assert refused.value.hint == "This object contains unknown field `remark`."


def test_names_and_codes_deep_in_long_items_are_found() -> None:
    plain = {
        "sequence": 1, "productOrService": records.concept("http://www.ama-assn.org/go/cpt", "99213"),
        "adjudication": [
            {"category": records.concept("http://terminology.hl7.org/CodeSystem/adjudication", code)}
            for code in ("submitted", "eligible", "copay", "benefit", "deductible")
        ],
    }  # fmt: skip
    told = {"url": "http://x.example/why", "valueCodeableConcept": records.concept(records.ICD, "F10.20")}
    asked = {"url": "http://x.example/who", "valueReference": records.to("RelatedPerson/r", "Canary")}

    assert prepared(records.claim("c", "p", item=[plain])).labels == frozenset()
    for place in ("extension", "_sequence"):
        deep = plain | {place: [told, asked] if place == "extension" else {"extension": [told, asked]}}
        one = records.claim("c", "p", item=[plain, deep])
        assert prepared(one).labels == {SensitiveClass.SUBSTANCE_USE}
        assert "Canary" not in str(body(one)) and "RelatedPerson/r" in str(body(one))


def test_what_is_kept_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "_MOST_KEPT", 200_000)
    known = elements.of("Observation")

    for number in range(1_000):
        prepared(records.observation(f"o-{number}", "p", code=records.concept(records.LOINC, f"{number % 500}-4")))
        kept = [place.kept for place in known._places.values() if place.kept is not None]
        assert sum(len(text) for texts in kept for text in texts) < 200_000


def test_documents_within_items_are_not_kept() -> None:
    for number in range(20):
        told = {"url": "http://x.example/why", "extension": [
            {"url": "scan", "valueString": f"{number}" * 100_000},
            {"url": "why", "valueCodeableConcept": records.concept(records.ICD, "F10.20")},
        ]}  # fmt: skip
        item = {"sequence": 1, "productOrService": records.concept(records.ICD, "I10"), "extension": [told]}
        assert prepared(records.claim("c", "p", item=[item])).labels == {SensitiveClass.SUBSTANCE_USE}

    surveyed = elements.of("ExplanationOfBenefit")._places["item"].surveyed
    assert surveyed and sum(len(leaf) for leaves in surveyed.values() for leaf in leaves) < 100_000


def test_how_deep_a_leaf_may_be_is_counted_from_the_resource() -> None:
    def nested(levels: int) -> dict[str, Any]:
        # An object and a list a level, below the resource, its items, and the item.
        told: dict[str, Any] = {"url": "http://x.example/why", "valueString": "x"}
        for _ in range(levels):
            told = {"url": "http://x.example/why", "extension": [told]}
        return records.claim("c", "p", item=[{"sequence": 1, "extension": [told]}])

    assert prepared(nested(47)).id == "c"
    with pytest.raises(Rejected) as refused:
        prepared(nested(48))
    assert (refused.value.rule, "100 levels" in refused.value.hint) == ("json", True)


def test_what_is_contained_has_a_type_unless_nobody_checked() -> None:
    clinic = {"resourceType": "Organization", "id": "o", "identifier": [{"value": "1"}], "type": [{"text": "Clinic"}]}
    role = {"resourceType": "PractitionerRole", "id": "r", "organization": {"reference": "#o"}, "contained": [clinic]}

    assert body(role)["contained"] == [clinic]
    for odd in (["Patient"], {"Patient": 1}):
        one = records.observation("o", "p", contained=[{"resourceType": odd, "id": "a"}])
        assert json.loads(prepare_resource(one).stamped(1, 0))["contained"] == one["contained"]
        with pytest.raises(Rejected) as refused:
            prepared(one)
        assert (refused.value.rule, refused.value.path) == ("structure", "Observation.contained[0].resourceType")
    device = {"resourceType": "Device", "id": "d", "identifier": [], "display": "Pump", "type": {"text": "Pump"}}
    one = records.observation("o", "p", contained=[device])
    assert json.loads(prepare_resource(one).stamped(1, 0))["contained"] == [device]
