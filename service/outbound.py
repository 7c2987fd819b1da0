"""The one way out to other people's servers (keys of apps, webhooks, pages to watch): an address is a stranger's word.

Only https to public addresses. A name is resolved once and every address of it must be public; the connection then goes
to what was looked at, so that a second answer of the DNS changes nothing. No redirect is followed, except where pages
are read, and then each address is looked at as the first one was. No proxy is asked, and neither a drip nor a flood
holds a worker longer than the limits. `loopback` allows this machine itself, by plain http too, for a developer's own
sandbox on it (`Settings.reaches_loopback`).
"""

import io
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

_MOST_HEADERS = 16 * 1024
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,2000}")
_LABELS = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.IGNORECASE)
# What ends in a number is an address in some spelling: decimal, octal, hexadecimal or with parts left out.
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
# Networks whose addresses stand for IPv4 ones, which a gateway would turn into whatever they hide.
_TRANSLATED = tuple(
    map(IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"))
)
_ONLY_HTTPS = "Only addresses that begin with https:// are used."
_DEFAULT_PORTS = {"https": 443, "http": 80}

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken of a server: `seconds` for all of it (names, connections, TLS, headers and body)."""

    seconds: float
    most_bytes: int
    redirects: int = 0
    """How many are followed: of pages, whose addresses people keep for years."""


FOR_PROGRAMS = Limits(3.0, 64 * 1024)
FOR_PAGES = Limits(10.0, 2 * 1024 * 1024, redirects=3)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class NotFetched(Exception):
    """Nothing came of it. `reason` is a sentence for whoever gave the address; it tells nothing about our network."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AddressRefused(NotFetched):
    """We do not send to this address, whoever asks."""


class ServerFailed(NotFetched):
    """The server did not answer as it should: not in time, not with 2xx, too much, or not provably itself.

    `status` is the HTTP status of the answer, where there was one.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class _Elsewhere(ServerFailed):
    def __init__(self, status: int) -> None:
        super().__init__("It sends on to another address, which we do not follow. Give that address itself.", status)


class _SentOn(_Elsewhere):
    def __init__(self, status: int, location: str) -> None:
        super().__init__(status)
        self.location = location


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer with a status of 2xx; `headers` find their names in any case."""

    status: int
    headers: HTTPMessage
    body: bytes


@dataclass(frozen=True, slots=True)
class _Target:
    """An address taken apart."""

    https: bool
    host: str
    port: int
    path: str


def require_allowed(url: str, *, loopback: bool) -> None:
    """Raise AddressRefused, or ServerFailed for a name that is not known, where nothing would be sent to `url` now.

    For the moment at which an address is given; what is sent later is looked at again.
    """
    _find(url, time.monotonic() + FOR_PROGRAMS.seconds, loopback=loopback)


def get(url: str, *, accept: str, loopback: bool, limits: Limits = FOR_PROGRAMS) -> Answer:
    """GET `url`; raises AddressRefused or ServerFailed."""
    deadline = time.monotonic() + limits.seconds
    for _ in range(limits.redirects):
        try:
            return _exchange("GET", url, None, {"Accept": accept}, limits, deadline, loopback=loopback)
        except _SentOn as sent:
            url = _next(url, sent.location)
    return _exchange("GET", url, None, {"Accept": accept}, limits, deadline, loopback=loopback)


def post(
    url: str, body: bytes, *, content_type: str, accept: str = "*/*", headers: Mapping[str, str] | None = None,
    loopback: bool,
) -> Answer:  # fmt: skip
    """POST `body` to `url`; `headers` are further ones, such as a signature. Raises AddressRefused or ServerFailed."""
    given = {"Accept": accept, "Content-Type": content_type, **(headers or {})}
    deadline = time.monotonic() + FOR_PROGRAMS.seconds
    return _exchange("POST", url, body, given, FOR_PROGRAMS, deadline, loopback=loopback)


def _exchange(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], limits: Limits, deadline: float, *,
    loopback: bool,
) -> Answer:  # fmt: skip
    target, addresses = _find(url, deadline, loopback=loopback)
    connection = _Pinned(target, addresses, deadline, limits.most_bytes)
    try:
        connection.request(method, target.path, body, {"User-Agent": "Latchstring", **headers})
        return _read(connection, limits.most_bytes)
    except ssl.SSLCertVerificationError:
        raise ServerFailed("Its certificate does not prove that it is this server.") from None
    except TimeoutError:
        raise ServerFailed(f"It did not answer whole within {limits.seconds:g} seconds.") from None
    except (OSError, HTTPException, ValueError):
        raise ServerFailed("It could not be reached, or did not answer as a web server does.") from None
    finally:
        connection.hang_up()


def _find(url: str, deadline: float, *, loopback: bool) -> tuple[_Target, list[Address]]:
    """What the address means, and where it may be connected to; a name is not even asked for where http is refused."""
    target = _take_apart(url)
    if not target.https and not loopback:
        raise AddressRefused(_ONLY_HTTPS)
    return target, _allowed(target, _resolve(target, deadline), loopback=loopback)


def _next(url: str, location: str) -> str:
    """Where a redirect leads; never from https to http."""
    try:
        found = urldefrag(urljoin(url, location)).url
    except ValueError:
        raise AddressRefused("It sends on to what is no web address.") from None
    if url.startswith("https:") and not found.startswith("https:"):
        raise AddressRefused(_ONLY_HTTPS)
    return found


