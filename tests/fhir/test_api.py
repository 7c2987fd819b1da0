"""The member API over HTTP: reading, versions, searching, formats, errors."""

import gzip
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
import zstandard
from sqlalchemy import Engine, select
from werkzeug.datastructures import MultiDict

from consent import representatives
from consent.models import Basis
from consent.policy import Access, own_record
from consent.representatives import MemberChoice
from fhir import ingest, paging, r4, store
from fhir.outcomes import PageExpired
from fhir.search import Search
from service.audit import AuditEvent
from service.db import make_sessions
from tests.conftest import MovableClock
from tests.factories import make_account, make_representative
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api, bundle, entries, ids
from tests.oauth.desk import Desk


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


def test_a_search_without_patient_is_the_members_own(api: Api) -> None:
    everything = api.ids("ExplanationOfBenefit")

    assert len(everything) == 3
    assert all(one.endswith(api.patient_id) for one in everything)
    for form in ("{0}", "Patient/{0}", "http://localhost/fhir/r4/Patient/{0}"):
        assert api.ids(f"ExplanationOfBenefit?patient={form.format(api.patient_id)}") == everything
    assert api.ids(f"ExplanationOfBenefit?patient:Patient={api.patient_id}") == everything
    assert api.ids(f"Observation?subject=Patient/{api.patient_id}") == api.ids("Observation")


def test_matches_are_newest_first_with_absolute_addresses(api: Api) -> None:
    found = bundle(api.get("ExplanationOfBenefit"))

    assert found["type"] == "searchset"
    assert [one["resource"]["billablePeriod"]["start"] for one in found["entry"]] == [
        "2026-03-10", "2026-02-10", "2026-01-10",
    ]  # fmt: skip
    assert all(one["fullUrl"] == f"{api.base}/ExplanationOfBenefit/{one['resource']['id']}" for one in found["entry"])
    assert found["total"] == 3


CLAIM_SEARCHES: list[tuple[str, set[str]]] = [
    ("type=pharmacy", {"eob-2"}),
    (f"type={records.CLAIM_TYPE}%7Cpharmacy", {"eob-2"}),
    (f"type={records.CLAIM_TYPE}%7C", {"eob-1", "eob-2", "eob-3"}),
    ("type=%7Cpharmacy", set()),
    ("type=other|pharmacy", set()),
    ("type=pharmacy,professional", {"eob-1", "eob-2"}),
    ("type=pharmacy&type=professional", set()),
    ("type:not=pharmacy", {"eob-1", "eob-3"}),
    ("type:missing=true", set()),
    ("type:missing=false", {"eob-1", "eob-2", "eob-3"}),
    ("status=active&use=claim", {"eob-1", "eob-2", "eob-3"}),
    ("use=preauthorization", set()),
    ("service-date=2026", {"eob-1", "eob-2", "eob-3"}),
    ("service-date=2026-03", {"eob-3"}),
    ("service-date=2026-03-12", {"eob-3"}),
    ("service-date=2026-03-13", set()),
    ("service-date=ge2026-02-01&service-date=le2026-02-28", {"eob-2"}),
    ("service-date=gt2026-02-10", {"eob-3"}),
    ("service-date=lt2026-01-11T00:00:00Z", {"eob-1"}),
    ("service-date=sa2026-02-10", {"eob-3"}),
    ("service-date=eb2026-02-10", {"eob-1"}),
    ("service-date=eb2026-03-15", {"eob-1", "eob-2", "eob-3"}),
    ("service-date=ne2026-01-10", {"eob-2", "eob-3"}),
    ("service-start-date=2026-03-18", {"eob-3"}),
    ("service-start-date=2026-03-11", set()),
    ("billable-period-start=gt2026-02-09T00:00:00%2B00:00", {"eob-2", "eob-3"}),
    ("billable-period-start=2026-03-10&type=institutional", {"eob-3"}),
    ("billable-period-start=2026-03-10&type=pharmacy", set()),
    ("_lastUpdated=gt2020-01-01", {"eob-1", "eob-2", "eob-3"}),
    ("_lastUpdated=lt2020-01-01", set()),
    ("provider=Organization/clinic", {"eob-1", "eob-2", "eob-3"}),
    ("provider=clinic", {"eob-1", "eob-2", "eob-3"}),
    ("provider:Practitioner=clinic", set()),
    ("provider=https://elsewhere.example/fhir/Organization/clinic", set()),
    ("care-team=Practitioner/doctor", {"eob-1", "eob-2", "eob-3"}),
    ("code=", {"eob-1", "eob-2", "eob-3"}),
]


