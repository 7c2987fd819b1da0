"""The RelatedPerson that a representative is stands in no table: a search finds it as it finds the stored ones."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from consent import representatives
from consent.models import LinkScope, RepresentativeLink
from consent.policy import Access
from fhir import r4
from fhir.loading import ingest
from fhir.storage import projections
from service.db import microseconds
from tests.conftest import MovableClock
from tests.factories import make_account
from tests.fhir.conftest import OTHER, Api, bundle, entries, ids
from tests.fhir.records import concept, to
from tests.member.pages import represent
from tests.oauth.desk import Desk

ROLES = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
Acting = Callable[..., Api]


@pytest.fixture
def kin(engine: Engine, loaded: str, system: Access) -> list[str]:
    """Two relatives whom the plan's data names, one before and one behind every UUID, and one of somebody else."""
    people = [_kin("0-first", loaded, "Aurora"), _kin("zz-last", loaded, "Beto"), _kin("of-other", OTHER, "Dana")]
    assert ingest.load_resources(engine, people, access=system).rejected == 0
    return ["0-first", "zz-last"]


def _kin(name: str, patient: str, given: str) -> dict[str, Any]:
    return {
        "resourceType": "RelatedPerson", "id": name, "active": True, "patient": to(f"Patient/{patient}"),
        "relationship": [concept(ROLES, "AUNT")], "name": [{"family": "Ortiz", "given": [given]}],
    }  # fmt: skip


@pytest.fixture
def acting(desk: Desk, loaded: str) -> tuple[RepresentativeLink, Acting]:
    """Dana acts for the member; an app that she lets in calls with the scopes given."""
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    link = represent(desk, dana, desk.member)

    def connected(scope: str = "patient/*.rs") -> Api:
        asked = f"openid launch/patient {scope}"
        token = desk.connect(desk.register(), scope=asked, account=dana, member=desk.member)["access_token"]
        return Api(desk.app.test_client(), loaded, token, desk.settings.fhir_base)

    return link, connected


def test_it_is_found_by_what_is_declared(acting: tuple[RepresentativeLink, Acting], kin: list[str]) -> None:
    link, api = acting[0].related_person_id, acting[1]()
    first, last = kin
    answer = api.get("RelatedPerson")

    assert ids(answer) == [first, link, last] and bundle(answer)["total"] == 3
    assert r4.find_problem(answer.data) is None
    assert entries(answer)[1] == api.get(f"RelatedPerson/{link}").get_json()
    for query, wanted in (
        (f"patient={api.patient_id}", [first, link, last]), (f"_id={link}", [link]),
        (f"_id={link},{last}", [link, last]),
        ("name=rey", [link]), ("name:exact=Dana", [link]), ("name:contains=eye", [link]), ("name:exact=dana", []),
        ("name:contains=zzz", []), ("name:missing=true", []), ("name=ortiz", kin),
        (f"patient={api.patient_id}&name=Dana", [link]), ("active=true", [first, link, last]), ("active=false", []),
        (f"relationship={ROLES}|GUARD", [link]), (f"relationship:not={ROLES}|AUNT", [link]),
        ("_lastUpdated=gt2001", [first, link, last]), ("identifier:missing=false", []),
        ("_sort=_id", [first, link, last]), ("_sort=-_id", [last, link, first]),
        ("_sort=relationship", [first, last, link]), ("_sort=-relationship", [link, first, last]),
        ("_sort=_lastUpdated", [first, link, last]),
    ):  # fmt: skip
        found = api.get(f"RelatedPerson?{query}")
        assert sorted(ids(found)) == sorted(wanted), query
        if query.startswith("_sort") and "lastUpdated" not in query:
            assert ids(found) == wanted, query
        assert bundle(found)["total"] == len(wanted), query
        count = api.get(f"RelatedPerson?{query}&_summary=count")
        assert bundle(count)["total"] == len(wanted), query
    assert ids(api.post_search("RelatedPerson", {"name": "Dana"})) == [link]
    assert api.get(f"RelatedPerson?patient={OTHER}").status_code == 403


