"""Fixtures of the plan's own people."""

import pytest
from flask import Flask

from tests.oauth.desk import Desk


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk that drives the authorization server."""
    return Desk(app)
