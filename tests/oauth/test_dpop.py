"""Tokens bound to a key (RFC 9449): what a proof must be, and that a bound token is worth nothing without one."""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from oauth.models import Client, PendingAuthorization, RefreshToken, TokenFamily
from oauth.tokens import dpop
from tests.attacks.test_refresh_and_revocation import introspect
from tests.attacks.test_token_endpoint import is_refused
from tests.conftest import MovableClock
from tests.oauth.desk import CALLBACK, App, Desk, pending_id
from tests.oauth.keyed import part
from tests.oauth.proofs import TOKEN, Prover

PATIENTS = "http://localhost/fhir/r4/Patient"
USERINFO = "http://localhost/oauth/userinfo"


def bound(desk: Desk, app: App, prover: Prover) -> dict[str, Any]:
    """The token response of an app that proves its key."""
    answer = desk.exchange(desk.agree(app), proof=prover.proof())
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    assert body["token_type"] == "DPoP"
    return body


def search(desk: Desk, headers: dict[str, str]) -> TestResponse:
    """A search at the API."""
    return desk.app.test_client().get("/fhir/r4/Patient", headers=headers)


@pytest.mark.parametrize("algorithm", dpop.ALGORITHMS)
def test_a_proof_binds_the_token_to_its_key(desk: Desk, algorithm: str) -> None:
    prover = Prover(algorithm)
    token = bound(desk, desk.register(), prover)["access_token"]
    assert search(desk, prover.headers(token, PATIENTS)).status_code == 200
    assert search(desk, prover.headers(token, f"{PATIENTS}?x=1#y")).status_code == 200, (
        "query and fragment do not count"
    )
    assert search(desk, prover.headers(token, PATIENTS.replace("localhost", "LOCALHOST:80"))).status_code == 200
    told = desk.app.test_client().get(
        "/oauth/userinfo", headers=prover.headers(token, "http://localhost/oauth/userinfo")
    )
    assert told.status_code == 200


def deep(prover: Prover) -> str:
    """A proof whose header is nested deeper than the library reads, though no deeper than its size allows."""
    head = json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": prover.jwk})
    nested = f'{head[:-1]},"x":{"[" * 980}{"]" * 980}}}'
    return f"{urlsafe_b64encode(nested.encode()).decode().rstrip('=')}.e30.AAAA"


def bad_proofs(prover: Prover, uri: str, token: str | None = None) -> dict[str, str]:
    """Proofs that prove nothing."""
    good, other, method = prover.proof(uri, token=token), Prover(), "POST" if token is None else "GET"
    private, secret = dict(prover.key.as_dict(private=True)), OctKey.import_key("x" * 40)
    head, body, signature = good.split(".")

    def made(**changed: Any) -> str:
        return prover.proof(uri, method, token=token, **changed)

    now = int(time.time())
    return {
        "nothing": "", "no jwt": "x", "no signature": f"{head}.{body}.", "two at once": f"{made()},{made()}",
        "altered": f"{head}.{body[:-2]}AA.{signature}", "long": made(padding="x" * 5000),
        "typ": made(header={"typ": "JWT"}), "no typ": made(header={"typ": None}),
        "private key": made(header={"jwk": private}), "no key": made(header={"jwk": None}),
        "another's key": made(header={"jwk": other.jwk}), "signed by another": made(signed_by=other.key),
        "symmetric": made(header={"alg": "HS256"}, signed_by=secret),
        "symmetric key": made(header={"alg": "HS256", "jwk": dict(secret.as_dict())}, signed_by=secret),
        "key of another kind": made(header={"jwk": dict(RSAKey.generate_key(2048).as_dict(private=False))}),
        "key no point": made(header={"jwk": prover.jwk | {"x": "AAAA"}}),
        "key of numbers": made(header={"jwk": prover.jwk | {"x": 1}}), "crit": made(header={"crit": ["typ"]}),
        "method": made(htm="PUT"), "no method": made(htm=None), "uri": made(htu=f"{uri}/x"),
        "other host": made(htu=uri.replace("localhost", "evil.example")), "no uri": made(htu=None),
        "uri no text": made(htu=[uri]), "uri broken": made(htu="http://[x"), "old": made(iat=now - 120),
        "of tomorrow": made(iat=now + 120), "no time": made(iat=None), "time no number": made(iat=str(now)),
        "time true": made(iat=True), "time huge": made(iat=10**30), "no jti": made(jti=None),
        "empty jti": made(jti=""), "jti no text": made(jti={"a": 1}), "jti long": made(jti="x" * 300),
        "deep": deep(prover),
    }  # fmt: skip


