"""The standalone launch from request to token, as an app sees it."""

from joserfc import jwt
from joserfc.jwk import KeySet

from consent.models import Duration
from oauth.apps.clients import AuthMethod
from tests.oauth.desk import SCOPE, Desk


def test_a_public_app_gets_tokens_for_the_member(desk: Desk) -> None:
    app = desk.register()
    answer = desk.exchange(desk.agree(app))
    body = answer.get_json()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Pragma"] == "no-cache"
    assert body["token_type"] == "Bearer" and body["expires_in"] == 3600
    assert set(body["scope"].split()) == set(SCOPE.split())
    assert body["patient"] == desk.member.patient_id and body["need_patient_banner"] is True
    assert desk.works(body["access_token"])


def test_confidential_apps_authenticate_by_basic_and_by_post(desk: Desk) -> None:
    assert desk.connect(desk.register_confidential())["access_token"]
    by_post = desk.register_confidential(AuthMethod.POST)
    code = desk.agree(by_post)
    answer = desk.token(code.form(client_secret=by_post.secret))
    assert answer.status_code == 200


def test_v1_scopes_are_answered_in_v1(desk: Desk) -> None:
    body = desk.connect(desk.register(), scope="launch/patient patient/Coverage.read patient/ExplanationOfBenefit.rs")
    assert set(body["scope"].split()) == {
        "launch/patient", "patient/Coverage.read", "patient/ExplanationOfBenefit.rs",
    }  # fmt: skip


def test_without_offline_access_there_is_no_refresh_token(desk: Desk) -> None:
    assert "refresh_token" not in desk.connect(desk.register(), scope="launch/patient patient/*.rs")


def test_a_member_who_ticks_less_gives_less_and_the_answer_says_so(desk: Desk) -> None:
    body = desk.connect(desk.register(), ticked="openid fhirUser launch/patient patient/Coverage.rs", offline=False)
    assert set(body["scope"].split()) == {"openid", "fhirUser", "launch/patient", "patient/Coverage.rs"}
    assert "refresh_token" not in body


def test_once_means_one_access_token_and_no_refresh(desk: Desk) -> None:
    body = desk.connect(desk.register(), duration=Duration.ONCE)
    assert "refresh_token" not in body and body["expires_in"] <= 3600


def test_the_id_token_names_the_member_to_this_app_only(desk: Desk) -> None:
    app = desk.register()
    body = desk.connect(app, nonce="nonce-1")
    keys = desk.app.test_client().get("/oauth/jwks").get_json()
    token = jwt.decode(body["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"])
    claims = token.claims
    assert token.header["kid"] == keys["keys"][0]["kid"]
    assert claims["iss"] == desk.settings.base_url and claims["aud"] == app.id and claims["azp"] == app.id
    assert claims["nonce"] == "nonce-1" and claims["auth_time"] <= claims["iat"] < claims["exp"]
    assert claims["fhirUser"] == f"{desk.settings.fhir_base}/Patient/{desk.member.patient_id}"
    assert claims["sub"] not in {desk.member.id, desk.member.member_number, desk.account.id}


def test_refreshing_repeats_the_context_and_the_sign_in_time(desk: Desk) -> None:
    app = desk.register()
    first = desk.connect(app, nonce="nonce-1")
    second = desk.refresh(app, first["refresh_token"]).get_json()
    assert second["patient"] == desk.member.patient_id and second["scope"] == first["scope"]
    keys = KeySet.import_key_set(desk.app.test_client().get("/oauth/jwks").get_json())
    before, after = (jwt.decode(body["id_token"], keys, algorithms=["RS256"]).claims for body in (first, second))
    assert after["auth_time"] == before["auth_time"] and after["sub"] == before["sub"]
    assert "nonce" not in after


def test_a_public_app_may_refresh_without_its_id(desk: Desk) -> None:
    token = desk.connect(desk.register())["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    body = desk.token(form).get_json()
    assert desk.works(body["access_token"])
    reuse = desk.token(form)
    assert (reuse.status_code, reuse.get_json()["error"]) == (400, "invalid_grant")
    assert not desk.works(body["access_token"])


def test_a_confidential_app_never_refreshes_without_its_secret(desk: Desk) -> None:
    body = desk.connect(desk.register_confidential())
    answer = desk.token({"grant_type": "refresh_token", "refresh_token": body["refresh_token"]})
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
    assert desk.works(body["access_token"])


def test_no_secret_is_stored_as_it_is(desk: Desk) -> None:
    from sqlalchemy import text

    app = desk.register_confidential()
    code = desk.agree(app)
    body = desk.exchange(code).get_json()
    with desk.session() as session:
        stored = "".join(
            str(row)
            for table in ("client", "authorization_code", "access_token", "refresh_token", "token_family")
            for row in session.execute(text(f"SELECT * FROM {table}"))
        )
    for secret in (app.secret, code.value, code.verifier, body["access_token"], body["refresh_token"]):
        assert secret and secret not in stored
