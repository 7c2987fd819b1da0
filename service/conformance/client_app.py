"""An app at the token endpoint and its neighbours, authenticating as it is registered."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.jwk import import_key

from service.clock import now
from service.conformance.sandbox_file import ASYMMETRIC, BASIC, POST, PUBLIC, Registered
from service.conformance.wire import Answer, Wire

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFE = 240
_ALGORITHMS = {"RSA": "RS384", "EC": "ES384"}


@dataclass(frozen=True)
class App:
    """A registered app; `token_endpoint` is the address that its assertions are made out to."""

    registered: Registered
    wire: Wire
    token_endpoint: str

    @property
    def id(self) -> str:
        """Its client_id."""
        return self.registered.client_id

    def post(self, url: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """POST `fields` with this app's authentication."""
        credentials, more = self.credentials()
        return self.wire.post(url, {**fields, **credentials}, **headers, **more)

    def token(self, fields: Mapping[str, str], **headers: str) -> Answer:
        """POST to the token endpoint with this app's authentication."""
        return self.post(self.token_endpoint, fields, **headers)

    def credentials(self) -> tuple[dict[str, str], dict[str, str]]:
        """The fields and the headers that say who calls."""
        method, secret = self.registered.method, self.registered.secret
        if method == PUBLIC:
            return {"client_id": self.id}, {}
        if method == BASIC:
            return {}, {"Authorization": basic(self.id, secret)}
        if method == POST:
            return {"client_id": self.id, "client_secret": secret}, {}
        assert method == ASYMMETRIC, method
        return self.asserted(self.assertion()), {}

    def asserted(self, assertion: str) -> dict[str, str]:
        """The fields of a signed authentication."""
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}

    def assertion(
        self, key: Mapping[str, Any] | None = None, header: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """A signed authentication (SMART-60), with some claims or headers changed, or left out when None."""
        moment, private = int(now().timestamp()), dict(key or self.registered.private_key)
        whole: dict[str, Any] = {
            "iss": self.id, "sub": self.id, "aud": self.token_endpoint, "exp": moment + _LIFE, "iat": moment,
            "jti": secrets.token_urlsafe(24),
        } | claims  # fmt: skip
        algorithm = _ALGORITHMS[private["kty"]]
        head: dict[str, Any] = {"alg": algorithm, "kid": private.get("kid"), "typ": "JWT"} | dict(header or {})
        return jwt.encode(_without_none(head), _without_none(whole), import_key(private), algorithms=[algorithm])


def basic(client_id: str, secret: str) -> str:
    """The Authorization header of HTTP Basic, both halves form-encoded (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
