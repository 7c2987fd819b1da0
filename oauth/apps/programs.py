"""Programs that reach members' data, or what is told of tokens, without a member: let in by two people (case 145).

A command asks for one, or for what one proves itself by; an administrator's yes in the staff console does it
(`service.plan.staff.asked_by_command`). Until then nothing stands that did not stand before: a program that is asked
for is no client yet, and what another proves itself by goes on.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import clients, names, program_words, public_keys, registration
from oauth.apps.clients import BackendBasis, ClientKind, ClientRefused, ClientStatus
from oauth.apps.public_keys import Published
from oauth.apps.registration import Registration
from oauth.models import Client, FetchedKeySet
from service import audit
from service.db import digest, new_id
from service.plan.models import ActKind, PendingAct, PlanStaff, PortalOrganization, ProviderStaff, StaffStatus
from service.plan.staff import asked_by_command, second_looks
from service.plan.staff.asked_by_command import BrokenGlass, Command
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import AlreadyAsked, SecondLookRefused
from service.settings import Settings

KINDS = frozenset({ActKind.PROGRAM_REGISTRATION, ActKind.PROGRAM_CREDENTIALS})
"""The acts that this module asks for and does."""
Outcome = PendingAct | BrokenGlass | None
"""What came of a command: an act that waits, a broken glass, or None where it needs nobody and is done."""
_LONGEST = {"developer_name": 200, "contact": 320}


class ProgramChanged(SecondLookRefused):
    """The program is not the one any more of which it was asked."""

    sentence = "The program has changed since this was asked. Please refuse this and have it asked for anew."


class RulesRefuse(SecondLookRefused):
    """The rules of registration refuse it by now, for instance because its name was taken meanwhile."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.sentence = f"{reason} Please refuse this and have it asked for anew."


def register(
    session: Session, app: Registration, command: Command, *, settings: Settings
) -> tuple[str, PendingAct | BrokenGlass]:
    """Ask for a program, or register it with a broken glass: the client_id that it has then, and what came of it.

    An address of keys is tried at once, three seconds at most. Raises ClientRefused, SecondLookRefused.
    """
    published = registration.require_keys(app, settings)
    _require_told(app)
    registration.require_acceptable(session, app, settings)
    app = replace(app, client_id=new_id())
    assert app.client_id
    if command.breaks_glass:
        registration.register(session, app, settings=settings, published=published)
        return app.client_id, _tell_broken(session, session.get_one(Client, app.client_id), "register", command)
    organization = app.provider_organization_id
    asked_by_command.require_somebody_to_allow(session, command, but=_people_of(session, organization))
    _require_not_asked(session, app.name)
    changes = program_words.of_registration(app, _office(session, organization), published)
    return app.client_id, second_looks.ask(
        session, ActKind.PROGRAM_REGISTRATION, app.client_id, changes, by_account_id=None, reason=command.reason,
        operator=command.operator, app=app.name, organization=organization, told=_kept(app),
        fetched=_fetched(published),
    )  # fmt: skip


def replace_keys(
    session: Session, client_id: str, jwks: Mapping[str, Any] | None, jwks_uri: str | None, command: Command, *,
    settings: Settings,
) -> Outcome:  # fmt: skip
    """Give an app that proves itself by a key other keys, or ask for it where it is a program.

    Raises NoSuchClient, ClientRefused, SecondLookRefused.
    """
    published = registration.require_key_set(jwks, jwks_uri, settings)
    client = clients.lock(session, client_id)
    registration.require_keyed(client)
    if _needs_nobody(client, command) or command.breaks_glass:
        registration.keep_keys(session, client, jwks, jwks_uri, published)
        return _tell_broken(session, client, "keys", command) if command.breaks_glass else None
    kept, fetched = public_keys.alone(jwks) if jwks else None, _fetched(published)
    row = session.get(FetchedKeySet, client.id)
    change = {
        "what": f"Keys of {client.name}",
        "before": program_words.of_keys(client.jwks, client.jwks_uri, row.jwks if row else None),
        "after": program_words.of_keys(kept, jwks_uri, fetched),
    }  # fmt: skip
    return _ask(session, client, change, command, keys={"jwks": kept, "jwks_uri": jwks_uri, "fetched": fetched})


def rotate_secret(session: Session, client_id: str, command: Command) -> tuple[str, Outcome]:
    """Give an app a new secret, or ask for it where it is a program: the secret, and what came of it.

    The secret is returned here and never again, to whoever asks: it counts from the yes on, and the one before for
    another day. Raises NoSuchClient, ClientRefused, SecondLookRefused.
    """
    client, secret = clients.lock(session, client_id), clients.new_secret()
    clients.require_secret(client)
    if _needs_nobody(client, command) or command.breaks_glass:
        clients.keep_secret(session, client, digest(secret))
        return secret, _tell_broken(session, client, "secret", command) if command.breaks_glass else None
    day = clients.OVERLAP // timedelta(hours=1)
    change = {
        "what": f"Secret of {client.name}", "before": "the one that it has",
        "after": f"a new one, shown to whoever ran the command; the one before works for another {day} hours",
    }  # fmt: skip
    return secret, _ask(session, client, change, command, secret_hash=digest(secret))


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff, settings: Settings) -> None:
    """The administrator's yes: the program is registered, or proves itself by the other keys or secret from now on.

    Raises NotOneself, SecondLookRefused.
    """
    require_may_allow(session, act, by)
    second_looks.approve(session, act, by_account_id=by.account_id)
    try:
        if act.kind is ActKind.PROGRAM_REGISTRATION:
            _register(session, act, by, settings)
        else:
            _give_credentials(session, act, by)
    except ClientRefused as refused:
        raise RulesRefuse(refused.reason) from None