def test_a_bad_proof_is_refused_at_the_token_endpoint_and_spends_nothing(desk: Desk) -> None:
    app, prover = desk.register(), Prover()
    code = desk.agree(app)
    for what, proof in bad_proofs(prover, TOKEN).items():
        answer = desk.exchange(code, proof=proof)
        assert is_refused(answer, "invalid_dpop_proof"), what
    once = prover.proof()
    assert desk.exchange(code, proof=once).status_code == 200
    assert is_refused(desk.exchange(desk.agree(app), proof=once), "invalid_dpop_proof"), "used before"


def test_a_bad_proof_is_refused_at_the_api_with_its_own_challenge(desk: Desk) -> None:
    prover = Prover()
    token = bound(desk, desk.register(), prover)["access_token"]
    bad = bad_proofs(prover, PATIENTS, token)
    bad |= {
        "no ath": prover.proof(PATIENTS, "GET"), "other ath": prover.proof(PATIENTS, "GET", token="x"),
        "for the token endpoint": prover.proof(token=token),
    }  # fmt: skip
    for what, proof in bad.items():
        answer = search(desk, {"Authorization": f"DPoP {token}", "DPoP": proof})
        assert answer.status_code == 401, what
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith("DPoP ") and 'error="invalid_dpop_proof"' in challenge, what
        assert f'algs="{" ".join(dpop.ALGORITHMS)}"' in challenge
        assert answer.get_json()["resourceType"] == "OperationOutcome"
    used = prover.headers(token, PATIENTS)
    assert search(desk, used).status_code == 200
    assert 'error="invalid_dpop_proof"' in search(desk, used).headers["WWW-Authenticate"]


def test_a_proof_may_name_its_moment_to_a_fraction_of_a_second(desk: Desk) -> None:
    prover, now = Prover(), time.time()
    for moment, status in ((now + 0.5, 200), (now - 120.5, 400), (-0.5, 400)):
        assert desk.exchange(desk.agree(desk.register()), proof=prover.proof(iat=moment)).status_code == status, moment


@pytest.mark.parametrize("moment", [
    "1e12", "253402300799", "253402300800", "549755813888", "1099511627776", "1" + 40 * "0", "9" * 400, "1e308",
    "1e400", "-1", "-1e12", "-62135596801", "-" + "9" * 400, "0", "-0.0", "0.5", "NaN", "Infinity", "-Infinity",
    '"1700000000"', '"1e12"', "true", "false", "null", "[1]", '{"a": 1}', '""',
])  # fmt: skip
def test_what_is_no_moment_of_now_is_refused_whatever_else_it_is(desk: Desk, moment: str) -> None:
    app, prover = desk.register(), Prover()
    head, body, _ = prover.proof(iat=0).split(".")
    said = urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b'"iat": 0', f'"iat": {moment}'.encode())
    assert moment.encode() in said
    content = f"{head}.{part(said)}"
    signature = JWSRegistry.algorithms["ES256"].sign(content.encode(), prover.key)
    form = {"grant_type": "refresh_token", "refresh_token": "junk", "client_id": app.id}
    proof = {"DPoP": f"{content}.{part(signature)}"}
    answer = desk.app.test_client().post("/oauth/token", data=form, headers=proof)
    assert is_refused(answer, "invalid_dpop_proof"), answer.text
    unsigned = desk.app.test_client().post("/oauth/token", data=form, headers={"DPoP": f"{content}.AAAA"})
    assert is_refused(unsigned, "invalid_dpop_proof")


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_short_rsa_key_proves_nothing(desk: Desk) -> None:
    prover = Prover("RS256")
    prover.key = RSAKey.generate_key(1024)
    assert is_refused(desk.exchange(desk.agree(desk.register()), proof=prover.proof()), "invalid_dpop_proof")


def test_a_bound_token_is_no_bearer_token_and_the_reverse(desk: Desk) -> None:
    prover, thief = Prover(), Prover()
    app = desk.register()
    token, bearer = bound(desk, app, prover)["access_token"], desk.connect(app)["access_token"]
    for headers in (
        {"Authorization": f"Bearer {token}"}, prover.headers(token, PATIENTS) | {"Authorization": f"Bearer {token}"},
        prover.headers(bearer, PATIENTS), thief.headers(token, PATIENTS), prover.headers("unknown", PATIENTS),
        # Whatever came for a proof is not looked at: there is no key that it could be of.
        {"Authorization": f"DPoP {bearer}"},
    ):  # fmt: skip
        answer = search(desk, headers)
        assert answer.status_code == 401, headers
        assert answer.headers["WWW-Authenticate"].startswith('DPoP realm="fhir", error="invalid_token"'), headers
    assert search(desk, {"Authorization": f"Bearer {bearer}"}).status_code == 200
    userinfo = desk.app.test_client().get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert userinfo.status_code == 401 and userinfo.headers["WWW-Authenticate"].startswith("DPoP ")


