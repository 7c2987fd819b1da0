"""The callers of the fault harness write down what they were told, and what no fault explains."""

import random
import threading

import pytest
from flask import Flask

from tests.conftest import LiveServer, free_port
from tests.faults.clients import Caller, Step, connections_of
from tests.oauth.desk import Desk


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


def test_a_right_request_that_is_refused_is_a_finding(desk: Desk, live_server: LiveServer) -> None:
    spent, good = connections_of(desk, desk.register(), 2)
    assert desk.exchange(spent.code).status_code == 200
    served, refused = (Caller(live_server.url, [one], random.Random(1)) for one in (good, spent))
    for caller in (served, refused):
        caller.run(threading.Event())
    assert (served.refused, good.doubt) == ([], Step.NONE) and all(one.is_served for one in served.told)
    (told,) = refused.refused
    assert told.startswith("connect: 400") and "invalid_grant" in told
    assert (refused.acknowledged, refused.told[0].is_served, refused.told[0].is_put_off) == (0, False, False)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_broken_connection_leaves_its_app_in_doubt(desk: Desk) -> None:
    (connection,) = connections_of(desk, desk.register(), 1)
    caller = Caller(f"http://127.0.0.1:{free_port()}", [connection], random.Random(1))
    caller.run(threading.Event())
    assert (connection.doubt, caller.acknowledged, caller.refused) == (Step.CONNECT, 0, [])
    assert [(one.status, one.is_put_off) for one in caller.told] == [(None, False)]
