"""How much is tried: over 10,000 cases by default, ten times that with FUZZ_LONG=1; nothing leaves the machine."""

import os
from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from oauth.apps import dynamic
from service import outbound
from tests.oauth.desk import Desk

LONG = os.environ.get("FUZZ_LONG") == "1"
CASES = 10_000 if LONG else 1_000
"""Requests to the endpoints, on both databases together."""
VALUES = 20_000 if LONG else 1_600
"""Values for each of the six parsers."""
FEW = 1_000 if LONG else 60
"""Values where each costs a signature or a row."""


def trying(cases: int) -> hypothesis_settings:
    """So many cases, the same ones each time unless it is a long run; what is found is shrunk and told."""
    return hypothesis_settings(
        max_examples=cases, deadline=None, derandomize=not LONG, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk on the application under test."""
    return Desk(app)


@pytest.fixture(autouse=True)
def kept_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name is looked up for invented addresses, and the limits of registrations do not end the trying."""

    def unknown(*_: object) -> list[outbound.Address]:
        raise outbound.ServerFailed("The name of its host is not known.")

    monkeypatch.setattr(outbound, "_resolve", unknown)
    for limit in ("PER_NETWORK", "PER_NETWORK_TRIES", "PER_APP", "MOST_WAITING"):
        monkeypatch.setattr(dynamic, limit, 10**9)
    yield
