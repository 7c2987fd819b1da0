"""The keys of an app that proves itself by one."""

import json

import pytest
from flask import Flask
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import select

from oauth.apps import clients
from oauth.apps.models import Developer
from oauth.models import Client
from service.audit import AuditEvent
from tests.developer.newcomer import Newcomer
from tests.factories import make_developer
from tests.oauth.desk import Committing


@pytest.fixture
def ada(app: Flask) -> Newcomer:
    """A developer at My apps."""
    with Committing(app) as session:
        developer = make_developer(session)
    return Newcomer(app).enter(developer)


def key_set(*kids: str) -> str:
    return json.dumps({"keys": [ECKey.generate_key("P-384", {"kid": kid}).as_dict(private=False) for kid in kids]})


def test_an_app_with_a_key_is_registered_without_a_secret_and_changes_its_keys(ada: Newcomer) -> None:
    client_id = ada.registered(method="private_key_jwt", jwks=key_set("first"))
    here = f"/developers/apps/{client_id}"
    assert "See or change the keys" in ada.get(here).text and "Make a new secret" not in ada.get(here).text
    assert "first" in ada.get(f"{here}/keys").text

    assert ada.post(f"{here}/keys", jwks=key_set("first", "second")).status_code == 303

    page = ada.get(f"{here}/keys").text
    assert "first" in page and "second" in page
    with Committing(ada.app) as session:
        row = session.get_one(Client, client_id)
        assert row.secret_hash is None and row.jwks and len(row.jwks["keys"]) == 2
        assert clients.get(session, client_id).token_endpoint_auth_method.value == "private_key_jwt"
    assert ada.post(f"{here}/secret").status_code == 400


def test_who_changed_a_secret_is_in_its_audit_row(ada: Newcomer) -> None:
    here = f"/developers/apps/{ada.registered(method='client_secret_basic')}"
    assert ada.post(f"{here}/secret").status_code == 200
    assert ada.post(f"{here}/secret/earlier").status_code == 303
    with Committing(ada.app) as session:
        by = session.scalars(select(Developer.account_id)).one()
        told = ("oauth:client:rotate-secret", "oauth:client:end-previous-secret")
        rows = session.scalars(select(AuditEvent).where(AuditEvent.tag.in_(told)).order_by(AuditEvent.id)).all()
        assert [(row.tag, row.account_id) for row in rows] == [(tag, by) for tag in told]


def test_unfit_keys_are_refused(ada: Newcomer) -> None:
    private = json.dumps({"keys": [ECKey.generate_key("P-384", {"kid": "a"}).as_dict(private=True)]})
    other = json.dumps({"keys": [ECKey.generate_key("P-256", {"kid": "a"}).as_dict(private=False)]})
    refused = ("", "{", "[]", '{"keys": []}', private, other, key_set("a", "a"))
    for jwks in refused:
        assert ada.register(method="private_key_jwt", jwks=jwks).status_code == 400, jwks[:60]
    client_id = ada.registered(method="private_key_jwt", jwks=key_set("first"))
    for jwks in refused:
        assert ada.post(f"/developers/apps/{client_id}/keys", jwks=jwks).status_code == 400, jwks[:60]
    both = ada.post(f"/developers/apps/{client_id}/keys", jwks=key_set("a"), jwks_uri="https://a.example/jwks")
    assert both.status_code == 400
    inside = ada.post(f"/developers/apps/{client_id}/keys", jwks_uri="https://169.254.169.254/jwks")
    assert inside.status_code == 400
    assert "first" in ada.get(f"/developers/apps/{client_id}/keys").text


def test_an_app_without_a_key_has_no_such_page_nor_has_a_stranger(ada: Newcomer) -> None:
    plain = ada.registered()
    assert ada.get(f"/developers/apps/{plain}/keys").status_code == 404
    keyed = ada.registered(name="Other Beacon", method="private_key_jwt", jwks=key_set("first"))
    with Committing(ada.app) as session:
        other = make_developer(session)
    eve = Newcomer(ada.app).enter(other)
    assert eve.get(f"/developers/apps/{keyed}/keys").status_code == 404
    assert eve.post(f"/developers/apps/{keyed}/keys", jwks=key_set("evil")).status_code == 404


@pytest.mark.parametrize("member", ["kty", "told"])
@pytest.mark.parametrize("depth", [300, 800])
def test_a_deep_key_set_is_refused_or_kept_without_what_is_deep(ada: Newcomer, member: str, depth: int) -> None:
    (key,) = json.loads(key_set("first"))["keys"]
    deep = json.dumps({"keys": [key | {member: "@"}]}).replace('"@"', "[" * depth + "]" * depth)
    answer = ada.register(method="private_key_jwt", jwks=deep)
    if member == "kty":
        assert answer.status_code == 400 and "Keys are RSA" in answer.text
        return
    assert answer.status_code == 303
    with Committing(ada.app) as session:
        assert session.scalars(select(Client.jwks)).one() == {"keys": [key]}


def test_members_that_mean_nothing_in_a_key_do_not_keep_it_from_being_changed(ada: Newcomer) -> None:
    odd = RSAKey.generate_key(2048, {"kid": "odd"}).as_dict(private=False) | {"crv": ["P-384"], "x": {}}
    client_id = ada.registered(method="private_key_jwt", jwks=json.dumps({"keys": [odd]}))

    for kid in ("second", "third"):
        assert ada.post(f"/developers/apps/{client_id}/keys", jwks=key_set(kid)).status_code == 303
        assert kid in ada.get(f"/developers/apps/{client_id}/keys").text
