"""The plan's own base: create, update with If-Match, delete, batch; only for its programs, every write on record."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from fhir.loading.tables import FhirSource
from fhir.plan import batch
from service.audit import AuditEvent, Outcome
from tests.fhir import records
from tests.fhir.conftest import Api
from tests.oauth.desk import Desk
from tests.oauth.keyed import register_backend

BASE = "/plan/fhir/r4"
FHIR = "application/fhir+json"


@dataclass
class Plan:
    """A program of the plan at the plan's base."""

    desk: Desk
    token: str

    def call(self, method: str, path: str = "", body: Any = None, **headers: str) -> TestResponse:
        """A request; `body` is sent as JSON unless it is bytes."""
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": FHIR}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body)
        return self.desk.app.test_client().open(f"{BASE}{path}", method=method, headers=sent, data=data)


def program(desk: Desk, scope: str = "system/*.cruds") -> Plan:
    """A program with these scopes."""
    return Plan(desk, register_backend(desk, scopes=scope).token(scope))


@pytest.fixture
def plan(desk: Desk) -> Plan:
    """A program that may do everything."""
    return program(desk)


def issue(answer: TestResponse) -> tuple[int, str]:
    """The status of a refusal, and the code of its OperationOutcome."""
    return answer.status_code, answer.get_json()["issue"][0]["code"]


def test_a_resource_is_created_updated_and_deleted(plan: Plan, session: Session) -> None:
    made = plan.call("POST", "/Patient", records.patient("ignored"))
    assert made.status_code == 201 and made.headers["ETag"] == 'W/"1"'
    path = f"/Patient/{made.get_json()['id']}"
    assert made.headers["Location"].endswith(f"{BASE}{path}/_history/1") and path != "/Patient/ignored"
    assert plan.call("GET", f"{path}/_history/1").get_json() == made.get_json()

    changed = made.get_json() | {"gender": "male"}
    stale = plan.call("PUT", path, changed, If_Match='W/"7"')
    assert issue(stale) == (412, "conflict")
    updated = plan.call("PUT", path, changed, If_Match='W/"1"', Prefer="return=minimal")
    assert (updated.status_code, updated.data, updated.headers["ETag"]) == (200, b"", 'W/"2"')
    assert updated.headers["Preference-Applied"] == "return=minimal"
    assert plan.call("GET", path).get_json()["gender"] == "male"

    assert issue(plan.call("DELETE", path, If_Match='W/"1"')) == (412, "conflict")
    assert plan.call("DELETE", path).status_code == 204
    assert plan.call("DELETE", path).status_code == 204
    assert issue(plan.call("GET", path)) == (410, "deleted")
    assert issue(plan.call("GET", f"{path}/_history/3")) == (410, "deleted")
    again = plan.call("PUT", path, changed)
    assert (again.status_code, again.headers["ETag"]) == (201, 'W/"4"')

    tags = [row.tag for row in session.scalars(select(AuditEvent).where(AuditEvent.tag.startswith("fhir:Patient")))]
    assert tags.count("fhir:Patient:create") == 2 and tags.count("fhir:Patient:update") == 2
    refused = session.scalars(select(AuditEvent).where(AuditEvent.outcome == Outcome.REFUSED)).all()
    assert {row.detail["status"] for row in refused if row.detail} == {410, 412}
    assert all(row.client_id and row.reason == "health care operations" for row in refused)
    (source,) = session.scalars(select(FhirSource)).all()
    assert source.name.startswith("program ") and source.visible_at >= source.received_at


