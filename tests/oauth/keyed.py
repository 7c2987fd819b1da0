"""Apps that prove themselves by a key: their key pairs, their assertions, and the server their keys stand on."""

import base64
import json
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from werkzeug.test import TestResponse

from oauth.apps.clients import AuthMethod, BackendBasis, ClientKind
from service.clock import now
from service.db import new_id
from tests.oauth.desk import App, Desk

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN = "/oauth/token"


@dataclass(frozen=True)
class Pair:
    """A key pair with the algorithm it signs by."""

    key: RSAKey | ECKey
    algorithm: str

    @property
    def kid(self) -> str:
        return str(self.key.kid)

    @property
    def public(self) -> dict[str, Any]:
        """What the app tells of it."""
        return {**self.key.as_dict(private=False), "alg": self.algorithm, "use": "sig"}

    @property
    def jwks(self) -> dict[str, Any]:
        """A set of this key alone."""
        return {"keys": [self.public]}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A JWT of these claims; None leaves a header out."""
        whole = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"} | header
        given = {name: value for name, value in whole.items() if value is not None}
        # Not by the library's front door, which signs nothing that is wrong.
        content = f"{part(given)}.{part(claims)}"
        return f"{content}.{part(JWSRegistry.algorithms[str(given['alg'])].sign(content.encode(), self.key))}"


def part(value: Any) -> str:
    """A part of a JWT, as raw as it is given."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def rsa(kid: str = "rsa-1", bits: int = 2048, algorithm: str = "RS384") -> Pair:
    """An RSA pair, the same each time: making one takes a while."""
    with warnings.catch_warnings(action="ignore"):
        return Pair(RSAKey.generate_key(bits, {"kid": kid}), algorithm)


@cache
def ec(kid: str = "ec-1", curve: str = "P-384", algorithm: str = "ES384") -> Pair:
    """An EC pair, the same each time."""
    return Pair(ECKey.generate_key(curve, {"kid": kid}), algorithm)


@dataclass
class Program:
    """A registered app with the key it signs by."""

    desk: Desk
    app: App
    pair: Pair

    @property
    def id(self) -> str:
        return self.app.id

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a good assertion, some changed or left out (None)."""
        at = now().timestamp()
        whole = {
            "iss": self.id, "sub": self.id, "aud": self.desk.settings.base_url + TOKEN, "exp": int(at) + 240,
            "jti": new_id(),
        } | changed  # fmt: skip
        return {name: value for name, value in whole.items() if value is not None}

    def proof(self, assertion: str | None = None, **changed: Any) -> dict[str, str]:
        """The parameters that prove who calls, with a fresh assertion unless one is given."""
        return {
            "client_assertion_type": TYPE,
            "client_assertion": self.pair.sign(self.claims(**changed)) if assertion is None else assertion,
        }

    def knock(self, assertion: str | None = None, path: str = "/oauth/revoke", **changed: Any) -> TestResponse:
        """A request that any app may make once it is believed: 200 says that it was (400 at the token endpoint)."""
        form = self.proof(assertion, **changed) | {"token": "unknown", "grant_type": "refresh_token"}
        return self.desk.app.test_client().post(path, data=form)

    def ask(self, scope: str | None, **given: str) -> TestResponse:
        """Ask for a token by client_credentials."""
        form = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope}) | given
        return self.desk.app.test_client().post(TOKEN, data=form | self.proof())

    def token(self, scope: str) -> str:
        """A token of these scopes."""
        answer = self.ask(scope)
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["access_token"])


def register_keyed(desk: Desk, pair: Pair | None = None, **given: Any) -> Program:
    """An app of people that proves itself by a key."""
    pair = pair or ec()
    keys = {} if "jwks_uri" in given else {"jwks": pair.jwks}
    return Program(desk, desk.register_confidential(AuthMethod.PRIVATE_KEY, **keys | given), pair)


def register_backend(desk: Desk, pair: Pair | None = None, **given: Any) -> Program:
    """A program without a person; the plan's own unless an organization of the portal is named."""
    pair = pair or ec()
    organization = given.get("provider_organization_id")
    values: dict[str, Any] = {
        "kind": ClientKind.BACKEND, "redirect_uris": (), "scopes": "system/*.rs",
        "backend_basis": BackendBasis.PROVIDER if organization else BackendBasis.PLAN,
    }  # fmt: skip
    keys = {} if "jwks_uri" in given else {"jwks": pair.jwks}
    return Program(desk, desk.register(**values | keys | given), pair)


@dataclass
class KeyServer:
    """What a server of keys answers, and what it was asked."""

    url: str
    jwks: dict[str, Any] = field(default_factory=dict)
    cache_control: str | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None
    """Something else than the key set."""

    def reply(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append((request.path, dict(request.headers.items())))
        if self.answer is not None:
            self.answer(request)
            return
        body = json.dumps(self.jwks).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        if self.cache_control is not None:
            request.send_header("Cache-Control", self.cache_control)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@contextmanager
def key_server(pair: Pair | None = None, *, tls: ssl.SSLContext | None = None) -> Iterator[KeyServer]:
    """A real server on the loopback interface, with the keys of `pair`."""
    held: list[KeyServer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held[0].reply(self)

        def do_POST(self) -> None:
            held[0].reply(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Callers who hang up early are the subject."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    held.append(KeyServer(f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/keys", (pair or ec()).jwks))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield held[0]
    finally:
        server.shutdown()
        server.server_close()


def flood(request: BaseHTTPRequestHandler) -> None:
    """A body that does not end, as fast as it goes."""
    _begin(request)
    for _ in range(20_000):
        request.wfile.write(b"x" * 50_000)


def drip(request: BaseHTTPRequestHandler) -> None:
    """A byte now and then, for a minute."""
    _begin(request)
    for _ in range(120):
        request.wfile.write(b" ")
        request.wfile.flush()
        time.sleep(0.5)


def redirect_to(address: str, status: int = 302) -> Callable[[BaseHTTPRequestHandler], None]:
    """Send on to another address."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", address)
        request.end_headers()

    return answer


def _begin(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.end_headers()
