"""Each grant as FHIR Consent: rendered on read, valid, in step, for the app's own person and app alone."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, select

from consent import representatives
from consent.models import Basis, Duration, Grant, LinkScope
from consent.policy import Access
from fhir import r4
from fhir.loading import ingest
from fhir.storage import consents
from service.clock import now
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_representative
from tests.fhir.conftest import Api, bundle, entries, ids
from tests.fhir.records import CATEGORY
from tests.member.console import Connected, connected
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk

Connect = Callable[..., Api]


def consent_of(app: Connected) -> dict[str, Any]:
    answer = app.api.get(f"Consent/{app.grant.id}")
    assert answer.status_code == 200, answer.text
    assert r4.find_problem(answer.data) is None
    found: dict[str, Any] = answer.get_json()
    return found


def test_a_grant_reads_as_a_valid_consent(desk: Desk) -> None:
    app = connected(desk, scope="openid offline_access patient/Consent.rs patient/Coverage.rs")
    found = consent_of(app)

    assert found["status"] == "active" and found["id"] == app.grant.id
    assert found["patient"] == {"reference": f"Patient/{desk.member.patient_id}"} == found["performer"][0]
    provision = found["provision"]
    assert [one["code"] for one in provision["class"]] == ["Consent", "Coverage"]
    assert provision["actor"][0]["reference"]["identifier"]["value"] == app.app.id
    assert [one["code"] for one in provision["provision"][0]["securityLabel"]] == ["ETH", "PSY", "SEX", "HIV", "GDIS"]
    assert provision["period"]["end"] == app.grant.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z")


def test_every_kind_of_grant_is_valid(desk: Desk) -> None:
    lab = f"patient/Observation.rs?category={CATEGORY}|laboratory"
    with desk.session() as session:
        dana = make_account(session)
    link = represent(desk, dana, desk.member, scope=LinkScope.ALL)
    hers = consent_of(connected(desk, Reader(desk, dana)))
    assert hers["performer"] == [{"reference": f"RelatedPerson/{link.related_person_id}"}]
    assert "class" not in hers["provision"], "a wildcard permits every type"

    partly = consent_of(connected(desk, scope=f"patient/Consent.rs {lab}"))
    permit, _deny = partly["provision"]["provision"]
    assert permit["code"] == [{"coding": [{"system": CATEGORY, "code": "laboratory"}]}]

    # A token that reads it without a scope for whole Consents: the grant is looked at as it is rendered.
    alone = connected(desk, scope=f"openid {lab} patient/Condition.rs?category=problem-list-item")
    with desk.session() as session:
        made = consents.render(session.get_one(Grant, alone.grant.id), alone.app.view)
    assert r4.find_problem(json.dumps(made).encode()) is None
    top = made["provision"]
    assert top["type"] == "deny" and "class" not in top, "parts alone are no permit of everything"
    assert [(one["type"], one["class"][0]["code"]) for one in top["provision"]] == [
        ("permit", "Condition"), ("permit", "Observation"),
    ]  # fmt: skip
    assert all(one["provision"][0]["type"] == "deny" and one["code"] for one in top["provision"])

    rosa, app = Reader(desk, desk.account), desk.register()
    rosa.allow(rosa.ask(app), sensitive=["hiv", "genetic"])
    told = Connected(desk, rosa, app, desk.connect(app))
    # The desk's own answer ticks nothing sensitive: the later one counts.
    assert len(consent_of(told)["provision"]["provision"][0]["securityLabel"]) == 5


def test_it_is_in_step_with_every_change(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)
    assert consent_of(app)["meta"]["versionId"] == "1"
    app.press("pause")
    app.press("resume")
    after = consent_of(app)
    assert (after["meta"]["versionId"], after["status"]) == ("3", "active")

    app.narrow(data=["sharing", "coverage"], last_day=(now() + timedelta(days=30)).date().isoformat())
    assert app.refresh().status_code == 200
    narrowed = consent_of(app)
    assert [one["code"] for one in narrowed["provision"]["class"]] == ["Consent", "Coverage"]
    assert narrowed["provision"]["period"]["end"] < after["provision"]["period"]["end"]
    etag = app.api.get(f"Consent/{app.grant.id}").headers["ETag"]
    assert etag == 'W/"4"'
    assert app.api.get(f"Consent/{app.grant.id}", headers={"If-None-Match": etag}).status_code == 304

    ended = app.grant.id
    app.press("revoke")
    clock.advance(5)
    app.tokens = desk.connect(app.app)
    former = app.api.get(f"Consent/{ended}").get_json()
    assert (former["status"], former["meta"]["versionId"]) == ("inactive", "5")
    assert former["provision"]["period"]["end"] < narrowed["provision"]["period"]["end"]


def test_time_ends_it_too(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk, duration=Duration.ONCE)
    first = app.grant.id
    clock.advance(timedelta(hours=2).total_seconds())
    app.tokens = desk.connect(app.app)
    assert app.api.get(f"Consent/{first}").get_json()["status"] == "inactive"


def test_it_is_searched_like_every_type(desk: Desk, clock: MovableClock) -> None:
    app = connected(desk)
    old, patient = app.grant.id, desk.member.patient_id
    app.press("revoke")
    clock.advance(86_400 * 2)
    app.tokens = desk.connect(app.app)
    new, api = app.grant.id, app.api

    assert ids(api.get(f"Consent?patient={patient}")) == [new, old]
    assert ids(api.get(f"Consent?patient=Patient/{patient}&_sort=date")) == [old, new]
    assert ids(api.post_search("Consent", {"patient": patient, "status": "active"})) == [new]
    tomorrow = (now() - timedelta(days=1)).date().isoformat()
    last_year = (now() - timedelta(days=365)).date().isoformat()
    category, scope = "http://loinc.org|59284-0", "patient-privacy"
    for query, wanted in (
        ("status=inactive", [old]), ("status:not=inactive", [new]), ("status:missing=true", []),
        (f"category={category}&scope={scope}", [new, old]), ("category=other", []), ("scope=http://x|", []),
        (f"date=ge{tomorrow}", [new]), (f"date=lt{tomorrow}", [old]), (f"date=eb{tomorrow}", [old]),
        # About a day: a tenth of how long ago it is, on both sides.
        (f"date=ap{last_year}", []), (f"period=gt{tomorrow}", [new]), (f"_id={old}", [old]),
        (f"_id={old},{new}", [new, old]),
        (f"_lastUpdated=sa{tomorrow}", [new]), ("date:missing=true", []), ("_id=none", []),
    ):  # fmt: skip
        assert ids(api.get(f"Consent?{query}")) == wanted, query
    shown = api.get(f"Consent/{new}").get_json()["meta"]["lastUpdated"]
    assert ids(api.get(f"Consent?_lastUpdated={shown}")) == [new], "to the millisecond, as it is shown"
    assert bundle(api.get("Consent?_summary=count"))["total"] == 2
    first = bundle(api.get("Consent?_count=1"))
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert ids(api.get(following)) == [old] and first["total"] == 2
    included = api.get("Consent?_include=Consent:patient&_revinclude=Provenance:target")
    assert {one["resourceType"] for one in entries(included)} == {"Consent"}
    assert all(r4.find_problem(json.dumps(one).encode()) is None for one in entries(included))
    assert set(entries(api.get("Consent?_elements=status"))[0]) >= {"status", "id"}


def test_a_parents_consent_narrows_with_their_right(desk: Desk, clock: MovableClock) -> None:
    today = now().astimezone(desk.settings.plan.timezone).date()
    with desk.session() as session:
        parent = make_account(session)
        child = make_member(session, birth_date=today.replace(year=today.year - 11, month=1, day=15))
        made = representatives.link(
            session, make_representative(session, parent), child, basis=Basis.PARENT,
            timezone=desk.settings.plan.timezone,
        )  # fmt: skip
        narrows_at = made.narrows_at
    assert narrows_at
    clock.advance((narrows_at - now()).total_seconds() - 60)
    app = desk.register()
    tokens = desk.connect(app, account=parent, member=child)
    with desk.session() as session:
        session.scalars(select(Grant)).one().sensitive_classes = ["mental_health"]
    api = Api(desk.app.test_client(), child.patient_id, tokens["access_token"], desk.settings.fhir_base)

    def denied() -> tuple[str, list[str]]:
        (found,) = entries(api.get("Consent"))
        labels = found["provision"]["provision"][-1]["securityLabel"]
        return found["meta"]["versionId"], [one["code"] for one in labels]

    assert denied() == ("1", ["ETH", "SEX", "HIV", "GDIS"])
    clock.advance(61)
    assert denied() == ("2", ["ETH", "PSY", "SEX", "HIV", "GDIS"])


def test_versions_are_the_current_one(desk: Desk) -> None:
    app = connected(desk)
    here = f"Consent/{app.grant.id}"
    assert app.api.get(f"{here}/_history/1").get_json()["id"] == app.grant.id
    assert app.api.get(f"{here}/_history/2").status_code == 404
    history = bundle(app.api.get(f"{here}/_history"))
    assert [one["resource"]["id"] for one in history["entry"]] == [app.grant.id]


def test_consents_of_other_apps_people_and_members_do_not_exist(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member)
    app, other, hers = connected(desk), connected(desk), connected(desk, Reader(desk, dana))
    by_dana = Connected(desk, hers.reader, app.app, desk.connect(app.app, account=dana, member=desk.member))

    assert ids(app.api.get("Consent")) == [app.grant.id]
    assert ids(by_dana.api.get("Consent")) == [by_dana.grant.id] != [app.grant.id]
    nobody = app.api.get("Consent/00000000-0000-4000-8000-000000000000")
    for unseen in (other.grant.id, hers.grant.id, by_dana.grant.id):
        refused = app.api.get(f"Consent/{unseen}")
        assert (refused.status_code, refused.data) == (nobody.status_code, nobody.data) and refused.status_code == 404
    assert app.api.get("Consent?patient=other-patient").status_code == 403


def test_it_takes_the_scope(desk: Desk) -> None:
    without = connected(desk, scope="patient/Coverage.rs")
    for path in (f"Consent/{without.grant.id}", "Consent"):
        refused = without.api.get(path)
        assert refused.status_code == 403 and "patient/Consent" in refused.headers["WWW-Authenticate"]
    assert connected(desk, scope="patient/Consent.s").api.get("Consent").status_code == 200


def test_claims_only_does_not_reach_it_and_programs_see_none(connect: Connect, desk: Desk, system: Access) -> None:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member, scope=LinkScope.CLAIMS_ONLY)
    assert connected(desk, Reader(desk, dana)).api.get("Consent").status_code == 403
    from fhir import store
    from fhir.search.query import Search

    with desk.session() as session:
        assert store.search(session, system, Search("Consent")).matches == ()


def test_nobody_loads_consents(engine: Engine, desk: Desk, system: Access) -> None:
    made = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "patient": {"reference": f"Patient/{desk.member.patient_id}"},
    }
    summary = ingest.load_resources(engine, [made], access=system)
    assert summary.rejected == 1


def test_a_read_is_on_record(desk: Desk) -> None:
    app = connected(desk)
    app.api.get("Consent")
    page = app.reader.get(f"/apps/{app.grant.id}/activity").text
    assert "What you agreed with this app: 1 record, asked once" in page
