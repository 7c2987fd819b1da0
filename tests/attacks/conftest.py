"""Fixtures of the attack cases."""

import pytest
from flask import Flask

from tests.oauth.desk import Desk


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk that drives the authorization server."""
    return Desk(app)