def test_too_little_scope_is_told_in_the_callers_scheme(desk: Desk) -> None:
    prover = Prover()
    answer = desk.exchange(desk.agree(desk.register(), scope="patient/Coverage.rs"), proof=prover.proof())
    refused = search(desk, prover.headers(answer.get_json()["access_token"], PATIENTS))
    assert refused.status_code == 403
    assert refused.headers["WWW-Authenticate"].startswith('DPoP realm="fhir", error="insufficient_scope"')


def test_introspection_names_the_key(desk: Desk) -> None:
    prover, app = Prover(), desk.register()
    caller = desk.register_confidential(may_introspect=True)
    for token, expected in (
        (bound(desk, app, prover)["access_token"], ("DPoP", {"jkt": prover.jkt})),
        (desk.connect(app)["access_token"], ("Bearer", None)),
    ):
        told = introspect(desk, caller, token)
        assert (told["token_type"], told.get("cnf")) == expected


def test_a_public_apps_refresh_token_needs_the_same_key(desk: Desk, clock: MovableClock) -> None:
    app, prover, thief = desk.register(), Prover(), Prover()
    first = bound(desk, app, prover)
    for proof in (None, thief.proof()):
        assert is_refused(desk.refresh(app, first["refresh_token"], proof=proof), "invalid_grant")
    second = desk.refresh(app, first["refresh_token"], proof=prover.proof()).get_json()
    assert second["token_type"] == "DPoP"
    # A spent one without the key ends nothing; with the key it is a reuse.
    assert is_refused(desk.refresh(app, first["refresh_token"], proof=thief.proof()), "invalid_grant")
    assert search(desk, prover.headers(second["access_token"], PATIENTS)).status_code == 200
    assert is_refused(desk.refresh(app, first["refresh_token"], proof=prover.proof()), "invalid_grant")
    assert search(desk, prover.headers(second["access_token"], PATIENTS)).status_code == 401


def test_a_confidential_app_may_change_its_key_and_a_public_one_may_begin_to_have_one(desk: Desk) -> None:
    confidential, old, new = desk.register_confidential(), Prover(), Prover()
    first = bound(desk, confidential, old)
    second = desk.refresh(confidential, first["refresh_token"], proof=new.proof()).get_json()
    assert search(desk, new.headers(second["access_token"], PATIENTS)).status_code == 200
    assert search(desk, old.headers(second["access_token"], PATIENTS)).status_code == 401

    public = desk.register()
    token = desk.connect(public)["refresh_token"]
    third = desk.refresh(public, token, proof=new.proof()).get_json()
    assert third["token_type"] == "DPoP"
    assert is_refused(desk.refresh(public, third["refresh_token"]), "invalid_grant")


def test_an_app_may_be_held_to_it(desk: Desk) -> None:
    app, prover = desk.register(dpop_bound_access_tokens=True), Prover()
    code = desk.agree(app)
    assert is_refused(desk.exchange(code), "invalid_dpop_proof")
    body = desk.exchange(code, proof=prover.proof()).get_json()
    assert body["token_type"] == "DPoP"
    assert is_refused(desk.refresh(app, body["refresh_token"]), "invalid_dpop_proof")


def test_a_connection_of_before_the_app_was_held_to_it_is_bound_at_its_next_refresh(desk: Desk) -> None:
    app, prover = desk.register(), Prover()
    first = desk.connect(app)
    with desk.session() as session:
        session.get_one(Client, app.id).dpop_bound_access_tokens = True

    refused = desk.refresh(app, first["refresh_token"])
    assert is_refused(refused, "invalid_dpop_proof")
    told = refused.get_json()["error_description"]
    assert "with a DPoP header" in told and "not used up" in told
    assert desk.works(first["access_token"]), "nothing was spent, and nothing ended"

    second = desk.refresh(app, first["refresh_token"], proof=prover.proof()).get_json()
    assert second["token_type"] == "DPoP"
    assert not desk.works(first["access_token"])
    for proof in (None, Prover().proof()):
        assert desk.refresh(app, second["refresh_token"], proof=proof).status_code == 400
    third = desk.refresh(app, second["refresh_token"], proof=prover.proof())
    assert search(desk, prover.headers(third.get_json()["access_token"], PATIENTS)).status_code == 200


