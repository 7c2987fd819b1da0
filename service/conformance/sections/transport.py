"""TLS and cross-origin requests (conformance A1, A2; SMART-81, 82)."""

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

from service.conformance import launches
from service.conformance.requirement import Requirement
from service.conformance.trial import ORIGIN, Trial
from service.conformance.verdicts import NotOffered, expect, expect_status
from service.conformance.wire import Answer

_OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
_MODERN = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def _old_refused(trial: Trial) -> None:
    for host, port in _tls_hosts(trial):
        for version in _OLD:
            expect(not _shakes_hands(trial, host, port, version), f"{version.name} refused", f"accepted on port {port}")


def _modern_accepted(trial: Trial) -> None:
    for host, port in _tls_hosts(trial):
        accepted = [version.name for version in _MODERN if _shakes_hands(trial, host, port, version)]
        expect(accepted, "TLS 1.2 or 1.3 with a certificate that verifies", f"neither on port {port}")


def _tls_hosts(trial: Trial) -> Iterator[tuple[str, int]]:
    """Every host and port that an app speaks to; raises NotOffered where one is plain http."""
    addresses = (trial.fhir_base, trial.endpoint("authorization_endpoint"), trial.endpoint("token_endpoint"))
    parts = [urlsplit(address) for address in addresses]
    if any(part.scheme != "https" for part in parts):
        raise NotOffered("the server is reached over plain http")
    yield from dict.fromkeys((part.hostname or "", part.port or 443) for part in parts)


def _shakes_hands(trial: Trial, host: str, port: int, version: ssl.TLSVersion) -> bool:
    context = ssl.create_default_context(cafile=str(trial.wire.ca_file) if trial.wire.ca_file else None)
    if version in _OLD:
        # Or our own library would refuse before the server is asked.
        context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    try:
        with closing(socket.create_connection((host, port), timeout=10)) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except (ssl.SSLError, ConnectionError):
        return False
    return True


def _documents(trial: Trial) -> None:
    for path in (".well-known/smart-configuration", "metadata"):
        answer = trial.read(path, Origin=ORIGIN)
        expect(_open(answer), f"Access-Control-Allow-Origin on {path}", answer.headers.get(_ALLOW, "none"))


def _token(trial: Trial) -> None:
    trial.require("client-public")
    app = launches.public(trial).app
    answer = app.token({"grant_type": "authorization_code", "code": "none"}, Origin=ORIGIN)
    expect(_open(answer), "Access-Control-Allow-Origin at the token endpoint", answer.headers.get(_ALLOW, "none"))


def _fhir_read(trial: Trial) -> None:
    launch = launches.public(trial)
    answer = trial.read(f"Patient/{launch.text('patient')}", launch.access_token, Origin=ORIGIN)
    expect_status(answer.status, {200}, "a read from a browser")
    expect(_open(answer), "Access-Control-Allow-Origin on a read", answer.headers.get(_ALLOW, "none"))


def _preflight(trial: Trial) -> None:
    asked = {
        "Origin": ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization",
    }  # fmt: skip
    answer = trial.wire.send("OPTIONS", f"{trial.fhir_base}/Patient", headers=asked)
    expect_status(answer.status, {200, 204}, "a preflight without a token")
    allowed = answer.headers.get("Access-Control-Allow-Headers", "").lower()
    expect(_open(answer) and "authorization" in allowed, "a preflight that allows Authorization", allowed or "none")


def _not_authorize(trial: Trial) -> None:
    answer = trial.wire.get(trial.endpoint("authorization_endpoint"), Origin=ORIGIN)
    expect(_ALLOW not in answer.headers, "no CORS at the authorization endpoint", answer.headers.get(_ALLOW))


def _no_credentials(trial: Trial) -> None:
    answer = trial.read(".well-known/smart-configuration", Origin=ORIGIN)
    allowed = answer.headers.get("Access-Control-Allow-Credentials", "false")
    expect(answer.headers.get(_ALLOW) != "*" or allowed != "true", "never * with credentials", "both")


def _open(answer: Answer) -> bool:
    return answer.headers.get(_ALLOW) in {"*", ORIGIN}


_ALLOW = "Access-Control-Allow-Origin"
REQUIREMENTS = (
    Requirement("transport.old_tls", "A2, SMART-82", "TLS 1.0 and 1.1 are refused", _old_refused),
    Requirement("transport.modern_tls", "A2, SMART-82", "TLS 1.2 or later works, and verifies", _modern_accepted),
    Requirement("transport.cors_documents", "A1, SMART-81", "a browser app may read discovery", _documents),
    Requirement("transport.cors_token", "A2, SMART-81", "a browser app may ask for tokens", _token),
    Requirement("transport.cors_read", "A3, SMART-81", "a browser app may read records", _fhir_read),
    Requirement("transport.preflight", "SMART-81", "browsers may ask beforehand without a token", _preflight),
    Requirement("transport.cors_authorize", "SMART-81", "no CORS at the authorization endpoint", _not_authorize),
    Requirement("transport.cors_credentials", "SMART-81", "no wildcard with credentials", _no_credentials),
)
