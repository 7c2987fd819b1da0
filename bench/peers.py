"""Other people's authorization servers beside ours, installed into a temporary place and gone with it.

django-oauth-toolkit stands on the database that is measured, oidc-provider keeps all in the memory of its one process.
"""

import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from bench import server
from bench.load import Reply, Work, WrongAnswer

HERE = Path(__file__).parent
CLIENT_ID, CLIENT_SECRET = "bench", "bench-secret-of-no-value"
SCOPE = "introspection"


@dataclass(frozen=True)
class Peer:
    """A server by name, how it is started on a database in a folder, and where it issues and introspects tokens."""

    name: str
    serve: Callable[[str, Path], AbstractContextManager[server.Server]]
    token_path: str
    introspection_path: str
    by_token: bool
    """Its callers of introspection show a token of their own, since it hashes their secret each time."""


def install(place: Path) -> list[Peer]:
    """Those that can be installed here; the others are named with the reason and left out."""
    place.mkdir()
    return [peer for make in (_django_oauth_toolkit, _oidc_provider) for peer in _attempt(make, place)]


def introspections(ask: Callable[[bytes], Reply], peer: Peer) -> Work:
    """Introspection of one live token, tried once with all of its answer looked at."""
    form = {"grant_type": "client_credentials"} | ({"scope": SCOPE} if peer.by_token else {})
    answer = ask(_post(peer.token_path, form, _BASIC))
    if answer.status != 200:
        raise WrongAnswer(f"{peer.name} gave no token: {answer.status} {answer.body[:300]!r}")
    token = json.loads(answer.body)["access_token"]
    authorization = f"Authorization: Bearer {token}\r\n" if peer.by_token else _BASIC
    request = _post(peer.introspection_path, {"token": token}, authorization)
    told = ask(request)
    if told.status != 200 or json.loads(told.body)["active"] is not True:
        raise WrongAnswer(f"{peer.name} knows no live token: {told.status} {told.body[:300]!r}")
    return Work(lambda _slot: request, lambda _slot, reply: _require_answer(peer, reply))


def _attempt(make: Callable[[Path], Peer], place: Path) -> Sequence[Peer]:
    try:
        return [make(place)]
    except (OSError, subprocess.CalledProcessError) as problem:
        print(f"left out: {make.__name__.strip('_')} could not be installed ({problem})", file=sys.stderr)
        return []


def _django_oauth_toolkit(place: Path) -> Peer:
    packages = place / "python"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(packages)]
    subprocess.run([*pip, "django-oauth-toolkit"], check=True)
    return Peer("django-oauth-toolkit", partial(_serve_django, packages), "/o/token/", "/o/introspect/", by_token=True)


@contextmanager
def _serve_django(packages: Path, database_url: str, folder: Path) -> Iterator[server.Server]:
    environment = os.environ | {
        "PYTHONPATH": str(packages), "PEER_DATABASE": _own_file(database_url, folder), "PEER_CLIENT": CLIENT_ID,
        "PEER_SECRET": CLIENT_SECRET,
    }  # fmt: skip
    subprocess.run([sys.executable, "-m", "bench.peer_django"], check=True, env=environment, cwd=server.ROOT)
    with server.running(environment, server.free_port(), "bench.peer_django:app") as running:
        yield running


def _own_file(database_url: str, folder: Path) -> str:
    # In PostgreSQL its tables stand beside ours; a file of SQLite has one writer, and so it gets its own.
    return f"sqlite:///{folder}/peer.db" if database_url.startswith("sqlite") else database_url


def _oidc_provider(place: Path) -> Peer:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise FileNotFoundError("node and npm are needed")
    packages = place / "node"
    packages.mkdir()
    subprocess.run(
        [npm, "install", "--prefix", str(packages), "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
         "oidc-provider"],
        check=True,
    )  # fmt: skip
    script = Path(shutil.copy(HERE / "peer_oidc_provider.mjs", packages))
    serve = partial(_serve_node, node, script)
    return Peer("oidc-provider", serve, "/token", "/token/introspection", by_token=False)


@contextmanager
def _serve_node(node: str, script: Path, _database_url: str, _folder: Path) -> Iterator[server.Server]:
    port = server.free_port()
    command = [node, str(script), str(port), CLIENT_ID, CLIENT_SECRET]
    with server.started(command, os.environ | {"NODE_ENV": "production"}, port) as running:
        yield running


_BASIC = f"Authorization: Basic {b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}\r\n"


def _post(path: str, form: dict[str, str], authorization: str) -> bytes:
    body = urlencode(form)
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n{authorization}\r\n{body}"
    ).encode()


def _require_answer(peer: Peer, reply: Reply) -> None:
    if reply.status != 200:
        raise WrongAnswer(f"{peer.name} answered {reply.status}: {reply.body[:300]!r}")
