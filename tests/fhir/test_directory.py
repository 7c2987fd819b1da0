"""The provider directory: open to everybody, with no member in it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from consent.policy import Access, plan_system
from fhir import r4
from fhir.compartment import PATIENT_ELEMENT, SHARED_TYPES
from fhir.directory.addresses import SERVED
from fhir.loading import ingest
from service import web
from service.rates import Policy
from tests.fhir import records

BASE = "/directory/fhir/r4"
ORGANIZATION = "Organization"
CANARY = "canary-member"


@pytest.fixture
def listed(engine: Engine, app: Flask) -> FlaskClient:
    """A directory of an organization with a role, beside a member's record that names them."""
    role = {
        "resourceType": "PractitionerRole", "id": "role", "active": True,
        "practitioner": records.to("Practitioner/doctor"), "organization": records.to("Organization/clinic"),
        "specialty": [records.concept("http://nucc.org/provider-taxonomy", "207Q00000X")],
    }  # fmt: skip
    medicine = {"resourceType": "Medication", "id": "pill", "code": records.concept(records.SNOMED, "1")}
    about = records.provenance("prov-shared", "Organization/clinic")
    some = [*records.shared(), role, medicine, about, *records.record_of(CANARY)]
    assert ingest.load_resources(engine, some, access=plan_system("tests")).rejected == 0
    return app.test_client()


def found(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in answer.get_json().get("entry", ())]


def test_it_is_read_and_searched_without_a_token(listed: FlaskClient) -> None:
    clinic = listed.get(f"{BASE}/Organization/clinic")
    assert clinic.status_code == 200 and clinic.get_json()["name"] == "Clinic"
    assert (
        listed.get(f"{BASE}/Organization/clinic", headers={"If-None-Match": clinic.headers["ETag"]}).status_code == 304
    )
    assert found(listed.get(f"{BASE}/Organization?name=clin")) == ["Organization/clinic"]
    assert found(listed.post(f"{BASE}/Organization/_search", data={"name": "clin"})) == ["Organization/clinic"]
    with_doctor = listed.get(f"{BASE}/PractitionerRole?specialty=207Q00000X&_include=PractitionerRole:practitioner")
    assert found(with_doctor) == ["PractitionerRole/role", "Practitioner/doctor"]
    entry = with_doctor.get_json()["entry"][0]
    assert entry["fullUrl"] == f"http://localhost{BASE}/PractitionerRole/role"
    first = listed.get(f"{BASE}/Organization?_count=1").get_json()
    (following,) = [link["url"] for link in first["link"] if link["relation"] == "next"]
    assert following.startswith(f"http://localhost{BASE}/")
    assert len(found(listed.get(following))) == 1
    assert listed.get(f"{BASE}/Organization?bogus=1", headers={"Prefer": "handling=strict"}).status_code == 400
    assert listed.get(f"{BASE}/Organization", headers={"Accept": "application/fhir+xml"}).status_code == 406


def test_its_statement_says_what_is_there(listed: FlaskClient) -> None:
    statement: dict[str, Any] = listed.get(f"{BASE}/metadata").get_json()
    assert r4.find_problem(json.dumps(statement).encode()) is None
    told = {one["type"]: one for one in statement["rest"][0]["resource"]}
    assert set(told) == set(SERVED) and "Medication" not in told
    assert "service" not in statement["rest"][0]["security"]
    for described in told.values():
        assert {one["code"] for one in described["interaction"]} == {"read", "search-type"}
        assert {source.partition(":")[0] for source in described.get("searchRevInclude", ())} <= set(SERVED)
        for source in described.get("searchInclude", ()):
            assert source.partition(":")[0] == described["type"]


def test_a_member_inside_of_an_entry_is_not_taken(listed: FlaskClient, engine: Engine, system: Access) -> None:
    within = {"resourceType": ORGANIZATION, "id": "leak", "name": "Leak", "contained": [records.patient(CANARY)]}
    ward = {"resourceType": "Endpoint", "id": "e", "status": "active"}
    fine = {"resourceType": "PractitionerRole", "id": "with-endpoint", "contained": [ward]}
    summary = ingest.load_resources(engine, [within, fine], access=system)
    assert (summary.added, summary.rejected) == (1, 1)
    assert listed.get(f"{BASE}/{ORGANIZATION}/leak").status_code == 404
    assert "Canary" not in listed.get(f"{BASE}/{ORGANIZATION}?name=leak").text


def test_no_member_comes_out_of_it(listed: FlaskClient, system: Access) -> None:
    assert not set(SERVED) & set(PATIENT_ELEMENT) and set(SERVED) <= SHARED_TYPES
    answers = [
        listed.get(f"{BASE}/{path}")
        for kind in sorted(PATIENT_ELEMENT)
        for path in (kind, f"{kind}/{CANARY}", f"{kind}/{CANARY}/_history", f"{kind}?_id={CANARY}")
    ]
    answers += [listed.get(f"{BASE}/{kind}/cov-{CANARY}") for kind in SERVED]
    assert {answer.status_code for answer in answers} == {404}
    tries = [
        f"{kind}?{query}"
        for kind in SERVED
        for query in (
            f"_id={CANARY}", "_include=*", "_revinclude=Provenance:target", "_include:iterate=ExplanationOfBenefit:*",
            f"patient={CANARY}", f"_has:ExplanationOfBenefit:provider:patient={CANARY}", "_count=100&_total=accurate",
        )
    ]  # fmt: skip
    tries += ["Organization/clinic/$everything", "Patient/$export", "$export", "Medication/pill", "Medication",
              "Provenance/prov-shared", "../../fhir/r4/Patient", "Organization/clinic/_history"]  # fmt: skip
    for path in tries:
        answer = listed.get(f"{BASE}/{path}")
        assert answer.status_code in {200, 400, 403, 404}, path
        assert CANARY not in answer.text.replace(f"={CANARY}", "") and "Canary" not in answer.text, path
        assert "Provenance/" not in answer.text, path
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        refused = listed.open(f"{BASE}/Organization/clinic", method=method, json={})
        assert refused.status_code == 405
        told = refused.get_json()["issue"][0]["diagnostics"]
        assert told == "This interaction is not offered here, only GET, HEAD, OPTIONS."


def test_who_asks_too_often_waits(listed: FlaskClient) -> None:
    held = web.held_by(listed.application)
    held.limits = replace(held.limits, directory=Policy("directory", 3))
    answers = [listed.get(f"{BASE}/metadata") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"directory";q=3;w=60'
    assert answers[0].headers["RateLimit"] == '"directory";r=2;t=20'
    assert 1 <= int(answers[4].headers["Retry-After"]) <= 20
    assert answers[4].json["issue"][0]["code"] == "throttled"
    elsewhere = listed.get(f"{BASE}/metadata", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.status_code == 200
