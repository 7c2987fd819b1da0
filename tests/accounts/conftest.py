"""Fixtures of the account tests."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.accounts.models import Account
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_member


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """A person at a browser."""
    return Visitor(app)


@pytest.fixture
def account(session: Session) -> Account:
    """A member's account, committed."""
    made = make_account(session, member=make_member(session))
    session.commit()
    return made
