"""Who comes to the token endpoint beside refreshing apps: a program that signs, and codes that wait to be exchanged."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from secrets import token_urlsafe
from time import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, RSAKey
from sqlalchemy import insert
from sqlalchemy.orm import Session

from consent.models import Grant
from oauth.apps import registration
from oauth.apps.clients import BackendBasis, ClientKind
from oauth.apps.registration import Registration
from oauth.models import AuthorizationCode
from oauth.tokens import token_rows
from service.accounts.models import Account
from service.clock import now
from service.db import digest
from service.settings import Settings

CALLBACK = "https://bench.example/callback"
SCOPE = "system/*.rs"
MOST_CODES = 10_000
"""More than every round together exchanges, on whatever machine."""
ALGORITHMS = ("RS384", "ES384")
"""Both that SMART names: verifying by RSA is cheap, by P-384 it is most of what a request costs."""
_RSA_BITS = 2048
_LIFE = timedelta(hours=6)
_ASSERTION_SECONDS = 240


@dataclass(frozen=True)
class Program:
    """A program without a person, with the key that it signs by."""

    client_id: str
    algorithm: str
    key: RSAKey | ECKey

    def assertion(self, audience: str) -> str:
        """A fresh assertion (private_key_jwt) for the server of this issuer."""
        claims = {
            "iss": self.client_id, "sub": self.client_id, "aud": audience, "exp": int(time()) + _ASSERTION_SECONDS,
            "jti": token_urlsafe(16),
        }  # fmt: skip
        return jwt.encode({"alg": self.algorithm, "kid": "bench", "typ": "JWT"}, claims, self.key, [self.algorithm])


@dataclass(frozen=True)
class Codes:
    """Unspent codes, and the one verifier to which all of them are bound."""

    verifier: str
    values: Sequence[str]


def register_programs(session: Session, settings: Settings) -> list[Program]:
    """A program of the plan's own for each algorithm."""
    return [register_program(session, settings, f"Bench program {one}", one) for one in ALGORITHMS]


def register_program(session: Session, settings: Settings, name: str, algorithm: str = ALGORITHMS[0]) -> Program:
    """A program of the plan's own."""
    named: KeyParameters = {"kid": "bench"}
    key = RSAKey.generate_key(_RSA_BITS, named) if algorithm == "RS384" else ECKey.generate_key("P-384", named)
    public = {**key.as_dict(private=False), "alg": algorithm, "use": "sig"}
    app = Registration(
        name=name, developer_name="Bench", kind=ClientKind.BACKEND, backend_basis=BackendBasis.PLAN, scopes=SCOPE,
        jwks={"keys": [public]},
    )  # fmt: skip
    client, _ = registration.register(session, app, settings=settings)
    return Program(client.id, algorithm, key)


def keep_codes(
    session: Session, given: Sequence[tuple[Account, Grant]], scope: str, most: int = MOST_CODES
) -> Codes:  # fmt: skip
    """Codes as people's answers leave them, in turn over the grants, but good for as long as the benchmark takes."""
    verifier = token_urlsafe(48)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    values = [token_rows.new_secret() for _ in range(most)]
    rows = [_row(value, *given[place % len(given)], scope, challenge) for place, value in enumerate(values)]
    session.execute(insert(AuthorizationCode), rows)
    return Codes(verifier, values)


def _row(value: str, account: Account, grant: Grant, scope: str, challenge: str) -> dict[str, Any]:
    at = now()
    return {
        "hash": digest(value), "client_id": grant.client_id, "grant_id": grant.id, "grant_version": grant.version,
        "account_id": account.id, "credentials_version": account.credentials_version, "redirect_uri": CALLBACK,
        "scope": scope, "code_challenge": challenge, "need_patient_banner": True, "authenticated_at": at,
        "created_at": at, "expires_at": at + _LIFE,
    }  # fmt: skip
