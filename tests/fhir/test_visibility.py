"""What a token shows: scopes, granular scopes, who granted, very personal topics; without one nothing."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from consent import representatives
from consent.models import Basis
from consent.policy import own_record
from consent.representatives import MemberChoice
from fhir import r4, store
from service.db import make_sessions
from tests.factories import make_account, make_member, make_representative
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api, bundle
from tests.oauth.desk import Desk


@pytest.mark.parametrize(
    ("scope", "may", "may_not"),
    [
        ("patient/Coverage.r", "Coverage/cov-{0}", "Coverage"),
        ("patient/Coverage.s", "Coverage", "Coverage/cov-{0}"),
        ("patient/Coverage.read", "Coverage", "ExplanationOfBenefit"),
        ("user/Coverage.rs", "Coverage", "Patient/{0}"),
    ],
)
def test_letters_of_scopes_are_kept(connect: Callable[..., Api], scope: str, may: str, may_not: str) -> None:
    api = connect(f"launch/patient {scope}")

    assert api.get(may.format(api.patient_id)).status_code == 200
    refused = api.get(may_not.format(api.patient_id))
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert refused.get_json()["issue"][0]["code"] == "forbidden"


def test_granular_scopes_hold_for_every_way_in(connect: Callable[..., Api]) -> None:
    api = connect(f"launch/patient patient/Observation.rs?category={records.CATEGORY}|laboratory")

    assert api.ids("Observation") == [f"lab-{api.patient_id}"]
    assert api.ids("Observation?category=vital-signs") == []
    assert api.get(f"Observation/lab-{api.patient_id}").status_code == 200
    for way in ("", "/_history", "/_history/1"):
        assert api.get(f"Observation/pulse-{api.patient_id}{way}").status_code == 404


def test_who_granted_fhiruser_lets_themselves_be_read(connect: Callable[..., Api]) -> None:
    api = connect("openid fhirUser launch/patient patient/Coverage.rs")

    assert api.get(f"Patient/{api.patient_id}").status_code == 200
    assert api.get("Patient").status_code == 403
    assert api.get(f"Patient/{OTHER}").status_code == 403


def test_a_representative_is_readable_as_relatedperson(desk: Desk, loaded: str) -> None:
    with desk.session() as session:
        account = make_account(session)
        representative = make_representative(session, account)
        member = session.merge(desk.member)
        link = representatives.link(
            session, representative, member, basis=Basis.POWER_OF_ATTORNEY, timezone=desk.settings.plan.timezone
        )
        person = link.related_person_id
    scope = "openid fhirUser launch/patient patient/Coverage.rs"
    token = desk.connect(desk.register(), scope=scope, account=account, member=desk.member)["access_token"]
    api = Api(desk.app.test_client(), loaded, token, desk.settings.fhir_base)

    answer = api.get(f"RelatedPerson/{person}")

    assert answer.status_code == 200, answer.text
    body = answer.get_json()
    assert body["patient"] == {"reference": f"Patient/{loaded}"}
    assert body["relationship"][0]["coding"][0]["code"] == "POWATT"
    assert r4.find_problem(answer.data) is None
    assert api.get(f"Patient/{loaded}").status_code == 403
    assert api.get("RelatedPerson/somebody-else").status_code == 403
    for scope, status in (("patient/RelatedPerson.r", 200), ("patient/RelatedPerson.s", 403), ("fhirUser", 200)):
        asked = f"openid launch/patient patient/Coverage.rs {scope}"
        body = desk.connect(desk.register(), scope=asked, account=account, member=desk.member)
        told = Api(desk.app.test_client(), loaded, body["access_token"], desk.settings.fhir_base)
        assert told.get(f"RelatedPerson/{person}").status_code == status, scope


def test_user_scopes_of_somebody_who_acts_for_two_reach_the_one_who_was_chosen(desk: Desk, loaded: str) -> None:
    with desk.session() as session:
        account = make_account(session)
        representative, member = make_representative(session, account), session.merge(desk.member)
        for each in (member, make_member(session, patient_id=OTHER)):
            representatives.link(
                session, representative, each, basis=Basis.POWER_OF_ATTORNEY, timezone=desk.settings.plan.timezone
            )
    body = desk.connect(desk.register(), scope="launch/patient user/*.rs", account=account, member=desk.member)
    api = Api(desk.app.test_client(), loaded, body["access_token"], desk.settings.fhir_base)

    assert "user/*.rs" in body["scope"].split() and body["patient"] == loaded
    assert api.ids("Patient") == [loaded] and api.ids("Coverage") == [f"cov-{loaded}"]
    assert api.get(f"Patient/{OTHER}").status_code == 404 and api.get(f"Coverage/cov-{OTHER}").status_code == 404
    assert api.get(f"Coverage?patient={OTHER}").status_code == 403


def test_sensitive_classes_stay_out_until_they_are_ticked(api: Api) -> None:
    hidden = f"eob-s-{api.patient_id}"

    assert hidden not in api.ids("ExplanationOfBenefit")
    assert bundle(api.get("ExplanationOfBenefit?_summary=count"))["total"] == 3
    for way in ("", "/_history", "/_history/1"):
        assert api.get(f"ExplanationOfBenefit/{hidden}{way}").status_code == 404


def test_without_a_token_nothing_is_told(api: Api) -> None:
    for headers, code in (({"Authorization": ""}, "login"), ({"Authorization": "Bearer nonsense"}, "expired")):
        answer = api.get(f"Patient/{api.patient_id}", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.get_json()["issue"][0]["code"] == code


def test_counts_for_the_preview_are_the_members_own(desk: Desk, loaded: str, engine: Engine) -> None:
    with make_sessions(engine)() as session:
        access = own_record(desk.account, MemberChoice(desk.member, None))
        counts = store.counts(session, access)

    assert counts == {"Patient": 1, "Coverage": 1, "ExplanationOfBenefit": 4, "Observation": 2, "Provenance": 1}
