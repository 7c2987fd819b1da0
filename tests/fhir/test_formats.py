"""The form of what is sent and answered: media types, packing, forms of POST, headers."""

import gzip

import brotli
import pytest
import zstandard

from tests.fhir.conftest import Api, ids


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("*/*", 200, "application/fhir+json; charset=UTF-8"),
        ("application/json", 200, "application/json; charset=UTF-8"),
        ("text/html, application/fhir+json;q=0.5", 200, "application/fhir+json; charset=UTF-8"),
        ("application/fhir+json; fhirVersion=4.0", 200, "application/fhir+json; charset=UTF-8"),
        ("application/fhir+json; fhirVersion=3.0", 406, "application/fhir+json; charset=UTF-8"),
        ("application/fhir+xml", 406, "application/fhir+json; charset=UTF-8"),
        ("application/xml", 406, "application/fhir+json; charset=UTF-8"),
        ("application/json+fhir", 200, "application/json+fhir; charset=UTF-8"),
        ("text/html", 406, "application/fhir+json; charset=UTF-8"),
        ("", 200, "application/fhir+json; charset=UTF-8"),
    ],
)
def test_the_form_of_the_answer(api: Api, accept: str, status: int, content_type: str) -> None:
    answer = api.get(f"Patient/{api.patient_id}", headers={"Accept": accept})

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)


def test_who_asks_for_xml_is_told_what_to_ask_for(api: Api) -> None:
    answer = api.get("Patient", headers={"Accept": "application/fhir+xml"})

    (issue,) = answer.get_json()["issue"]
    assert issue["code"] == "not-supported"
    assert "XML" in issue["diagnostics"] and "application/fhir+json" in issue["diagnostics"]


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


def test_answers_are_packed_for_who_takes_it(api: Api) -> None:
    plain = api.get("ExplanationOfBenefit?_elements=total,item&_count=3&_sort=_id")
    gzipped = api.get("ExplanationOfBenefit?_count=3", headers={"Accept-Encoding": "gzip"})
    packed = api.get("ExplanationOfBenefit?_count=3", headers={"Accept-Encoding": "gzip, br, zstd"})
    smaller = api.get("ExplanationOfBenefit?_count=3", headers={"Accept-Encoding": "br;q=1, gzip;q=0"})

    assert "Content-Encoding" not in plain.headers
    assert gzipped.headers["Content-Encoding"] == "gzip"
    assert b"searchset" in gzip.decompress(gzipped.data)
    assert smaller.headers["Content-Encoding"] == "br"
    assert b"searchset" in brotli.decompress(smaller.data)
    assert packed.headers["Content-Encoding"] == "zstd"
    assert b"searchset" in zstandard.ZstdDecompressor().decompressobj().decompress(packed.data)


def test_the_request_id_comes_back(api: Api) -> None:
    assert api.get("Patient", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"


def test_a_refusal_names_the_open_origin_once(api: Api) -> None:
    answer = api.post_search("Patient", {"x": "y" * 70_000})
    assert answer.status_code == 413
    assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]