def test_what_is_wrong_is_told_by_status_and_place(plan: Plan) -> None:
    plan.call("PUT", "/Patient/p", records.patient("p"))
    plan.call("PUT", "/Observation/o", records.observation("o", "p"))
    mine = records.patient("p")
    cases: list[tuple[str, str, Any, int, str]] = [
        ("PUT", "/Patient/q", mine, 400, "invalid"),
        ("PUT", "/Patient/p", records.observation("p", "p"), 400, "invalid"),
        ("PUT", "/Patient/p", b"{", 400, "structure"),
        ("PUT", "/Patient/p", b"", 400, "structure"),
        ("PUT", "/Patient/p", b'{"resourceType":"Patient","id":"p","id":"p"}', 400, "structure"),
        ("PUT", "/Patient/p", mine | {"gender": 7}, 400, "structure"),
        ("PUT", "/Patient/p", mine | {"birthDate": "yesterday"}, 400, "value"),
        ("PUT", "/Patient/p", b"[" * 50_000, 400, "structure"),
        ("PUT", "/Patient/p", b'{"resourceType":"Patient","id":"p","name":[{"family":"\xff"}]}', 400, "structure"),
        ("POST", "/Observation", records.observation("o", "p") | {"subject": {"display": "x"}}, 422, "business-rule"),
        ("POST", "/Invoice", {"resourceType": "Invoice"}, 404, "not-found"),
        ("PUT", "/Patient", mine, 405, "not-supported"),
        ("POST", "/Patient/p", mine, 405, "not-supported"),
        ("PATCH", "/Patient/p", mine, 405, "not-supported"),
        ("DELETE", "/Patient/p", None, 409, "conflict"),
        ("GET", "/Patient/nobody", None, 404, "not-found"),
        ("POST", "", mine, 400, "invalid"),
        ("POST", "", {"resourceType": "Bundle", "type": "transaction"}, 400, "not-supported"),
        ("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": {}}, 400, "invalid"),
        ("GET", "/nowhere/at/all/really", None, 404, "not-found"),
    ]
    for method, path, body, status, code in cases:
        assert issue(plan.call(method, path, body)) == (status, code), (method, path, body)
    assert issue(plan.call("PUT", "/Patient/p", mine, If_Match="three")) == (400, "invalid")
    assert issue(plan.call("PUT", "/Patient/p", mine, If_None_Match="*")) == (412, "conflict")
    assert issue(plan.call("PUT", "/Patient/p", b"<Patient/>", Content_Type="application/xml")) == (
        415,
        "not-supported",
    )
    strict = plan.call("PUT", "/Patient/p", mine, Prefer="handling=strict")
    assert issue(strict) == (422, "business-rule")
    huge = b'{"resourceType":"Patient","id":"p","language":"' + b"x" * (17 * 1024 * 1024) + b'"}'
    assert issue(plan.call("PUT", "/Patient/p", huge)) == (413, "too-long")
    assert plan.call("GET", "/Patient/p").headers["ETag"] == 'W/"1"'


def test_a_create_may_ask_that_there_be_none_yet(plan: Plan, session: Session) -> None:
    system = "https://payer.example.org/fhir/member-id"
    asked = f"identifier={system}|MEM-p"
    first = plan.call("POST", "/Patient", records.patient("p"), If_None_Exist=asked)
    second = plan.call("POST", "/Patient", records.patient("p"), If_None_Exist=asked)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["Location"] == first.headers["Location"]
    told = session.scalars(select(AuditEvent).where(AuditEvent.tag == "fhir:Patient:search")).one()
    assert told.detail and told.detail["asked_for"] == [second.get_json()["id"]], "what was sent is on record"
    session.rollback()
    for further in ("&_count=0", "&_summary=count"):
        assert plan.call("POST", "/Patient", records.patient("p"), If_None_Exist=asked + further).status_code == 200
    plan.call("POST", "/Patient", records.patient("p"))
    for further in ("", "&_count=1"):
        refused = plan.call("POST", "/Patient", records.patient("p"), If_None_Exist=asked + further)
        assert issue(refused) == (412, "multiple-matches")
    for nothing in ("colour=red", "identifier=", "_count=1"):
        assert plan.call("POST", "/Patient", records.patient("p"), If_None_Exist=nothing).status_code == 400, nothing


