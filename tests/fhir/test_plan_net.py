"""The provider directory against what Plan-Net demands of one, on the sandbox's own entries: every parameter finds."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from consent.policy import plan_system
from fhir.directory.addresses import SERVED
from fhir.loading import ingest
from fhir.search import index as indexing
from fhir.search import parameters
from fhir.search.declared import Column
from service.sandbox.plan import provider_network, providers, stream
from tests.fhir.plan_net import DEMANDED
from tests.fhir.test_directory import BASE, found

SEED = 1
ENTRIES = [one for one in stream.shared(SEED) if one["resourceType"] in SERVED]
CHOICE = providers.network_reference(SEED, "hospital")
DENTAL = providers.network_reference(SEED, "dental")
MANDATORY = {
    "Endpoint": "status connectionType payloadType address",
    "HealthcareService": "active category",
    "InsurancePlan": "status type ownedBy administeredBy",
    "Location": "status name address",
    "Organization": "active type name",
    "OrganizationAffiliation": "active participatingOrganization",
    "Practitioner": "active name identifier",
    "PractitionerRole": "active practitioner organization",
}
"""What Plan-Net's profiles ask of each type at least."""


@pytest.fixture
def directory(engine: Engine, app: Flask) -> FlaskClient:
    assert ingest.load_resources(engine, ENTRIES, access=plan_system("tests")).rejected == 0
    return app.test_client()


def asked(directory: FlaskClient, query: str) -> set[str]:
    return set(found(directory.get(f"{BASE}/{query}&_count=100", headers={"Prefer": "handling=strict"})))


def test_its_statement_has_what_the_guide_demands(directory: FlaskClient) -> None:
    statement = directory.get(f"{BASE}/metadata").get_json()
    assert statement["instantiates"] == [
        "http://hl7.org/fhir/us/davinci-pdex-plan-net/CapabilityStatement/plan-net"
    ]  # fmt: skip
    told = {one["type"]: one for one in statement["rest"][0]["resource"]}
    assert set(told) == set(DEMANDED)
    for kind, (names, includes, revincludes) in DEMANDED.items():
        assert {"_id", "_lastUpdated", *names.split()} <= {one["name"] for one in told[kind]["searchParam"]}, kind
        assert {f"{kind}:{one}" for one in includes.split()} <= set(told[kind].get("searchInclude", ())), kind
        assert set(revincludes.split()) <= set(told[kind].get("searchRevInclude", ())), kind
        profile = f"http://hl7.org/fhir/us/davinci-pdex-plan-net/StructureDefinition/plannet-{kind}"
        assert profile in told[kind]["supportedProfile"]
        assert "near" not in {one["name"] for one in told[kind]["searchParam"]}


def test_every_parameter_that_is_demanded_finds_some_and_not_all(directory: FlaskClient) -> None:
    for kind, name, value, expected in _searches():
        answer = asked(directory, f"{kind}?{name}={value}")
        assert answer and answer == expected, (kind, name, value)


def _searches() -> Iterator[tuple[str, str, str, set[str]]]:
    """For each parameter a value that some entry has, and the entries that have it."""
    for kind, (names, _, _) in DEMANDED.items():
        for name in names.split():
            holders: dict[str, set[str]] = defaultdict(set)
            for one in ENTRIES:
                if one["resourceType"] == kind:
                    for value in _values(kind, name, one):
                        holders[value].add(f"{kind}/{one['id']}")
            value = min(holders, key=lambda one: (len(holders[one]), one))
            yield kind, name, value, holders[value]


def _values(kind: str, name: str, resource: dict[str, Any]) -> set[str]:
    parameter = parameters.find(kind, name)
    assert parameter is not None
    row, lead = indexing.index(resource), parameters.stored_name(parameter)
    words = row.texts.split("\x1f") if parameter.column is Column.TEXTS else row.words.get(parameter.column, ())
    return {word.removeprefix(lead) for word in words if word and word.startswith(lead) and "|" not in word}