def test_claims_are_found_by_every_parameter(api: Api) -> None:
    for query, found in CLAIM_SEARCHES:
        matches = api.ids(f"ExplanationOfBenefit?{query}")
        assert {one.removesuffix(f"-{api.patient_id}") for one in matches} == found, query


def test_searching_by_post_is_the_same(api: Api) -> None:
    for query, found in CLAIM_SEARCHES:
        form = MultiDict(parse_qsl(query, keep_blank_values=True))
        assert bundle(api.post_search("ExplanationOfBenefit", form))["total"] == len(found), query


def test_claims_are_found_by_number_id_and_instant(api: Api) -> None:
    wanted = f"eob-1-{api.patient_id}"
    instant = api.get(f"ExplanationOfBenefit/{wanted}").get_json()["meta"]["lastUpdated"]

    assert api.ids(f"ExplanationOfBenefit?identifier=CN-{wanted}") == [wanted]
    assert api.ids(f"ExplanationOfBenefit?identifier={records.CLAIM_NUMBER}%7CCN-{wanted}") == [wanted]
    assert api.ids(f"ExplanationOfBenefit?_id={wanted},nobody") == [wanted]
    assert wanted in api.ids(f"ExplanationOfBenefit?_lastUpdated={instant}")


def test_names_are_found_without_accents(api: Api) -> None:
    assert api.ids("Patient?name=zoe") == [api.patient_id]
    assert api.ids("Patient?given=ZO") == [api.patient_id]
    assert api.ids("Patient?name=oe") == []
    assert api.ids("Patient?birthdate=1956-04-30&gender=female") == [api.patient_id]


def test_unknown_parameters_are_left_out_or_refused(api: Api) -> None:
    lenient = bundle(api.get("Coverage?shoe-size=44&status=active"))

    assert lenient["link"][0]["url"] == f"{api.base}/Coverage?status=active"
    warning = [one["resource"] for one in lenient["entry"] if one["search"]["mode"] == "outcome"]
    assert warning[0]["issue"][0]["severity"] == "warning"
    strict = api.get("Coverage?shoe-size=44", headers={"Prefer": "handling=strict"})
    assert strict.status_code == 400
    assert strict.get_json()["issue"][0]["code"] == "not-supported"


MALFORMED = [
    "type:above=x", "type:exact=x", "service-date=2026-13", "service-date=xx2026", "service-date=2026-01-01T10",
    "_count=-1", "_count=x", "_total=some", "_summary=maybe", "_include:recurse=ExplanationOfBenefit:provider",
    "type:missing=yes", "type=a|b|c", "_sort:up=created", "type=%00", "patient:Group=x",
]  # fmt: skip


def test_malformed_searches_are_refused(api: Api) -> None:
    for query in MALFORMED:
        answer = api.get(f"ExplanationOfBenefit?{query}")
        assert answer.status_code == 400, query
        assert answer.get_json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "query",
    ["Observation?performer=", "Observation?performer:missing=false&code=", "Provenance?target=",
     "ExplanationOfBenefit?type:not=", "Patient?name=", "Coverage?_lastUpdated=ne2020,"],
)  # fmt: skip
def test_as_many_values_as_a_search_may_hold_are_searched(api: Api, query: str) -> None:
    values = ["2026-01-01" if "_lastUpdated" in query else f"doctor-{number}" for number in range(198)]
    answer = api.get(query + ",".join(values))
    assert answer.status_code == 200, answer.text
    assert bundle(answer)["resourceType"] == "Bundle"


def test_one_value_among_many_is_found(api: Api) -> None:
    values = ",".join([*(f"nobody-{number}" for number in range(150)), "doctor"])
    assert set(api.ids(f"ExplanationOfBenefit?care-team={values}")) == set(api.ids("ExplanationOfBenefit"))


def test_a_refusal_names_the_open_origin_once(api: Api) -> None:
    answer = api.post_search("Patient", {"x": "y" * 70_000})
    assert answer.status_code == 413
    assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]


