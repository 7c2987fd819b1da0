"""Fixtures of the portal's tests: a clinic and who registers for it; a delegate; where people sign in."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.plan.models import ProviderGroup, ProviderStaff
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_entry, make_group, make_organization, make_portal_staff
from tests.oauth.desk import Desk
from tests.provider.registrant import Registrant, make_clinic, make_payment, new_registrant

Person = Callable[..., Registrant]


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk on the application under test."""
    return Desk(app)


@pytest.fixture
def clinic(session: Session) -> ProviderGroup:
    """A clinic with a check of yesterday."""
    made = make_clinic(session)
    make_payment(session, made)
    session.commit()
    return made


@pytest.fixture
def person(app: Flask, session: Session, settings: Settings) -> Person:
    """Makes people who register."""
    return lambda *name: new_registrant(app, session, settings, name or ("Pat", "Moss"))


@pytest.fixture
def delegate(session: Session) -> ProviderStaff:
    """A delegate with one entry, committed."""
    group = make_group(session, tax_id="082234502", legal_name="Alder Creek Medical PC")
    made = make_portal_staff(
        session, make_organization(session, name=group.legal_name), is_delegate=True, phone="555-010-0100",
        account=make_account(session, given_name="Lee", family_name="Moss"),
    )  # fmt: skip
    make_entry(session, made, tax_id="082234502")
    session.commit()
    return made


@pytest.fixture
def office(app: Flask, delegate: ProviderStaff) -> Visitor:
    """The delegate at their browser."""
    visitor = Visitor(app)
    visitor.sign_in_with_factor(delegate.account)
    return visitor
