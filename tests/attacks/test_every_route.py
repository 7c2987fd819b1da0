"""Cases 79 to 81, 86 and 94 for every route there is: own, linked, another's, absent and malformed ids, by every way.

The routes come from the router; a route that `TABLE` does not speak of fails `test_no_route_is_missing`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from consent import representatives
from consent.models import Basis
from consent.policy import plan_system
from fhir.compartment import TYPES
from fhir.directory.addresses import SERVED
from fhir.interactions import EVERY_ADDRESS
from fhir.loading import ingest
from service.app import create_app
from service.db import Base, make_engine
from service.settings import Settings
from tests.conftest import new_schema
from tests.factories import make_member, make_representative
from tests.fhir import records
from tests.fhir.exporting import ASYNC, exporter
from tests.oauth.desk import Desk

FHIR, DIRECTORY, PLAN = "/fhir/r4", "/directory/fhir/r4", "/plan/fhir/r4"
WHO = ("own", "linked", "other", "absent", "malformed")
MALFORMED = "not%20an%20id!"
HELD = {
    "Patient": "{}", "Coverage": "cov-{}", "ExplanationOfBenefit": "eob-1-{}", "Observation": "lab-{}",
    "Provenance": "prov-{}",
}  # fmt: skip
"""What everybody has of some types; of the others nobody has anything."""
LACKING = ("DocumentReference", "RelatedPerson", "Condition")
CANARIES = re.compile(rb"(?:Canary-|MEM-|SUB-|CN-eob-.-)(patient-[a-z]+)")
"""Words of a record that no id in an address brings along, and whose it is."""
READING = ("GET", "HEAD")
ABOUT_NOBODY = frozenset({"discovery"})
"""Blueprints with documents below the base that are the same for everybody."""


@dataclass
class World:
    """One database with three members, and an app that one of them let in."""

    app: Flask
    token: str
    ids: dict[str, str] = field(default_factory=dict)
    export: str = ""
    file: str = ""

    def call(self, method: str, path: str, **given: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        client: FlaskClient = self.app.test_client()
        return client.open(path, method=method, headers=headers, **given)


class Ask(NamedTuple):
    """A request about somebody, and the statuses that are right for own, linked, other's, absent and malformed."""

    method: str
    path: str
    right: tuple[int, int, int, int, int]
    given: Mapping[str, Any] = {}


Asks = Callable[[World, str], Iterator[Ask]]
"""The requests of a route about one of WHO, whose id is given."""
FOUND = (200, 404, 404, 404, 404)
NAMED = (200, 403, 403, 403, 403)
NEVER = (405,) * 5
NOWHERE = (404,) * 5
FORBIDDEN = (403,) * 5


def _types() -> Iterator[tuple[str, str]]:
    yield from HELD.items()
    yield from ((resource_type, "x-{}") for resource_type in LACKING)


def _instances(way: str = "", *, heads: bool = True) -> Asks:
    def asks(world: World, who: str) -> Iterator[Ask]:
        for resource_type, form in _types():
            path = f"{FHIR}/{resource_type}/{form.format(who)}{way}"
            right = FOUND if resource_type in HELD else NOWHERE
            for method in READING if heads else ("GET",):
                yield Ask(method, path, right)
            yield Ask("POST", path, NEVER, {"json": {}})

    return asks


def _searches(method: str) -> Asks:
    def asks(world: World, who: str) -> Iterator[Ask]:
        for resource_type in TYPES:
            name = "_id" if resource_type == "Patient" else "patient"
            if method == "POST":
                yield Ask("POST", f"{FHIR}/{resource_type}/_search", NAMED, {"data": {name: _plain(who)}})
                by_both = f"{FHIR}/{resource_type}/_search?{name}={world.ids['own']}"
                yield Ask("POST", by_both, NAMED, {"data": {name: _plain(who)}})
                continue
            for one in READING:
                yield Ask(one, f"{FHIR}/{resource_type}?{name}={who}", NAMED)
            yield Ask("GET", f"{FHIR}/{resource_type}?{name}={world.ids['own']}&{name}={who}", NAMED)
            yield Ask("GET", f"{FHIR}/{resource_type}?{name}={world.ids['own']},{who}", NAMED)

    return asks


def _plain(who: str) -> str:
    return who.replace("%20", " ")


def _everything(_world: World, who: str) -> Iterator[Ask]:
    path = f"{FHIR}/Patient/{who}/$everything"
    yield from (Ask(method, path, FOUND) for method in READING)
    yield Ask("POST", path, FOUND, {"json": {"resourceType": "Parameters"}})
    yield Ask("GET", f"{path}?_count=0", FOUND)


def _docref(_world: World, who: str) -> Iterator[Ask]:
    path, right = f"{FHIR}/DocumentReference/$docref", (200, 403, 403, 403, 400)
    yield from (Ask(method, f"{path}?patient={who}", right) for method in READING)
    yield Ask("POST", path, right, {"data": {"patient": _plain(who)}})
    listed = [{"name": "patient", "valueId": _plain(who)}]
    yield Ask("POST", path, right, {"json": {"resourceType": "Parameters", "parameter": listed}})


