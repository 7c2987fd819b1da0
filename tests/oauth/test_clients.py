# ruff: noqa: RUF001 - lookalike letters are the subject
"""Registration of apps: what is refused, what is kept, what others may know."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from oauth.apps import clients, names, registration, reviews
from oauth.apps.clients import AuthMethod, ClientKind, ClientRefused, ClientStatus, NoSuchClient
from oauth.apps.redirects import RedirectRefused, require_registrable
from oauth.apps.registration import Registration
from oauth.apps.reviews import WrongState
from oauth.models import Client
from service.settings import Mode
from tests.oauth.desk import CALLBACK, Desk


def test_the_secret_is_shown_once_and_kept_as_a_digest(desk: Desk) -> None:
    app = desk.register_confidential()
    with desk.session() as session:
        row = session.get_one(Client, app.id)
        assert app.secret and len(app.secret) >= 43 and app.secret not in (row.secret_hash or "")
        assert not hasattr(clients.get(session, app.id), "secret_hash")
    assert desk.register().secret is None


def test_a_public_app_has_no_secret_and_a_confidential_one_needs_one(desk: Desk) -> None:
    for kind, method in ((ClientKind.PUBLIC, AuthMethod.BASIC), (ClientKind.CONFIDENTIAL, AuthMethod.NONE)):
        with pytest.raises(ClientRefused):
            desk.register(kind=kind, token_endpoint_auth_method=method)


def test_case_073_names_that_look_like_others_are_refused(desk: Desk) -> None:
    desk.register(name="Claims Compass")
    for name in (
        "Claims Compass", "claims  compass", "CIaims Cornpass", "Сlaims Compass", "Cla\u0131ms Compass",
        "C1aims C0mpass", "Claims\u200bCompass", "\u202eClaims", "Ｃｌａｉｍｓ Compass", "Claims-Compass!",
        "", " x", "x" * 101, "!!",
        desk.settings.plan.name, f"{desk.settings.plan.name} App", desk.settings.plan.name.replace("i", "і").upper(),
    ):  # fmt: skip
        with pytest.raises(ClientRefused):
            desk.register(name=name)
    desk.register(name="Claims Companion")


def test_skeletons_are_bounded_and_empty_for_signs_only() -> None:
    assert names.skeleton("!?") == "" and len(names.skeleton("ﷺ" * 100)) <= 400


def test_an_app_needs_addresses_and_known_scopes(desk: Desk) -> None:
    for wrong in (
        {"redirect_uris": []}, {"redirect_uris": ["https://a.example/cb"] * 21}, {"scopes": "nothing"},
        {"policy_uri": "javascript:alert(1)"}, {"website": "http://a.example"}, {"launch_uris": ["http://a.example/launch"]},
    ):  # fmt: skip
        given = {"redirect_uris": ["https://a.example/cb"]} | wrong
        with pytest.raises(ClientRefused):
            desk.register(**given)


def test_localhost_is_for_the_sandbox_only() -> None:
    require_registrable("http://localhost:4000/cb", sandbox=True)
    with pytest.raises(RedirectRefused):
        require_registrable("http://localhost:4000/cb", sandbox=False)
    for uri in (
        "http://127.0.0.1/cb",
        "http://[::1]:80/cb",
        "com.example.app:/cb",
        "com.example.app://cb",
        "https://a/b?c=d",
    ):
        require_registrable(uri, sandbox=False)


def test_pages_at_localhost_are_for_the_sandbox_only(desk: Desk) -> None:
    production = replace(desk.settings, mode=Mode.PRODUCTION, base_url="https://plan.example", testing=True)
    for number, name in enumerate(("website", "policy_uri", "terms_uri")):
        for page in ("http://localhost", "http://localhost:8000/privacy"):
            told = Registration(
                name=f"Page {number}{len(page)}", developer_name="Reporting", redirect_uris=[CALLBACK], **{name: page}
            )  # fmt: skip
            with desk.session() as session, pytest.raises(ClientRefused, match="https"):
                registration.register(session, told, settings=production)
            with desk.session() as session:
                registration.register(session, told, settings=desk.settings)
        for page in ("http://localhost.evil.example/", "http://plan.example/", "https://", "//plan.example", "x"):
            with desk.session() as session, pytest.raises(ClientRefused, match="https"):
                registration.register(session, replace(told, name="Other", **{name: page}), settings=desk.settings)


def test_standing_changes_by_named_verbs_only(desk: Desk) -> None:
    app = desk.register()
    body = desk.connect(app)
    with desk.session() as session:
        reviews.suspend(session, app.id, reason="test", settings=desk.settings)
    assert not desk.works(body["access_token"])
    with desk.session() as session:
        reviews.reinstate(session, app.id, reason="test", settings=desk.settings)
    assert desk.works(body["access_token"])
    with desk.session() as session:
        reviews.retire(session, app.id, reason="test", settings=desk.settings)
        assert clients.get(session, app.id).status is ClientStatus.RETIRED
        with pytest.raises(WrongState):
            reviews.reinstate(session, app.id, reason="test", settings=desk.settings)
        with pytest.raises(NoSuchClient):
            clients.get(session, "nobody")
        assert app.id in {view.id for view in clients.list_clients(session)}
        assert session.scalars(select(Client.id)).all() == [app.id]
    assert not desk.works(body["access_token"])
