"""Fixtures of the portal's tests: the desk of the OAuth tests serves as the place where people sign in."""

import pytest
from flask import Flask

from tests.oauth.desk import Desk


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk on the application under test."""
    return Desk(app)
