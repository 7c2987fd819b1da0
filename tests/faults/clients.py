"""Apps that connect, refresh and revoke over HTTP, and what of it was acknowledged to them."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

import requests
from sqlalchemy import update

from oauth.models import AuthorizationCode
from service.clock import now
from service.db import digest
from tests.oauth.desk import App, Code, Desk

_ASK_AGAIN = 0.1
"""Seconds after which an app that was told to come again asks whether it may; it would wait longer in life."""
_PACE = 0.05
"""Seconds between two connections of a caller that stays, so that its codes last."""
_TIMEOUT = 30


class Step(StrEnum):
    """What an app had asked for when its connection broke."""

    NONE = "nothing"
    CONNECT = "connect"
    REFRESH = "refresh"
    REVOKE = "revoke"
    LOOK = "look"


@dataclass
class Connection:
    """One code, the pairs of tokens that came of it, and how far its app knows that it got."""

    code: Code
    pairs: list[dict[str, Any]] = field(default_factory=list)
    revoked: bool = False
    doubt: Step = Step.NONE


class Broken(Exception):
    """The server was away, or asked to come again: nobody knows whether it did what it was asked."""


@dataclass(frozen=True)
class Told:
    """One answer: when its request began and how long it took (monotonic, s), and its status; None: there was none."""

    step: Step
    began: float
    took: float
    status: int | None
    says_when: bool
    """Whether it has Retry-After."""

    @property
    def is_served(self) -> bool:
        """Whether the app got what it asked for."""
        return self.status == (401 if self.step is Step.LOOK else 200)

    @property
    def is_put_off(self) -> bool:
        """Whether it was told to come again, as it should be while there is no database."""
        return self.status == 503 and self.says_when


class Caller:
    """One app after another connection, until told to stop."""

    def __init__(
        self, url: str, connections: list[Connection], chance: random.Random, *, stays: bool = False
    ) -> None:  # fmt: skip
        """`stays`: where it is not served it asks until it is, and goes on until told to stop."""
        self._url, self._chance, self._connections, self._stays = url, chance, connections, stays
        self.http = requests.Session()
        self.acknowledged = 0
        self.told: list[Told] = []
        self.refused: list[str] = []
        """What no fault explains: the server answered, and said no to what is right."""

    def run(self, stop: threading.Event) -> None:
        """Drive its connections in turn: connect, refresh some times, revoke."""
        for connection in self._connections:
            try:
                self._drive(connection, stop)
            except Broken:
                if not self._stays:
                    return
                while not stop.wait(_ASK_AGAIN) and not self._look():
                    pass
            if self._stays:
                stop.wait(_PACE)
        while self._stays and not stop.wait(_ASK_AGAIN):
            self._look()

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
        answer = self._call(step, "POST", path, data=form)
        if answer is None or answer.status_code >= 500:
            raise Broken
        if answer.status_code != 200:
            self.refused.append(f"{step}: {answer.status_code} {answer.text[:300]}")
            raise Broken
        connection.doubt = Step.NONE
        self.acknowledged += 1
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body

    def _look(self) -> bool:
        """Whether apps are served: only who can look a token up knows that it is nobody's."""
        self._call(Step.LOOK, "GET", "/oauth/userinfo", headers={"Authorization": "Bearer of-nobody"})
        return self.told[-1].is_served

    def _call(self, step: Step, method: str, path: str, **given: Any) -> requests.Response | None:
        began = time.monotonic()
        try:
            answer = self.http.request(method, self._url + path, timeout=_TIMEOUT, **given)
        except requests.RequestException:
            answer = None
        took = time.monotonic() - began
        status, headers = (None, {}) if answer is None else (answer.status_code, answer.headers)
        self.told.append(Told(step, began, took, status, "Retry-After" in headers))
        return answer


@contextmanager
def at_work(callers: Sequence[Caller]) -> Iterator[None]:
    """All of them at once, each in a thread, until the block ends."""
    stop = threading.Event()
    threads = [threading.Thread(target=caller.run, args=(stop,)) for caller in callers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def connections_of(desk: Desk, app: App, many: int) -> list[Connection]:
    """So many codes that an app got, none used; they last until a busy machine gets to the last one."""
    made = [Connection(desk.agree(app)) for _ in range(many)]
    with desk.session() as session:
        these = AuthorizationCode.hash.in_([digest(one.code.value) for one in made])
        session.execute(update(AuthorizationCode).where(these).values(expires_at=now() + timedelta(hours=1)))
    return made