def test_each_entry_of_a_batch_is_answered_for_itself(plan: Plan) -> None:
    entries = [
        {"request": {"method": "PUT", "url": "Patient/p"}, "resource": records.patient("p")},
        {"request": {"method": "POST", "url": "Observation"}, "resource": records.observation("x", "p")},
        {"request": {"method": "PUT", "url": "Patient/p", "ifMatch": 'W/"9"'}, "resource": records.patient("p")},
        {"request": {"method": "PUT", "url": "Observation/bad"}, "resource": {"resourceType": "Observation"}},
        {"request": {"method": "DELETE", "url": "Observation/never"}},
        {"request": {"method": "GET", "url": "Patient/p"}},
        {"request": {"method": "PUT", "url": "Invoice/i"}, "resource": {}},
        {"request": {"method": "PATCH", "url": "Patient/p"}},
        {}, None, 7,
    ]  # fmt: skip
    answer = plan.call("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    with_slash = plan.call("POST", "/", {"resourceType": "Bundle", "type": "batch", "entry": []})
    assert (with_slash.status_code, with_slash.get_json()["type"]) == (200, "batch-response")
    told = answer.get_json()
    assert (answer.status_code, told["type"]) == (200, "batch-response")
    statuses = [int(one["response"]["status"][:3]) for one in told["entry"]]
    assert statuses == [201, 201, 412, 400, 204, 200, 404, 405, 404, 404, 404]
    assert told["entry"][5]["resource"]["id"] == "p"
    assert told["entry"][2]["response"]["outcome"]["issue"][0]["code"] == "conflict"
    assert plan.call("GET", told["entry"][1]["response"]["location"].partition(BASE)[2]).status_code == 200


def test_a_batch_that_grew_too_long_reads_no_more_and_writes_on(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "LARGEST", 1_000)
    long = records.patient("p") | {"name": [{"family": "Long" * 400}]}
    entries = [
        {"request": {"method": "PUT", "url": "Patient/p"}, "resource": long},
        {"request": {"method": "GET", "url": "Patient/p"}},
        {"request": {"method": "GET", "url": "Patient/p"}},
        {"request": {"method": "PUT", "url": "Observation/x"}, "resource": records.observation("x", "p")},
    ]  # fmt: skip

    told = plan.call("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}).get_json()["entry"]

    assert [one["response"]["status"][:3] for one in told] == ["201", "200", "413", "201"]
    assert told[2]["response"]["outcome"]["issue"][0]["code"] == "too-costly"


def test_a_patient_with_records_stays(plan: Plan) -> None:
    records_of = [records.patient("p"), records.observation("x", "p")]
    for one in records_of:
        plan.call("PUT", f"/{one['resourceType']}/{one['id']}", one)
    assert issue(plan.call("DELETE", "/Patient/p")) == (409, "conflict")
    assert plan.call("DELETE", "/Observation/x").status_code == 204
    assert plan.call("DELETE", "/Patient/p").status_code == 204


def test_only_programs_of_the_plan_with_the_scope_come_in(desk: Desk, api: Api, engine: Engine) -> None:
    mine = records.patient("p")
    for token in ("", "sys.made-up", api.token):
        answer = Plan(desk, token).call("PUT", "/Patient/p", mine)
        assert answer.status_code == (403 if token == api.token else 401), token
    reader = program(desk, "system/*.rs")
    for method, path in (("PUT", "/Patient/p"), ("POST", "/Patient"), ("DELETE", "/Patient/p")):
        assert issue(reader.call(method, path, mine)) == (403, "forbidden")
    creator = program(desk, "system/Patient.c")
    assert creator.call("PUT", "/Patient/p", mine).status_code == 201
    assert creator.call("PUT", "/Patient/p", mine | {"gender": "male"}).status_code == 403
    assert creator.call("GET", "/Patient/p").status_code == 403
    part = program(desk, "system/Observation.cu?category=laboratory")
    assert part.call("PUT", "/Observation/o", records.observation("o", "p")).status_code == 403
    batch = {"resourceType": "Bundle", "type": "batch",
             "entry": [{"request": {"method": "DELETE", "url": "Patient/p"}}]}  # fmt: skip
    (entry,) = creator.call("POST", "", batch).get_json()["entry"]
    assert entry["response"]["status"] == "403 Forbidden"


def test_the_base_says_what_it_offers(desk: Desk) -> None:
    said = desk.app.test_client().get(f"{BASE}/metadata").get_json()
    codes = {one["code"] for one in said["rest"][0]["resource"][0]["interaction"]}
    assert codes == {"create", "delete", "read", "update", "vread"}
    preflight = desk.app.test_client().options(f"{BASE}/Patient/p")
    assert preflight.status_code == 204 and "PUT" in preflight.headers["Allow"]


def test_no_key_stands_twice_in_what_a_program_creates(plan: Plan) -> None:
    text = json.dumps(records.observation("x", "p"))
    for twice in (
        text.replace("{", '{"status":"amended",', 1),
        text.replace('"code":', '"code":{"text":"a"},"code":', 1),
    ):
        for method, path in (("POST", "/Observation"), ("PUT", "/Observation/x")):
            answer = plan.call(method, path, twice.encode())
            assert issue(answer) == (400, "structure") and "duplicate-key" in answer.text
