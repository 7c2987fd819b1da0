"""Limits of the pools: who finds no connection in time is told to come again."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from flask import Flask
from sqlalchemy import Engine

from service.app import create_app
from service.databases.connections import PoolLimits
from service.db import make_engine
from service.environment import UnsafeSetting
from service.settings import Settings

FEW = PoolLimits(size=2, overflow=1, seconds=0.3)


@pytest.fixture
def few(settings: Settings) -> Iterator[Engine]:
    made = make_engine(settings.database_url, FEW)
    yield made
    made.dispose()


def test_a_request_without_a_connection_is_told_to_come_again(settings: Settings, few: Engine) -> None:
    app: Flask = create_app(settings, few)
    with ExitStack() as stack:
        for _ in range(FEW.size + FEW.overflow):
            held = few.raw_connection()
            stack.callback(held.close)
        began = time.monotonic()
        page = app.test_client().get("/sign-in", headers={"Cookie": "sid=somebody.something"})
        token = app.test_client().post("/oauth/token", data={"grant_type": "refresh_token"})
        took = time.monotonic() - began
        assert app.test_client().get("/health/live").status_code == 200
        assert app.test_client().get("/health/ready").status_code == 503
    assert {page.status_code, token.status_code} <= {200, 401, 503} and 503 in {page.status_code, token.status_code}
    busy = page if page.status_code == 503 else token
    assert busy.headers["Retry-After"] and took < 10
    assert app.test_client().get("/sign-in").status_code == 200, "and is served once there are some"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POOL_SIZE", "1"), ("POOL_SIZE", "many"), ("POOL_SIZE", "-3"), ("POOL_OVERFLOW", "1.5"),
        ("POOL_SECONDS", "0"), ("POOL_SECONDS", "soon"), ("POOL_SECONDS", "nan"), ("DATABASE_READ_LAG", "-1"),
        ("DATABASE_READ_URL", "sqlite:///copy.db"), ("TRACE_SHARE", "2"), ("TRUST_TRACEPARENT", "maybe"),
    ],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused_by_name(tmp_path: object, name: str, value: str) -> None:
    with pytest.raises(UnsafeSetting, match=name):
        Settings.from_environment({"VAR": str(tmp_path), "BASE_URL": "http://localhost", name: value})


def test_limits_are_read(tmp_path: object) -> None:
    given = {"POOL_SIZE": "4", "POOL_OVERFLOW": "2", "POOL_SECONDS": "1.5", "VAR": str(tmp_path)}
    assert Settings.from_environment(given).pool == PoolLimits(4, 2, 1.5)
