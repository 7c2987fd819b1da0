"""Cases 38, 39, 42 to 44 and 46 of security.md for apps that prove themselves by a key (private_key_jwt)."""

import hmac
import json
import time
from typing import Any

from sqlalchemy import text
from werkzeug.test import TestResponse

from oauth.apps import public_keys, reviews
from oauth.callers import assertions
from service import jobs
from tests.attacks.test_client_authentication import ENDPOINTS, GRANT, post
from tests.attacks.test_token_endpoint import is_refused
from tests.conftest import MovableClock
from tests.oauth.desk import Desk
from tests.oauth.keyed import (
    TOKEN,
    Program,
    ec,
    part,
    register_keyed,
    rsa,
)


def is_out(answer: TestResponse) -> bool:
    """Whether the app was not believed, in the one answer for all failures."""
    return is_refused(answer, "invalid_client", 401)


def test_case_038_an_assertion_beside_another_method_is_refused(desk: Desk) -> None:
    program = register_keyed(desk)
    by_secret = desk.register_confidential()
    for path in ENDPOINTS:
        form = GRANT | {"token": "t"}
        header = by_secret.basic()["Authorization"]
        assert is_refused(post(desk, form | program.proof(), header, path), "invalid_request")
        assert is_refused(post(desk, form | program.proof() | {"client_secret": "x"}, None, path), "invalid_request")
        assert program.knock(path=path).status_code == (400 if path == TOKEN else 200)


def test_case_039_an_app_with_a_key_has_no_other_way_in(desk: Desk) -> None:
    program, by_secret = register_keyed(desk), desk.register_confidential()
    for path in ENDPOINTS:
        form = GRANT | {"token": "t"}
        assert is_out(post(desk, form | {"client_id": program.id}, None, path))
        assert is_out(post(desk, form | {"client_id": program.id, "client_secret": "x"}, None, path))
        assert is_out(post(desk, form, program.app.basic("x")["Authorization"], path))
        for client_id in (by_secret.id, desk.register().id, "nobody"):
            other = Program(desk, by_secret, program.pair).proof(iss=client_id, sub=client_id)
            assert is_out(post(desk, form | other, None, path))
        assert is_out(post(desk, form | program.proof() | {"client_id": by_secret.id}, None, path))


def test_an_assertion_works_at_every_endpoint_with_either_kind_of_key(desk: Desk) -> None:
    for pair in (ec(), rsa()):
        program = register_keyed(desk, pair)
        assert program.knock().status_code == 200
        # Most libraries leave the type out.
        assert program.knock(pair.sign(program.claims(), typ=None)).status_code == 200
        assert program.knock(path="/oauth/introspect").get_json() == {"active": False}
        code = desk.agree(program.app)
        answer = desk.app.test_client().post(TOKEN, data=code.form(client_id=None) | program.proof())
        assert answer.status_code == 200, answer.text
        token = answer.get_json()["refresh_token"]
        refreshed = {"grant_type": "refresh_token", "refresh_token": token, "client_id": program.id}
        assert is_out(desk.app.test_client().post(TOKEN, data=refreshed))
        assert desk.app.test_client().post(TOKEN, data=refreshed | program.proof()).status_code == 200


def test_a_wrong_assertion_type_is_a_malformed_request(desk: Desk) -> None:
    program = register_keyed(desk)
    good = program.proof()
    for changed in (
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_assertion_type": ""},
        {"client_assertion": ""},
    ):
        form = {"token": "t"} | good | changed
        assert is_refused(post(desk, form, None, "/oauth/revoke"), "invalid_request")


def test_case_042_only_a_registered_key_with_its_own_algorithm_signs(desk: Desk) -> None:
    pairs = (ec(), rsa())
    jwks = {"keys": [pair.public for pair in pairs]}
    for pair, other in (pairs, pairs[::-1]):
        program = register_keyed(desk, pair, jwks=jwks)
        stranger = ec("stranger")
        public = json.dumps(pair.public).encode()
        pem = pair.key.as_pem(private=False)
        ours = json.dumps(desk.app.test_client().get("/oauth/jwks").get_json()["keys"][0]).encode()
        claims = program.claims
        head = {"alg": pair.algorithm, "kid": pair.kid, "typ": "JWT"}
        signature = pair.sign(claims()).rpartition(".")[2]
        wrong = {
            "alg none": f"{part({**head, 'alg': 'none'})}.{part(claims())}.",
            "alg none, signed": f"{part({**head, 'alg': 'none'})}.{part(claims())}.{signature}",
            "another's signature": f"{part(head)}.{part(claims())}.{signature}",
            "no kid": pair.sign(claims(), kid=None),
            "unknown kid": stranger.sign(claims()),
            "a stranger's key under the kid": stranger.sign(claims(), kid=pair.kid),
            "the kid of the other key": pair.sign(claims(), kid=other.kid),
            "kid of another kind": pair.sign(claims(), kid=[pair.kid]), "crit": pair.sign(claims(), crit=["exp"]),
            "typ of an access token": pair.sign(claims(), typ="at+jwt"),
            "jwk": pair.sign(claims(), jwk=pair.public),
            "a stranger's jwk": stranger.sign(claims(), jwk=stranger.public),
            "jku": pair.sign(claims(), jku="https://keys.example/jwks"),
            "x5u": pair.sign(claims(), x5u="https://keys.example/chain"),
            "x5c": pair.sign(claims(), x5c=["MIIB"]),
            "empty": "", "one part": "x", "two parts": f"{part(head)}.{part(claims())}", "not base64": "%.%.%",
            "no JSON": f"{part(b'x')}.{part(b'x')}.{signature}",
            "deep JSON": f"{part(head)}.{part(b'[' * 3000)}.{signature}",
            "JSON serialization": json.dumps({"payload": part(claims()), "signatures": []}),
            "flattened": json.dumps({"payload": part(claims()), "protected": part(head), "signature": signature}),
            "too long": pair.sign(claims(filler="x" * 9_000)),
        }  # fmt: skip
        for name, secret in (("their key", public), ("their PEM", pem), ("our key", ours)):
            content = f"{part({**head, 'alg': 'HS256'})}.{part(claims())}"
            wrong[f"HS256 with {name}"] = f"{content}.{part(hmac.digest(secret, content.encode(), 'sha256'))}"
        for algorithm in ("RS256", "RS512", "PS384") if pair.algorithm == "RS384" else ():
            wrong[algorithm] = pair.sign(claims(), alg=algorithm)
        for name, assertion in wrong.items():
            elsewhere = {"REMOTE_ADDR": f"203.0.113.{list(wrong).index(name)}"}
            form = program.proof(assertion) | {"token": "t"}
            answer = desk.app.test_client().post("/oauth/revoke", data=form, environ_base=elsewhere)
            refused = is_out(answer) if assertion else is_refused(answer, "invalid_request")
            assert refused, (pair.algorithm, name, answer.text)
        assert program.knock().status_code == 200