def next_link(found: dict[str, Any]) -> str:
    """The address of the next page, empty on the last."""
    return next((str(link["url"]) for link in found["link"] if link["relation"] == "next"), "")


def test_pages_follow_each_other_without_loss_or_repetition(api: Api, engine: Engine, system: Access) -> None:
    more = [records.observation(f"o{n}-{api.patient_id}", api.patient_id) for n in range(7)]
    ingest.load_resources(engine, more, access=system)
    first = bundle(api.get("Observation?_count=4&_total=accurate"))
    newer = records.observation("late", api.patient_id, effectiveDateTime="2026-11-01")
    ingest.load_resources(engine, [newer], access=system)

    pages = [first]
    while address := next_link(pages[-1]):
        pages.append(bundle(api.get(address)))

    assert [len(page["entry"]) for page in pages] == [4, 4, 1]
    seen = [one["resource"]["id"] for page in pages for one in page["entry"]]
    assert len(set(seen)) == 9
    assert "late" not in seen


def test_a_page_link_is_for_its_grant_only(api: Api, connect: Callable[..., Api]) -> None:
    address = next_link(bundle(api.get("Observation?_count=1")))
    stranger = connect()

    assert api.get(address).status_code == 200
    assert stranger.get(address).status_code == 404
    assert api.get(address[:-2] + "AA").status_code == 404
    assert api.get("Observation?_page=***").status_code == 400
    assert api.get(f"{address}&_page=x").status_code == 400
    assert api.get(f"{address}&patient={OTHER}").status_code == 400
    assert api.get(f"{address}&_format=json").status_code == 200
    assert api.get(address.replace("/Observation?", "/ExplanationOfBenefit?")).status_code == 404


def test_a_page_link_ends_after_an_hour(clock: MovableClock, desk: Desk, loaded: str, engine: Engine) -> None:
    with make_sessions(engine)() as session:
        access = own_record(desk.account, MemberChoice(desk.member, None))
        start = store.search(session, access, Search("Observation", count=1)).following
    assert start is not None
    sealed = paging.seal(b"k" * 32, access, "Observation", [("_count", "1")], start)

    assert paging.unseal(b"k" * 32, access, "Observation", sealed).start == start
    clock.advance(3_601)
    with pytest.raises(PageExpired):
        paging.unseal(b"k" * 32, access, "Observation", sealed)


def test_counting_and_parts(api: Api) -> None:
    for query in ("_count=0", "_summary=count"):
        counted = bundle(api.get(f"ExplanationOfBenefit?{query}"))
        assert counted["total"] == 3
        assert "entry" not in counted
    assert len(api.ids("ExplanationOfBenefit?_count=1000000000")) == 3
    part = entries(api.get("ExplanationOfBenefit?_elements=total"))[0]
    assert "total" in part
    assert "careTeam" not in part
    assert {"status", "type", "patient", "insurer"} <= set(part)
    assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "careTeam" not in entries(api.get("ExplanationOfBenefit?_summary=true"))[0]
    assert "careTeam" in entries(api.get("ExplanationOfBenefit?_summary=data"))[0]


def test_matches_are_sorted(api: Api) -> None:
    oldest_first = api.ids("ExplanationOfBenefit?_sort=service-date")

    assert oldest_first == list(reversed(api.ids("ExplanationOfBenefit?_sort=-service-date")))
    assert bundle(api.get("ExplanationOfBenefit?_sort=provider"))["link"][0]["url"].endswith("/ExplanationOfBenefit")
    assert api.get("ExplanationOfBenefit?_sort=provider", headers={"Prefer": "handling=strict"}).status_code == 400


def test_what_claims_refer_to_comes_along(api: Api) -> None:
    def included(query: str) -> set[str]:
        answer = api.get(f"ExplanationOfBenefit?_id=eob-1-{api.patient_id}&{query}")
        assert ids(answer) == [f"eob-1-{api.patient_id}"]
        return {f"{one['resourceType']}/{one['id']}" for one in entries(answer, "include")}

    mine, cov = f"Patient/{api.patient_id}", f"Coverage/cov-{api.patient_id}"
    assert included("_include=ExplanationOfBenefit:patient") == {mine}
    assert included("_include=ExplanationOfBenefit:provider") == {"Organization/clinic"}
    assert included("_include=ExplanationOfBenefit:care-team") == {"Practitioner/doctor"}
    assert included("_include=ExplanationOfBenefit:insurer") == {"Organization/payer"}
    assert included("_include=ExplanationOfBenefit:coverage") == {cov}
    everything = {mine, cov, "Organization/clinic", "Organization/payer", "Practitioner/doctor"}
    assert included("_include=ExplanationOfBenefit:*") == everything
    assert included("_include=*") == everything
    chained = "_include=ExplanationOfBenefit:coverage&_include:iterate=Coverage:payor"
    assert included(chained) == {cov, "Organization/payer"}
    assert included("_revinclude=Provenance:target") == {f"Provenance/prov-{api.patient_id}"}
    assert included("_include=ExplanationOfBenefit:nothing") == set()


