"""Fixtures of the attack cases."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.plan.models import ProviderGroup
from tests.accounts.conftest import account, visitor
from tests.factories import make_group
from tests.oauth.desk import Desk
from tests.provider.registrant import make_clinic, make_payment

__all__ = ["account", "visitor"]


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk that drives the authorization server."""
    return Desk(app)


@pytest.fixture
def clinic(session: Session) -> ProviderGroup:
    """A clinic with a check, beside a hospital with another."""
    made = make_clinic(session)
    make_payment(session, made)
    hospital = make_group(session, tax_id="082234502", npi="2900258387", vendor_number="V100002")
    make_payment(session, hospital, "CHK0000778")
    session.commit()
    return made
