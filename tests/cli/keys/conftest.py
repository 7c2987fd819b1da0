"""The installation whose key is changed."""

import pytest
from sqlalchemy import Engine

from service.settings import Settings
from tests.cli.keys.installation import Installation


@pytest.fixture
def plan(settings: Settings, engine: Engine) -> Installation:
    """Something of every kind is sealed under its key."""
    made = Installation(settings, engine)
    made.fill()
    return made
