"""security.md, cases 85 to 94 and 152 to 164, on operations, batches, exports and the directory."""

import gzip
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from consent.policy import Access, plan_system
from fhir.bulk import asking, files
from fhir.bulk.models import Level
from fhir.loading import ingest
from fhir.outcomes import FhirProblem
from oauth.apps import changes, reviews
from tests.conftest import MovableClock
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api, connect, entries, ids, loaded, system
from tests.fhir.exporting import Exporter, exporter
from tests.oauth.desk import Desk

__all__ = ["connect", "loaded", "system"]
METACHARACTERS = (
    "'", "';--", "' OR '1'='1", '"', "\\", "%", "_", "*", "{{7*7}}", "${x}", "%s%n", ")", "\u2028", "x" * 900
)  # fmt: skip


@pytest.fixture
def api(connect: Callable[..., Api]) -> Api:
    """An app that may read and search all of its own member's record."""
    return connect()


@pytest.fixture
def plan(app: Flask, desk: Desk, loaded: str) -> Exporter:
    return exporter(app, desk)


def test_case_091_an_export_is_its_clients_own(plan: Exporter, app: Flask, desk: Desk, api: Api) -> None:
    place = plan.begin()
    plan.work()
    url = plan.ready(place)["output"][0]["url"]
    stranger = exporter(app, desk)
    for who in (stranger.api, api):
        for address in (place, url, f"{place}/../{url.rpartition('/')[2]}", f"{api.base}/bulk/made-up"):
            assert who.get(address).status_code == 404
        assert who.call("DELETE", place).status_code == 404
    for address in (place, url):
        assert plan.api.client.get(address.removeprefix("http://localhost")).status_code == 401
    assert plan.api.get(url).status_code == 200


def test_case_091_files_are_judged_as_strictly_as_the_asking(plan: Exporter, desk: Desk, clock: MovableClock) -> None:
    place = plan.begin()
    plan.work()
    whole = plan.ready(place)
    by_type = {one["type"]: one["url"] for one in whole["output"]}
    narrow = plan.with_scope("system/Coverage.rs system/Observation.rs?category=laboratory")
    assert {one["type"] for one in narrow.ready(place)["output"]} == {"Coverage"}, "a part of a type is not all of it"
    assert narrow.api.get(by_type["Coverage"]).status_code == 200
    for resource_type in ("Patient", "Observation", "ExplanationOfBenefit"):
        assert narrow.api.get(by_type[resource_type]).status_code == 404
    with desk.session() as session:
        changes.narrow(session, plan.program.id, "system/Coverage.rs", reason="less")
    assert plan.api.get(by_type["Coverage"]).status_code == 401, "a wider token ended with what was taken"
    left = plan.with_scope("system/*.rs")
    assert left.api.get(by_type["Patient"]).status_code == 404, "scopes of the client count now"
    assert left.api.get(by_type["Coverage"]).status_code == 200
    with desk.session() as session:
        reviews.suspend(session, plan.program.id, reason="a look", settings=plan.settings)
    for address in (place, by_type["Coverage"]):
        assert plan.api.get(address).status_code == 401


def test_case_091_who_is_suspended_meanwhile_gets_nothing(plan: Exporter, desk: Desk) -> None:
    place = plan.begin()
    with desk.session() as session:
        reviews.suspend(session, plan.program.id, reason="a look", settings=plan.settings)
    plan.work()
    assert not files.folder_of(plan.settings, place.rpartition("/")[2]).exists()
    with desk.session() as session:
        reviews.reinstate(session, plan.program.id, reason="seen", settings=plan.settings)
    failed = plan.with_scope("system/*.rs").api.get(place)
    assert failed.status_code == 500 and "may not have it" in failed.text


def test_case_091_scopes_that_shrink_meanwhile_count(plan: Exporter, desk: Desk) -> None:
    place = plan.begin()
    with desk.session() as session:
        changes.narrow(session, plan.program.id, "system/Coverage.rs", reason="less")
    plan.work()
    left = plan.with_scope("system/*.rs")
    told = left.ready(place)
    assert {one["type"] for one in told["output"]} == {"Coverage"}
    assert "Patient was left out" in str(left.lines(told, "error"))


def test_case_090_a_page_has_a_hundred_at_most(api: Api, engine: Engine, system: Access) -> None:
    many = [records.observation(f"many-{n}-{api.patient_id}", api.patient_id) for n in range(130)]
    ingest.load_resources(engine, many, access=system)
    mine = f"Patient/{api.patient_id}/$everything"
    for query in ("Observation?_count=1000000000", "Observation?_count=101", f"{mine}?_count=1000000000"):
        answer = api.get(query)
        assert len(entries(answer)) == 100, query
        assert [one for one in answer.get_json()["link"] if one["relation"] == "next"], query
    for query in ("Observation?_count=0", f"{mine}?_count=0"):
        answer = api.get(query)
        assert answer.get_json()["total"] > 130 and "entry" not in answer.get_json(), query
    assert api.get("Observation?_count=-1").status_code == 400