def require_may_allow(session: Session, act: PendingAct, by: PlanStaff) -> None:
    """Raise NotOneself for whom the provider's logins are that the program is of, OwnAct for who ran the command."""
    if by.account_id in _people_of(session, act.content["organization"]):
        raise NotOneself
    asked_by_command.require_other(act, by)


def is_program(client: Client) -> bool:
    """Whether it gets at anything without a member's yes: a backend service, or one who asks about others' tokens."""
    return client.kind is ClientKind.BACKEND or client.may_introspect


def _register(session: Session, act: PendingAct, by: PlanStaff, settings: Settings) -> None:
    told = act.content["told"] | {"backend_basis": BackendBasis(act.content["told"]["backend_basis"])}
    app = Registration(kind=ClientKind.BACKEND, client_id=act.subject_id, by_account_id=by.account_id, **told)
    registration.register(session, app, settings=settings, published=_published(act.content["fetched"]))


def _give_credentials(session: Session, act: PendingAct, by: PlanStaff) -> None:
    client = clients.lock(session, act.content["program"])
    if client.status is ClientStatus.RETIRED or _state(client) != act.content["held"]:
        raise ProgramChanged
    if hashed := act.content.get("secret_hash"):
        clients.keep_secret(session, client, hashed, by_account_id=by.account_id)
        return
    keys = act.content["keys"]
    published = _published(keys["fetched"])
    registration.keep_keys(
        session, client, keys["jwks"], keys["jwks_uri"], published, by_account_id=by.account_id
    )  # fmt: skip


def _ask(session: Session, client: Client, change: dict[str, str], command: Command, **content: Any) -> PendingAct:
    organization = client.provider_organization_id
    asked_by_command.require_somebody_to_allow(session, command, but=_people_of(session, organization))
    about = program_words.about(client, _office(session, organization))
    return second_looks.ask(
        session, ActKind.PROGRAM_CREDENTIALS, client.id[:36], [{**change, "what": f"{change['what']} ({about})"}],
        by_account_id=None, reason=command.reason, operator=command.operator, app=client.name, program=client.id,
        organization=organization, held=_state(client), **content,
    )  # fmt: skip


def _needs_nobody(client: Client, command: Command) -> bool:
    """Whether one person may do it. Raises ClientRefused for a closed program, and a glass that nobody need break."""
    if not is_program(client):
        if command.breaks_glass:
            raise ClientRefused("This is an app of people and needs no second person: leave out --break-glass.")
        return True
    if client.status is ClientStatus.RETIRED:
        raise ClientRefused("This program is closed for good. Nothing was changed.")
    return False


def _tell_broken(session: Session, client: Client, deed: str, command: Command) -> BrokenGlass:
    told = asked_by_command.hearers(session)
    audit.record(
        session, "oauth:client:break-glass", client_id=client.id, reason=command.reason,
        detail={"deed": deed, "told": len(told)},
    )  # fmt: skip
    return asked_by_command.tell(
        session, command, told, "program_let_in", deed=deed, name=client.name, client_id=client.id, scopes=client.scopes
    )


def _require_told(app: Registration) -> None:
    """What no other rule of registration looks at is kept until the yes, and shown: in one line, and not too long."""
    for name, longest in _LONGEST.items():
        value = getattr(app, name) or ""
        if len(value) > longest or not value.isprintable() or (name == "developer_name" and not value.strip()):
            raise ClientRefused(f"The {name.partition('_')[0]} has 1 to {longest} characters, in one line.", name)


def _require_not_asked(session: Session, name: str) -> None:
    skeleton = names.skeleton(name)
    for act in second_looks.list_waiting(session):
        if act.kind is ActKind.PROGRAM_REGISTRATION and names.skeleton(act.content["app"]) == skeleton:
            raise AlreadyAsked


def _people_of(session: Session, organization_id: str | None) -> frozenset[str]:
    """The accounts with a login of this provider organization: its program is no neutral ground for them."""
    of_office = (ProviderStaff.organization_id == organization_id, ProviderStaff.status != StaffStatus.DEACTIVATED)
    found = session.scalars(select(ProviderStaff.account_id).where(*of_office)) if organization_id else ()
    return frozenset(found)


def _office(session: Session, organization_id: str | None) -> PortalOrganization | None:
    return session.get_one(PortalOrganization, organization_id) if organization_id else None


def _state(client: Client) -> str:
    """A digest of what the second person is shown of the program, and of what it proves itself by now."""
    kept = [client.scopes, client.may_introspect, client.jwks, client.jwks_uri, client.secret_hash]
    return digest(json.dumps(kept, sort_keys=True))


def _kept(app: Registration) -> dict[str, Any]:
    """What a program says of itself, as JSON keeps it."""
    assert app.backend_basis
    return {
        "name": app.name, "developer_name": app.developer_name, "contact": app.contact, "scopes": app.scopes,
        "jwks": public_keys.alone(app.jwks) if app.jwks else None, "jwks_uri": app.jwks_uri,
        "backend_basis": app.backend_basis.value, "provider_organization_id": app.provider_organization_id,
        "may_introspect": app.may_introspect, "dpop_bound_access_tokens": app.dpop_bound_access_tokens,
    }  # fmt: skip


def _fetched(published: Published | None) -> dict[str, Any] | None:
    return published.jwks if published else None


def _published(fetched: dict[str, Any] | None) -> Published | None:
    # Read when it was asked for: good to compare with, and read anew before anybody proves themselves by it.
    return Published(fetched, timedelta(0)) if fetched else None
