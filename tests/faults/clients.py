"""Apps that connect, refresh and revoke over HTTP, and what of it was acknowledged to them."""

import random
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import requests

from tests.oauth.desk import App, Code


class Step(StrEnum):
    """What an app had asked for when its connection broke."""

    NONE = "nothing"
    CONNECT = "connect"
    REFRESH = "refresh"
    REVOKE = "revoke"


@dataclass
class Connection:
    """One code, the pairs of tokens that came of it, and how far its app knows that it got."""

    code: Code
    pairs: list[dict[str, Any]] = field(default_factory=list)
    revoked: bool = False
    doubt: Step = Step.NONE


class Broken(Exception):
    """The server was away, or asked to come again: nobody knows whether it did what it was asked."""


class Caller:
    """One app after another connection, until told to stop."""

    def __init__(self, url: str, connections: list[Connection], chance: random.Random) -> None:
        self._url, self._chance, self._connections = url, chance, connections
        self.http = requests.Session()
        self.acknowledged = 0

    def run(self, stop: threading.Event) -> None:
        """Drive its connections in turn: connect, refresh some times, revoke."""
        try:
            for connection in self._connections:
                self._drive(connection, stop)
        except Broken:
            return

    def _drive(self, connection: Connection, stop: threading.Event) -> None:
        app = connection.code.app
        if stop.is_set():
            return
        pair = self._ask(connection, Step.CONNECT, "/oauth/token", connection.code.form())
        connection.pairs.append(pair)
        for _ in range(self._chance.randrange(3)):
            if stop.is_set():
                return
            form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"], "client_id": app.id}
            pair = self._ask(connection, Step.REFRESH, "/oauth/token", form)
            connection.pairs.append(pair)
        if self._chance.random() < 0.5 and not stop.is_set():
            form = {"token": pair["refresh_token"], "client_id": app.id}
            self._ask(connection, Step.REVOKE, "/oauth/revoke", form)
            connection.revoked = True

    def _ask(self, connection: Connection, step: Step, path: str, form: dict[str, str]) -> dict[str, Any]:
        connection.doubt = step
        try:
            answer = self.http.post(self._url + path, data=form, timeout=30)
        except requests.RequestException:
            raise Broken from None
        if answer.status_code >= 500:
            raise Broken
        assert answer.status_code == 200, f"{step}: {answer.status_code} {answer.text[:300]}"
        connection.doubt = Step.NONE
        self.acknowledged += 1
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body


def connections_for(app: App, codes: list[Code]) -> list[Connection]:
    """A connection for each code of an app."""
    assert all(code.app is app for code in codes)
    return [Connection(code) for code in codes]
