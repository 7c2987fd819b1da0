"""Resources on their way in: what is refused and with which words, what is cleaned, what is stamped."""

import json
from typing import Any

import pytest

from consent.models import SensitiveClass
from fhir import r4
from fhir.loading.faults import Rejected
from fhir.loading.json_texts import encode
from fhir.loading.preparation import Prepared, prepare
from tests.fhir import records


def prepared(resource: dict[str, Any]) -> Prepared:
    """The resource as prepared from its JSON."""
    return prepare(json.dumps(resource).encode())


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "json"),
        (b"[]", "json"),
        (b'{"resourceType":"Patient","id":"a"}}', "json"),
        (b'{"resourceType":"Patient","id":NaN}', "json"),
        (b"[" * 100_000, "json"),
        (b'{"resourceType":"Patient","id":"a","name":[{"family":"\xff"}]}', "utf-8"),
        (b'{"resourceType":"Patient","id":"a","name":[{"family":"\\u0000"}]}', "control-character"),
        (b'{"resourceType":"Patient","id":"a","name":[{"family":"a\\u001fb"}]}', "control-character"),
        (b'{"resourceType":"Patient","id":"a","name":[{"family":"\\ud800"}]}', "json"),
        (b'{"resourceType":"Patient","id":"a","id":"b"}', "duplicate-key"),
        (b'{"resourceType":"Patient","id":"a","name":[{"text":"x", "text" : "y"}]}', "duplicate-key"),
        (b'{"resourceType":"Patient","id":"a" ,"gender" :"x","gender":"y"}', "duplicate-key"),
        (b'{"resourceType":"Patient","id":"a","gender":"x","gender":"y","language":"\\u0022:"}', "duplicate-key"),
        (b'{"id":"a"}', "unknown-type"),
        (b'{"resourceType":"Invoice","id":"a"}', "unknown-type"),
        (b'{"resourceType":"Patient"}', "id"),
        (b'{"resourceType":"Patient","id":"a b"}', "id"),
        (b'{"resourceType":"Patient","id":7}', "id"),
        (b'{"resourceType":"Patient","id":"' + b"a" * 65 + b'"}', "id"),
        (b'{"resourceType":"Patient","id":"a","meta":[]}', "structure"),
        (b'{"resourceType":"Patient","id":"a","birthDate":"yesterday"}', "date"),
        (b'{"resourceType":"Observation","id":"a"}', "patient"),
        (b'{"resourceType":"Observation","id":"a","subject":{"reference":"Group/1"}}', "patient"),
        (b'{"resourceType":"Provenance","id":"a"}', "patient"),
        (
            b'{"resourceType":"Provenance","id":"a","target":[{"reference":"Patient/1"},{"reference":"Patient/2"}]}',
            "several-patients",
        ),
        (
            b'{"resourceType":"Organization","id":"a","contained":[{"resourceType":"Patient","id":"p",'
            b'"name":[{"family":"Canary"}]}]}',
            "shared",
        ),
        (b'{"resourceType":"Location","id":"a","contained":[{"resourceType":"Observation","id":"o"}]}', "shared"),
        (
            b'{"resourceType":"Practitioner","id":"a","extension":[{"url":"http://x.example/of",'
            b'"valueReference":{"reference":"https://x.example/fhir/Patient/1"}}]}',
            "shared",
        ),
        (
            b'{"resourceType":"PractitionerRole","id":"a","practitioner":{"type":"Patient",'
            b'"identifier":{"value":"Canary"}}}',
            "shared",
        ),
    ],
)
def test_bad_resources_are_refused_by_rule(raw: bytes, rule: str) -> None:
    with pytest.raises(Rejected) as refused:
        prepare(raw)

    assert refused.value.rule == rule
    assert refused.value.hint
    assert "Canary" not in str(refused.value)


def test_strings_that_look_like_keys_are_no_duplicates() -> None:
    tricky = records.patient("a", name=[{"text": '":":', "family": 'x\\": y', "given": ['": "', "a\\"]}])

    assert prepared(tricky).id == "a"


def test_our_version_and_clock_stand_in_the_body_and_decimals_keep_their_digits() -> None:
    raw = (
        b'{"meta":{"versionId":"77","lastUpdated":"1999-01-01T00:00:00Z","profile":["http://x"]},"id":"o",'
        b'"resourceType":"Observation","subject":{"reference":"Patient/p"},"valueQuantity":{"value":6.30}}'
    )

    body = prepare(raw).stamped(3, 1_000_000)

    assert body == (
        b'{"resourceType":"Observation","id":"o","meta":{"versionId":"3","lastUpdated":"1970-01-01T00:00:01.000Z",'
        b'"profile":["http://x"]},"subject":{"reference":"Patient/p"},"valueQuantity":{"value":6.30}}'
    )
    bare = prepare(b'{"resourceType":"Patient","id":"p"}').stamped(1, 0)
    assert json.loads(bare)["meta"] == {"versionId": "1", "lastUpdated": "1970-01-01T00:00:00.000Z"}


def test_what_others_wrote_into_meta_makes_no_new_content() -> None:
    one = prepared(records.patient("p", meta={"lastUpdated": "2026-01-01T00:00:00Z", "versionId": "1"}))
    two = prepared(records.patient("p", meta={"lastUpdated": "2026-02-01T00:00:00Z"}))

    assert one.content_hash == two.content_hash


def test_names_of_other_people_are_taken_out() -> None:
    kept = records.to("Organization/o", "Clinic")
    own = records.to("Patient/p", "Own name")
    resource = records.observation("o", "p", subject=own, performer=[kept, records.to("Patient/q", "Canary")])

    body = json.loads(prepared(resource).stamped(1, 0))

    assert body["performer"] == [kept, {"reference": "Patient/q"}]
    assert body["subject"] == own


