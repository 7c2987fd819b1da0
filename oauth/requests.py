"""What an endpoint reads of a request: one value for each name, from one place, and nothing else."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from flask import Request

from oauth.errors import InvalidRequest
from oauth.models import PendingAuthorization
from oauth.trials.checks import Check, because
from service import web

MAX_PARAMETERS = 100
MAX_LENGTH = 20_000
_FORM = "application/x-www-form-urlencoded"


class Duplicated(Exception):
    """Names that came more than once. The single ones are kept, so that the answer can go where it belongs."""

    def __init__(self, single: dict[str, str]) -> None:
        super().__init__("repeated parameter")
        self.single = single


@lru_cache(maxsize=256)
def _made_by_authlib(uri: str) -> dict[str, Any]:
    # It takes each address apart to see that it is https or loopback: once for each is enough.
    return dict(vars(OAuth2Request("", uri)))


class OAuthRequest(OAuth2Request):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's request over parameters that we read ourselves: the query never mixes with the body (RFC 6749 §3.2)."""

    def __init__(self, method: str, uri: str, parameters: dict[str, str], headers: Any = None) -> None:
        self.__dict__.update(_made_by_authlib(uri))
        self.method, self.headers = method, {} if headers is None else headers
        self.payload = BasicOAuth2Payload(parameters)
        self.pending: PendingAuthorization | None = None
        self.dpop_jkt: str | None = None
        """The key whose possession the caller proved (RFC 9449), where it sent a proof."""

    @property
    def form(self) -> dict[str, str]:
        """The body's parameters."""
        parameters: dict[str, str] = self.payload.data
        return parameters

    @property
    def args(self) -> dict[str, str]:
        """Authlib asks for query parameters nowhere on our paths; there are none."""
        return {}


def current_request() -> OAuthRequest:
    """The POST at hand; raises InvalidRequest for a query string, another type, or a repeated name."""
    given = web.request_itself()
    if given.query_string:
        raise because(Check.FORM, InvalidRequest())
    try:
        parameters = body_parameters(given)
    except Duplicated:
        raise because(Check.REPEATED, InvalidRequest()) from None
    # The address people use, not the one behind a proxy: Authlib asks that it is https or loopback.
    return OAuthRequest(given.method, web.settings().base_url + given.path, parameters, headers=given.headers)


def body_parameters(request: Request) -> dict[str, str]:
    """The parameters of a urlencoded body."""
    if request.mimetype != _FORM:
        raise because(Check.FORM, InvalidRequest())
    return _single(_parse(request.get_data(cache=True)))


def query_parameters(request: Request) -> dict[str, str]:
    """The parameters of the query string."""
    return _single(_parse(request.query_string))


def _parse(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise InvalidRequest() from None


def _single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One value for each name. An empty value counts as absent (RFC 6749 §3.1), but a repeated name never passes."""
    seen: set[str] = set()
    repeated: set[str] = set()
    values: dict[str, str] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value or len(value) > MAX_LENGTH:
            raise InvalidRequest()
        (repeated if name in seen else seen).add(name)
        if value:
            values[name] = value
    if repeated:
        raise Duplicated({name: value for name, value in values.items() if name not in repeated})
    return values
