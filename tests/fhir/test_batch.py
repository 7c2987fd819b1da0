"""Batches of reads and searches."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.audit import AuditEvent, Outcome
from tests.fhir.conftest import OTHER, Api


def send(api: Api, *urls: Any, **given: Any) -> TestResponse:
    entries = [{"request": {"method": "GET", "url": url}} if isinstance(url, str) else url for url in urls]
    return api.call("POST", "", json={"resourceType": "Bundle", "type": "batch", "entry": entries} | given)


def told(answer: TestResponse) -> list[tuple[str, str]]:
    """Status and what came, of each entry."""
    assert answer.status_code == 200, answer.text
    found = answer.get_json()
    assert (found["resourceType"], found["type"]) == ("Bundle", "batch-response")
    return [
        (one["response"]["status"], (one.get("resource") or one["response"].get("outcome", {})).get("resourceType", ""))
        for one in found.get("entry", [])
    ]


def test_each_entry_is_answered_for_itself(api: Api, session: Session) -> None:
    mine = api.patient_id
    answer = send(
        api, f"Patient/{mine}", f"Patient/{OTHER}", "ExplanationOfBenefit?_count=1", f"Coverage?patient={OTHER}",
        f"Patient/{mine}/_history/1", f"Patient/{mine}/$everything?_count=2", f"{api.base}/Coverage/cov-{mine}",
        {"request": {"method": "GET", "url": f"Patient/{mine}", "ifNoneMatch": 'W/"1"'}},
    )  # fmt: skip
    assert told(answer) == [
        ("200", "Patient"), ("404", "OperationOutcome"), ("200", "Bundle"), ("403", "OperationOutcome"),
        ("200", "Patient"), ("200", "Bundle"), ("200", "Coverage"), ("304", ""),
    ]  # fmt: skip
    first = answer.get_json()["entry"][0]
    assert first["response"]["etag"] == 'W/"1"' and first["response"]["lastModified"].endswith("Z")
    assert OTHER not in answer.text.replace(f"patient={OTHER}", "")
    by_app = AuditEvent.tag.startswith("fhir:") & AuditEvent.client_id.is_not(None)
    rows = session.scalars(select(AuditEvent).where(by_app).order_by(AuditEvent.id)).all()
    assert [row.tag for row in rows] == [
        "fhir:Patient:read", "fhir:Patient:read", "fhir:ExplanationOfBenefit:search", "fhir:Coverage:search",
        "fhir:Patient:vread", "fhir:Patient:everything", "fhir:Coverage:read", "fhir:Patient:read",
    ]  # fmt: skip
    assert [row.outcome for row in rows[:4]] == [Outcome.SUCCESS, Outcome.REFUSED, Outcome.SUCCESS, Outcome.REFUSED]


def test_an_address_that_is_none_spoils_no_other_entry(api: Api) -> None:
    mine = f"Patient/{api.patient_id}"
    bad = ["http://[", "https://[::1", "Patient/%00", f"{mine}/_history/%00", "Observation?code=%00", "Patient/a\nb"]
    answer = send(api, *bad, mine)
    assert told(answer) == [("400", "OperationOutcome")] * len(bad) + [("200", "Patient")]


def test_a_scope_binds_entries_too(connect: Callable[..., Api]) -> None:
    narrow = connect("launch/patient patient/Coverage.rs")
    assert told(send(narrow, "Coverage", "ExplanationOfBenefit")) == [("200", "Bundle"), ("403", "OperationOutcome")]


def test_what_is_no_batch_of_reads_is_refused(api: Api) -> None:
    refused = api.call("POST", "", json={"resourceType": "Bundle", "type": "transaction", "entry": []})
    assert refused.status_code == 400 and "batch" in refused.get_json()["issue"][0]["diagnostics"]
    for body in ({"resourceType": "Patient"}, {"resourceType": "Bundle", "type": "searchset"},
                 {"resourceType": "Bundle", "type": "batch", "entry": {}}):  # fmt: skip
        assert api.call("POST", "", json=body).status_code == 400
    assert send(api, *["Patient"] * 31).status_code == 413
    assert told(send(api)) == []
    assert api.client.post("/fhir/r4", json={}).status_code == 401
    assert api.get("").status_code == 405


@pytest.mark.parametrize(
    "body", [
        b'{"resourceType":"Bundle","type":"transaction","type":"batch"}',
        b'{"resourceType":"Bundle","type" :"a","typ\\u0065":"batch"}',
    ],
)  # fmt: skip
def test_a_key_that_stands_twice_is_refused(api: Api, body: bytes) -> None:
    answer = api.call("POST", "", data=body, content_type="application/fhir+json")
    assert answer.status_code == 400 and "Each key may stand once" in answer.text


def test_a_body_of_another_kind_is_told_what_to_send(api: Api) -> None:
    xml = api.call("POST", "", data=b"<a/>", content_type="text/xml")
    packed = api.call("POST", "", data=b"x", content_type="application/fhir+json", headers={"Content-Encoding": "gzip"})
    assert (xml.status_code, packed.status_code) == (415, 415)
    assert "a Bundle for a batch" in xml.text and "without Content-Encoding" in packed.text
    made_up = api.call("GUESS", "Patient")
    assert made_up.status_code == 405 and "not offered at this address" in made_up.text


def test_a_condition_that_names_no_moment_is_ignored(api: Api) -> None:
    mine = f"Patient/{api.patient_id}"
    for year in (99999999999, "9" * 40):
        since = f"Mon, 01 Jan {year} 00:00:00 GMT"
        assert api.get(mine, headers={"If-Modified-Since": since}).status_code == 200
        asked = {"request": {"method": "GET", "url": mine, "ifModifiedSince": since}}
        assert told(send(api, asked)) == [("200", "Patient")]
