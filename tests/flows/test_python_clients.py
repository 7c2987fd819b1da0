"""Other people's Python clients, unmodified, against a running server with two workers."""

import pytest
from authlib.integrations.requests_client import OAuth2Session
from fhirclient.client import FHIRClient
from fhirclient.models.patient import Patient
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.flows.visitor import Visitor
from tests.oauth.desk import CALLBACK, SCOPE, Desk, new_verifier


def test_fhirclient_reads_its_patient_and_refreshes(live_desk: Desk) -> None:
    app = live_desk.register()
    smart = FHIRClient(
        settings={
            "app_id": app.id, "api_base": live_desk.settings.fhir_base, "redirect_uri": CALLBACK,
            "scope": "launch/patient openid fhirUser offline_access patient/*.read",
        }
    )  # fmt: skip
    assert smart.prepare() is False
    visitor = Visitor(live_desk.account.username)
    smart.handle_callback(visitor.walk(smart.authorize_url, CALLBACK))
    assert visitor.seen == ["Sign in", "Allow"]
    assert smart.patient_id == live_desk.member.patient_id
    assert Patient.read(smart.patient_id, smart.server).name[0].family == live_desk.member.family_name
    before = smart.server.auth.access_token
    smart.reauthorize()
    assert smart.server.auth.access_token != before
    assert Patient.read(smart.patient_id, smart.server).id == live_desk.member.patient_id


def test_fhirclient_hears_a_no(live_desk: Desk) -> None:
    app = live_desk.register()
    smart = FHIRClient(
        settings={
            "app_id": app.id, "api_base": live_desk.settings.fhir_base, "redirect_uri": CALLBACK,
            "scope": "launch/patient patient/*.read",
        }
    )  # fmt: skip
    smart.prepare()
    url = Visitor(live_desk.account.username).walk(smart.authorize_url, CALLBACK, answer="Don't allow")
    assert "error=access_denied" in url
    with pytest.raises(Exception, match="denied"):
        smart.handle_callback(url)


def test_authlib_client_signs_in_reads_refreshes_and_revokes(live_desk: Desk) -> None:
    app, base = live_desk.register_confidential(), live_desk.settings.base_url
    client = OAuth2Session(
        app.id, app.secret, scope=SCOPE, redirect_uri=CALLBACK, code_challenge_method="S256",
        token_endpoint=f"{base}/oauth/token", token_endpoint_auth_method="client_secret_basic",
    )  # fmt: skip
    verifier = new_verifier()
    url, state = client.create_authorization_url(
        f"{base}/oauth/authorize", code_verifier=verifier, nonce="n-1", aud=live_desk.settings.fhir_base
    )
    back = Visitor(live_desk.account.username).walk(url, CALLBACK)
    token = client.fetch_token(authorization_response=back, state=state, code_verifier=verifier)
    keys = KeySet.import_key_set(client.get(f"{base}/oauth/jwks", withhold_token=True).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
    assert claims["nonce"] == "n-1" and claims["aud"] == app.id
    assert client.get(claims["fhirUser"]).json()["id"] == live_desk.member.patient_id
    renewed = client.refresh_token(f"{base}/oauth/token")
    assert renewed["access_token"] != token["access_token"]
    assert client.get(claims["fhirUser"]).status_code == 200
    assert client.revoke_token(f"{base}/oauth/revoke", token=renewed["refresh_token"]).status_code == 200
    assert client.get(claims["fhirUser"]).status_code == 401


def test_a_second_time_the_app_goes_straight_through(live_desk: Desk) -> None:
    app = live_desk.register_confidential()
    visitor, base = Visitor(live_desk.account.username), live_desk.settings.base_url
    for _ in range(2):
        client = OAuth2Session(app.id, app.secret, scope=SCOPE, redirect_uri=CALLBACK, code_challenge_method="S256")
        verifier = new_verifier()
        url, state = client.create_authorization_url(
            f"{base}/oauth/authorize", code_verifier=verifier, aud=live_desk.settings.fhir_base
        )
        back = visitor.walk(url, CALLBACK)
        assert client.fetch_token(
            f"{base}/oauth/token", authorization_response=back, state=state, code_verifier=verifier
        )["patient"]
    assert visitor.seen == ["Sign in", "Allow"]
