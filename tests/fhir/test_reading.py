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
    # What a cache needs to know of the answer it has (RFC 9110 §15.4.5).
    known = api.get(path, headers={"If-None-Match": 'W/"1"'})
    assert known.headers["Vary"] == api.get(path).headers["Vary"]


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


def test_a_history_is_asked_for_in_part(api: Api, engine: Engine, system: Access) -> None:
    path = f"Patient/{api.patient_id}/_history"
    for word in ("male", "other", "unknown"):
        ingest.load_resources(engine, [records.patient(api.patient_id, gender=word)], access=system)
    entries = api.get(path).get_json()["entry"]
    moments = [one["response"]["lastModified"] for one in entries]

    def numbers(asked: str) -> list[str]:
        answer = api.get(f"{path}{asked}")
        assert answer.status_code == 200, asked
        return [one["response"]["etag"][3:-1] for one in answer.get_json().get("entry", [])]

    first = api.get(f"{path}?_count=3").get_json()
    assert (first["total"], len(first["entry"])) == (4, 3)
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    last = api.get(following).get_json()
    assert [one["response"]["etag"] for one in last["entry"]] == ['W/"1"'] and last["total"] == 4
    assert not any(link["relation"] == "next" for link in last["link"])
    assert numbers(f"?_since={moments[1]}") == ["4", "3"]
    assert numbers(f"?_at={moments[2]}") == ["2"]
    assert numbers("?_at=1999") == [] and numbers("?_since=2999-01-01") == []
    for wrong in ("_count=x", "_since=soon", "_at=now", "_count=-1"):
        assert api.get(f"{path}?{wrong}").status_code == 400, wrong
    assert numbers("?colour=red") == ["4", "3", "2", "1"]
    assert api.get(f"{path}?colour=red", headers={"Prefer": "handling=strict"}).status_code == 400


def test_a_resource_that_moved_shows_its_older_versions_to_nobody(api: Api, engine: Engine, system: Access) -> None:
    mine, lab = api.patient_id, f"Observation/lab-{api.patient_id}"
    for owner in ("stranger", mine):
        ingest.load_resources(engine, [records.observation(lab.split("/")[1], owner)], access=system)
        if owner == "stranger":
            for path in (lab, f"{lab}/_history", f"{lab}/_history/1", f"{lab}/_history/2"):
                assert api.get(path).status_code == 404, path

    assert api.get(lab).headers["ETag"] == 'W/"3"'
    history = api.get(f"{lab}/_history").get_json()
    assert (history["total"], [one["response"]["etag"] for one in history["entry"]]) == (1, ['W/"3"'])
    for version in ("1", "2"):
        assert api.get(f"{lab}/_history/{version}").status_code == 404


def test_older_versions_of_what_became_sensitive_are_kept_back_too(api: Api, engine: Engine, system: Access) -> None:
    lab, mine = "Observation/turned", api.patient_id
    told = [{"status": "registered"}, {"status": "preliminary"},
            {"status": "final", "valueCodeableConcept": records.concept(records.ICD, "F10.20")}]  # fmt: skip
    for number, version in enumerate(told, 1):
        ingest.load_resources(engine, [records.observation("turned", mine) | version], access=system)
        assert api.get(f"{lab}/_history/1").status_code == (200 if number < 3 else 404)
    for path in (lab, f"{lab}/_history", *(f"{lab}/_history/{number}" for number in (1, 2, 3))):
        assert api.get(path).status_code == 404, path


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