def test_case_090_counts_are_bounded_and_pages_lead_nowhere_else(api: Api) -> None:
    mine = f"Patient/{api.patient_id}/$everything"
    assert len(entries(api.get(f"{mine}?_count=1000000000"))) == 9
    assert api.get(f"{mine}?_count=-1").status_code == 400
    assert api.get(f"{mine}?_offset=1").status_code == 200
    following = next(one["url"] for one in api.get(f"{mine}?_count=1").get_json()["link"] if one["relation"] == "next")
    sealed = following.rpartition("=")[2]
    assert api.get(f"Coverage?_page={sealed}").status_code == 404
    assert api.get(f"Patient/{OTHER}/$everything?_page={sealed}").status_code == 404
    assert api.get(f"DocumentReference/$docref?_page={sealed}").status_code == 404
    assert api.get(f"{mine}?_page={sealed[:-2]}AA").status_code in {400, 404}
    assert api.get(f"{mine}?_page={sealed}&_count=2").status_code == 400


@pytest.mark.slow
def test_case_093_the_time_of_an_answer_does_not_tell_who_exists(api: Api) -> None:
    ways: tuple[Callable[[str], str], ...] = (lambda who: f"Patient/{who}", lambda who: f"Patient/{who}/$everything")
    for way in ways:
        theirs, nobodys = [], []
        for number in range(700):
            stranger = f"no-patient-{number % 7}0"
            # In turns, so that what slows the machine down slows both.
            for who, times in ((OTHER, theirs), (stranger, nobodys)) if number % 2 else (
                (stranger, nobodys), (OTHER, theirs)
            ):  # fmt: skip
                began = time.perf_counter()
                status = api.get(way(who)).status_code
                times.append(time.perf_counter() - began)
                assert status == 404
        assert 0.44 < _told_apart(theirs, nobodys) < 0.56


def _told_apart(some: list[float], others: list[float]) -> float:
    """How well a threshold on time tells them apart: the area under the curve, 0.5 for not at all."""
    ranks = {moment: rank for rank, moment in enumerate(sorted(some + others), start=1)}
    return (sum(ranks[one] for one in some) - len(some) * (len(some) + 1) / 2) / (len(some) * len(others))


def test_case_094_sensitive_records_stay_out_of_every_operation(api: Api, engine: Engine) -> None:
    mine = api.patient_id
    of_alcohol = records.concept(records.ICD, "F10.20")
    hidden: list[dict[str, Any]] = [
        records.observation(f"hidden-{mine}", mine, code=of_alcohol),
        {"resourceType": "DocumentReference", "id": f"hidden-{mine}", "status": "current",
         "type": records.concept(records.LOINC, "34133-9"), "subject": records.to(f"Patient/{mine}"),
         "context": {"event": [of_alcohol]}, "content": [{"attachment": {}}]},
    ]  # fmt: skip
    assert ingest.load_resources(engine, hidden, access=plan_system("tests")).rejected == 0
    whole = api.get(f"Patient/{mine}/$everything")
    assert f"hidden-{mine}" not in whole.text and f"eob-s-{mine}" not in ids(whole)
    assert api.get(f"Patient/{mine}/$everything?_count=0").get_json()["total"] == len(ids(whole))
    assert ids(api.get(f"DocumentReference/$docref?patient={mine}")) == []
    urls = [f"Observation/hidden-{mine}", f"ExplanationOfBenefit/eob-s-{mine}", "Observation?_summary=count"]
    batch = [{"request": {"method": "GET", "url": url}} for url in urls]
    told = api.call("POST", "", json={"resourceType": "Bundle", "type": "batch", "entry": batch}).get_json()["entry"]
    assert [one["response"]["status"] for one in told] == ["404", "404", "200"]
    assert told[2]["resource"]["total"] == 2


def test_case_152_and_153_what_is_typed_is_only_text(plan: Exporter, api: Api) -> None:
    for text in METACHARACTERS:
        _assert_only_text(plan, api, text)


def _assert_only_text(plan: Exporter, api: Api, text: str) -> None:
    given = {"query_string": {"_type": text}}
    mine = f"Patient/{api.patient_id}/$everything"
    answers = [
        api.get(mine, query_string={name: text})
        for name in ("_type", "_since", "start", "end", "_count", "_page", text)
    ]
    answers += [api.get("DocumentReference/$docref", query_string={"patient": api.patient_id, name: text})
                for name in ("type", "start", "profile", "on-demand", "patient")]  # fmt: skip
    answers += [plan.ask("Patient/$export", **given), plan.ask("$export", query_string={"_typeFilter": text}),
                plan.ask("Patient/$export", query_string={"_typeFilter": f"Observation?code={text}", "bogus": text}),
                plan.api.get("Group", query_string={"name": text, "_id": text})]  # fmt: skip
    answers += [plan.api.get("/".join(("bulk", "x", text.replace("/", "").replace("%", "%25"))))]
    open_to_all = {"name": text, "_sort": text, "_page": text}
    answers += [api.client.get("/directory/fhir/r4/Organization", query_string=open_to_all)]
    for answer in answers:
        assert answer.status_code < 500, answer.text
        assert b"SELECT" not in answer.data and b"Traceback" not in answer.data