def _batch(address: str) -> Asks:
    def asks(world: World, who: str) -> Iterator[Ask]:
        urls = [f"{kind}/{form.format(who)}" for kind, form in HELD.items()]
        urls += [f"{kind}?patient={who}" for kind in HELD] + [f"Patient/{who}/$everything"]
        entries = [{"request": {"method": "GET", "url": url}} for url in urls]
        yield Ask("POST", address, (200,) * 5, {"json": {"resourceType": "Bundle", "type": "batch", "entry": entries}})
        yield Ask("GET", address, NEVER)

    return asks


def _refused(
    *paths: str, method: str = "GET", right: tuple[int, int, int, int, int] = FORBIDDEN, base: str = FHIR
) -> Asks:  # fmt: skip
    def asks(world: World, who: str) -> Iterator[Ask]:
        for path in paths:
            whole = path.format(who=who, export=world.export, file=world.file)
            given = {"data": {"_id": _plain(who)}} if method == "POST" else {}
            yield Ask(method, f"{base}{whole}", right, {"headers": ASYNC} | given)
            if method == "GET" and "$export" in path:
                yield Ask("HEAD", f"{base}{whole}", NEVER)

    return asks


def _metadata(base: str) -> Asks:
    def asks(_world: World, who: str) -> Iterator[Ask]:
        yield from (Ask(method, f"{base}/metadata?_id={who}", (200,) * 5) for method in READING)

    return asks


def _directory_instances(_world: World, who: str) -> Iterator[Ask]:
    for resource_type in (*SERVED, *HELD):
        path = f"{DIRECTORY}/{resource_type}/{HELD.get(resource_type, '{}').format(who)}"
        yield from (Ask(method, path, NOWHERE) for method in READING)
        yield Ask("POST", path, NEVER if resource_type in SERVED else NOWHERE, {"json": {}})


def _directory_searches(method: str) -> Asks:
    def asks(_world: World, who: str) -> Iterator[Ask]:
        for resource_type in (*SERVED, *HELD):
            right = (400,) * 5 if resource_type in SERVED else NOWHERE
            if method == "POST":
                path = f"{DIRECTORY}/{resource_type}/_search"
                yield Ask("POST", path, right, {"data": {"patient": _plain(who)}})
            else:
                yield from (Ask(one, f"{DIRECTORY}/{resource_type}?patient={who}", right) for one in READING)

    return asks


def _plan_base(base: str) -> Asks:
    def asks(_world: World, who: str) -> Iterator[Ask]:
        entry = {"request": {"method": "GET", "url": f"Patient/{_plain(who)}"}}
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
        yield Ask("POST", base, FORBIDDEN, {"json": bundle})

    return asks


def _plan_types(_world: World, who: str) -> Iterator[Ask]:
    for resource_type in HELD:
        body = {"resourceType": resource_type, "id": _plain(who)}
        yield Ask("POST", f"{PLAN}/{resource_type}", FORBIDDEN, {"json": body})


def _plan_instances(*methods: str, way: str = "") -> Asks:
    def asks(_world: World, who: str) -> Iterator[Ask]:
        for resource_type, form in HELD.items():
            for method in methods:
                body = {"json": {"resourceType": resource_type, "id": form.format(who)}} if method == "PUT" else {}
                yield Ask(method, f"{PLAN}/{resource_type}/{form.format(who)}{way}", FORBIDDEN, body)

    return asks


