"""Case 44 of security.md where it is hard: one assertion on two workers at once, and over their restart."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.conftest import running_server
from tests.oauth.desk import Desk
from tests.oauth.keyed import TOKEN, key_server, register_backend

ROUNDS = int(os.environ.get("RACE_ROUNDS", "20"))
"""The long form: RACE_ROUNDS=200."""
CALLERS = 8
ASKED = {"grant_type": "client_credentials", "scope": "system/*.rs"}


def test_case_044_of_parallel_uses_one_wins(desk: Desk, session: Session) -> None:
    barrier = Barrier(CALLERS)

    def call(form: dict[str, str]) -> int:
        browser = desk.app.test_client()
        barrier.wait(60)
        return browser.post(TOKEN, data=form).status_code

    with ThreadPoolExecutor(CALLERS) as pool:
        for _ in range(ROUNDS):
            # A program of its own each round: seven refusals a round would soon count as guessing.
            form = ASKED | register_backend(desk).proof()
            assert sorted(pool.map(call, [form] * CALLERS)) == [200, *[401] * (CALLERS - 1)]
    assert session.scalar(text("SELECT count(*) FROM system_token")) == ROUNDS


@pytest.mark.slow
def test_case_044_of_parallel_uses_on_two_workers_one_wins_and_none_after_restart(desk: Desk) -> None:
    barrier = Barrier(CALLERS)
    running = running_server(desk.settings)
    address = running.settings.base_url + TOKEN
    form = ASKED | register_backend(desk).proof(aud=address)

    def call(_: int) -> int:
        barrier.wait(60)
        return requests.post(address, data=form, timeout=60).status_code

    with running, ThreadPoolExecutor(CALLERS) as pool:
        assert sorted(pool.map(call, range(CALLERS))) == [200, *[401] * (CALLERS - 1)]
    with running:
        assert requests.post(address, data=form, timeout=60).status_code == 401


@pytest.mark.slow
def test_of_parallel_calls_with_a_new_key_one_asks_the_server_of_keys(desk: Desk, session: Session) -> None:
    barrier = Barrier(CALLERS)
    running = running_server(desk.settings)
    with key_server() as server, running, ThreadPoolExecutor(CALLERS) as pool:
        program = register_backend(desk, jwks_uri=server.url)
        session.execute(text("UPDATE fetched_key_set SET tried_at = 0"))
        session.commit()

        def call(_: int) -> int:
            junk = program.pair.sign(program.claims(aud=running.settings.base_url + TOKEN), kid="unknown")
            barrier.wait(60)
            form = {"token": "t"} | program.proof(junk)
            return requests.post(f"{running.settings.base_url}/oauth/revoke", data=form, timeout=60).status_code

        assert set(pool.map(call, range(CALLERS))) == {401}
        assert len(server.asked) == 2, "registration, and one of the eight"