@pytest.mark.parametrize("sort", ["", "&_sort=_id", "&_sort=-_id", "&_sort=-relationship", "&_sort=_lastUpdated,_id"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_pages_hold_it_once(acting: tuple[RepresentativeLink, Acting], kin: list[str], sort: str, count: int) -> None:
    link, api = acting[0].related_person_id, acting[1]()
    whole = api.ids(f"RelatedPerson?_count=50{sort}")
    assert sorted(whole) == sorted([*kin, link])

    path, seen, pages = f"RelatedPerson?_count={count}&_total=accurate{sort}", [], 0
    while path:
        page = bundle(api.get(path))
        assert page["total"] == 3
        seen += [one["resource"]["id"] for one in page["entry"]]
        pages += 1
        path = next((one["url"] for one in page["link"] if one["relation"] == "next"), "")
    assert seen == whole and pages == -(-3 // count)


def test_what_it_refers_to_comes_along(acting: tuple[RepresentativeLink, Acting]) -> None:
    link, api = acting[0].related_person_id, acting[1]()
    found = api.get(f"RelatedPerson?_id={link}&_include=RelatedPerson:patient&_revinclude=Provenance:target")
    assert ids(found) == [link] and ids(found, "include") == [api.patient_id]
    assert link in [one["resource"]["id"] for one in bundle(api.get(f"Patient/{api.patient_id}/$everything"))["entry"]]


def test_scopes_hold_for_it(acting: tuple[RepresentativeLink, Acting]) -> None:
    link, connected = acting[0].related_person_id, acting[1]
    for scope, search, read in (
        ("fhirUser patient/Coverage.rs", 403, 200), ("patient/RelatedPerson.r", 403, 200),
        ("patient/RelatedPerson.s", 200, 403),
    ):  # fmt: skip
        api = connected(scope)
        found = api.get(f"RelatedPerson?_id={link}")
        assert (found.status_code, api.get(f"RelatedPerson/{link}").status_code) == (search, read), scope
        assert search != 200 or ids(found) == [link], scope


def test_its_one_version_is_read_by_number(acting: tuple[RepresentativeLink, Acting]) -> None:
    link, api = acting[0].related_person_id, acting[1]()
    version = api.get(f"RelatedPerson/{link}").get_json()["meta"]["versionId"]
    assert api.get(f"RelatedPerson/{link}/_history/{version}").get_json()["id"] == link
    assert api.get(f"RelatedPerson/{link}/_history/{int(version) + 1}").status_code == 404
    assert bundle(api.get(f"RelatedPerson/{link}/_history"))["total"] == 1


def test_it_is_found_by_the_moment_that_it_shows(acting: tuple[RepresentativeLink, Acting]) -> None:
    link, api = acting[0].related_person_id, acting[1]()
    shown = api.get(f"RelatedPerson/{link}").get_json()["meta"]["lastUpdated"]
    assert ids(api.get(f"RelatedPerson?_id={link}&_lastUpdated={shown}")) == [link]
    assert ids(api.get(f"RelatedPerson?_id={link}&_lastUpdated=ne{shown}")) == []


def test_nobody_else_finds_it(acting: tuple[RepresentativeLink, Acting], api: Api, desk: Desk) -> None:
    link = acting[0].related_person_id
    assert api.ids("RelatedPerson") == [] and api.get(f"RelatedPerson/{link}").status_code == 404
    with desk.session() as session:
        second = make_account(session, given_name="Second", family_name="Guardian")
    other = represent(desk, second, desk.member).related_person_id
    body = desk.connect(desk.register(), scope="launch/patient patient/*.rs", account=second, member=desk.member)
    theirs = Api(desk.app.test_client(), api.patient_id, body["access_token"], desk.settings.fhir_base)
    assert theirs.ids("RelatedPerson") == [other]
    assert theirs.ids(f"RelatedPerson?_id={link}") == []


def test_its_period_ends_before_the_moment_at_which_the_right_is_over(
    acting: tuple[RepresentativeLink, Acting], desk: Desk
) -> None:
    link, api = acting[0], acting[1]()
    with desk.session() as session:
        # Midnight in New York after the last day, the 30th of April.
        session.get_one(RepresentativeLink, link.id).valid_until = datetime(2099, 5, 1, 4, tzinfo=UTC)
    period = api.get(f"RelatedPerson/{link.related_person_id}").get_json()["period"]
    assert period["end"] == "2099-05-01T03:59:59.999Z"
    assert period["start"] == projections.instant_text(microseconds(link.valid_from))


def test_its_moment_rises_with_its_version(
    acting: tuple[RepresentativeLink, Acting], desk: Desk, clock: MovableClock
) -> None:
    link, connected = acting
    before = connected().get(f"RelatedPerson/{link.related_person_id}").get_json()["meta"]
    clock.advance(3600)
    with desk.session() as session:
        row = session.get_one(RepresentativeLink, link.id)
        representatives.limit(session, row, LinkScope.WITHOUT_SENSITIVE, by_account_id=None)
    after = connected().get(f"RelatedPerson/{link.related_person_id}").get_json()["meta"]
    assert int(after["versionId"]) > int(before["versionId"]) and after["lastUpdated"] > before["lastUpdated"]
    shown = before["lastUpdated"]
    assert ids(connected().get(f"RelatedPerson?_lastUpdated=gt{shown}")) == [link.related_person_id]
