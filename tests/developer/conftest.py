"""Fixtures of developers' pages."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.conftest import MovableClock
from tests.developer.newcomer import Newcomer
from tests.developer.post import Post
from tests.factories import make_developer
from tests.oauth.desk import Committing, Desk
from tests.oauth.receiver import receiver


@pytest.fixture
def post(app: Flask, engine: Engine, clock: MovableClock) -> Iterator[Post]:
    """A developer with an app, and a server that takes its messages."""
    with Committing(app) as session:
        developer = make_developer(session)
    with receiver() as server:
        yield Post(Newcomer(app).enter(developer), developer, Desk(app), server, engine)
