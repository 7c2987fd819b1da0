"""Programs without a person: how they are registered, what tokens they get, and what ends these."""

from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from oauth.apps import changes, clients, registration, reviews
from oauth.apps.clients import AuthMethod, BackendBasis, ClientKind, ClientRefused
from oauth.callers import client_authentication
from oauth.exchanges import client_credentials
from oauth.expiry import SWEEPS
from oauth.models import Client, SystemToken
from service.audit import AuditEvent
from service.db import digest
from service.plan.models import OrganizationKind
from tests.attacks.test_audit_rows import unwritable
from tests.attacks.test_token_endpoint import is_refused
from tests.conftest import MovableClock
from tests.factories import make_organization
from tests.oauth.desk import CALLBACK, Desk
from tests.oauth.keyed import TOKEN, Program, ec, key_server, register_backend, register_keyed, rsa


def is_let_in(program: Program, token: str) -> bool:
    """Whether the API takes the token."""
    answer = program.desk.app.test_client().get(
        "/fhir/r4/Patient?_count=1", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code in {200, 401}, answer.text
    return answer.status_code == 200


def test_a_backend_client_is_registered_whole_or_not_at_all(desk: Desk) -> None:
    with desk.session() as session:
        provider, firm = make_organization(session), make_organization(session, kind=OrganizationKind.BILLING)
    for wrong in (
        {"token_endpoint_auth_method": AuthMethod.BASIC}, {"token_endpoint_auth_method": AuthMethod.NONE},
        {"redirect_uris": [CALLBACK]}, {"launch_uris": ["https://a.example/launch"]}, {"backend_basis": None},
        {"scopes": "patient/*.rs"}, {"scopes": "system/*.rs patient/*.rs"}, {"scopes": "system/*.rs openid"},
        {"scopes": ""}, {"scopes": "system/patient.rs"},
        {"provider_organization_id": provider.id, "backend_basis": BackendBasis.PLAN},
        {"backend_basis": BackendBasis.PROVIDER}, {"provider_organization_id": "nobody"},
        {"provider_organization_id": firm.id}, {"kind": ClientKind.CONFIDENTIAL, "redirect_uris": [CALLBACK]},
        {"kind": ClientKind.PUBLIC, "redirect_uris": [CALLBACK]},
    ):  # fmt: skip
        with pytest.raises(ClientRefused):
            register_backend(desk, **wrong)  # type: ignore[arg-type]
    view = register_backend(desk, provider_organization_id=provider.id).app.view
    assert (view.kind, view.backend_basis) == (ClientKind.BACKEND, BackendBasis.PROVIDER)
    assert view.provider_organization_id == provider.id
    program = register_backend(desk)
    assert program.app.secret is None
    with desk.session() as session, pytest.raises(ClientRefused):
        clients.rotate_secret(session, program.id)


def test_a_token_is_short_lived_hashed_and_alone(desk: Desk) -> None:
    for pair in (ec(), rsa()):
        program = register_backend(desk, pair)
        answer = program.ask("system/Patient.rs system/Coverage.read")
        body = answer.get_json()
        assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
        assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
        assert body["scope"] == "system/Patient.rs system/Coverage.read"
        with desk.session() as session:
            row = session.get_one(SystemToken, digest(body["access_token"]))
            assert row.client_id == program.id and body["access_token"] not in row.hash
            event = session.scalars(select(AuditEvent).where(AuditEvent.client_id == program.id)).all()[-1]
            assert event.tag == "oauth:token:issue"


LABORATORY = "system/Observation.rs?category=laboratory"


def test_no_token_is_given_out_whose_event_the_audit_cannot_keep(desk: Desk, engine: Engine) -> None:
    program = register_backend(desk)
    for code in ("disk_full", "insufficient_privilege"):
        with unwritable(engine, code=code):
            answer = program.ask("system/Patient.rs")
            assert answer.status_code == 503 and answer.headers["Retry-After"], answer.text
    with desk.session() as session:
        assert session.scalar(select(func.count()).select_from(SystemToken)) == 0
    assert program.ask("system/Patient.rs").status_code == 200


def test_scopes_are_those_of_systems_within_what_is_registered(desk: Desk) -> None:
    cases = [
        ("system/*.rs", "system/*.read", "system/*.read"),
        ("system/*.rs", "system/*.cruds", "system/*.rs"),
        ("system/*.rs", "system/*.*", "system/*.read"),
        ("system/Patient.rs system/Coverage.r", "system/*.rs", "system/Patient.rs system/Coverage.r"),
        ("system/Patient.rs", "system/Patient.s", "system/Patient.s"),
        (LABORATORY, "system/Observation.rs", LABORATORY),
        ("system/*.rs", LABORATORY, LABORATORY),
        ("system/*.rs", "system/Patient.rs system/EpisodeOfCare.rs", "system/Patient.rs"),
        ("system/Patient.rs", "system/Patient.rs system/Coverage.rs system/EpisodeOfCare.rs", None),
        ("system/Patient.rs", "system/Coverage.rs", None),
        ("system/Patient.rs", "system/Patient.rs system/Coverage.rs", None),
        *(
            ("system/*.rs", asked, None)
            for asked in (
                "system/Patient.cud", "patient/*.rs", "user/Patient.rs", "system/Patient.rs patient/Patient.rs",
                "system/Patient.rs openid", "launch/patient", "offline_access", "system/Patient.sr",
                "system/Patient.rs?name=x", "nonsense", "", " ", None, "system/Foo.rs", "system/patient.rs",
            )
        ),
    ]  # fmt: skip
    programs = {scopes: register_backend(desk, scopes=scopes) for scopes in {case[0] for case in cases}}
    for registered, asked, given in cases:
        answer = programs[registered].ask(asked)
        if given is None:
            assert is_refused(answer, "invalid_scope"), asked
        else:
            assert answer.get_json()["scope"] == given, asked


def test_the_grant_is_for_backend_clients_alone_and_they_have_no_other(desk: Desk) -> None:
    by_secret, public = desk.register_confidential(), desk.register()
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    assert is_refused(desk.token(form, by_secret), "unauthorized_client")
    assert is_refused(desk.token(form | {"client_id": public.id}), "unauthorized_client")
    assert is_refused(register_keyed(desk).ask("system/*.rs"), "unauthorized_client")
    program = register_backend(desk)
    for other in (
        {"grant_type": "authorization_code", "code": "c", "redirect_uri": CALLBACK, "code_verifier": "v" * 43},
        {"grant_type": "refresh_token", "refresh_token": "x"},
    ):
        answer = desk.app.test_client().post(TOKEN, data=other | program.proof())
        assert is_refused(answer, "unauthorized_client")
    asked = desk.app.test_client().get(
        "/oauth/authorize", query_string=desk.parameters(program.app, redirect_uri=CALLBACK)
    )
    assert asked.status_code == 400 and "Location" not in asked.headers


def test_an_assertion_is_used_up_by_a_refusal_and_its_second_use_is_told_as_such(desk: Desk) -> None:
    program = register_backend(desk)
    asked = {"grant_type": "client_credentials", "scope": "patient/*.rs"}
    for refused, code in (
        (asked, "invalid_scope"), (asked | {"scope": ""}, "invalid_scope"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "unauthorized_client"),
    ):  # fmt: skip
        proof = program.proof()
        assert is_refused(desk.app.test_client().post(TOKEN, data=refused | proof), code)
        for again in (refused, asked | {"scope": "system/*.rs"}):
            assert is_refused(desk.app.test_client().post(TOKEN, data=again | proof), "invalid_client", 401)
    proof = program.proof()
    for expected in ("invalid_dpop_proof", "invalid_client"):
        answer = desk.app.test_client().post(
            TOKEN, data=asked | {"scope": "system/*.rs"} | proof, headers={"DPoP": "x.y.z"}
        )
        assert answer.get_json()["error"] == expected
    with desk.session() as session:
        assert session.scalar(select(func.count()).select_from(SystemToken)) == 0


def test_another_key_under_the_same_kid_counts_from_the_next_request_on(desk: Desk) -> None:
    program, new = register_backend(desk), ec.__wrapped__()
    assert new.kid == program.pair.kid and new.public != program.pair.public
    assert program.ask("system/*.rs").status_code == 200
    replace_keys(desk, program, new.public)
    assert is_refused(program.ask("system/*.rs"), "invalid_client", 401)
    assert Program(desk, program.app, new).ask("system/*.rs").status_code == 200


def test_a_token_ends_by_time_by_revocation_and_with_its_client(desk: Desk, clock: MovableClock) -> None:
    program, other = register_backend(desk), register_backend(desk)
    one, two, three = (program.token("system/*.rs") for _ in range(3))
    assert is_let_in(program, one)

    assert other.desk.app.test_client().post(
        "/oauth/revoke", data=other.proof() | {"token": one}
    ).status_code == 200 and is_let_in(program, one), "another's token"
    hint = {"token": one, "token_type_hint": "refresh_token"}
    assert desk.app.test_client().post("/oauth/revoke", data=program.proof() | hint).status_code == 200
    assert not is_let_in(program, one) and is_let_in(program, two)

    with desk.session() as session:
        reviews.suspend(session, program.id, reason="test", settings=desk.settings)
    assert not is_let_in(program, two)
    assert is_refused(program.ask("system/*.rs"), "invalid_client", 401)
    with desk.session() as session:
        reviews.reinstate(session, program.id, reason="test", settings=desk.settings)
    assert not is_let_in(program, two) and not is_let_in(program, three), "what died stays dead"

    four = program.token("system/*.rs")
    clock.advance(299)
    assert is_let_in(program, four)
    clock.advance(2)
    assert not is_let_in(program, four)
    clock.advance(-3600)
    assert not is_let_in(program, four), "made in the future"


def test_other_keys_end_tokens_and_more_keys_do_not(desk: Desk) -> None:
    program, new = register_backend(desk), ec("new")
    token = program.token("system/*.rs")
    replace_keys(desk, program, program.pair.public, new.public)
    assert is_let_in(program, token), "an overlap"
    replace_keys(desk, program, new.public)
    assert not is_let_in(program, token)
    replace_keys(desk, program, program.pair.public, new.public)
    assert not is_let_in(program, token), "what died stays dead"
    assert is_let_in(program, program.token("system/*.rs"))


def test_a_token_given_out_while_the_keys_change_is_dead(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    program, prove = register_backend(desk), client_authentication._prove

    def prove_and_change(*given: Any) -> Any:
        proof = prove(*given)
        replace_keys(desk, program, ec("new").public)
        return proof

    monkeypatch.setattr(client_authentication, "_prove", prove_and_change)
    token = program.token("system/*.rs")
    assert not is_let_in(program, token), "it was proven by a key that was gone by then"


def test_a_key_that_its_server_tells_no_more_ends_tokens(desk: Desk, clock: MovableClock) -> None:
    new = ec("new")
    with key_server() as server:
        program = register_backend(desk, jwks_uri=server.url)
        token = program.token("system/*.rs")
        clock.advance(120)
        server.jwks = {"keys": [program.pair.public, new.public]}
        renewed = Program(desk, program.app, new)
        both = renewed.token("system/*.rs")
        assert is_let_in(program, token) and is_let_in(program, both)
        clock.advance(60)
        last = ec("last")
        server.jwks = last.jwks
        assert is_let_in(program, Program(desk, program.app, last).token("system/*.rs"))
        assert not is_let_in(program, token) and not is_let_in(program, both)


def replace_keys(desk: Desk, program: Program, *keys: dict[str, Any]) -> None:
    with desk.session() as session:
        registration.replace_keys(
            session, program.id, jwks={"keys": list(keys)}, jwks_uri=None, settings=desk.settings
        )  # fmt: skip


def test_narrowing_a_client_ends_its_wider_tokens_at_once(desk: Desk) -> None:
    program = register_backend(desk)
    wide, narrow = program.token("system/*.rs"), program.token("system/Coverage.r")
    with desk.session() as session:
        changes.narrow(session, program.id, "system/Coverage.rs", reason="less")
    assert not is_let_in(program, wide)
    headers = {"Authorization": f"Bearer {narrow}"}
    assert desk.app.test_client().get("/fhir/r4/Coverage/none", headers=headers).status_code == 404
    headers = {"Authorization": f"Bearer {program.token('system/*.rs')}"}
    assert desk.app.test_client().get("/fhir/r4/Patient", headers=headers).status_code == 403
    assert desk.app.test_client().get("/fhir/r4/Coverage", headers=headers).status_code == 200


def test_introspection_tells_the_program_and_those_who_may_ask(desk: Desk, clock: MovableClock) -> None:
    program, other = register_backend(desk), register_backend(desk)
    server = desk.register_confidential(may_introspect=True)
    token = program.token("system/Patient.rs")

    def told(asking: Program) -> dict[str, object]:
        answer = desk.app.test_client().post("/oauth/introspect", data=asking.proof() | {"token": token})
        found: dict[str, object] = answer.get_json()
        return found

    mine = told(program)
    assert mine["active"] is True and mine["scope"] == "system/Patient.rs" and mine["client_id"] == program.id
    assert set(mine) == {"active", "scope", "client_id", "token_type", "exp", "iat"}
    assert told(other) == {"active": False}
    answer = desk.app.test_client().post("/oauth/introspect", data={"token": token}, headers=server.basic())
    assert answer.get_json() == mine
    clock.advance(301)
    assert told(program) == {"active": False}
    unknown = desk.app.test_client().post("/oauth/introspect", data=program.proof() | {"token": "sys.unknown"})
    assert unknown.get_json() == {"active": False}


def introspect_by(desk: Desk, bearer: str, token: str, **form: str) -> TestResponse:
    """Introspect with a bearer token as the caller's credential."""
    headers = {"Authorization": f"Bearer {bearer}"}
    return desk.app.test_client().post("/oauth/introspect", data={"token": token} | form, headers=headers)


def test_a_bearer_token_given_out_for_it_is_the_credential_of_who_introspects(
    desk: Desk, clock: MovableClock
) -> None:  # fmt: skip
    server, plain = register_backend(desk, may_introspect=True), register_backend(desk)
    app = desk.register()
    members = str(desk.connect(app)["access_token"])
    answer = server.ask("__introspect")
    bearer = answer.get_json()["access_token"]
    assert answer.get_json()["scope"] == "__introspect"
    assert server.ask("system/Patient.rs __introspect").get_json()["scope"] == "__introspect system/Patient.rs"

    told = introspect_by(desk, bearer, members)
    assert told.status_code == 200 and told.get_json()["active"] is True and told.get_json()["client_id"] == app.id
    assert introspect_by(desk, bearer, plain.token("system/*.rs")).get_json()["scope"] == "system/*.rs"
    assert introspect_by(desk, bearer, bearer).get_json()["scope"] == "__introspect"
    assert introspect_by(desk, bearer, "unknown").get_json() == {"active": False}
    headers = {"Authorization": f"Bearer {bearer}"}
    assert desk.app.test_client().get("/fhir/r4/Patient", headers=headers).status_code == 403

    with desk.session() as session:
        session.get_one(Client, server.id).may_introspect = False
    assert introspect_by(desk, bearer, members).status_code == 403, "the right was taken back"
    with desk.session() as session:
        session.get_one(Client, server.id).may_introspect = True
    clock.advance(301)
    over = introspect_by(desk, bearer, members)
    assert is_refused(over, "invalid_token", 401) and over.headers["WWW-Authenticate"].startswith("Bearer ")


def test_other_bearer_tokens_introspect_nothing(desk: Desk) -> None:
    server, plain = register_backend(desk, may_introspect=True), register_backend(desk)
    assert is_refused(plain.ask("__introspect"), "invalid_scope")
    members = str(desk.connect(desk.register())["access_token"])
    for bearer in (members, plain.token("system/*.rs"), server.token("system/*.rs")):
        refused = introspect_by(desk, bearer, members)
        assert is_refused(refused, "insufficient_scope", 403)
        assert 'scope="__introspect"' in refused.headers["WWW-Authenticate"]
    for bearer in ("unknown", "sys.unknown", "", "x" * 2_000, "\xe9"):
        assert is_refused(introspect_by(desk, bearer, members), "invalid_token", 401)
    good = server.token("__introspect")
    assert is_refused(introspect_by(desk, good, members, client_secret="x"), "invalid_request"), "two at once"
    assert is_refused(introspect_by(desk, good, ""), "invalid_request")
    said = desk.app.test_client().get("/.well-known/oauth-authorization-server").get_json()
    assert "Bearer" in said["introspection_endpoint_auth_methods_supported"]


def test_a_program_has_no_user_info(desk: Desk) -> None:
    token = register_backend(desk).token("system/*.rs")
    answer = desk.app.test_client().get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_the_janitor_forgets_old_tokens(desk: Desk, session: Session, clock: MovableClock) -> None:
    register_backend(desk).token("system/*.rs")
    clock.advance(3_600)
    for sweep in SWEEPS:
        sweep(session)
    assert session.scalar(text("SELECT count(*) FROM system_token")) == 1
    session.rollback()
    clock.advance(3 * 86_400)
    for sweep in SWEEPS:
        sweep(session)
    assert session.scalar(text("SELECT count(*) FROM system_token")) == 0


def test_of_what_programs_ask_for_nothing_long_is_remembered(desk: Desk) -> None:
    program = register_backend(desk)
    client_credentials._agreed.cache_clear()
    for one in range(3):
        assert program.token("system/Patient.rs " * (1_000 + one))
        assert program.ask("system/Patient.rs " + "x" * (19_000 + one)).status_code == 400
    assert client_credentials._agreed.cache_info().currsize == 1, "the word that each of them began with"
