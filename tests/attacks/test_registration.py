"""Cases 5, 61 and 165 of security.md where a program registers the app."""

import pytest

from oauth.apps import dynamic
from oauth.models import Client
from tests.conftest import MovableClock
from tests.oauth.desk import Desk
from tests.oauth.programs import Registered, metadata, post
from tests.oauth.test_dynamic_registration import refused


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)", "data:text/html,x", "http://app.example.org/cb", "https://*.example.org/cb",
        "https://app.example.org/cb#f", "file:///etc/passwd", "https://user@app.example.org/cb", "https://a/../b", "",
        "app:/cb", "//app.example.org/cb", "https://app.example.org/c b", "http://127.0.0.1.example.org/cb",
    ],
)  # fmt: skip
def test_case_005_no_program_registers_a_dangerous_address(desk: Desk, uri: str) -> None:
    assert refused(post(desk, metadata(redirect_uris=[uri])), "invalid_redirect_uri")
    app = Registered.new(desk)
    assert refused(app.put(redirect_uris=[uri]), "invalid_redirect_uri")
    assert app.manage("GET").get_json()["redirect_uris"] == app.told["redirect_uris"]


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", ""])
def test_case_061_no_program_chooses_how_id_tokens_are_signed(desk: Desk, algorithm: str) -> None:
    said = metadata(id_token_signed_response_alg=algorithm)
    assert refused(post(desk, said), "invalid_client_metadata")
    assert Registered.new(desk, id_token_signed_response_alg="RS256").told["id_token_signed_response_alg"] == "RS256"


def test_case_043_a_program_does_not_choose_its_id(desk: Desk) -> None:
    with desk.session() as session:
        victim = desk.register().id
        assert session.get(Client, victim)
    app = Registered.new(desk, client_id=victim, client_secret="chosen-by-the-caller")
    assert app.id not in {victim, desk.account.id} and app.told.get("client_secret") != "chosen-by-the-caller"


def test_case_165_registrations_of_one_network_are_counted(desk: Desk, clock: MovableClock) -> None:
    answers = [post(desk, metadata()).status_code for _ in range(dynamic.PER_NETWORK + 2)]
    assert answers == [201] * dynamic.PER_NETWORK + [429] * 2
    limited = post(desk, metadata())
    assert limited.get_json()["error"] == "temporarily_unavailable"
    assert "Too many apps were registered" in limited.get_json()["error_description"]
    assert post(desk, metadata(), ip="192.0.2.77").status_code == 201
    clock.advance(int(limited.headers["Retry-After"]) - 120)
    assert post(desk, metadata()).status_code == 429
    clock.advance(121)
    assert post(desk, metadata()).status_code == 201, "Retry-After told when"


def test_case_165_mistakes_are_no_registrations_but_have_a_limit_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic, "PER_NETWORK_TRIES", 24)
    for _ in range(dynamic.PER_NETWORK + 2):
        assert refused(post(desk, metadata(redirect_uris=["http://x.example/cb"])), "invalid_redirect_uri")
    assert [post(desk, metadata()).status_code for _ in range(4)] == [201, 201, 429, 429]


def test_case_165_no_more_apps_wait_than_staff_can_look_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic, "MOST_WAITING", 2)
    held = [Registered.new(desk), Registered.new(desk)]
    assert post(desk, metadata()).status_code == 429
    assert held[0].manage("DELETE").status_code == 204
    assert post(desk, metadata()).status_code == 201
