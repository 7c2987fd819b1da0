"""security.md, cases 161 and 164: floods and half-sent bodies leave the server answering, and tell the rest to wait."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Event

import pytest
import requests
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent.policy import plan_system
from fhir.loading import ingest
from service.settings import Settings
from tests.accounts.visitor import csrf_token
from tests.conftest import LiveServer, running_server
from tests.factories import PASSWORD, make_account
from tests.fhir import records
from tests.oauth.desk import Desk

_HALF_A_BODY = (
    b"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\ngrant_type="
)
Answer = tuple[int, bool]
"""A status, and whether it came with Retry-After."""


@pytest.fixture
def narrow_server(settings: Settings, engine: Engine) -> Iterator[LiveServer]:
    """A server as it is shipped: few may wait."""
    with running_server(replace(settings, requests_waiting=8)) as server:
        yield server


def test_case_164_floods_of_sign_ins_and_searches_leave_the_probe_alive_and_end_with_the_flood(
    desk: Desk, engine: Engine, session: Session, narrow_server: LiveServer
) -> None:
    url, mine = narrow_server.url, desk.member.patient_id
    resources = [*records.shared(), *records.record_of(mine)]
    assert ingest.load_resources(engine, resources, access=plan_system("tests")).rejected == 0
    token = desk.connect(desk.register())["access_token"]
    names = [make_account(session).username for _ in range(100)]
    session.commit()
    session.close()
    bearer = {"Authorization": f"Bearer {token}"}
    page = requests.get(f"{url}/sign-in", timeout=60)
    form = {"csrf_token": csrf_token(page.text), "password": PASSWORD}

    def sign_in(number: int) -> Answer:
        sent = form | {"username": names[number]}
        return _told(
            requests.post(f"{url}/sign-in", data=sent, cookies=page.cookies, allow_redirects=False, timeout=60)
        )

    def search(_number: int) -> Answer:
        path = f"{url}/fhir/r4/ExplanationOfBenefit?_include=*&_count=100"
        return _told(requests.get(path, headers=bearer, timeout=60))

    for many, ask, right in ((100, sign_in, {303, 429}), (50, search, {200})):
        with _probed(url) as worst:
            answers = _all_at_once(many, ask)
        assert set(answers) <= {*((status, False) for status in right), (429, True), (503, True)}, answers
        assert any(status in right for status, _ in answers), answers
        assert max(worst) < 5, "a busy machine's second"
        began = time.monotonic()
        while ask(0)[0] not in right and time.monotonic() < began + 20:
            time.sleep(0.05)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_case_161_half_a_body_holds_no_place(narrow_server: LiveServer) -> None:
    with ExitStack() as opened:
        for _ in range(24):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", narrow_server.port), timeout=60))
            client.sendall(_HALF_A_BODY)
        time.sleep(0.5)
        for path in ("/health/ready", "/sign-in", "/.well-known/openid-configuration"):
            assert requests.get(narrow_server.url + path, timeout=20).status_code in {200, 503}
        answers = Counter(requests.get(narrow_server.url + "/help", timeout=20).status_code for _ in range(20))
        assert answers == {200: 20}, "people read pages as if nobody stood in the door"


def _told(answer: requests.Response) -> Answer:
    return answer.status_code, "Retry-After" in answer.headers


def _all_at_once(many: int, ask: Callable[[int], Answer]) -> Counter[Answer]:
    with ThreadPoolExecutor(many) as pool:
        return Counter(pool.map(ask, range(many)))


@contextmanager
def _probed(url: str) -> Iterator[list[float]]:
    """How long each probe took meanwhile, in seconds."""
    over, worst = Event(), [0.0]

    def probe() -> None:
        while not over.wait(0.05):
            began = time.monotonic()
            assert requests.get(f"{url}/health/live", timeout=20).status_code == 200
            worst.append(time.monotonic() - began)

    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe)
        yield worst
        over.set()
        probing.result()
