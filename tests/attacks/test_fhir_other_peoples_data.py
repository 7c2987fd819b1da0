"""security.md, cases 79 to 96 and 166: nobody reaches other people's data through the FHIR API."""

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from consent.policy import Access
from fhir import store
from fhir.compartment import TYPES
from fhir.loading import ingest
from service.audit import AuditEvent
from service.db import make_sessions
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api, bundle, connect, entries, ids, loaded, system

__all__ = ["connect", "loaded", "system"]
_VARYING = ("X-Request-Id", "Date")


@pytest.fixture
def api(connect: Callable[..., Api]) -> Api:
    """An app that may read and search all of its own member's record."""
    return connect()


def shape(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Everything of an answer that may tell something."""
    headers = sorted((name, value) for name, value in answer.headers if name not in _VARYING)
    return answer.status_code, answer.data, headers


def assert_clean(answer: TestResponse) -> None:
    """No canary of the other patient in any byte."""
    told = answer.data + str(answer.headers).encode()
    assert b"Canary-" + OTHER.encode() not in told
    assert b"MEM-" + OTHER.encode() not in told
    assert b"SUB-" + OTHER.encode() not in told


def test_case_079_anothers_resources_look_like_ones_that_do_not_exist(api: Api, engine: Engine, system: Access) -> None:
    theirs = {
        "Patient": OTHER, "Coverage": f"cov-{OTHER}", "ExplanationOfBenefit": f"eob-1-{OTHER}",
        "Observation": f"lab-{OTHER}", "Provenance": f"prov-{OTHER}",
    }  # fmt: skip
    with make_sessions(engine)() as session:
        for kind, there in theirs.items():
            assert store.read(session, system, kind, there).body
    for (kind, found), way in itertools.product(theirs.items(), ("", "/_history", "/_history/1")):
        answer = api.get(f"{kind}/{found}{way}")
        assert shape(answer) == shape(api.get(f"{kind}/no-such-thing{way}"))
        assert shape(answer) == shape(api.get(f"{kind}/not%20an%20id!{way}"))
        assert answer.status_code == 404
        assert answer.get_json()["resourceType"] == "OperationOutcome"
        assert "ETag" not in answer.headers
        assert_clean(api.call("HEAD", f"{kind}/{found}{way}"))


def test_case_080_naming_another_patient_is_refused_before_the_database(api: Api) -> None:
    strangers = (OTHER, "nobody-at-all", f"Patient/{OTHER}", f"{api.base}/Patient/{OTHER}",
                 f"https://elsewhere.example/fhir/Patient/{api.patient_id}", f"{api.patient_id},{OTHER}",
                 f"Group/{api.patient_id}", "../" + OTHER, "%")  # fmt: skip
    names = ("patient", "patient:Patient", "subject", "beneficiary", "patient.identifier", "patient:identifier")
    for name, value in itertools.product(names, strangers):
        for kind in ("ExplanationOfBenefit", "Coverage", "Observation", "Organization"):
            answer = api.get(f"{kind}?{name}={quote(value)}")
            assert answer.status_code == 403, (kind, name, value)
            assert answer.get_json()["issue"][0]["code"] == "forbidden"
            assert_clean(answer)
    assert api.get(f"Patient?_id={OTHER}").status_code == 403
    assert api.get(f"Patient?_id={api.patient_id},{OTHER}").status_code == 403
    assert api.get(f"Coverage?patient={api.patient_id}&patient={OTHER}").status_code == 403
    assert api.get("Coverage?patient=nobody").data == api.get(f"Coverage?patient={OTHER}").data
    assert api.ids(f"Coverage?_id=cov-{OTHER},cov-{api.patient_id}") == [f"cov-{api.patient_id}"]


def test_case_081_another_patient_in_a_posted_search_is_refused(api: Api) -> None:
    mine, theirs = {"patient": api.patient_id}, {"patient": OTHER}

    assert api.post_search("Coverage", theirs).status_code == 403
    assert api.post_search("Coverage", mine, query_string=theirs).status_code == 403
    assert api.post_search("Coverage", theirs, query_string=mine).status_code == 403
    assert api.post_search("Coverage", theirs, query_string=theirs).status_code == 403
    assert ids(api.post_search("Coverage", mine)) == api.ids(f"Coverage?patient={api.patient_id}")


@pytest.mark.parametrize(
    "query",
    ["patient.name=Canary", "patient:Patient.name=Canary", "payor.name=Plan", "_has:Observation:patient:code=x",
     "_has:Observation:patient:_has:AuditEvent:entity:user=x", "_filter=name eq x", "_query=everything", "_list=1",
     "_text=canary", "_content=canary", "_contained=both", "_containedType=contained"],
)  # fmt: skip
def test_case_082_chains_and_advanced_search_are_not_evaluated(api: Api, query: str) -> None:
    for kind in ("Coverage", "Patient"):
        answer = api.get(f"{kind}?{query}")
        assert answer.status_code == 400
        assert answer.get_json()["issue"][0]["code"] == "not-supported"


def test_case_084_references_lead_only_to_what_is_visible(api: Api, engine: Engine, system: Access) -> None:
    ways = (
        f"Patient/{OTHER}", f"{api.base}/Patient/{OTHER}", f"Patient/{OTHER}/_history/1", "#them",
        "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", f"RelatedPerson/{OTHER}",
    )  # fmt: skip
    careful = [
        records.observation(f"ref-{n}-{api.patient_id}", api.patient_id,
                            performer=[records.to(way, f"Canary-{OTHER}"), records.to(f"Coverage/cov-{OTHER}")],
                            contained=[{"resourceType": "Patient", "id": "them"}])
        for n, way in enumerate(ways)
    ]  # fmt: skip
    logical = {"type": "Patient", "identifier": {"value": "x"}, "display": f"Canary-{OTHER}"}
    careful.append(records.observation(f"ref-l-{api.patient_id}", api.patient_id, performer=[logical]))
    theirs = records.claim(f"eob-x-{api.patient_id}", api.patient_id, insurance=[
        {"focal": True, "coverage": records.to(f"Coverage/cov-{OTHER}", "their plan")}
    ])  # fmt: skip
    ingest.load_resources(engine, [*careful, theirs], access=system)

    answer = api.get("Observation?_include=*&_count=100")
    assert len(ids(answer)) == 2 + len(careful)
    assert_clean(answer)
    assert {one["id"] for one in entries(answer, "include")} == {api.patient_id}
    claims = api.get("ExplanationOfBenefit?_include=ExplanationOfBenefit:coverage")
    assert [one["id"] for one in entries(claims, "include")] == [f"cov-{api.patient_id}"]
    assert_clean(claims)


def test_case_084_the_order_of_loading_makes_no_difference(api: Api, engine: Engine, system: Access) -> None:
    display = records.observation(
        f"early-{api.patient_id}", api.patient_id, performer=[records.to("Patient/comes-later", "Canary-later")]
    )
    ingest.load_resources(engine, [display], access=system)
    ingest.load_resources(engine, [records.patient("comes-later")], access=system)

    assert b"Canary-later" not in api.get(f"Observation/early-{api.patient_id}").data


def test_case_085_each_entry_of_a_batch_is_authorised_alone(api: Api) -> None:
    urls = (
        f"Patient/{OTHER}", f"Coverage?patient={OTHER}", "https://elsewhere.example/token", "//elsewhere.example/x",
        "../../oauth/token", "/oauth/token", f"Patient/{OTHER}/$everything", "Patient/$export", "", "bulk/x",
        f"{api.base}.evil.example/Patient/{api.patient_id}", f"Patient/{api.patient_id}#x", "$export",
    )  # fmt: skip
    nested = {"resource": {"resourceType": "Bundle", "type": "batch"}, "request": {"method": "POST", "url": ""}}
    writing = [
        {"request": {"method": method, "url": f"Patient/{api.patient_id}"}, "resource": {"resourceType": "Patient"}}
        for method in ("PUT", "DELETE", "PATCH", "POST", "HEAD")
    ]
    odd: list[Any] = [nested, *writing, None, {}, {"request": {"method": "GET", "url": 7}}]
    every = [{"request": {"method": "GET", "url": url}} for url in urls] + odd
    answer = api.call("POST", "", json={"resourceType": "Bundle", "type": "batch", "entry": every})
    assert answer.status_code == 200
    told = [one["response"] for one in answer.get_json()["entry"]]
    assert len(told) == len(every)
    assert all(400 <= int(one["status"]) < 500 for one in told), [one["status"] for one in told]
    assert b"Canary" not in answer.data


def test_case_085_transactions_are_not_offered(api: Api) -> None:
    batch = {
        "resourceType": "Bundle", "type": "batch",
        "entry": [{"request": {"method": "GET", "url": f"Patient/{OTHER}"}},
                  {"request": {"method": "POST", "url": "https://elsewhere.example/token"}}],
    }  # fmt: skip
    for address in ("", "/"):
        answer = api.client.post(
            f"/fhir/r4{address}", json=batch | {"type": "transaction"}, headers={"Authorization": f"Bearer {api.token}"}
        )
        assert answer.status_code == 400
        assert answer.get_json()["issue"][0]["code"] == "not-supported"


def test_case_086_addresses_are_canonical_or_lead_nowhere(api: Api) -> None:
    mine = api.patient_id
    nowhere = (
        f"/fhir/r4/patient/{mine}", f"/fhir/r4/PATIENT/{mine}", f"/fhir/r4/Patient/{mine}/", "/fhir/r4/Patient/",
        f"/fhir/r4//Patient/{mine}", f"/fhir/r4/Patient//{mine}", f"/fhir/r4/Patient;v=1/{mine}",
        f"/fhir/r4/Patient/{mine};v=1", f"/fhir/r4/Patient/{mine}.json", f"/fhir/r4/Patient/{mine}/$everything/",
        f"/fhir/r4/Patient/{mine}/ExplanationOfBenefit", f"/fhir/r4/./Patient/{mine}", "/fhir/r4/Patients",
        f"/fhir/r4/x/../Patient/{mine}", f"/fhir/r4/Patient%2F{mine}%2F", "/fhir/r4/$Export",
        "/fhir/r4/Group/1/$exports", f"/fhir/r4/Patient/{mine}/$export", "/fhir/r4/Patient/$everything",
        "/fhir/r4/Coverage/$export", "/fhir/r4/Patient/$member-match",
        f"/fhir/r4/Patient/{OTHER}/$everything", f"/fhir/r4/Patient/{OTHER}/../{mine}",
    )  # fmt: skip
    for address in nowhere:
        answer = api.client.get(address, headers={"Authorization": f"Bearer {api.token}"})
        assert answer.status_code == 404, address
        assert answer.get_json()["resourceType"] == "OperationOutcome"
    own = api.client.get(f"/fhir/r4/%50atient/{mine}", headers={"Authorization": f"Bearer {api.token}"})
    assert own.status_code == 200
    theirs = api.client.get(f"/fhir/r4/%50atient/{OTHER}", headers={"Authorization": f"Bearer {api.token}"})
    assert theirs.status_code == 404


@pytest.mark.parametrize(
    ("scope", "refused"),
    [
        ("patient/Coverage.rs", "ExplanationOfBenefit"),
        ("patient/Coverage.rs", "ExplanationOfBenefit/eob-1-{0}"),
        ("patient/*.r", "ExplanationOfBenefit"),
        ("patient/*.s", "ExplanationOfBenefit/eob-1-{0}"),
        ("patient/Coverage.rs system/ExplanationOfBenefit.rs", "ExplanationOfBenefit"),
        ("patient/Coverage.rs patient/explanationofbenefit.rs", "ExplanationOfBenefit"),
        ("patient/Coverage.rs patient/ExplanationOfBenefits.rs", "ExplanationOfBenefit"),
        ("patient/Coverage.rs patient/Patient.rs?category=x", "Patient"),
    ],
)
def test_case_087_a_scope_reaches_what_it_says_and_nothing_else(
    connect: Callable[..., Api], scope: str, refused: str
) -> None:
    api = connect(f"launch/patient {scope}")

    answer = api.get(refused.format(api.patient_id))

    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert answer.get_json()["resourceType"] == "OperationOutcome"


def test_case_087_a_granular_scope_restricts(connect: Callable[..., Api]) -> None:
    api = connect(f"launch/patient patient/ExplanationOfBenefit.rs?type={records.CLAIM_TYPE}|pharmacy")

    assert api.ids("ExplanationOfBenefit") == [f"eob-2-{api.patient_id}"]
    assert api.get(f"ExplanationOfBenefit/eob-1-{api.patient_id}").status_code == 404
    assert bundle(api.get("ExplanationOfBenefit?_summary=count"))["total"] == 1


def test_case_088_other_forms_of_the_answer_show_no_more(api: Api) -> None:
    for extra in ("_summary=true", "_summary=text", "_summary=data", "_elements=patient,total", "_fields=patient"):
        answer = api.get(f"ExplanationOfBenefit?{extra}")
        assert sorted(ids(answer)) == sorted(f"eob-{n}-{api.patient_id}" for n in (1, 2, 3))
        assert_clean(answer)
    assert bundle(api.get("ExplanationOfBenefit?_summary=count"))["total"] == 3
    assert bundle(api.get("Patient?_summary=count"))["total"] == 1
    for refused in ({"headers": {"Accept": "text/html"}}, {"query_string": {"_format": "xml"}}):
        assert api.get(f"Patient/{OTHER}", **refused).status_code == 406
        assert api.get(f"Patient/{api.patient_id}", **refused).status_code == 406


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_case_095_nothing_can_be_written(api: Api, method: str) -> None:
    body = records.patient(api.patient_id, gender="male")
    for kind in TYPES:
        for address in (kind, f"{kind}/{api.patient_id}", f"{kind}/nobody/_history/1", f"{kind}?_id=x"):
            answer = api.call(method, address, json=body)
            assert answer.status_code == 405, (method, address)
            assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
            assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert api.get(f"Patient/{api.patient_id}").get_json()["gender"] == "female"


def test_case_096_any_origin_may_ask_but_never_with_cookies(app: Flask, api: Api) -> None:
    origin = {"Origin": "https://evil.example"}
    answers = [
        api.get("Patient", headers=origin), api.get(f"Patient/{OTHER}", headers=origin),
        api.get("Patient", headers=origin | {"Authorization": ""}), api.get("metadata", headers=origin),
        api.call("PUT", "Patient/x", headers=origin), api.get("Nothing/at/all", headers=origin),
    ]  # fmt: skip
    asking = origin | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    preflight = app.test_client().options("/fhir/r4/Patient/x", headers=asking)
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    for answer in [*answers, preflight]:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


def test_case_166_each_disclosure_and_each_refusal_is_one_row(api: Api, engine: Engine) -> None:
    calls = [
        ("GET", f"Patient/{api.patient_id}", "fhir:Patient:read", "success", 1),
        ("HEAD", f"Patient/{api.patient_id}", "fhir:Patient:read", "success", 1),
        ("GET", f"Patient/{api.patient_id}/_history/1", "fhir:Patient:vread", "success", 1),
        ("GET", f"Patient/{api.patient_id}/_history", "fhir:Patient:history", "success", 1),
        ("GET", "Observation", "fhir:Observation:search", "success", 2),
        ("POST", "Observation/_search", "fhir:Observation:search", "success", 2),
        ("GET", "Observation?_include=Observation:patient", "fhir:Observation:search", "success", 3),
        ("GET", "Observation?_summary=count", "fhir:Observation:search", "success", 0),
        ("GET", f"Patient/{OTHER}", "fhir:Patient:read", "refused", None),
        ("GET", f"Coverage?patient={OTHER}", "fhir:Coverage:search", "refused", None),
    ]  # fmt: skip
    for method, address, *_ in calls:
        api.call(method, address, headers={"X-Request-Id": "case-166"})

    with make_sessions(engine)() as session:
        rows = session.scalars(
            select(AuditEvent).where(AuditEvent.request_id == "case-166").order_by(AuditEvent.id)
        ).all()
    assert [(row.tag, row.outcome, row.count) for row in rows] == [tuple(call[2:]) for call in calls]
    assert all(row.account_id and row.member_id and row.client_id and row.grant_id and row.ip for row in rows)
    assert all((row.detail or {}).get("ids") for row in rows if row.count)
    assert [(row.detail or {})["asked_for"] for row in rows if row.outcome == "refused"] == [[OTHER], [OTHER]]
