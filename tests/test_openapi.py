"""`/openapi.json`: valid OpenAPI 3.1, and neither more nor less than the endpoints that are there."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
from flask import Flask
from flask.testing import FlaskClient

from fhir.compartment import TYPES
from fhir.directory.addresses import ADDRESSES as DIRECTORY_ADDRESSES
from fhir.directory.addresses import SERVED
from fhir.interactions import EVERY_ADDRESS, PLAN_ADDRESSES
from fhir.payments import inquiry as payments
from fhir.search import parameters
from oauth.apps import client_metadata
from oauth.discovery import Discovery
from service.web import Latchstring
from tests.attacks.test_refresh_and_revocation import introspect
from tests.oauth.desk import Desk
from tests.oauth.keyed import register_backend
from tests.oauth.proofs import Prover

# Of the OpenAPI Initiative, version 2022-10-07 (Apache-2.0): https://spec.openapis.org/oas/3.1/schema/2022-10-07
_SCHEMA = json.loads(Path(__file__).with_name("openapi_3_1_schema.json").read_text("utf-8"))
FOR_MACHINES = frozenset({
    "oauth", "registering", "discovery", "brands", "fhir", "fhir_plan", "directory", "openapi", "probes",
})  # fmt: skip
OFFERED = {
    f"{blueprint}.{address.endpoint}": set(address.offered)
    for blueprint, addresses in (
        ("fhir", EVERY_ADDRESS), ("directory", DIRECTORY_ADDRESSES), ("fhir_plan", PLAN_ADDRESSES)
    )
    for address in addresses
}  # fmt: skip
NOT_DESCRIBED = {
    "oauth.resume": "a step of the person's own way, between pages",
    "fhir.nowhere": "answers every address where there is nothing",
    "fhir_plan.nowhere": "answers every address where there is nothing",
    "directory.nowhere": "answers every address where there is nothing",
    "fhir.member_match": "is there only where a setting says so",
    "fhir.data_export": "is there only where a setting says so",
}


def described(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"
    assert client.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    body: dict[str, Any] = answer.get_json()
    return body


def test_it_is_openapi_3_1(client: FlaskClient) -> None:
    document = described(client)
    errors = list(jsonschema_rs.validator_for(_SCHEMA).iter_errors(document))
    assert not errors, [(error.message, list(error.instance_path)) for error in errors[:3]]
    broken = document | {"paths": {"no-slash": {"get": {"parameters": [{"name": "x"}]}}}}
    assert not jsonschema_rs.validator_for(_SCHEMA).is_valid(broken), "the schema refuses what is none"
    ids = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert len(ids) == len(set(ids))
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document))):
        assert name in document["components"]["schemas"], name


def test_every_endpoint_for_machines_is_described_and_no_other(app: Flask, client: FlaskClient) -> None:
    document = described(client)
    held: Latchstring = app.extensions["latchstring"]
    there: set[tuple[str, str]] = set()
    for rule in app.url_map.iter_rules():
        errors_for_machines = any(rule.rule.startswith(prefix) for prefix in held.error_renderers)
        is_for_machines = rule.endpoint.partition(".")[0] in FOR_MACHINES or errors_for_machines
        if not is_for_machines or rule.endpoint in NOT_DESCRIBED:
            continue
        there |= {(path, method) for path in _spelt(rule.rule) for method in _methods(rule.endpoint, rule.methods)}
    said = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    assert said == there


def _spelt(rule: str) -> list[str]:
    path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule)
    types = SERVED if path.startswith("/directory/") else TYPES
    by_type = "{resource_type}" in path and not path.startswith("/plan/")
    return [path.replace("{resource_type}", name) for name in types] if by_type else [path]


def _methods(endpoint: str, methods: set[str] | None) -> set[str]:
    if endpoint in OFFERED:
        # These routes take every method, to refuse what the statement does not offer.
        return OFFERED[endpoint]
    return set(methods or ()) - {"HEAD", "OPTIONS"}


def test_it_says_of_searches_what_is_declared(client: FlaskClient) -> None:
    document = described(client)
    for resource_type in TYPES:
        got = document["paths"][f"/fhir/r4/{resource_type}"]["get"]["parameters"]
        named = {one["name"] for one in got}
        assert {one.name for one in parameters.of(resource_type)} <= named, resource_type
        form = document["paths"][f"/fhir/r4/{resource_type}/_search"]["post"]["requestBody"]["content"]
        assert set(form["application/x-www-form-urlencoded"]["schema"]["properties"]) <= named
    got = document["paths"]["/fhir/r4/PaymentReconciliation"]["get"]["parameters"]
    assert {name for name, *_ in payments.DECLARED} <= {one["name"] for one in got}
    assert len(EVERY_ADDRESS) > 5


def test_it_says_of_apps_and_discovery_what_they_are_made_of(client: FlaskClient) -> None:
    schemas = described(client)["components"]["schemas"]
    assert set(schemas["ClientMetadata"]["properties"]) == set(client_metadata.SHAPES)
    said = client.get("/.well-known/openid-configuration").get_json()
    assert set(said) <= set(schemas["Discovery"]["properties"]) <= set(Discovery.__dataclass_fields__)
    whole = {"$ref": "#/components/schemas/Discovery", "components": {"schemas": schemas}}
    assert jsonschema_rs.validator_for(whole).is_valid(said)


def _holds(document: dict[str, Any], name: str, said: dict[str, Any]) -> None:
    """What is said has nothing that its schema does not name, and is as that says."""
    schemas = document["components"]["schemas"]
    closed = {**schemas[name], "additionalProperties": False, "components": {"schemas": schemas}}
    errors = [error.message for error in jsonschema_rs.validator_for(closed).iter_errors(said)]
    assert not errors, errors


def test_tokens_and_what_is_told_of_them_are_as_it_says(app: Flask, client: FlaskClient) -> None:
    document, desk, prover = described(client), Desk(app), Prover()
    caller, asker = desk.register_confidential(may_introspect=True), desk.register()
    bound = desk.exchange(desk.agree(asker), proof=prover.proof()).get_json()
    own = desk.register_confidential()
    program = register_backend(desk)
    told = []
    for by, token in (
        (caller, bound["access_token"]), (caller, desk.connect(own)["access_token"]), (caller, "unknown"),
        (own, desk.connect(own)["refresh_token"]), (caller, program.token("system/*.rs")),
    ):  # fmt: skip
        told.append(introspect(desk, by, token))
        _holds(document, "Introspection", told[-1])
    named = set(document["components"]["schemas"]["Introspection"]["properties"])
    assert set().union(*told) == named, "and all that it names is told of some token"
    for answer in (bound, desk.connect(own), program.ask("system/*.rs").get_json()):
        _holds(document, "Token", answer)
    userinfo = client.get(
        "/oauth/userinfo", headers=prover.headers(bound["access_token"], "http://localhost/oauth/userinfo")
    )
    _holds(document, "UserInfo", userinfo.get_json())


def test_it_says_where_a_proof_of_possession_goes(client: FlaskClient) -> None:
    document = described(client)
    assert document["components"]["securitySchemes"]["dpop"]["scheme"] == "DPoP"
    proving = {
        (path, method): operation.get("security", [])
        for path, item in document["paths"].items() for method, operation in item.items()
        if any((one["in"], one["name"]) == ("header", "DPoP") for one in operation.get("parameters", []))
    }  # fmt: skip
    assert {("/oauth/token", "post"), ("/oauth/par", "post"), ("/oauth/userinfo", "get")} <= set(proving)
    assert {("/fhir/r4/Patient", "get"), ("/fhir/r4/Patient/{resource_id}", "get")} <= set(proving)
    assert ("/fhir/r4/metadata", "get") not in proving
    by_token = {
        (path, method) for path, item in document["paths"].items() for method, operation in item.items()
        if {"dpop": []} in operation.get("security", [])
    }  # fmt: skip
    assert by_token == set(proving) - {("/oauth/token", "post"), ("/oauth/par", "post")}


def test_it_names_the_grants_that_may_be_asked_for(client: FlaskClient) -> None:
    content = described(client)["paths"]["/oauth/token"]["post"]["requestBody"]["content"]
    grants = content["application/x-www-form-urlencoded"]["schema"]["properties"]["grant_type"]["enum"]
    assert grants == client.get("/.well-known/openid-configuration").get_json()["grant_types_supported"]


def test_probes_answer_as_it_says(client: FlaskClient) -> None:
    paths = described(client)["paths"]
    for path in ("/health/live", "/health/ready", "/metrics"):
        answer = client.get(path)
        said = paths[path]["get"]["responses"][str(answer.status_code)]["content"]
        assert answer.mimetype in said, path
        if answer.is_json:
            assert jsonschema_rs.validator_for(said[answer.mimetype]["schema"]).is_valid(answer.get_json())
