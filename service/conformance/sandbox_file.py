"""The file that tells the accounts and apps of a test system: `var/sandbox.json`, or one written by hand like it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.conformance.verdicts import NotOffered

PUBLIC, BASIC, POST, ASYMMETRIC = "none", "client_secret_basic", "client_secret_post", "private_key_jwt"


class UnusableFile(Exception):
    """The file is not there or lacks something; the message says what."""


@dataclass(frozen=True)
class Account:
    """Somebody who can sign in, and the FHIR id of the member they are."""

    username: str
    password: str = field(repr=False)
    patient_id: str


@dataclass(frozen=True)
class Registered:
    """An app as it is registered. `private_key` is a private JWK, of apps that sign.

    `served_here` is said of an app that the server itself serves: it has cookies and pages of its own there.
    """

    client_id: str
    method: str
    name: str = ""
    redirect_uris: tuple[str, ...] = ()
    launch_uris: tuple[str, ...] = ()
    scopes: str = ""
    secret: str = field(default="", repr=False)
    private_key: dict[str, Any] = field(default_factory=dict, repr=False)
    served_here: bool = False

    @property
    def redirect_uri(self) -> str:
        """The address that the runner has itself called back at; nothing needs to listen there."""
        return self.redirect_uris[0]


@dataclass(frozen=True)
class SandboxFile:
    """What the runner knows of the server beside its address."""

    fhir_base: str
    account: Account
    other_patient_id: str
    clients: tuple[Registered, ...]
    group_ids: tuple[str, ...] = ()
    """Lists of members that a program of the plan may export."""
    data_usernames: tuple[str, ...] = ()
    """Accounts of members whose records are of another origin than the sandbox's own."""

    def app(self, method: str) -> Registered:
        """The first app that people send home to itself and that authenticates so; raises NotOffered."""
        for client in self.clients:
            if client.method == method and client.redirect_uris and not client.served_here:
                return client
        raise NotOffered(f"the sandbox file names no app of people's with {method}")

    def backends(self) -> list[Registered]:
        """The apps without a person: each has a key and nowhere to be called back; raises NotOffered."""
        found = [client for client in self.clients if client.private_key and not client.redirect_uris]
        if not found:
            raise NotOffered(f"the sandbox file names no backend app with {ASYMMETRIC} and its private_jwk")
        return found

    def backend_with(self, scope: str) -> Registered:
        """The first app without a person whose scopes hold this one; raises NotOffered."""
        for client in self.backends():
            if scope in client.scopes.split():
                return client
        raise NotOffered(f"the sandbox file names no backend app whose scopes hold {scope}")

    def launched(self) -> Registered:
        """The first app that a portal can open, at an address that is its own; raises NotOffered."""
        for client in self.clients:
            if client.launch_uris and client.redirect_uris:
                return client
        raise NotOffered("the sandbox file names no app with launch_uris")


def read(path: Path, username: str | None = None) -> SandboxFile:
    """Read the file. The account is `username`, or the one it names as `self_test_account`, or its first member.

    Raises UnusableFile.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        account = _account(raw, username or raw.get("self_test_account"))
        return SandboxFile(
            fhir_base=str(raw["fhir_base"]),
            account=account,
            other_patient_id=_other_patient(raw, account.patient_id),
            clients=tuple(_client(one, raw.get("demo_app")) for one in raw["clients"]),
            group_ids=tuple(str(one["id"]) for one in raw.get("groups", ())),
            data_usernames=tuple(str(one) for one in raw.get("data_accounts", ())),
        )
    except (OSError, ValueError) as unread:
        raise UnusableFile(f"{path} cannot be read: {type(unread).__name__}") from None
    except (KeyError, TypeError, StopIteration) as missing:
        raise UnusableFile(f"{path} lacks {str(missing) or 'the account of a member alone'}") from None


def _account(raw: dict[str, Any], username: str | None) -> Account:
    own = (one for one in raw["accounts"] if [member["relation"] for member in one["members"]] == ["self"])
    found = next(one for one in own if username in (None, one["username"]))
    return Account(found["username"], found["password"], found["members"][0]["fhir_id"])


def _other_patient(raw: dict[str, Any], own: str) -> str:
    every = (member["fhir_id"] for account in raw["accounts"] for member in account["members"])
    return next((patient for patient in every if patient != own), "")


def _client(raw: dict[str, Any], demo_app: str | None) -> Registered:
    return Registered(
        client_id=raw["client_id"],
        method=raw["token_endpoint_auth_method"],
        name=raw.get("name", ""),
        redirect_uris=tuple(raw.get("redirect_uris", ())),
        launch_uris=tuple(raw.get("launch_uris", ())),
        scopes=raw.get("scopes", ""),
        secret=raw.get("client_secret", ""),
        private_key=raw.get("private_jwk", {}),
        served_here=demo_app in raw.get("redirect_uris", ()),
    )
