"""Cases 61 to 65 of security.md: ID tokens and UserInfo (63 is with the keys' rotation in the refresh cases)."""

import base64
import hashlib
import json
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet

from consent import representatives
from consent.models import Basis
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_representative
from tests.fhir.conftest import loaded, system
from tests.oauth.desk import Desk

__all__ = ["loaded", "system"]


def claims_of(desk: Desk, id_token: str) -> dict[str, Any]:
    """The claims, verified with the published keys."""
    keys = KeySet.import_key_set(desk.app.test_client().get("/oauth/jwks").get_json())
    return dict(jwt.decode(id_token, keys, algorithms=["RS256"]).claims)


def test_case_061_id_tokens_are_rs256_and_nothing_else(desk: Desk) -> None:
    body = desk.connect(desk.register())
    header = json.loads(base64.urlsafe_b64decode(body["id_token"].split(".")[0] + "=="))
    assert header["alg"] == "RS256" and header["kid"]
    configuration = desk.app.test_client().get("/.well-known/openid-configuration").get_json()
    assert configuration["id_token_signing_alg_values_supported"] == ["RS256"]


def test_case_062_auth_time_nonce_and_at_hash_are_true(desk: Desk, clock: MovableClock) -> None:
    app = desk.register()
    code = desk.agree(app, nonce="n-0S6_WzA2Mj é")
    clock.advance(30)
    first = desk.exchange(code).get_json()
    clock.advance(3000)
    second = desk.refresh(app, first["refresh_token"]).get_json()
    before, after = claims_of(desk, first["id_token"]), claims_of(desk, second["id_token"])
    assert before["nonce"] == "n-0S6_WzA2Mj é" and "nonce" not in after
    assert 29 <= before["iat"] - before["auth_time"] <= 90
    assert after["auth_time"] == before["auth_time"] and after["iat"] - before["iat"] >= 2999
    for body, claims in ((first, before), (second, after)):
        half = hashlib.sha256(body["access_token"].encode()).digest()[:16]
        assert claims["at_hash"] == base64.urlsafe_b64encode(half).decode().rstrip("=")
        assert claims["aud"] == claims["azp"] == app.id


def test_case_064_sub_is_stable_and_differs_for_each_member_represented(desk: Desk) -> None:
    with desk.session() as session:
        daughter, son = make_member(session), make_member(session)
        account = make_account(session, member=make_member(session))
        mother = make_representative(session, account)
        zone = desk.settings.plan.timezone
        links = {
            child.id: representatives.link(
                session, mother, child, basis=Basis.GUARDIAN, timezone=zone
            ).related_person_id
            for child in (daughter, son)
        }
        person_id = mother.person_id
    app, other_app = desk.register(), desk.register()
    subjects = {}
    for child in (daughter, son):
        body = desk.connect(app, account=account, member=child)
        claims = claims_of(desk, body["id_token"])
        assert body["patient"] == child.patient_id
        # One Person for both, who tells of the link to the member in context alone.
        assert claims["fhirUser"] == f"{desk.settings.fhir_base}/Person/{person_id}"
        own = {"Authorization": f"Bearer {body['access_token']}"}
        person = desk.app.test_client().get(claims["fhirUser"], headers=own).get_json()
        assert [one["target"]["reference"] for one in person["link"]] == [f"RelatedPerson/{links[child.id]}"]
        related = desk.app.test_client().get(f"/fhir/r4/RelatedPerson/{links[child.id]}", headers=own).get_json()
        assert related["patient"]["reference"] == f"Patient/{child.patient_id}"
        others = [f"RelatedPerson/{links[one.id]}" for one in (daughter, son) if one is not child]
        for address in (*others, "Person/x", f"Person/{mother.id}"):
            assert desk.app.test_client().get(f"/fhir/r4/{address}", headers=own).status_code == 404
        told = desk.app.test_client().get("/oauth/userinfo", headers=own).get_json()
        assert told["fhirUser"] == claims["fhirUser"]
        again = claims_of(desk, desk.connect(other_app, account=account, member=child)["id_token"])
        assert again["sub"] == claims["sub"]
        subjects[child.id] = claims["sub"]
    assert len(set(subjects.values())) == 2
    assert not set(subjects.values()) & {daughter.member_number, son.member_number, daughter.id, son.id, account.id}


def test_case_064_fhir_user_can_be_read_with_nothing_but_the_scope_of_its_name(desk: Desk, loaded: str) -> None:
    body = desk.connect(desk.register(), scope="openid fhirUser")
    address = claims_of(desk, body["id_token"])["fhirUser"]
    assert address == f"{desk.settings.fhir_base}/Patient/{loaded}"
    own = {"Authorization": f"Bearer {body['access_token']}"}
    answer = desk.app.test_client().get(address, headers=own)
    assert answer.status_code == 200 and answer.get_json()["id"] == loaded
    refused = desk.app.test_client().get(f"{desk.settings.fhir_base}/Coverage", headers=own)
    assert refused.status_code == 403


def test_case_065_userinfo_asks_for_openid_and_the_header(desk: Desk) -> None:
    browser = desk.app.test_client()
    with_openid, without = desk.connect(desk.register()), desk.connect(desk.register(), scope="patient/*.rs")

    def ask(token: str | None, path: str = "/oauth/userinfo", verb: str = "GET") -> Any:
        return browser.open(path, method=verb, headers={"Authorization": f"Bearer {token}"} if token else {})

    claims = claims_of(desk, with_openid["id_token"])
    for verb in ("GET", "POST"):
        told = ask(with_openid["access_token"], verb=verb)
        assert told.get_json() == {"sub": claims["sub"], "fhirUser": claims["fhirUser"]}
        assert told.headers["Cache-Control"] == "no-store"
    refused = ask(without["access_token"])
    assert refused.status_code == 403 and 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert ask(None, f"/oauth/userinfo?access_token={with_openid['access_token']}").status_code == 401
    bare = ask(None)
    assert bare.status_code == 401 and "error" not in bare.headers["WWW-Authenticate"]
    for token in ("x", with_openid["id_token"], with_openid["refresh_token"]):
        assert 'error="invalid_token"' in ask(token).headers["WWW-Authenticate"]
