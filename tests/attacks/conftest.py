"""Fixtures of the attack cases."""

import pytest
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent.models import Basis
from consent.representatives import link
from service.plan.models import ProviderGroup
from service.settings import Settings
from tests.accounts.conftest import account, visitor
from tests.attacks.chains import ROWS, Chain
from tests.attacks.families import NEW_YORK, Family
from tests.conftest import MovableClock
from tests.factories import make_account, make_group, make_member, make_representative
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


@pytest.fixture
def family(desk: Desk) -> Family:
    """A representative of two members, and a stranger."""
    with desk.session() as session:
        account = make_account(session)
        someone = make_representative(session, account)
        father, mother = make_member(session, given_name="Amos"), make_member(session, given_name="Ruth")
        to_father = link(session, someone, father, basis=Basis.POWER_OF_ATTORNEY, timezone=NEW_YORK)
        link(session, someone, mother, basis=Basis.POWER_OF_ATTORNEY, timezone=NEW_YORK)
        return Family(account, father, mother, make_member(session, given_name="Canary"), to_father.id)


@pytest.fixture
def chain(app: Flask, engine: Engine, settings: Settings) -> Chain:
    """An audit of one database, empty."""
    return Chain(engine, settings)


@pytest.fixture
def sealed(chain: Chain, clock: MovableClock) -> Chain:
    """ROWS events in a chain with a checkpoint; nothing is under way that could still be sealed among them."""
    chain.record(ROWS)
    for _ in range(3):
        clock.advance(6)
        chain.checkpoint()
    assert chain.verify().fault is None
    return chain
