"""Must-support elements that no record has, by the definitions that ship with the product."""

from fhir.loading import profiles

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
CARIN = "http://hl7.org/fhir/us/carin-bb/StructureDefinition/"
MEMBER = {
    "resourceType": "Patient",
    "identifier": [{
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]},
        "system": "https://plan.example/numbers", "value": "1",
    }],
}  # fmt: skip


def test_an_element_is_seen_when_one_of_several_records_has_it() -> None:
    found = profiles.unseen(
        f"{US_CORE}specimen", [{"subject": {"reference": "Patient/1"}}, {"type": {"text": "Blood"}}]
    )

    assert found == []


def test_what_lies_in_a_slice_counts_in_that_slice_alone() -> None:
    found = profiles.unseen(f"{CARIN}C4BB-Patient", [MEMBER])

    assert found is not None
    assert "identifier:memberid.value" not in found and "identifier:memberid" not in found
    assert {"identifier:uniquememberid", "identifier:uniquememberid.value", "name.family"} <= set(found)


def test_what_certified_systems_must_have_beyond_the_flags_is_asked_for_too() -> None:
    found = profiles.unseen(f"{US_CORE}patient", [MEMBER])

    assert found is not None and {"extension:race", "name.suffix", "deceased[x]"} <= set(found)


def test_an_extension_beside_a_primitive_is_seen() -> None:
    asked_by = {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-extension-questionnaire-uri"}
    record = {"questionnaire": "https://x.example/q", "_questionnaire": {"extension": [asked_by]}}

    found = profiles.unseen(f"{US_CORE}questionnaireresponse", [record])

    assert found is not None
    assert "questionnaire.extension:url" not in found and "questionnaire.extension:questionnaireDisplay" in found


def test_slices_of_a_value_set_that_nobody_listed_are_left_out() -> None:
    found = profiles.unseen(f"{US_CORE}servicerequest", [])

    assert found is not None and "category" in found and "category:us-core" not in found
    listed = profiles.unseen(f"{US_CORE}medicationrequest", [])
    assert listed is not None and "category:us-core" in listed, "of a set of FHIR's own, whose codes are known"


def test_an_unknown_profile_is_said_to_be_unknown() -> None:
    assert profiles.unseen("https://x.example/StructureDefinition/another", []) is None
