"""The CapabilityStatement says what the router does, in valid FHIR, for everybody."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from consent.scopes import BY_NAME
from fhir import r4
from fhir.bulk import groups
from fhir.compartment import TYPES
from fhir.description import search_page
from fhir.payments import inquiry as payments
from fhir.search import parameters
from fhir.search.combinations import COMBINATIONS
from oauth.discovery import RESOURCE_TYPES, SYSTEM_TYPES
from tests.conftest import ROOT


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The statement is not kept in the database: SQLite alone will do."""
    shutil.copy(sqlite_template, tmp_path / "latchstring.db")
    return f"sqlite:///{tmp_path}/latchstring.db"


@pytest.fixture
def statement(app: Flask) -> dict[str, Any]:
    """The statement as served."""
    answer = app.test_client().get("/fhir/r4/metadata")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=UTF-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    found: dict[str, Any] = answer.get_json()
    return found


def test_it_is_valid_and_says_what_the_guides_ask(statement: dict[str, Any]) -> None:
    assert r4.find_problem(json.dumps(statement).encode()) is None
    assert statement["date"]
    assert statement["fhirVersion"] == "4.0.1"
    assert "http://hl7.org/fhir/us/carin-bb/CapabilityStatement/c4bb" in statement["instantiates"]
    assert "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server" in statement["instantiates"]
    assert statement["implementation"]["url"].endswith("/fhir/r4")


def test_its_security_says_what_discovery_says(app: Flask, statement: dict[str, Any]) -> None:
    smart = app.test_client().get("/fhir/r4/.well-known/smart-configuration").get_json()
    security = statement["rest"][0]["security"]
    uris = {one["url"]: one["valueUri"] for one in security["extension"][0]["extension"]}

    assert security["cors"] is True
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert uris["authorize"] == smart["authorization_endpoint"]
    assert uris["token"] == smart["token_endpoint"]
    assert uris["revoke"] == smart["revocation_endpoint"]
    assert uris["introspect"] == smart["introspection_endpoint"]
    assert uris["manage"] == smart["management_endpoint"]


def test_it_lists_what_is_routed_and_nothing_else(app: Flask, statement: dict[str, Any]) -> None:
    client = app.test_client()
    listed = {one["type"]: one for one in statement["rest"][0]["resource"]}

    assert set(listed) == {*TYPES, payments.TYPE, groups.TYPE, "Person"}
    of_groups = listed.pop(groups.TYPE)
    assert {one["code"] for one in of_groups["interaction"]} == {"read", "search-type"}
    assert listed.pop("Person")["interaction"] == [{"code": "read"}]
    assert [client.get(f"/fhir/r4/Person{rest}").status_code for rest in ("/x", "", "/x/_history")] == [401, 404, 404]
    of_payments = listed.pop(payments.TYPE)
    assert {one["code"] for one in of_payments["interaction"]} == {"read", "search-type"}
    assert {one["name"] for one in of_payments["searchParam"]} == {"_id", "identifier", "created"}
    assert [client.get(f"/fhir/r4/{payments.TYPE}{rest}").status_code for rest in ("", "/x")] == [401, 401]
    assert client.get(f"/fhir/r4/{payments.TYPE}/x/_history").status_code == 404
    for resource_type, described in listed.items():
        codes = {one["code"] for one in described["interaction"]}
        assert codes == {"read", "vread", "history-instance", "search-type"}
        named = {one["name"] for one in described["searchParam"]}
        assert named == {one.name for one in parameters.of(resource_type)}
        # Routed means that only the token is missing.
        for address in (f"{resource_type}/x", f"{resource_type}/x/_history/1", f"{resource_type}/x/_history"):
            assert client.get(f"/fhir/r4/{address}").status_code == 401
        assert client.get(f"/fhir/r4/{resource_type}").status_code == 401
        assert client.post(f"/fhir/r4/{resource_type}/_search").status_code == 401


def test_operations_are_listed_as_they_are_routed(app: Flask, statement: dict[str, Any]) -> None:
    rest = statement["rest"][0]
    listed = {one["type"]: one for one in rest["resource"]}

    def told(described: dict[str, Any]) -> dict[str, str]:
        return {one["name"]: one["definition"].rpartition("/")[2] for one in described.get("operation", ())}

    assert told(rest) == {"export": "export"}
    assert told(listed["Patient"]) == {"everything": "Patient-everything", "export": "patient-export"}
    assert told(listed["Group"]) == {"export": "group-export"}
    assert told(listed["DocumentReference"]) == {"docref": "docref"}
    assert told(listed["Coverage"]) == {}
    assert rest["interaction"] == [{"code": "batch"}]
    assert "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data" in statement["instantiates"]
    for address in (
        "$export",
        "Patient/$export",
        "Group/x/$export",
        "Patient/x/$everything",
        "DocumentReference/$docref",
    ):
        assert app.test_client().get(f"/fhir/r4/{address}").status_code == 401
    assert app.test_client().post("/fhir/r4/Patient/$member-match").status_code == 404, "until it is switched on"


def test_the_carin_parameters_and_includes_are_there(statement: dict[str, Any]) -> None:
    listed = {one["type"]: one for one in statement["rest"][0]["resource"]}
    claims = listed["ExplanationOfBenefit"]

    assert {one["name"] for one in claims["searchParam"]} >= {
        "_id", "_lastUpdated", "patient", "type", "identifier", "service-date", "service-start-date",
        "billable-period-start",
    }  # fmt: skip
    includes = ("patient", "provider", "care-team", "coverage", "insurer", "payee", "*")
    assert set(claims["searchInclude"]) >= {f"ExplanationOfBenefit:{name}" for name in includes}
    assert "Coverage:payor" in listed["Coverage"]["searchInclude"]


def test_the_combinations_of_the_guides_are_there(statement: dict[str, Any]) -> None:
    listed = {one["type"]: one for one in statement["rest"][0]["resource"]}
    for resource_type, rows in COMBINATIONS.items():
        told = [
            (part["extension"][0]["valueCode"], "+".join(one["valueString"] for one in part["extension"][1:]))
            for part in listed[resource_type]["extension"]
        ]
        assert tuple(told) == rows
    assert "practitioner.name" in json.dumps(listed["PractitionerRole"]["searchParam"])
    assert "CareTeam:participant:PractitionerRole" in listed["CareTeam"]["searchInclude"]
    assert listed["Observation"]["searchRevInclude"] == ["Provenance:target"]
    assert "PractitionerRole:network" in listed["Organization"]["searchRevInclude"]
    assert "searchRevInclude" not in listed["Medication"]


def test_the_page_about_search_parameters_is_current() -> None:
    assert (ROOT / "docs" / "search-parameters.md").read_text("utf-8") == search_page.page(), search_page.COMMAND


def test_discovery_names_a_scope_for_every_type_that_is_served() -> None:
    assert set(TYPES) == set(RESOURCE_TYPES)
    assert {*TYPES, payments.TYPE, groups.TYPE} - BY_NAME == set(SYSTEM_TYPES)
