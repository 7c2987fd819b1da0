"""The plan's user-access brand (SMART-77 to SMART-80)."""

from dataclasses import replace
from typing import Any

from flask import Flask
from sqlalchemy import Engine

from fhir.r4 import find_problem
from service.app import create_app
from service.plan_file import Brand
from service.settings import Settings

SMART = "/fhir/r4/.well-known/smart-configuration"


def resources(bundle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources by their type."""
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}


def parts(resource: dict[str, Any], url: str) -> dict[str, Any]:
    """The parts of a resource's extension of that name, by their names."""
    (found,) = [one for one in resource["extension"] if one["url"].endswith(f"/{url}")]
    return {one["url"]: one for one in found["extension"]}


def test_the_bundle_is_fhir_and_holds_the_plan_and_its_endpoint(app: Flask, settings: Settings) -> None:
    browser, plan = app.test_client(), settings.plan
    configuration = browser.get(SMART).get_json()
    answer = browser.get(configuration["user_access_brand_bundle"])
    told = answer.get_json()
    assert find_problem(answer.data) is None
    assert answer.headers["Content-Type"].startswith("application/fhir+json")
    assert told["type"] == "collection" and told["timestamp"] == told["meta"]["lastUpdated"]
    organization, endpoint = resources(told)["Organization"], resources(told)["Endpoint"]
    assert organization["identifier"] == [configuration["user_access_brand_identifier"]]
    assert configuration["user_access_brand_identifier"] == {
        "system": "urn:ietf:rfc:3986", "value": "https://meridian.example",
    }  # fmt: skip
    assert organization["name"] == plan.name and organization["telecom"] == [{"system": "url", "value": plan.website}]
    assert organization["type"][0]["coding"][0]["code"] == "ins" and organization["address"][0]["state"] == "OH"
    assert endpoint["address"] == settings.fhir_base and endpoint["contact"][0]["system"] == "url"
    assert (
        endpoint["connectionType"]["code"] == "hl7-fhir-rest"
        and endpoint["payloadType"][0]["coding"][0]["code"] == "none"
    )
    assert endpoint["extension"][0]["valueCode"] == "4.0.1"
    names = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in told["entry"]}
    portal, brand = parts(organization, "organization-portal"), parts(organization, "organization-brand")
    assert portal["portalEndpoint"]["valueReference"] in organization["endpoint"]
    assert names[portal["portalEndpoint"]["valueReference"]["reference"]] == "Endpoint"
    assert portal["portalUrl"]["valueUrl"] == f"{settings.base_url}/"
    assert brand["brandBundle"]["valueUrl"] == configuration["user_access_brand_bundle"]


def test_it_is_open_to_every_origin_and_asked_for_once(app: Flask) -> None:
    browser = app.test_client()
    answer = browser.get("/user-access-brands.json", headers={"Origin": "https://app.example.org"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*" and "Set-Cookie" not in answer.headers
    etag = answer.headers["ETag"]
    assert etag.startswith('W/"')
    again = browser.get("/user-access-brands.json", headers={"If-None-Match": etag})
    assert again.status_code == 304 and not again.data and again.headers["Access-Control-Allow-Origin"] == "*"
    assert browser.get("/user-access-brands.json", headers={"If-None-Match": 'W/"other"'}).status_code == 200


def test_what_a_plan_has_not_given_is_said_to_be_declined(settings: Settings, engine: Engine) -> None:
    bare = replace(settings, plan=replace(settings.plan, brand=Brand(), website="https://www.plain.example/en"))
    # Not shown to the library's models: they know no reason in the place of a `url` value.
    told = create_app(bare, engine).test_client().get("/user-access-brands.json").get_json()
    organization = resources(told)["Organization"]
    assert organization["identifier"][0]["value"] == "https://plain.example"
    assert "address" not in organization and "alias" not in organization
    logo = parts(organization, "organization-brand")["brandLogo"]
    assert "valueUrl" not in logo and logo["_valueUrl"]["extension"][0]["valueCode"] == "asked-declined"
    assert resources(told)["Endpoint"]["contact"][0]["value"] == "https://www.plain.example/en"
