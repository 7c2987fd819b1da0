"""Searching over HTTP: the parameters, what a search without any means, what is refused."""

from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest
from werkzeug.datastructures import MultiDict

from tests.fhir import records
from tests.fhir.conftest import Api, bundle, entries


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
    "type:missing=yes", "type=a|b|c", "_sort:up=created", "type=%01", "patient:Group=x", "_count=1&_count=2",
    "type=%5C", "type=a,b%5C", "type=,", "_id=%20", "_id=a/b", "_id=" + "x" * 65, "_elements=total.amount",
    "_elements=,", "_summary=text&_include=ExplanationOfBenefit:provider", "identifier:of-type=a|b",
    "identifier:of-type=|b|c", "provider=!", "provider=a%20b", "provider=/", "type:text=pharmacy",
    "type:in=http://x", "type:not-in=http://x", "type:below=x", "provider:Coverage=x", "provider:contains=x",
    "created:exact=2026", "created=ge", "created=gt2026-1", "created=2026-01-01T00:00:00%2B25:00", "created=1e3",
    "created=-2026", "created=\uff12\uff10\uff12\uff16", "_has:x=1", "_filter=type eq x", "_query=x", "_text=x",
    "_content=x", "_list=x", "provider.name=x", "care-team.identifier=x", "_revinclude:recurse=Provenance:target",
    "_include:down=ExplanationOfBenefit:provider", "_total:exact=none", "_lastUpdated=yesterday",
    "_lastUpdated:not=2026", "_id:not=x", "patient:above=x",
]  # fmt: skip


def test_malformed_searches_are_refused_by_the_name_of_the_parameter(api: Api) -> None:
    for query in MALFORMED:
        name = query.partition("=")[0].partition(":")[0]
        form = MultiDict(parse_qsl(query, keep_blank_values=True))
        for answer in (api.get(f"ExplanationOfBenefit?{query}"), api.post_search("ExplanationOfBenefit", form)):
            assert answer.status_code == 400, query
            issue = answer.get_json()["issue"][0]
            assert issue["expression"] == [name], query
            assert issue["diagnostics"] and issue["code"] in {"value", "not-supported", "invalid"}
    # A NUL is refused before anybody looks at names.
    assert api.get("ExplanationOfBenefit?type=%00").status_code == 400
    many = ",".join(["x"] * 201)
    assert api.get(f"ExplanationOfBenefit?status=y&type={many}").get_json()["issue"][0]["expression"] == ["type"]


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


def test_matches_are_sorted(api: Api) -> None:
    oldest_first = api.ids("ExplanationOfBenefit?_sort=service-date")

    assert oldest_first == list(reversed(api.ids("ExplanationOfBenefit?_sort=-service-date")))
    assert bundle(api.get("ExplanationOfBenefit?_sort=provider"))["link"][0]["url"].endswith("/ExplanationOfBenefit")
    assert api.get("ExplanationOfBenefit?_sort=provider", headers={"Prefer": "handling=strict"}).status_code == 400


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


def test_the_self_link_says_what_was_applied_and_nothing_else(api: Api) -> None:
    applied = {
        "type=pharmacy&unknown=1&_count=5": "type=pharmacy&_count=5",
        "type=&_sort=provider&status=active": "status=active",
        "_include=ExplanationOfBenefit:shoe&_include=ExplanationOfBenefit:provider":
            "_include=ExplanationOfBenefit:provider",
        "_include=Observation:performer": "",
        "_include=ExplanationOfBenefit:provider:Coverage": "",
        "_revinclude=Observation:performer&_revinclude=Provenance:target": "_revinclude=Provenance:target",
        "_format=json&status:not=draft": "status:not=draft",
    }  # fmt: skip
    for query, expected in applied.items():
        (link,) = bundle(api.get(f"ExplanationOfBenefit?{query}"))["link"]
        assert link["url"] == f"{api.base}/ExplanationOfBenefit" + (f"?{expected}" if expected else ""), query
        form = MultiDict(parse_qsl(query, keep_blank_values=True))
        assert bundle(api.post_search("ExplanationOfBenefit", form))["link"] == [link]
        is_whole = expected == query.removeprefix("_format=json&")
        strict = api.get(f"ExplanationOfBenefit?{query}", headers={"Prefer": "handling=strict"})
        assert strict.status_code == (200 if is_whole else 400), query
        assert is_whole or strict.get_json()["issue"][0]["code"] == "not-supported"
        if is_whole:
            assert strict.headers["Preference-Applied"] == "handling=strict"


def test_parts_of_resources(api: Api) -> None:
    kept = {
        "_summary=true": ({"created", "provider"}, {"careTeam", "item"}),
        "_summary=text": ({"status", "insurer"}, {"careTeam", "identifier"}),
        "_summary=data": ({"careTeam", "identifier"}, {"text"}),
        "_elements=careTeam,ExplanationOfBenefit.identifier": ({"careTeam", "identifier", "status"}, {"total"}),
    }
    for query, (present, absent) in kept.items():
        for found in entries(api.get(f"ExplanationOfBenefit?{query}")):
            assert present <= set(found) and not absent & set(found), query
            assert {"resourceType", "id", "meta", "status", "type", "patient"} <= set(found)
            assert found["meta"]["tag"][-1]["code"] == "SUBSETTED"
    whole = entries(api.get("ExplanationOfBenefit?_summary=false"))
    assert whole == entries(api.get("ExplanationOfBenefit"))
    answer = api.get("ExplanationOfBenefit?_elements=total&_include=ExplanationOfBenefit:patient")
    (included,) = entries(answer, "include")
    assert "tag" not in included["meta"] and included["name"]


def test_chains_need_the_scope_of_what_they_look_into(connect: Callable[..., Api]) -> None:
    api = connect("launch/patient patient/PractitionerRole.rs patient/Coverage.rs")
    assert api.get("PractitionerRole?practitioner.name=doctor").status_code == 403
    wider = connect("launch/patient patient/PractitionerRole.rs patient/Practitioner.s")
    assert wider.ids("PractitionerRole?practitioner.name=doctor") == []