@pytest.mark.parametrize(
    ("system", "code", "label"),
    [
        (records.ICD, "F10.20", SensitiveClass.SUBSTANCE_USE),
        (records.ICD, "F32.9", SensitiveClass.MENTAL_HEALTH),
        (records.ICD, "O80", SensitiveClass.SEXUAL_REPRODUCTIVE),
        (records.ICD, "B20", SensitiveClass.HIV),
        (records.ICD, "Z15.01", SensitiveClass.GENETIC),
        (records.SNOMED, "72892002", SensitiveClass.SEXUAL_REPRODUCTIVE),
        (records.LOINC, "44261-6", SensitiveClass.MENTAL_HEALTH),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "1010600", SensitiveClass.SUBSTANCE_USE),
        ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "H0020", SensitiveClass.SUBSTANCE_USE),
    ],
)
def test_codes_put_a_resource_into_its_sensitive_class(system: str, code: str, label: str) -> None:
    condition = {"resourceType": "Condition", "id": "c", "subject": records.to("Patient/p")}

    assert prepared(condition | {"code": records.concept(system, code)}).labels == {label}


def test_ordinary_and_unclassified() -> None:
    condition = {"resourceType": "Condition", "id": "c", "subject": records.to("Patient/p")}

    assert prepared(condition | {"code": records.concept(records.ICD, "I10")}).labels == set()
    assert prepared(condition | {"code": records.concept(records.ICD, "F17.210")}).labels == set()
    assert prepared(condition | {"code": {"text": "in words only"}}).labels == {"restricted"}
    assert prepared(records.patient("p")).labels == set()


def test_the_models_find_what_is_wrong_without_telling_the_value() -> None:
    assert r4.find_problem(json.dumps(records.claim("c", "p")).encode()) is None
    problem = r4.find_problem(json.dumps(records.patient("p", birthDate="Canary")).encode())
    assert problem is not None
    assert problem.path == "Patient.birthDate"
    assert "Canary" not in problem.message


@pytest.mark.parametrize(
    ("resource", "path", "words"),
    [
        ({"resourceType": "Observation", "id": "a"}, "Observation.code", "FHIR requires this element: give it."),
        (records.claim("c", "p", item=[{"productOrService": {"text": "Canary"}}]),
         "ExplanationOfBenefit.item[0].sequence", "FHIR requires this element: give it."),
        (records.observation("a", "p", valueString="Canary"), "Observation",
         "One type of a choice may stand; here are valueQuantity and valueString: keep one."),
        (records.observation("a", "p", component=[{"code": {"text": "x"}, "valueTime": "10:00:00", "valueInteger": 1}]),
         "Observation.component[0]",
         "One type of a choice may stand; here are valueInteger and valueTime: keep one."),
        (records.claim("c", "p", diagnosis=[{"sequence": 1}]), "ExplanationOfBenefit.diagnosis[0]",
         "FHIR requires one of diagnosisCodeableConcept, diagnosisReference: give it."),
        (records.patient("p", name=[{"family": " ", "use": " Canary"}]), "Patient.name[0].use",
         "This text has characters, or spaces, that its type in FHIR does not allow: correct it."),
        (records.patient("p", birthDate="Canary"), "Patient.birthDate",
         "Write dates as 2026-04-30, times as 2026-04-30T10:11:12Z, days as the calendar has them."),
        (records.patient("p", canary=1), "Patient.canary",
         "FHIR does not have this element here: take it out, or write its name as FHIR does."),
        (records.patient("p", active="Canary"), "Patient.active", "Write this as true or false, without quotes."),
        (records.patient("p", name=["Canary"]), "Patient.name[0]",
         "Write this as an object of the type that FHIR has here."),
        (records.patient("p", contained=[{"resourceType": "Basic", "id": "b"}]), "Patient.contained[0].code",
         "FHIR requires this element: give it."),
    ],
)  # fmt: skip
def test_the_models_say_what_to_do_and_where(resource: dict[str, Any], path: str, words: str) -> None:
    assert r4.find_problem(json.dumps(resource).encode()) == r4.ModelProblem(path, words)


def test_the_same_resource_written_in_another_manner_is_the_same_content() -> None:
    one = records.claim("c", "p") | {"meta": {"profile": ["http://x"]}}
    stamped = one | {"meta": {"versionId": "9", "profile": ["http://x"], "lastUpdated": "2020-01-01T00:00:00Z"}}
    first = {name: stamped[name] for name in ("meta", "id", "resourceType")}
    written = [
        encode(one), json.dumps(one).encode(), json.dumps(one, indent=1).encode(), encode(stamped),
        encode(first | stamped),
    ]  # fmt: skip

    assert len({prepare(raw).content_hash for raw in written}) == 1
    assert len({prepare(raw).stamped(1, 0) for raw in written}) == 1


def test_brackets_in_texts_are_no_levels_and_a_hundred_levels_are_kept() -> None:
    told: Any = "[{" * 300 + "\\" + '"' + "[" * 300
    for _ in range(48):
        told = [{"a": told}]
    patient = records.patient("p", contained=[{"resourceType": "Basic", "id": "b", "told": told}])
    for separators in ((",", ":"), (", ", ": ")):
        assert json.loads(prepare(json.dumps(patient, separators=separators).encode()).stamped(1, 0))["contained"]
    patient["contained"].append({"told": [[told]]})
    with pytest.raises(Rejected) as refused:
        prepare(json.dumps(patient).encode())
    assert refused.value.hint == "The resource is nested too deeply: more than 100 levels."