def test_who_is_in_a_network_is_asked_by_it(directory: FlaskClient) -> None:
    roles = {f"PractitionerRole/{one['id']}": one for one in ENTRIES if one["resourceType"] == "PractitionerRole"}
    by_network: dict[str, set[str]] = defaultdict(set)
    for name, role in roles.items():
        by_network["".join(one["valueReference"]["reference"] for one in role.get("extension", ()))].add(name)
    assert len(by_network) == 3 and len(by_network[""]) == 1
    for reference in (CHOICE, DENTAL):
        assert reference
        assert asked(directory, f"PractitionerRole?network={reference}") == by_network[reference]
        within = asked(directory, f"OrganizationAffiliation?network={reference}&_include=*")
        assert reference in within and any(one.startswith("HealthcareService/") for one in within)
    assert asked(directory, "PractitionerRole?network.name=meridian dental") == by_network[str(DENTAL)]
    near = asked(directory, f"PractitionerRole?network={CHOICE}&location.address-postalcode=41903")
    assert near and near < by_network[str(CHOICE)]
    (kids,) = asked(directory, "InsurancePlan?identifier=CHIP-KIDS")
    with_networks = asked(directory, "InsurancePlan?identifier=CHIP-KIDS&_include=InsurancePlan:network")
    assert with_networks == {kids, str(CHOICE), str(DENTAL)}


def test_what_refers_to_a_match_comes_along(directory: FlaskClient) -> None:
    kinds = {
        "Organization?_id={}&_revinclude=PractitionerRole:network".format(str(DENTAL).partition("/")[2]):
            {"Organization": 1, "PractitionerRole": 2},
        "Organization?name=fairhollow&_revinclude=PractitionerRole:organization&_revinclude=Endpoint:organization":
            {"Organization": 1, "PractitionerRole": 2, "Endpoint": 1},
        "HealthcareService?name=fairhollow&_revinclude=OrganizationAffiliation:service":
            {"HealthcareService": 1, "OrganizationAffiliation": 1},
        "Practitioner?family=Bennett&_revinclude=PractitionerRole:practitioner"
        "&_include:iterate=PractitionerRole:organization":
            {"Practitioner": 1, "PractitionerRole": 1, "Organization": 1},
    }  # fmt: skip
    for query, expected in kinds.items():
        counted: dict[str, int] = defaultdict(int)
        for one in asked(directory, query):
            counted[one.partition("/")[0]] += 1
        assert counted == expected, query


def test_each_revinclude_that_is_demanded_brings_something(directory: FlaskClient) -> None:
    for kind, (_, _, revincludes) in DEMANDED.items():
        for one in revincludes.split():
            brought = asked(directory, f"{kind}?_revinclude={one}")
            assert any(name.startswith(f"{one.partition(':')[0]}/") for name in brought), (kind, one)


def test_what_is_not_served_is_refused(directory: FlaskClient) -> None:
    for query in (
        "Location?near=41|-83|10|km", "Organization?_revinclude=Provenance:target",
        "Location?_revinclude=PractitionerRole:organization", "Organization?_has:PractitionerRole:network:active=true",
        "PractitionerRole?network.endpoint=a",
    ):  # fmt: skip
        refused = directory.get(f"{BASE}/{query}", headers={"Prefer": "handling=strict"})
        assert refused.status_code == 400, query


def test_the_sandbox_s_entries_have_what_the_profiles_ask_for() -> None:
    missing = [
        (one["resourceType"], element)
        for one in ENTRIES
        for element in MANDATORY[one["resourceType"]].split()
        if element not in one
    ]
    assert missing == []
    places = {f"{one['resourceType']}/{one['id']}" for one in ENTRIES}
    made = list(provider_network.entries(SEED, stream.AS_OF))
    assert {one["resourceType"] for one in made} == {
        "HealthcareService", "InsurancePlan", "Location", "Organization", "OrganizationAffiliation"
    }  # fmt: skip
    assert {name for one in made for name in _references(one)} <= places


def _references(node: Any) -> Iterator[str]:
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _references(value)
    if isinstance(node, dict) and "reference" in node:
        yield node["reference"]