TABLE: Mapping[str, Asks] = {
    "fhir.capabilities": _metadata(FHIR),
    "fhir.base": _batch(FHIR),
    "fhir.base_with_slash": _batch(f"{FHIR}/"),
    "fhir.search": _searches("GET"),
    "fhir.search_by_post": _searches("POST"),
    "fhir.read": _instances(),
    "fhir.history": _instances("/_history"),
    "fhir.vread": _instances("/_history/1"),
    "fhir.everything": _everything,
    "fhir.docref": _docref,
    "fhir.member_match": _refused("/Patient/$member-match", method="POST", right=NOWHERE),
    "fhir.search_payments": _refused("/PaymentReconciliation?_id={who}"),
    "fhir.search_payments_by_post": _refused("/PaymentReconciliation/_search", method="POST"),
    "fhir.read_payment": _refused("/PaymentReconciliation/{who}"),
    "fhir.search_groups": _refused("/Group?_id={who}"),
    "fhir.search_groups_by_post": _refused("/Group/_search", method="POST"),
    "fhir.read_group": _refused("/Group/{who}"),
    "fhir.export_system": _refused("/$export?_typeFilter=Patient?_id={who}"),
    "fhir.export_patients": _refused("/Patient/$export?patient={who}"),
    "fhir.export_group": _refused("/Group/{who}/$export"),
    "fhir.data_export": _refused("/Group/{who}/$davinci-data-export", method="POST", right=NOWHERE),
    "fhir.export_status": _refused("/bulk/{export}", "/bulk/{who}", right=NOWHERE),
    "fhir.export_file": _refused("/bulk/{export}/{file}", "/bulk/{export}/{who}", right=NOWHERE),
    "fhir.nowhere": _refused("/Patient/{who}/Coverage", "/Members/{who}/x", right=NOWHERE),
    "fhir.read_person": _refused("/Person/{who}", right=NOWHERE),
    "fhir_plan.capabilities": _metadata(PLAN),
    "fhir_plan.base": _plan_base(PLAN),
    "fhir_plan.base_with_slash": _plan_base(f"{PLAN}/"),
    "fhir_plan.type": _plan_types,
    "fhir_plan.instance": _plan_instances(*READING, "PUT", "DELETE"),
    "fhir_plan.vread": _plan_instances(*READING, way="/_history/1"),
    "fhir_plan.nowhere": _refused("/Patient/{who}/x", "/Members/{who}/x/y", right=NOWHERE, base=PLAN),
    "directory.capabilities": _metadata(DIRECTORY),
    "directory.search": _directory_searches("GET"),
    "directory.search_by_post": _directory_searches("POST"),
    "directory.read": _directory_instances,
    "directory.nowhere": _refused("/Patient/{who}/x", "/Members/{who}/x/y", right=NOWHERE, base=DIRECTORY),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The members, their records and the app, made once for all routes."""
    var = tmp_path_factory.mktemp("matrix")
    if request.param == "sqlite":
        yield from _made(f"sqlite:///{var}/latchstring.db", str(var))
        return
    with new_schema() as url:
        yield from _made(url, str(var))


def _made(url: str, var: str) -> Iterator[World]:
    settings = Settings.from_environment({"VAR": var, "DATABASE_URL": url, "BASE_URL": "http://localhost"})
    engine = make_engine(url)
    Base.metadata.create_all(engine)
    app = create_app(settings, engine)
    desk = Desk(app)
    with desk.session() as session:
        own = session.merge(desk.member)
        own.patient_id = "patient-own"
        linked = make_member(session, patient_id="patient-linked")
        make_member(session, patient_id="patient-other")
        representative = make_representative(session, desk.account)
        representatives.link(
            session, representative, linked, basis=Basis.POWER_OF_ATTORNEY, timezone=settings.plan.timezone
        )
    every = [one for who in ("own", "linked", "other") for one in records.record_of(f"patient-{who}")]
    assert ingest.load_resources(engine, [*records.shared(), *every], access=plan_system("tests")).rejected == 0
    scope = "openid fhirUser launch/patient patient/*.rs patient/AuditEvent.rs"
    token = desk.connect(desk.register(scopes=scope), scope=scope)["access_token"]
    made = World(app, token, {who: f"patient-{who}" for who in ("own", "linked", "other", "absent")})
    made.ids["malformed"] = MALFORMED
    plan = exporter(app, desk)
    place = plan.begin()
    plan.work()
    made.export = place.rpartition("/")[2]
    made.file = str(plan.ready(place)["output"][0]["url"]).rpartition("/")[2]
    yield made
    engine.dispose()


def test_no_route_is_missing(world: World) -> None:
    routed = {rule.endpoint for rule in world.app.url_map.iter_rules() if "/fhir/r4" in rule.rule}
    api = {endpoint for endpoint in routed if endpoint.partition(".")[0] not in ABOUT_NOBODY}
    assert api == set(TABLE), "say in TABLE what these routes may answer about whom"
    assert {f"fhir.{address.endpoint}" for address in EVERY_ADDRESS} <= api


@pytest.mark.parametrize("endpoint", sorted(TABLE))
def test_a_route_tells_of_nobody_but_its_own(world: World, endpoint: str) -> None:
    for who in WHO:
        wrong: list[tuple[Any, ...]] = []
        for ask in TABLE[endpoint](world, world.ids[who]):
            answer = world.call(ask.method, ask.path, **ask.given)
            if answer.status_code != ask.right[WHO.index(who)]:
                wrong.append((who, ask.method, ask.path, answer.status_code))
            told = answer.data + str(answer.headers).encode()
            wrong += [(who, ask.path, whose) for whose in CANARIES.findall(told) if whose != b"patient-own"]
            if ask.method == "HEAD":
                assert not answer.data

        assert not wrong


def test_the_canaries_sing(world: World) -> None:
    """What the matrix looks for is there to be found: the own record shows it, and so would any other."""
    for path in ("Patient/patient-own", "ExplanationOfBenefit?_count=5", "Patient/patient-own/$everything"):
        assert CANARIES.findall(world.call("GET", f"{FHIR}/{path}").data), path
    others: Sequence[str] = ("patient-linked", "patient-other")
    assert all(CANARIES.search(f"Canary-{one}".encode()) for one in others)
