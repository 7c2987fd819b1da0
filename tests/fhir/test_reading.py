"""Reading one resource over HTTP: its versions, its end, conditional reads, the head alone."""

from sqlalchemy import Engine

from consent.policy import Access
from fhir import store
from fhir.loading import ingest
from service.db import make_sessions
from tests.fhir import records
from tests.fhir.conftest import Api


def test_a_resource_is_read_with_its_version(api: Api) -> None:
    answer = api.get(f"Patient/{api.patient_id}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=UTF-8"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Last-Modified"].endswith("GMT")
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    assert body["meta"]["versionId"] == "1"
    assert body["meta"]["lastUpdated"].endswith("Z")


def test_a_client_that_has_the_version_gets_no_body(api: Api) -> None:
    path = f"Patient/{api.patient_id}"
    modified = api.get(path).headers["Last-Modified"]

    assert api.get(path, headers={"If-None-Match": 'W/"1"'}).status_code == 304
    assert api.get(path, headers={"If-Modified-Since": modified}).status_code == 304
    assert api.get(path, headers={"If-None-Match": 'W/"2"'}).status_code == 200


def test_every_version_can_be_read(api: Api, engine: Engine, system: Access) -> None:
    changed = records.patient(api.patient_id, gender="other")
    ingest.load_resources(engine, [changed], access=system)

    assert api.get(f"Patient/{api.patient_id}").headers["ETag"] == 'W/"2"'
    assert api.get(f"Patient/{api.patient_id}/_history/1").get_json()["gender"] == "female"
    assert api.get(f"Patient/{api.patient_id}/_history/2").get_json()["gender"] == "other"
    history = api.get(f"Patient/{api.patient_id}/_history").get_json()
    assert history["type"] == "history"
    assert [one["response"]["etag"] for one in history["entry"]] == ['W/"2"', 'W/"1"']
    for wrong in ("3", "0", "x", "99999999999"):
        assert api.get(f"Patient/{api.patient_id}/_history/{wrong}").status_code == 404


def test_a_deleted_resource_is_gone(api: Api, engine: Engine, system: Access) -> None:
    claim = f"ExplanationOfBenefit/eob-1-{api.patient_id}"
    with make_sessions(engine).begin() as session:
        store.delete(session, system, *claim.split("/"))

    answer = api.get(claim)

    assert answer.status_code == 410
    assert answer.get_json()["issue"][0]["code"] == "deleted"
    assert api.get(f"{claim}/_history/1").status_code == 200
    assert api.get(f"{claim}/_history/2").status_code == 410
    assert claim.split("/")[1] not in api.ids("ExplanationOfBenefit")
    assert [one["request"]["method"] for one in api.get(f"{claim}/_history").get_json()["entry"]] == ["DELETE", "POST"]


def test_head_is_get_without_the_body(api: Api) -> None:
    answer = api.call("HEAD", f"Patient/{api.patient_id}")

    assert answer.status_code == 200
    assert answer.data == b""
    assert answer.headers["ETag"] == 'W/"1"'