def test_included_resources_need_their_own_scope(connect: Callable[..., Api]) -> None:
    api = connect("launch/patient patient/ExplanationOfBenefit.rs patient/Organization.s")

    answer = api.get("ExplanationOfBenefit?_include=*&_revinclude=Provenance:target")

    assert ids(answer)
    assert entries(answer, "include") == []


@pytest.mark.parametrize(
    ("scope", "may", "may_not"),
    [
        ("patient/Coverage.r", "Coverage/cov-{0}", "Coverage"),
        ("patient/Coverage.s", "Coverage", "Coverage/cov-{0}"),
        ("patient/Coverage.read", "Coverage", "ExplanationOfBenefit"),
        ("user/Coverage.rs", "Coverage", "Patient/{0}"),
    ],
)
def test_letters_of_scopes_are_kept(connect: Callable[..., Api], scope: str, may: str, may_not: str) -> None:
    api = connect(f"launch/patient {scope}")

    assert api.get(may.format(api.patient_id)).status_code == 200
    refused = api.get(may_not.format(api.patient_id))
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert refused.get_json()["issue"][0]["code"] == "forbidden"


def test_granular_scopes_hold_for_every_way_in(connect: Callable[..., Api]) -> None:
    api = connect(f"launch/patient patient/Observation.rs?category={records.CATEGORY}|laboratory")

    assert api.ids("Observation") == [f"lab-{api.patient_id}"]
    assert api.ids("Observation?category=vital-signs") == []
    assert api.get(f"Observation/lab-{api.patient_id}").status_code == 200
    for way in ("", "/_history", "/_history/1"):
        assert api.get(f"Observation/pulse-{api.patient_id}{way}").status_code == 404


def test_who_granted_fhiruser_lets_themselves_be_read(connect: Callable[..., Api]) -> None:
    api = connect("openid fhirUser launch/patient patient/Coverage.rs")

    assert api.get(f"Patient/{api.patient_id}").status_code == 200
    assert api.get("Patient").status_code == 403
    assert api.get(f"Patient/{OTHER}").status_code == 403


def test_a_representative_is_readable_as_relatedperson(desk: Desk, loaded: str) -> None:
    with desk.session() as session:
        account = make_account(session)
        representative = make_representative(session, account)
        member = session.merge(desk.member)
        link = representatives.link(
            session, representative, member, basis=Basis.POWER_OF_ATTORNEY, timezone=desk.settings.plan.timezone
        )
        person = link.related_person_id
    scope = "openid fhirUser launch/patient patient/Coverage.rs"
    token = desk.connect(desk.register(), scope=scope, account=account, member=desk.member)["access_token"]
    api = Api(desk.app.test_client(), loaded, token, desk.settings.fhir_base)

    answer = api.get(f"RelatedPerson/{person}")

    assert answer.status_code == 200, answer.text
    body = answer.get_json()
    assert body["patient"] == {"reference": f"Patient/{loaded}"}
    assert body["relationship"][0]["coding"][0]["code"] == "POWATT"
    assert r4.find_problem(answer.data) is None
    assert api.get(f"Patient/{loaded}").status_code == 403
    assert api.get("RelatedPerson/somebody-else").status_code == 403