def test_case_043_every_claim_is_required_to_be_right(desk: Desk, clock: MovableClock) -> None:
    program = register_keyed(desk)
    other = register_keyed(desk)
    at = int(time.time())
    token = desk.settings.base_url + TOKEN
    wrong: list[dict[str, Any]] = [
        *({"aud": audience} for audience in (
            None, "", "https://other.example/oauth/token", token + "/", desk.settings.base_url + "/oauth/revoke",
            desk.settings.base_url + "/", [token, "https://other.example"], [token, token], [], [[token]],
            {"a": token}, 1,
        )),
        *({"exp": moment} for moment in (
            None, at - 1, at - 3600, at + 325, at + 3600, str(at + 240), True, {}, 10**400, float("inf"), float("nan"),
        )),
        *({"iat": moment} for moment in (at - 310, at + 70, "now", True, [], 10**400, float("nan"))),
        *({"nbf": moment} for moment in (at + 70, "now", False, {})),
        *({"iss": name} for name in (other.id, [program.id], {"id": program.id}, None, 7)),
        *({"sub": name} for name in (other.id, [program.id], None)),
        *({"jti": name} for name in (None, "", {"a": 1}, ["a"], 1, "x" * 10_000, "x" * 5_000, "x" * 256)),
    ]  # fmt: skip
    for number, changed in enumerate(wrong):
        form = program.proof(**changed) | {"token": "t"}
        answer = desk.app.test_client().post(
            "/oauth/revoke", data=form, environ_base={"REMOTE_ADDR": f"203.0.113.{number}"}
        )
        assert is_out(answer), changed
    good: tuple[dict[str, Any], ...] = (
        {}, {"aud": desk.settings.base_url}, {"aud": [token]}, {"exp": at + 301}, {"iat": at - 280},
        {"iat": at + 30}, {"nbf": at + 30}, {"exp": at + 200.5}, {"jti": "x" * 255},
    )  # fmt: skip
    for changed in good:
        assert program.knock(**changed).status_code == 200, changed
    old = program.proof()
    clock.advance(241)
    assert is_out(program.knock(old["client_assertion"]))


def test_case_044_an_assertion_is_good_once(desk: Desk, clock: MovableClock) -> None:
    program, other = register_keyed(desk), register_keyed(desk)
    spent = program.proof(jti="one")["client_assertion"]
    assert program.knock(spent).status_code == 200
    for path in ENDPOINTS:
        assert is_out(program.knock(spent, path=path))
    assert is_out(program.knock(jti="one")), "another assertion under the same jti"
    assert other.knock(jti="one").status_code == 200, "each app has jti of its own"
    clock.advance(230)
    with desk.session() as session:
        jobs.delete_claimed_values(session)
    assert is_out(program.knock(spent)), "forgotten while it was good"
    clock.advance(80)
    with desk.session() as session:
        jobs.delete_claimed_values(session)
        assert session.scalar(text("SELECT count(*) FROM claimed_value")) == 0


def test_case_044_a_refused_assertion_is_not_used_up_by_a_stranger(desk: Desk) -> None:
    program = register_keyed(desk)
    forged = ec("stranger").sign(program.claims(jti="mine"), kid=program.pair.kid)
    assert is_out(program.knock(forged))
    assert program.knock(jti="mine").status_code == 200


def test_case_046_failed_assertions_are_counted_and_lock_nobody_out(desk: Desk) -> None:
    program = register_keyed(desk)
    answers = [program.knock(ec("stranger").sign(program.claims())).status_code for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert program.knock().status_code == 429
    elsewhere = desk.app.test_client().post(
        "/oauth/revoke", data=program.proof() | {"token": "t"}, environ_base={"REMOTE_ADDR": "203.0.113.9"}
    )
    assert elsewhere.status_code == 200


def test_the_signature_of_the_largest_key_is_read() -> None:
    signature = part(b"s" * (public_keys.MOST_BITS // 8))
    assert assertions.read(f"{part({'alg': 'RS384'})}.{part({'iss': 'app'})}.{signature}") is not None


def test_a_suspended_app_proves_nothing(desk: Desk) -> None:
    program = register_keyed(desk)
    with desk.session() as session:
        reviews.suspend(session, program.id, reason="test", settings=desk.settings)
    assert is_out(program.knock())