def test_who_binds_a_stolen_refresh_token_to_their_own_key_is_found_out(desk: Desk, clock: MovableClock) -> None:
    app, thief = desk.register(), Prover()
    stolen = desk.connect(app)["refresh_token"]
    clock.advance(seconds=1)
    taken = desk.refresh(app, stolen, proof=thief.proof()).get_json()
    assert search(desk, thief.headers(taken["access_token"], PATIENTS)).status_code == 200
    clock.advance(seconds=1)
    # The app's own copy was never bound to any key: shown again, by whomever, it is a second use.
    assert is_refused(desk.refresh(app, stolen), "invalid_grant")
    assert search(desk, thief.headers(taken["access_token"], PATIENTS)).status_code == 401
    assert is_refused(desk.refresh(app, taken["refresh_token"], proof=thief.proof()), "invalid_grant")


def test_a_clock_that_was_set_back_lets_nobody_refresh_without_the_key(desk: Desk, clock: MovableClock) -> None:
    app, prover = desk.register(), Prover()
    first = desk.refresh(app, desk.connect(app)["refresh_token"], proof=prover.proof()).get_json()["refresh_token"]
    clock.advance(seconds=-30)
    second = desk.refresh(app, first, proof=prover.proof()).get_json()["refresh_token"]
    for proof in (None, Prover().proof()):
        assert is_refused(desk.refresh(app, second, proof=proof), "invalid_grant")
    third = desk.refresh(app, second, proof=prover.proof())
    assert third.status_code == 200
    # Nor does who has no key end the connection by a spent one.
    assert is_refused(desk.refresh(app, second), "invalid_grant")
    assert desk.refresh(app, third.get_json()["refresh_token"], proof=prover.proof()).status_code == 200


def test_a_clock_that_was_set_back_hides_no_thief_who_bound_the_connection(desk: Desk, clock: MovableClock) -> None:
    app, thief = desk.register(), Prover()
    stolen = desk.connect(app)["refresh_token"]
    clock.advance(seconds=-30)
    taken = desk.refresh(app, stolen, proof=thief.proof()).get_json()
    assert is_refused(desk.refresh(app, stolen), "invalid_grant")
    assert is_refused(desk.refresh(app, taken["refresh_token"], proof=thief.proof()), "invalid_grant")


def test_tokens_of_a_release_that_did_not_say_whether_they_are_bound_need_the_key(desk: Desk) -> None:
    app, prover = desk.register(), Prover()
    first = desk.connect(app)["refresh_token"]
    second = desk.refresh(app, first, proof=prover.proof()).get_json()["refresh_token"]
    with desk.session() as session:
        family = session.scalars(select(TokenFamily)).one()
        assert family.dpop_bound_at is not None
        # The last one as if the clock had been set back since.
        before = family.dpop_bound_at - timedelta(seconds=10)
        session.execute(update(RefreshToken).values(key_bound=None, created_at=before))
    assert is_refused(desk.refresh(app, second), "invalid_grant")
    third = desk.refresh(app, second, proof=prover.proof()).get_json()
    assert is_refused(desk.refresh(app, first), "invalid_grant")
    assert is_refused(desk.refresh(app, third["refresh_token"], proof=prover.proof()), "invalid_grant"), (
        "reuse ended it"
    )


def test_dpop_jkt_binds_the_code(desk: Desk) -> None:
    app, prover, thief = desk.register(), Prover(), Prover()
    code = desk.agree(app, dpop_jkt=prover.jkt)
    for proof in (None, thief.proof()):
        assert is_refused(desk.exchange(code, proof=proof), "invalid_grant")
    assert desk.exchange(code, proof=prover.proof()).status_code == 200
    browser = desk.app.test_client()
    for bad in ("x", "a" * 44, "a" * 42 + "="):
        assert "error=invalid_request" in desk.authorize(browser, app, dpop_jkt=bad).location


def test_a_pushed_request_with_a_proof_binds_its_code(desk: Desk) -> None:
    app, prover, thief = desk.register(), Prover(), Prover()
    par, browser = "http://localhost/oauth/par", desk.app.test_client()
    for changed, proof, status in (
        ({}, thief.proof(), 400), ({"dpop_jkt": thief.jkt}, prover.proof(par), 400),
        ({"dpop_jkt": prover.jkt}, prover.proof(par), 201), ({}, prover.proof(par), 201),
    ):  # fmt: skip
        pushed = browser.post("/oauth/par", data=desk.parameters(app, **changed), headers={"DPoP": proof})
        assert pushed.status_code == status, pushed.text
    named = {"client_id": app.id, "request_uri": pushed.get_json()["request_uri"]}
    kept = browser.get("/oauth/authorize", query_string=named)
    assert kept.status_code == 303 and not kept.location.startswith(CALLBACK)
    with desk.session() as session:
        assert session.get_one(PendingAuthorization, pending_id(kept.location)).dpop_jkt == prover.jkt