def test_case_154_no_line_end_reaches_a_header(api: Api, plan: Exporter) -> None:
    for path in ("$export?_type=x%0d%0aSet-Cookie:%20a=b", "bulk/x%0d%0ay", "bulk/x/%0d%0ay"):
        answer = plan.ask(path)
        assert 400 <= answer.status_code < 500
        assert "Set-Cookie" not in answer.headers
    urls = ["Patient?x=\r\ny", "Patient\r\n", "Patient/x\ny"]
    batch = [{"request": {"method": "GET", "url": url, "ifNoneMatch": "a\r\nb"}} for url in urls]
    told = api.call("POST", "", json={"resourceType": "Bundle", "type": "batch", "entry": batch}).get_json()
    assert {one["response"]["status"] for one in told["entry"]} == {"400"}


def test_case_155_no_path_leads_out_of_the_folder_of_an_export(plan: Exporter) -> None:
    place = plan.begin("Patient/$export?_type=Coverage")
    plan.work()
    (plan.settings.var / "exports" / "secret.ndjson").write_text("{}")
    for name in ("../secret.ndjson", "..%2fsecret.ndjson", "%2e%2e/secret.ndjson", "..", ".", "/etc/passwd",
                 "%2fetc%2fpasswd", "..%5csecret.ndjson", "secret.ndjson", "output-Coverage-1.ndjson/"):  # fmt: skip
        assert plan.api.get(f"{place}/{name}").status_code == 404, name
    assert plan.api.get("bulk/..%2f..%2fsecret_key").status_code == 404


def test_case_158_and_159_no_xml_and_nothing_packed_is_read(api: Api) -> None:
    mine = f"Patient/{api.patient_id}/$everything"
    entity = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Parameters>&a;</Parameters>'
    bomb = gzip.compress(b" " * 10_000_000)
    for path in (mine, "", "DocumentReference/$docref"):
        answer = api.call("POST", path, data=entity, content_type="application/fhir+xml")
        assert answer.status_code == 415 and "root:" not in answer.text
        packed = {"Content-Encoding": "gzip"}
        answer = api.call("POST", path, data=bomb, content_type="application/fhir+json", headers=packed)
        assert answer.status_code == 415


def test_case_160_bodies_are_bounded_and_deep_ones_refused(api: Api, plan: Exporter) -> None:
    mine = f"Patient/{api.patient_id}/$everything"
    long = json.dumps({"resourceType": "Parameters", "id": "x" * 1_100_000})
    deep = '{"resourceType":"Parameters","parameter":' + "[" * 20_000 + "]" * 20_000 + "}"
    for path in (mine, ""):
        assert api.call("POST", path, data=long, content_type="application/fhir+json").status_code == 413
        assert api.call("POST", path, data=deep, content_type="application/fhir+json").status_code == 400
    for raw in ('{"resourceType":"Parameters","id":"\\ud800"}', "\xff", "NaN", "[]", '"x"', ""):
        body = raw.encode("latin-1")
        assert api.call("POST", mine, data=body, content_type="application/fhir+json").status_code == 400, raw
    for kinds in ([",".join(f"s{one}|" for one in range(2_000))], [f"s{one}|" for one in range(2_000)], ["a\0b"]):
        listed = [{"name": "patient", "valueString": api.patient_id}]
        listed += [{"name": "type", "valueString": kind} for kind in kinds]
        asked = api.call("POST", "DocumentReference/$docref", json={"resourceType": "Parameters", "parameter": listed})
        assert asked.status_code == 400, kinds[0][:9]
    many = [{"name": "patient", "valueReference": {"reference": f"Patient/{one}"}} for one in range(6_000)]
    assert plan.ask(json={"resourceType": "Parameters", "parameter": many}).status_code == 400


def test_case_162_no_pattern_takes_long(system: Access) -> None:
    for text in ("," * 64_000, "A" * 64_000, "Observation?" * 5_000, ",Observation" * 5_000, "a,B?" * 16_000):
        began = time.process_time()
        with suppress(FhirProblem):
            asking.parse([("_typeFilter", text)], system, Level.SYSTEM, by_body=False, strict=True)
        assert time.process_time() - began < 0.5


def test_case_164_a_batch_and_a_program_have_their_measure(api: Api, plan: Exporter) -> None:
    one = {"request": {"method": "GET", "url": "ExplanationOfBenefit?_include=*&_count=100"}}
    batch = {"resourceType": "Bundle", "type": "batch"}
    assert api.call("POST", "", json=batch | {"entry": [one] * 31}).status_code == 413
    assert plan.ask().status_code == 202
    assert [plan.ask().status_code for _ in range(3)] == [429, 429, 429]
