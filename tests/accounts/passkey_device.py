"""A phone or computer that makes passkeys and shows them, as a browser would pass its answers on (WebAuthn Level 2)."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from tests.accounts.factor_pages import codes_after
from tests.accounts.visitor import Visitor, csrf_token

ADD = "/settings/second-factor/passkeys/add"
_MAKE, _SHOW = "/settings/second-factor/passkeys/question", "/sign-in/passkey/question"
_FLAG = AuthenticatorData.FLAG


@dataclass
class Device:
    """One device with at most one passkey; its attributes say in what it differs from an honest one at our origin."""

    origin: str = "http://localhost"
    host: str = "localhost"
    checks_person: bool = True
    is_present: bool = True
    count: int = 0
    counts: bool = False
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    user_handle: str | None = None

    def make(self, options: dict[str, Any], kind: str = "webauthn.create") -> str:
        """The answer to `navigator.credentials.create`, as the page's script sends it."""
        asked = options["publicKey"]
        self.user_handle = asked["user"]["id"]
        public = ES256.from_cryptography_key(self.key.public_key())
        kept = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, public)
        attestation = AttestationObject.create("none", self._data(_FLAG.AT, kept), {})
        return self._answer(
            attestationObject=websafe_encode(attestation), transports=["internal", "hybrid", "carrier-pigeon"],
            clientDataJSON=websafe_encode(self._client_data(kind, asked)),
        )  # fmt: skip

    def show(self, options: dict[str, Any], kind: str = "webauthn.get") -> str:
        """The answer to `navigator.credentials.get`."""
        if self.counts:
            self.count += 1
        data, client = self._data(_FLAG(0)), self._client_data(kind, options["publicKey"])
        signed = self.key.sign(bytes(data) + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        handle = {} if self.user_handle is None else {"userHandle": self.user_handle}
        return self._answer(
            authenticatorData=websafe_encode(data), clientDataJSON=websafe_encode(client),
            signature=websafe_encode(signed), **handle,
        )  # fmt: skip

    def _data(self, flags: AuthenticatorData.FLAG, kept: bytes = b"") -> AuthenticatorData:
        flags |= (_FLAG.UP if self.is_present else _FLAG(0)) | (_FLAG.UV if self.checks_person else _FLAG(0))
        return AuthenticatorData.create(hashlib.sha256(self.host.encode()).digest(), flags, self.count, kept)

    def _client_data(self, kind: str, asked: dict[str, Any]) -> CollectedClientData:
        return CollectedClientData.create(kind, websafe_decode(asked["challenge"]), self.origin)

    def _answer(self, **response: Any) -> str:
        return json.dumps({"rawId": websafe_encode(self.credential_id), "type": "public-key", "response": response})


def question(visitor: Visitor, path: str = _SHOW) -> dict[str, Any]:
    """What the page at hand asks the device."""
    told = visitor.post(path)
    assert told.status_code == 200, told.text
    options: dict[str, Any] = told.get_json()
    return options


def add(visitor: Visitor, device: Device | None = None, *, name: str = "My phone", path: str = ADD) -> Device:
    """Add a passkey of a fresh device to the account of who is signed in, and come back with the device."""
    device = device or Device()
    visitor.get(path)
    token = csrf_token(visitor.page.text)
    asked = question(visitor, _MAKE)
    answer = visitor.post_without_token(
        path, csrf_token=token, question=asked["question"], answer=device.make(asked), name=name
    )
    assert answer.status_code in {200, 303}, answer.text
    visitor.page = codes_after(visitor, answer)
    return device


def sign_in(visitor: Visitor, device: Device, *, path: str = "/sign-in", following: str = "") -> Any:
    """Show the device's passkey on the page at `path`."""
    visitor.get(path)
    asked = question(visitor)
    query = f"?next={following}" if following else ""
    return visitor.post(f"/sign-in/passkey{query}", question=asked["question"], answer=device.show(asked))