def _read(connection: "_Pinned", most_bytes: int) -> Answer:
    response = connection.getresponse()
    if 300 <= response.status < 400:
        location = response.headers.get("Location")
        raise (
            _SentOn(response.status, location)
            if location and response.status in _REDIRECTS
            else _Elsewhere(response.status)
        )
    if not 200 <= response.status < 300:
        raise ServerFailed(f"It answered with status {response.status}.", response.status)
    body = response.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise ServerFailed(f"It sent more than {most_bytes // 1024} kB.")
    return Answer(response.status, response.headers, body)


def _take_apart(url: str) -> _Target:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise AddressRefused("This is not a complete web address.") from None
    if not _PRINTABLE.fullmatch(url) or parts.scheme not in _DEFAULT_PORTS or not host:
        raise AddressRefused("Give a complete web address that begins with https://.")
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise AddressRefused("The address holds no user name, fragment or backslash.")
    if ":" not in host and not _is_spelt_plainly(host):
        raise AddressRefused("The host is a name, or an IP address in its usual spelling.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.scheme == "https", host, port or _DEFAULT_PORTS[parts.scheme], path)


def _is_spelt_plainly(host: str) -> bool:
    if not _LABELS.fullmatch(host):
        return False
    if not _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return True
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def _resolve(target: _Target, deadline: float) -> list[Address]:
    """Every address of the host."""
    # The system's resolver knows no time limit: where it takes longer it is left behind.
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()
    asking = threading.Thread(target=_ask, args=(target, answers.put), daemon=True)
    asking.start()
    try:
        found = answers.get(timeout=_left(deadline))
    except (queue.Empty, TimeoutError):
        raise ServerFailed("The name of its host was not found in time.") from None
    if isinstance(found, OSError):
        raise ServerFailed("The name of its host is not known.")
    return [ip_address(str(one[4][0]).partition("%")[0]) for one in found]


def _ask(target: _Target, tell: Callable[[list[Any] | OSError], None]) -> None:
    try:
        tell(socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as problem:
        tell(problem if isinstance(problem, OSError) else OSError())


def _allowed(target: _Target, addresses: list[Address], *, loopback: bool) -> list[Address]:
    """The addresses, if we may connect to every one of them."""
    if loopback and all(one.is_loopback for one in addresses):
        return addresses
    if not target.https:
        raise AddressRefused(_ONLY_HTTPS)
    if not addresses or not all(map(_is_public, addresses)):
        raise AddressRefused("The host is not on the public internet.")
    return addresses


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and (address.is_site_local or any(address in one for one in _TRANSLATED)):
        return False
    # Asked one by one: what Python counts as global has changed between its versions.
    inside = address.is_private or address.is_loopback or address.is_link_local or address.is_reserved
    return address.is_global and not inside and not address.is_multicast and not address.is_unspecified


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Pinned(HTTPConnection):
    """A connection to addresses that were looked at, under one deadline; `http.client` does the HTTP on it."""

    def __init__(self, target: _Target, addresses: list[Address], deadline: float, most_bytes: int) -> None:
        super().__init__(target.host, target.port)
        self.default_port = _DEFAULT_PORTS["https" if target.https else "http"]
        self._target = target
        self._addresses = addresses
        self._deadline = deadline
        self._most_bytes = most_bytes
        self._line: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the first address that answers. Over TLS the certificate must be the name's, as ever."""
        self._line = self._first_to_answer()
        if self._target.https:
            self._line.settimeout(_left(self._deadline))
            self._line = ssl.create_default_context().wrap_socket(self._line, server_hostname=self._target.host)
        self.sock = _Timed(self._line, self._deadline, self._most_bytes)

    def hang_up(self) -> None:
        """Close the line, however far it came."""
        if self._line is not None:
            self._line.close()

    def _first_to_answer(self) -> socket.socket:
        problem: OSError = ConnectionRefusedError()
        for number, address in enumerate(self._addresses):
            # A share of what is left for each, so that one dead address does not use it up.
            share = _left(self._deadline) / (len(self._addresses) - number)
            try:
                return socket.create_connection((str(address), self._target.port), timeout=share)
            except OSError as failed:
                problem = failed
        raise problem


class _Timed:
    """A socket as `http.client` uses it: each step gets what is left of the time, and of the bytes."""

    def __init__(self, inner: socket.socket, deadline: float, most_bytes: int) -> None:
        self._inner = inner
        self._deadline = deadline
        self._most_bytes = most_bytes

    def sendall(self, given: Any) -> None:
        """Send all of it in time."""
        self._inner.settimeout(_left(self._deadline))
        self._inner.sendall(given)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What comes back."""
        return io.BufferedReader(_Incoming(self._inner, self._deadline, self._most_bytes))

    def close(self) -> None:
        """Nothing yet: `http.client` lets go of the socket before it has read what a server sends as its last."""


class _Incoming(io.RawIOBase):
    def __init__(self, inner: socket.socket, deadline: float, most_bytes: int) -> None:
        super().__init__()
        self._inner = inner
        self._deadline = deadline
        self._most_bytes = most_bytes
        self._room = _MOST_HEADERS + most_bytes + 1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._room <= 0:
            raise ServerFailed(f"It sent more than {self._most_bytes // 1024} kB.")
        self._inner.settimeout(_left(self._deadline))
        count = self._inner.recv_into(memoryview(buffer)[: self._room])
        self._room -= count
        return count
