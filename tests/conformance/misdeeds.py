"""What a server could do wrong, one thing each, as something a proxy does between it and the runner."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.conformance.proxy import Call, Misdeed, Reply, Send

_KEY = RSAKey.generate_key(2048, {"kid": "forged", "use": "sig", "alg": "RS256"})
Changes = Callable[[dict[str, Any]], object]
When = Callable[[Call], bool]
Alter = Callable[[Reply], Reply]


def after(when: When, alter: Alter) -> Misdeed:
    """Alter the answers to some calls."""

    def misdeed(call: Call, send: Send) -> Reply:
        reply = send(call)
        return alter(reply) if when(call) else reply

    return misdeed


def before(when: When, alter: Callable[[Call], Call]) -> Misdeed:
    """Alter some calls on their way in."""
    return lambda call, send: send(alter(call) if when(call) else call)


def instead(when: When, reply: Reply) -> Misdeed:
    """Answer some calls without passing them on."""
    return lambda call, send: reply if when(call) else send(call)


def at(path: str, method: str = "GET", **fields: str) -> When:
    """Calls to a path (a regular expression) whose form has these values."""

    def when(call: Call) -> bool:
        named = re.fullmatch(path, urlsplit(call.path).path) is not None and call.method == method
        return named and (not fields or fields.items() <= call.form.items())

    return when


def changed(change: Changes) -> Alter:
    """A JSON answer changed in place."""

    def in_place(content: dict[str, Any]) -> None:
        change(content)

    return lambda reply: reply.with_json(in_place) if reply.status == 200 else reply


def without(*names: str) -> Alter:
    """An answer without these headers."""
    return lambda reply: reply.without(*names)


def where(when: Callable[[Reply], bool], alter: Alter) -> Alter:
    """Alter those answers only for which `when` holds."""
    return lambda reply: alter(reply) if when(reply) else reply


def unless_authorized(path: str, method: str, reply: Reply) -> Misdeed:
    """Answer callers who do not say who they are."""
    return instead(lambda call: at(path, method)(call) and "Authorization" not in call.headers, reply)


def any_audience(call: Call, send: Send) -> Reply:
    """Take every authorization request as if it were made out to this server."""
    base = f"http://{call.headers['Host']}/fhir/r4"
    return asked(lambda query: query.update(aud=base))(call, send)


def to_app(change: Changes) -> Misdeed:
    """Change the parameters that the app is called back with."""

    def alter(reply: Reply) -> Reply:
        location = reply.header("Location")
        if not location.startswith("http://localhost:8765/"):
            return reply
        parts = urlsplit(location)
        query = dict(parse_qsl(parts.query))
        change(query)
        return reply.with_header("Location", urlunsplit(parts._replace(query=urlencode(query))))

    return after(lambda _call: True, alter)


def asked(change: Changes) -> Misdeed:
    """Change the parameters of authorization requests sent by GET, those of the runner's walk alone."""

    def alter(call: Call) -> Call:
        parts = urlsplit(call.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        change(query)
        return replace(call, path=urlunsplit(parts._replace(query=urlencode(query))))

    return before(at("/oauth/authorize"), alter)


def posted(path: str, change: Changes, **fields: str) -> Misdeed:
    """Change the fields of a form on its way in."""

    def alter(call: Call) -> Call:
        form = dict(call.form)
        change(form)
        return replace(call, body=urlencode(form).encode())

    return before(at(path, "POST", **fields), alter)


def claims(change: Changes, header: dict[str, Any] | None = None) -> Misdeed:
    """Issue ID tokens with other claims or another header, signed by a key published in place of the server's."""
    keys = Reply(200, [("Content-Type", "application/json")], orjson.dumps({"keys": [_KEY.as_dict(private=False)]}))

    def alter(content: dict[str, Any]) -> None:
        if "id_token" in content:
            told = json.loads(urlsafe_b64decode(content["id_token"].split(".")[1] + "=="))
            change(told)
            head = {"alg": "RS256", "kid": "forged", **(header or {})}
            content["id_token"] = jwt.encode(head, told, _KEY, algorithms=[head["alg"]])

    def misdeed(call: Call, send: Send) -> Reply:
        if at("/oauth/jwks")(call):
            return keys
        reply = send(call)
        return changed(alter)(reply) if at("/oauth/token", "POST")(call) else reply

    return misdeed
