"""Fixtures of the authorization server's tests."""

import pytest
from flask import Flask

from tests.oauth.desk import Desk


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk on the application under test."""
    return Desk(app)