def test_sensitive_classes_stay_out_until_they_are_ticked(api: Api) -> None:
    hidden = f"eob-s-{api.patient_id}"

    assert hidden not in api.ids("ExplanationOfBenefit")
    assert bundle(api.get("ExplanationOfBenefit?_summary=count"))["total"] == 3
    for way in ("", "/_history", "/_history/1"):
        assert api.get(f"ExplanationOfBenefit/{hidden}{way}").status_code == 404


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("*/*", 200, "application/fhir+json; charset=UTF-8"),
        ("application/json", 200, "application/json; charset=UTF-8"),
        ("text/html, application/fhir+json;q=0.5", 200, "application/fhir+json; charset=UTF-8"),
        ("application/fhir+json; fhirVersion=4.0", 200, "application/fhir+json; charset=UTF-8"),
        ("application/fhir+json; fhirVersion=3.0", 406, "application/fhir+json; charset=UTF-8"),
        ("application/fhir+xml", 406, "application/fhir+json; charset=UTF-8"),
        ("text/html", 406, "application/fhir+json; charset=UTF-8"),
        ("", 200, "application/fhir+json; charset=UTF-8"),
    ],
)
def test_the_form_of_the_answer(api: Api, accept: str, status: int, content_type: str) -> None:
    answer = api.get(f"Patient/{api.patient_id}", headers={"Accept": accept})

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)


def test_format_wins_over_accept(api: Api) -> None:
    path = f"Patient/{api.patient_id}?_format="

    assert api.get(path + "json", headers={"Accept": "application/fhir+xml"}).status_code == 200
    assert api.get(path + "application/fhir+json").status_code == 200
    assert api.get(path + "xml").status_code == 406
    assert api.post_search("Patient", {"_format": "xml"}).status_code == 406


def test_post_search_takes_forms_only(api: Api) -> None:
    refused = api.call("POST", "Patient/_search", data="{}", content_type="application/json")

    assert refused.status_code == 415
    assert ids(api.call("POST", "Patient/_search")) == [api.patient_id]


def test_head_is_get_without_the_body(api: Api) -> None:
    answer = api.call("HEAD", f"Patient/{api.patient_id}")

    assert answer.status_code == 200
    assert answer.data == b""
    assert answer.headers["ETag"] == 'W/"1"'


def test_without_a_token_nothing_is_told(api: Api) -> None:
    for headers, code in (({"Authorization": ""}, "login"), ({"Authorization": "Bearer nonsense"}, "expired")):
        answer = api.get(f"Patient/{api.patient_id}", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.get_json()["issue"][0]["code"] == code


def test_answers_are_packed_for_who_takes_it(api: Api) -> None:
    plain = api.get("ExplanationOfBenefit?_elements=total,item&_count=3&_sort=_id")
    gzipped = api.get("ExplanationOfBenefit?_count=3", headers={"Accept-Encoding": "gzip"})
    packed = api.get("ExplanationOfBenefit?_count=3", headers={"Accept-Encoding": "gzip, zstd"})

    assert "Content-Encoding" not in plain.headers
    assert gzipped.headers["Content-Encoding"] == "gzip"
    assert b"searchset" in gzip.decompress(gzipped.data)
    assert packed.headers["Content-Encoding"] == "zstd"
    assert b"searchset" in zstandard.ZstdDecompressor().decompressobj().decompress(packed.data)


def test_the_request_id_comes_back(api: Api) -> None:
    assert api.get("Patient", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"


def test_counts_for_the_preview_are_the_members_own(desk: Desk, loaded: str, engine: Engine) -> None:
    with make_sessions(engine)() as session:
        access = own_record(desk.account, MemberChoice(desk.member, None))
        counts = store.counts(session, access)

    assert counts == {"Patient": 1, "Coverage": 1, "ExplanationOfBenefit": 4, "Observation": 2, "Provenance": 1}


def test_each_disclosure_is_one_row_committed_with_it(api: Api, engine: Engine) -> None:
    api.get(f"Patient/{api.patient_id}")
    api.get("ExplanationOfBenefit?_include=ExplanationOfBenefit:provider")
    with make_sessions(engine)() as session:
        rows = session.scalars(
            select(AuditEvent).where(AuditEvent.tag.startswith("fhir:"), AuditEvent.grant_id.is_not(None))
        ).all()

    assert [(row.tag, row.count, row.outcome) for row in rows] == [
        ("fhir:Patient:read", 1, "success"), ("fhir:ExplanationOfBenefit:search", 4, "success"),
    ]  # fmt: skip
    assert rows[1].detail is not None
    assert rows[1].detail["parameters"] == ["_include"]
    assert rows[1].detail["included"] == {"Organization": 1}
