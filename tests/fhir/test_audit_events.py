"""Who has looked, as FHIR AuditEvents: rendered on read, valid, for an app that the member gave them by name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from consent.models import LinkScope
from consent.policy import backend_scopes
from consent.scopes import parse
from fhir import r4
from service import audit
from service.audit import AuditEvent, Outcome
from service.clock import now
from service.plan.models import SupportPurpose
from service.plan.staff import support_looks
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_plan_staff, make_portal_staff
from tests.fhir.conftest import Api, bundle, entries, ids
from tests.member.console import Connected, connected
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk

Connect = Callable[..., Api]
SCOPE = "openid offline_access patient/AuditEvent.rs patient/Patient.r patient/Coverage.rs"
ACCESS = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle|access"


def ledger(desk: Desk, reader: Reader | None = None, **given: Any) -> Connected:
    """An app that was given AuditEvents by name."""
    return connected(desk, reader, desk.register(scopes=SCOPE), **{"scope": SCOPE} | given)


def told(app: Connected, query: str = "") -> list[dict[str, Any]]:
    """Its AuditEvents, each valid as R4 has it."""
    answer = app.api.get(f"AuditEvent{query}")
    found = entries(answer)
    assert all(r4.find_problem(app.api.get(f"AuditEvent/{one['id']}").data) is None for one in found)
    return found


def looked_from_an_office(desk: Desk, reason: str) -> str:
    """An office asked whether the member is covered; its name."""
    with desk.session() as session:
        staff = make_portal_staff(session)
        audit.record(
            session, "provider:eligibility:lookup", account_id=staff.account.id, member_id=desk.member.id,
            resource_type="Coverage", count=1, reason=reason,
        )  # fmt: skip
        return staff.organization.name


def test_apps_people_and_offices_are_told_by_what_they_are(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    other = connected(desk)
    other.used("ExplanationOfBenefit", 14, member_id=desk.member.id, detail={"included": {"Organization": 2}})
    Reader(desk, dana).get("/my-information/medicines")
    Reader(desk, desk.account).take("/my-information/download/record.json")
    office = looked_from_an_office(desk, "treatment: her depression")
    with desk.session() as session:
        clerk = make_plan_staff(session)
        reasons = support_looks.Reasons(SupportPurpose.COMPLAINT, "she told me of her depression")
        support_looks.begin(session, clerk, session.merge(desk.member), reasons, login_session_id="none")

    app = ledger(desk)
    staff, by_office, own, by_dana, by_app = told(app)
    text = app.api.get("AuditEvent").text

    assert by_app["agent"][0]["name"] == other.app.view.name and by_app["agent"][0]["altId"] == other.app.id
    person, claims, offices = by_app["entity"]
    assert person["what"] == {"reference": f"Patient/{desk.member.patient_id}"}
    assert (claims["type"]["code"], claims["detail"][0]["valueString"]) == ("ExplanationOfBenefit", "12")
    assert (offices["type"]["code"], offices["detail"][0]["valueString"]) == ("Organization", "2")
    assert by_dana["agent"][0]["who"] == {"display": "Somebody who acts for the member"}
    assert own["agent"][0]["who"] == {"reference": f"Patient/{desk.member.patient_id}"}
    assert own["type"]["code"] == "110106"
    assert by_office["agent"][0]["who"] == {"display": office}
    assert by_office["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert staff["agent"][0]["who"] == {"display": "Member services of the health plan"}
    assert not any(word in text for word in ("Dana", "Reyes", "depression", clerk.account.given_name, dana.id))


def test_reading_them_is_on_record_among_them(desk: Desk) -> None:
    app = ledger(desk)
    assert told(app) == []
    (first,) = entries(app.api.get("AuditEvent?subtype=search-type"))
    assert (first["action"], first["outcome"], first["subtype"][0]["code"]) == ("E", "0", "search-type")
    assert first["agent"][0]["altId"] == app.app.id
    with desk.session() as session:
        rows = session.scalars(select(AuditEvent).where(AuditEvent.tag == "fhir:AuditEvent:search")).all()
    assert {(row.member_id, row.client_id, row.grant_id) for row in rows} == {
        (desk.member.id, app.app.id, app.grant.id)
    }
    page = app.reader.get("/who-has-looked").text
    assert "Who has looked at your information: 1 record" in page


def test_they_are_searched_by_time_and_kind(desk: Desk, clock: MovableClock) -> None:
    other = connected(desk)
    other.used("Observation", 3, member_id=desk.member.id)
    other.used("Coverage", 0, member_id=desk.member.id, outcome=Outcome.REFUSED)
    clock.advance(timedelta(days=2).total_seconds())
    looked_from_an_office(desk, "on file: a claim")
    clock.advance(1)
    app = ledger(desk)
    office, refused, read = told(app)
    today, patient = now().date().isoformat(), desk.member.patient_id
    asked = f"&date=le{office['recorded']}"

    for query, wanted in (
        (f"patient={patient}", [office, refused, read]), ("_sort=date", [refused, read, office]),
        ("_sort=-_lastUpdated", [office, refused, read]), ("patient:missing=true", []),
        (f"date={today}", [office]), (f"date=ne{today}", [refused, read]), (f"date=lt{today}", [refused, read]),
        (f"date=ge{today}", [office]), (f"date=gt{today}", []), (f"date=sa{today}", []),
        (f"date=eb{today}", [refused, read]), (f"date=ap{today}", [office]), ("date:missing=true", []),
        (f"date={office['recorded']}", [office]), (f"_lastUpdated=lt{today}", [refused, read]),
        ("action=E", [refused, read]), ("action=R", [office]), ("action:not=E", [office]),
        ("outcome=4", [refused]), ("outcome=0", [office, read]), ("outcome=0,4", [office, refused, read]),
        (f"altid={other.app.id}", [refused, read]), ("altid:missing=true", [office]), ("altid=nobody", []),
        ("entity-type=Observation", [read]), ("entity-type=http://hl7.org/fhir/resource-types|Coverage",
                                              [office, refused]),
        (f"type={ACCESS}", [office]), ("type=rest", [refused, read]), ("subtype:missing=true", [office]),
        (f"_id={read['id']}", [read]), (f"_id={read['id']},{office['id']}", [office, read]), ("_id=none", []),
        (f"_id:not={read['id']}", None), (f"type=rest&outcome=4&date=lt{today}", [refused]),
    ):  # fmt: skip
        answer = app.api.get(f"AuditEvent?{query}{asked}")
        if wanted is None:
            assert answer.status_code == 400, query
        else:
            assert sorted(ids(answer)) == sorted(one["id"] for one in wanted), query
            if "_sort" not in query:
                assert [one["recorded"] for one in entries(answer)] == sorted(
                    (one["recorded"] for one in wanted), reverse=True
                ), query
    assert bundle(app.api.get(f"AuditEvent?_summary=count{asked}"))["total"] == 3
    assert bundle(app.api.get(f"AuditEvent?_count=1&_total=accurate{asked}"))["total"] == 3
    assert ids(
        app.api.post_search("AuditEvent", {"patient": patient, "action": "R", "date": asked.partition("=")[2]})
    ) == [office["id"]]
    strict = {"Prefer": "handling=strict"}
    for query in ("agent-name=x", "_sort=outcome", "entity=Patient/1", "source=x"):
        assert app.api.get(f"AuditEvent?{query}", headers=strict).status_code == 400, query


@pytest.mark.parametrize("order", ["-date", "date", "_id", "-_id"])
def test_pages_follow_each_other_while_more_is_read(desk: Desk, clock: MovableClock, order: str) -> None:
    other = connected(desk)
    for number in range(7):
        # Several in the same microsecond too.
        other.used("Observation", number, member_id=desk.member.id)
        clock.advance(number % 2)
    app = ledger(desk)
    whole = ids(app.api.get(f"AuditEvent?_sort={order}&altid={other.app.id}"))
    assert len(set(whole)) == 7
    answer, seen = app.api.get(f"AuditEvent?_sort={order}&altid={other.app.id}&_count=2"), []
    while True:
        seen += ids(answer)
        other.used("Observation", 1, member_id=desk.member.id) if "-" in order else None
        following = [link["url"] for link in bundle(answer)["link"] if link["relation"] == "next"]
        if not following:
            break
        answer = app.api.get(following[0])
    assert seen[:7] == whole


def test_one_is_read_with_its_only_version(desk: Desk) -> None:
    looked_from_an_office(desk, "payment")
    app = ledger(desk)
    (one,) = told(app)
    here = f"AuditEvent/{one['id']}"
    assert app.api.get(here).get_json() == app.api.get(f"{here}/_history/1").get_json() == one
    assert app.api.get(f"{here}/_history/2").status_code == 404
    assert [entry["resource"]["id"] for entry in bundle(app.api.get(f"{here}/_history"))["entry"]] == [one["id"]]
    included = app.api.get(f"AuditEvent?_id={one['id']}&_include=AuditEvent:patient")
    assert ids(included) == [one["id"]]
    for nothing in ("none", "00000000-0000-4000-8000-000000000000", f"{one['id'][:-4]}0000", "f" * 32):
        assert app.api.get(f"AuditEvent/{nothing}").status_code == 404, nothing


def test_parts_of_them_are_read(desk: Desk) -> None:
    looked_from_an_office(desk, "payment")
    app = ledger(desk)
    told(app)
    always = {"resourceType", "id", "meta", "type", "recorded", "agent", "source"}
    for query, more in (
        ("_elements=outcome", {"outcome"}), ("_summary=text", set()),
        ("_summary=data", {"action", "outcome", "entity", "purposeOfEvent"}),
        ("_summary=true", {"action", "outcome", "purposeOfEvent"}),
    ):  # fmt: skip
        part = entries(app.api.get(f"AuditEvent?{query}&type={ACCESS}"))[0]
        assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
        assert part.keys() == always | more, query


def test_no_wildcard_reaches_them_whoever_allowed_it(desk: Desk) -> None:
    wild = connected(desk)
    assert wild.scope == {"*"}
    both = desk.register(scopes="patient/*.rs patient/AuditEvent.rs")
    only_wild = desk.register(scopes="patient/*.rs")
    for app, scope in (
        (both, "patient/*.rs"),
        (only_wild, "patient/*.rs patient/AuditEvent.rs"),
        (both, "patient/*.s"),
    ):
        asked = connected(desk, app=app, scope=scope)
        refused = asked.api.get("AuditEvent")
        assert refused.status_code == 403 and "patient/AuditEvent.s" in refused.headers["WWW-Authenticate"]
        assert asked.api.get("AuditEvent/none").status_code == 403
    assert (
        connected(desk, app=both, scope="patient/*.rs patient/AuditEvent.rs").api.get("AuditEvent").status_code == 200
    )


def test_another_members_do_not_exist(desk: Desk, connect: Connect) -> None:
    looked_from_an_office(desk, "payment")
    app = ledger(desk)
    (mine,) = told(app)
    with desk.session() as session:
        neighbour = make_member(session)
        ada = make_account(session, member=neighbour)
    tokens = desk.connect(app.app, account=ada, member=neighbour, scope=SCOPE)
    api = Api(desk.app.test_client(), neighbour.patient_id, tokens["access_token"], desk.settings.fhir_base)
    nobody, seen = api.get("AuditEvent/00000000-0000-4000-8000-000000000000"), api.get(f"AuditEvent/{mine['id']}")
    assert (seen.status_code, seen.data) == (nobody.status_code, nobody.data) and seen.status_code == 404
    assert api.ids(f"AuditEvent?_id={mine['id']}") == []
    assert all(one["agent"][0]["altId"] == app.app.id for one in entries(api.get("AuditEvent")))
    assert api.get(f"AuditEvent?patient={desk.member.patient_id}").status_code == 403


@pytest.mark.parametrize("scope", list(LinkScope))
def test_who_acts_for_a_member_cannot_give_them_away(desk: Desk, scope: LinkScope) -> None:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member, scope=scope)
    app = ledger(desk, Reader(desk, dana))
    assert "AuditEvent" not in app.scope
    assert app.api.get("AuditEvent").status_code == 403


def test_no_whole_record_and_no_export_holds_them(desk: Desk) -> None:
    app = ledger(desk)
    whole = app.api.get(f"Patient/{desk.member.patient_id}/$everything")
    assert whole.status_code == 404 or "AuditEvent" not in whole.text
    named = app.api.get(f"Patient/{desk.member.patient_id}/$everything?_type=AuditEvent")
    assert named.status_code == 400 and "not served" in named.text
    assert not backend_scopes("system/AuditEvent.rs", "system/AuditEvent.rs system/*.rs", None).resources
    assert not backend_scopes("system/*.rs", "system/*.rs", None).permits("AuditEvent", "r")


def test_the_consent_screen_says_what_it_is(desk: Desk) -> None:
    app = desk.register(scopes=SCOPE)
    reader = Reader(desk, desk.account)
    page = reader.ask(app, scope=SCOPE).text
    assert "Who has looked at your information" in page and "names of your other apps" in page
    assert "Who has looked at your information" not in reader.ask(app, scope="patient/Coverage.rs").text
    assert str(parse(SCOPE).resources[0]) == "patient/AuditEvent.rs"
