"""Case 76 of security.md under load: on two workers, nothing that begins after the answer to a revocation succeeds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest
import requests

from tests.conftest import LiveServer, running_server
from tests.factories import make_account, make_member
from tests.flows.visitor import Visitor
from tests.oauth.desk import App, Desk

READERS = 6
BEFORE, AFTER = 1.0, 1.5
"""Seconds of reading before the revocation and after its answer."""


@dataclass(frozen=True)
class Read:
    """When a read began, by the monotonic clock, and how it was answered."""

    began: float
    status: int


def by_app(server: LiveServer, app: App, token: dict[str, Any]) -> None:
    """The app gives its refresh token back."""
    form = {"token": token["refresh_token"], "client_id": app.id}
    assert requests.post(f"{server.url}/oauth/revoke", data=form, timeout=60).status_code == 200


def by_member(desk: Desk, server: LiveServer) -> Callable[[], None]:
    """The member presses Revoke; signed in, and with the page open, before it counts."""
    visitor = Visitor(desk.account.username)
    visitor.sign_in(server.url)
    form = visitor.filled(f"{server.url}/apps", "Revoke")

    def press() -> None:
        answer = visitor.browser.post(form.action, data=form.values, allow_redirects=False, timeout=60)
        assert answer.status_code == 303, answer.text

    return press


@pytest.mark.slow
@pytest.mark.parametrize("who", ["app", "member"])
def test_case_076_no_request_begun_after_the_answer_succeeds(desk: Desk, who: str) -> None:
    app = desk.register()
    ended = desk.connect(app)
    kept = _of_another_member(desk)
    with running_server(desk.settings) as server, ThreadPoolExecutor(2 * READERS) as pool:
        revoke = by_member(desk, server) if who == "member" else lambda: by_app(server, app, ended)
        over = Event()
        mine = [pool.submit(_read_until, over, server, ended["access_token"]) for _ in range(READERS)]
        others = [pool.submit(_read_until, over, server, kept["access_token"]) for _ in range(2)]
        try:
            sleep(BEFORE)
            begun = monotonic()
            revoke()
            answered = monotonic()
            sleep(AFTER)
        finally:
            over.set()
        reads = [read for reader in mine for read in reader.result()]
        untouched = [read for reader in others for read in reader.result()]
    later = [read for read in reads if read.began > answered]
    assert {read.status for read in reads if read.began < begun} >= {200}
    assert len(later) >= READERS and {read.status for read in later} == {401}
    assert {read.status for read in reads} == {200, 401}
    assert {read.status for read in untouched} == {200}


def _of_another_member(desk: Desk) -> dict[str, Any]:
    with desk.session() as session:
        member = make_member(session)
        account = make_account(session, member=member)
    return desk.connect(desk.register(), account=account, member=member)


def _read_until(over: Event, server: LiveServer, token: str) -> list[Read]:
    """Read again and again, each time on a connection of its own, so that either worker answers."""
    found, headers = [], {"Authorization": f"Bearer {token}"}
    while not over.is_set():
        began = monotonic()
        answer = requests.get(f"{server.url}/fhir/r4/Coverage?_count=1", headers=headers, timeout=60)
        found.append(Read(began, answer.status_code))
    return found
