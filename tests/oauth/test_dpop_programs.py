"""Tokens of programs bound to a key (RFC 9449): every app may have them so, and a program that is held to it must."""

from typing import Any

from werkzeug.test import TestResponse

from tests.attacks.test_token_endpoint import is_refused
from tests.oauth.desk import Desk
from tests.oauth.keyed import TOKEN, Program, register_backend
from tests.oauth.proofs import Prover

PATIENTS = "http://localhost/fhir/r4/Patient"
INTROSPECT = "http://localhost/oauth/introspect"


def ask(program: Program, scope: str, proof: str | None) -> TestResponse:
    """Ask for a token with a proof of possession, or with none."""
    form = {"grant_type": "client_credentials", "scope": scope} | program.proof()
    return program.desk.app.test_client().post(TOKEN, data=form, headers={} if proof is None else {"DPoP": proof})


def bound(program: Program, prover: Prover, scope: str = "system/*.rs") -> dict[str, Any]:
    """The token response of a program that proves a key."""
    answer = ask(program, scope, prover.proof())
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    assert body["token_type"] == "DPoP"
    return body


def read(desk: Desk, headers: dict[str, str]) -> TestResponse:
    """A search at the API."""
    return desk.app.test_client().get("/fhir/r4/Patient?_count=1", headers=headers)


def test_a_proof_binds_a_programs_token_and_whoever_steals_it_gets_nothing(desk: Desk) -> None:
    program, prover, thief = register_backend(desk), Prover(), Prover()
    token = bound(program, prover)["access_token"]
    good = prover.headers(token, PATIENTS)
    assert read(desk, good).status_code == 200
    for why, headers in {
        "as a bearer token": {"Authorization": f"Bearer {token}"},
        "without a proof": {"Authorization": f"DPoP {token}"},
        "by another key": thief.headers(token, PATIENTS),
        "a proof used before": good,
        "a proof for another address": prover.headers(token, f"{PATIENTS}/1"),
        "a proof for another token": prover.headers(token, PATIENTS, ath="x"),
    }.items():
        answer = read(desk, headers)
        assert answer.status_code == 401, why
        assert answer.headers["WWW-Authenticate"].startswith('DPoP realm="fhir", error="invalid_'), why
    assert read(desk, prover.headers(token, PATIENTS)).status_code == 200, "its own program goes on"


def test_a_bearer_token_of_a_program_is_refused_where_a_proof_is_promised(desk: Desk) -> None:
    program, prover = register_backend(desk), Prover()
    token = program.token("system/*.rs")
    assert read(desk, {"Authorization": f"Bearer {token}"}).status_code == 200

    answer = read(desk, prover.headers(token, PATIENTS))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('DPoP realm="fhir", error="invalid_token"')


def test_a_program_that_is_held_to_a_key_gets_no_token_without_a_proof(desk: Desk) -> None:
    program = register_backend(desk, dpop_bound_access_tokens=True)
    assert is_refused(ask(program, "system/*.rs", None), "invalid_dpop_proof")
    assert is_refused(ask(program, "system/*.rs", "x.y.z"), "invalid_dpop_proof")
    assert bound(program, Prover())["scope"] == "system/*.rs"


def test_introspection_names_the_key_and_takes_a_bound_token_with_its_proof_alone(desk: Desk) -> None:
    server, program, prover = register_backend(desk, may_introspect=True), register_backend(desk), Prover()
    asked = {"token": bound(program, prover)["access_token"]}
    token = bound(server, prover, "__introspect")["access_token"]

    def tell(headers: dict[str, str]) -> TestResponse:
        return desk.app.test_client().post("/oauth/introspect", data=asked, headers=headers)

    told = tell(prover.headers(token, INTROSPECT, "POST"))
    assert told.status_code == 200, told.text
    assert told.get_json()["active"] is True and told.get_json()["token_type"] == "DPoP"
    assert told.get_json()["cnf"] == {"jkt": prover.jkt} and told.get_json()["client_id"] == program.id
    stolen = (
        {"Authorization": f"Bearer {token}"}, Prover().headers(token, INTROSPECT, "POST"),
        prover.headers(token, INTROSPECT), {"Authorization": f"DPoP {token}"},
    )  # fmt: skip
    for headers in stolen:
        refused = tell(headers)
        assert refused.status_code == 401 and "active" not in refused.text, headers
    as_bearer = {"token": program.token("system/*.rs")}
    told = desk.app.test_client().post(
        "/oauth/introspect", data=as_bearer, headers=prover.headers(token, INTROSPECT, "POST")
    )
    assert told.get_json()["token_type"] == "Bearer" and "cnf" not in told.get_json()
