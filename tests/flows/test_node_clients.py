"""Other people's clients on npm, unmodified, against a running server with two workers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from consent import grant_changes, representatives
from consent.models import Grant
from consent.policy import plan_system
from fhir import store
from service.accounts.models import Account
from tests.conftest import free_port, wait_until
from tests.flows import node_client
from tests.flows.visitor import Visitor
from tests.oauth.desk import CALLBACK, SCOPE, App, Desk
from tests.oauth.keyed import Program, register_backend, register_keyed

SIGNED_OUT = "https://app.example.org/signed-out"
BOUND = {
    "may_introspect": True, "require_pushed_authorization_requests": True, "dpop_bound_access_tokens": True,
    "post_logout_redirect_uris": [SIGNED_OUT],
}  # fmt: skip


def told(desk: Desk, app: App, **given: Any) -> dict[str, Any]:
    """What a client knows of itself and of the server."""
    return {
        "issuer": desk.settings.base_url, "clientId": app.id, "secret": app.secret, "redirectUri": app.redirect_uri,
        "fhirBase": desk.settings.fhir_base, "scope": SCOPE,
    } | given  # fmt: skip


def with_key(desk: Desk, program: Program, **given: Any) -> dict[str, Any]:
    """The same for one that signs."""
    return told(desk, program.app, key=program.pair.key.as_dict(private=True), **given)


def by(visitor: Visitor) -> Callable[[str], str]:
    """Walks an app's address until the browser is back at the app."""
    return lambda address: visitor.walk(address, CALLBACK.removesuffix("callback"))


def test_openid_client_completes_the_flow_as_public_and_as_confidential_app(live_desk: Desk) -> None:
    for app in (live_desk.register(), live_desk.register_confidential()):
        got = node_client.run("openid_client.mjs", told(live_desk, app), by(Visitor(live_desk.account.username)))
        assert got["patient"] == got["patientAgain"] == live_desk.member.patient_id
        assert set(got["scope"].split()) == set(SCOPE.split())
        assert got["claims"]["aud"] == app.id and got["user"]["sub"] == got["claims"]["sub"]
        assert got["user"]["fhirUser"].endswith(f"/Patient/{live_desk.member.patient_id}")
        assert got["afterRefresh"] == [401, 200]
        assert got["afterRevocation"] == 401


def test_openid_client_pushes_proves_possession_and_signs_out(live_desk: Desk) -> None:
    program, visitor = register_keyed(live_desk, **BOUND), Visitor(live_desk.account.username)
    got = node_client.run(
        "openid_client_with_keys.mjs", with_key(live_desk, program, afterSignOut=SIGNED_OUT), by(visitor)
    )
    assert set(got["asked"]) == {"client_id", "request_uri"}
    assert got["patient"] == live_desk.member.patient_id
    assert got["tokenType"].lower() == "dpop"
    assert got["claims"]["aud"] == program.id and got["user"]["sub"] == got["claims"]["sub"]
    assert (got["read"], got["readWithoutProof"], got["afterRevocation"]) == (200, 401, 401)
    assert got["signedOut"] == f"{SIGNED_OUT}?state=bye"
    home = visitor.browser.get(f"{live_desk.settings.base_url}/settings", allow_redirects=False, timeout=30)
    assert home.is_redirect and urlsplit(home.headers["Location"]).path == "/sign-in"


def test_oauth4webapi_pushes_proves_possession_introspects_and_revokes(live_desk: Desk) -> None:
    program = register_keyed(live_desk, **BOUND)
    got = node_client.run("oauth4webapi.mjs", with_key(live_desk, program), by(Visitor(live_desk.account.username)))
    assert got["patient"] == got["resource"]["id"] == live_desk.member.patient_id
    assert got["tokenType"] == "dpop" and got["claims"]["aud"] == program.id
    assert got["live"]["active"] is True and got["live"]["client_id"] == program.id
    assert got["live"]["sub"] == got["claims"]["sub"] and got["live"]["cnf"]["jkt"]
    assert got["ended"] == {"active": False}
    assert got["afterRevocation"] == 401


def test_oauth4webapi_asks_for_itself_without_a_person(live_desk: Desk) -> None:
    with live_desk.session() as session:
        store.put(session, plan_system("test"), {"resourceType": "Organization", "id": "plan-1", "name": "Meridian"})
    scope, read = "system/Organization.rs", f"{live_desk.settings.fhir_base}/Organization/plan-1"
    given = with_key(live_desk, register_backend(live_desk), scope=scope, read=read)
    got = node_client.run("oauth4webapi_backend.mjs", given, lambda address: address)
    assert (got["scope"], got["expiresIn"]) == (scope, 300)
    assert got["resource"]["name"] == "Meridian"
    assert got["afterRevocation"] == 401


def test_fhirclient_is_out_while_paused_and_in_again_with_the_tokens_it_kept(live_desk: Desk) -> None:
    app = live_desk.register()
    tokens = live_desk.connect(app)
    deeds = {"pause.example": grant_changes.pause, "resume.example": grant_changes.resume}

    def do(address: str) -> str:
        with live_desk.session() as session:
            account = session.get_one(Account, live_desk.account.id)
            grant = session.scalars(select(Grant).where(Grant.account_id == account.id)).one()
            choice = representatives.right_for(session, account, live_desk.member.id)
            assert choice is not None
            deeds[str(urlsplit(address).hostname)](session, grant, account, choice)
        return address

    given = told(live_desk, app, tokens=tokens, tokenUri=f"{live_desk.settings.base_url}/oauth/token")
    got = node_client.run("fhirclient_paused.mjs", given, do)

    assert got["first"] == got["resumed"] == got["afterRefresh"] == live_desk.member.patient_id
    assert got["paused"]["status"] == 401
    assert "paused" in got["refreshPaused"]["message"], "the developer reads why"
    assert got["refreshed"] == "refreshed"


def test_appauth_opens_the_browser_and_listens_itself(live_desk: Desk, tmp_path: Path) -> None:
    app = live_desk.register(redirect_uris=["http://127.0.0.1/callback"])
    redirect_uri = f"http://127.0.0.1:{free_port()}/callback"
    opened = _system_browser(tmp_path / "bin")
    read = f"{live_desk.settings.fhir_base}/Patient/{live_desk.member.patient_id}"
    with ThreadPoolExecutor(1) as person:
        browsing = person.submit(_browse, opened, Visitor(live_desk.account.username), redirect_uri)
        got = node_client.run(
            "appauth.mjs", told(live_desk, app, redirectUri=redirect_uri, read=read), lambda address: address,
            path=str(tmp_path / "bin"),
        )  # fmt: skip
        asked = browsing.result()
    assert asked["code_challenge_method"] == ["S256"]
    assert set(got["scope"].split()) == set(SCOPE.split())
    assert got["read"] == 200
    assert got["afterRefresh"] == [401, 200]
    assert got["afterRevocation"] == 401


def _system_browser(folder: Path) -> Path:
    """A program of the name by which desktops open addresses; the file where it leaves the address it was given."""
    folder.mkdir()
    opened, program = folder / "opened", folder / "xdg-open"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.draft && mv {opened}.draft {opened}\n', encoding="ascii")
    program.chmod(0o755)
    return opened


def _browse(opened: Path, visitor: Visitor, redirect_uri: str) -> dict[str, list[str]]:
    """What a person does whose browser opened: all of it, until the app has its answer; what the app asked."""
    wait_until(opened.exists, 60, "the app opened no browser")
    address = opened.read_text("ascii")
    visitor.browser.get(visitor.walk(address, redirect_uri), timeout=30)
    return parse_qs(urlsplit(address).query)
