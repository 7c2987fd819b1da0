"""Redirect addresses of apps: what may be registered, what matches in a request, and how an answer is added to one."""

import re
from urllib.parse import quote, urlencode, urlsplit

_PRINTABLE = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]{1,2000}")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
_LOOPBACK = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\])(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>/[^#]*)?")
_LOCALHOST = re.compile(r"http://localhost(:[1-9][0-9]{0,4})?(/.*)?")


class RedirectRefused(Exception):
    """This address may not be registered. `reason` is a sentence for the developer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def require_registrable(uri: str, *, sandbox: bool) -> None:
    """Raise RedirectRefused unless `uri` may be registered (OA-2; RFC 8252 §7; RFC 6749 §3.1.2)."""
    if not _PRINTABLE.fullmatch(uri) or "*" in uri:
        raise RedirectRefused("A redirect address is plain ASCII without spaces, quotes or wildcards.")
    if "#" in uri:
        raise RedirectRefused("A redirect address has no fragment.")
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - a port that is no number raises here
    except ValueError:
        raise RedirectRefused("This is not a complete address.") from None
    if "@" in parts.netloc or re.search(r"(^|/)(\.|%2e){1,2}(/|$)", parts.path, re.IGNORECASE):
        raise RedirectRefused("A redirect address holds neither a user name nor dot segments.")
    if parts.scheme == "https" and parts.hostname:
        return
    if is_loopback(uri) or (sandbox and _LOCALHOST.fullmatch(uri)):
        return
    if _PRIVATE_SCHEME.fullmatch(parts.scheme) and uri.startswith(f"{parts.scheme}:"):
        return
    raise RedirectRefused(
        "Use https, http on 127.0.0.1 or [::1] for apps on a computer, or a scheme like com.example.app:/"
    )


def matches(registered: list[str], given: str) -> bool:
    """Whether `given` is a registered address: byte for byte, but the port of a loopback address is free (OA-1)."""
    if not _PRINTABLE.fullmatch(given):
        return False
    return given in registered or any(_same_loopback(known, given) for known in registered)


def is_loopback(uri: str) -> bool:
    """Whether `uri` leads to the person's own computer by address."""
    return _LOOPBACK.fullmatch(uri) is not None


def is_claimed_https(uri: str) -> bool:
    """Whether `uri` proves who receives the answer; loopback and private schemes do not (RFC 8252 §8.6)."""
    return uri.startswith("https://")


def host_of(uri: str) -> str | None:
    """Whose address this is, for people to read: its host, or its scheme where it is an app's own; None for neither."""
    try:
        parts = urlsplit(uri)
        return parts.hostname or parts.scheme or None
    except ValueError:
        return None


def form_action(uri: str) -> str:
    """What a page's Content-Security-Policy must name so that its form may end at `uri`: an origin or a scheme."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else f"{parts.scheme}:"


def with_parameters(uri: str, **parameters: str | None) -> str:
    """`uri` with the given parameters added to its query, its own bytes untouched; None is left out."""
    given = {name: value for name, value in parameters.items() if value is not None}
    if not given:
        return uri
    query = urlencode(given, quote_via=quote, safe="")
    separator = "&" if "?" in uri else "?"
    return f"{uri}{separator}{query}"


def _same_loopback(known: str, given: str) -> bool:
    registered, asked = _LOOPBACK.fullmatch(known), _LOOPBACK.fullmatch(given)
    if registered is None or asked is None or int(asked["port"] or 80) > 65535:
        return False
    return (registered["host"], registered["rest"]) == (asked["host"], asked["rest"])
