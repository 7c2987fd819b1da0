"""Fixtures of the member pages' tests."""

import pytest
from flask import Flask

from tests.oauth.desk import Desk


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk on the application under test: a member with an account, and apps."""
    return Desk(app)
