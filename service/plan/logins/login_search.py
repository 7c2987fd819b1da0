"""Plan staff look up logins of the provider portal: by user name, name, organisation or Tax ID."""

import re

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from service.accounts import usernames
from service.accounts.models import Account
from service.plan.models import AccessEntry, PortalOrganization, ProviderStaff
from service.plan.providers import numbers
from service.plan.providers.numbers import UnusableTaxId

SHORTEST = 2
MOST = 50


class TooLittle(Exception):
    """The words would match nearly everybody."""

    sentence = "Please enter at least 2 letters, or the 9 digits of a Tax ID."


def find(session: Session, asked: str) -> list[ProviderStaff]:
    """At most MOST + 1 logins that match every word, by name; raises TooLittle.

    A Tax ID finds the logins of the organisation and those with an entry for it.
    """
    text = asked.strip()
    if len(text) < SHORTEST:
        raise TooLittle
    conditions = [_carries(tax_id)] if (tax_id := _find_tax_id(text)) else [_matches(word) for word in text.split()[:5]]
    statement = (
        select(ProviderStaff)
        .join(Account, Account.id == ProviderStaff.account_id)
        .join(PortalOrganization, PortalOrganization.id == ProviderStaff.organization_id)
        .where(*conditions)
        .order_by(Account.family_name, Account.given_name, ProviderStaff.id)
        .limit(MOST + 1)
    )
    return list(session.scalars(statement))


def get(session: Session, staff_id: str) -> ProviderStaff | None:
    """A login by its id, deactivated or not."""
    return session.get(ProviderStaff, staff_id)


def _find_tax_id(text: str) -> str | None:
    if not re.fullmatch(r"[0-9\s\-\u2010-\u2015.]+", text):
        return None
    try:
        return numbers.tax_id(text)
    except UnusableTaxId:
        return None


def _carries(tax_id: str) -> ColumnElement[bool]:
    standing = select(AccessEntry.staff_id).where(AccessEntry.tax_id == tax_id, AccessEntry.ended_at.is_(None))
    return or_(PortalOrganization.tax_id == tax_id, ProviderStaff.id.in_(standing))


def _matches(word: str) -> ColumnElement[bool]:
    return or_(
        Account.username_key.contains(usernames.key(word), autoescape=True),
        Account.given_name.icontains(word, autoescape=True),
        Account.family_name.icontains(word, autoescape=True),
        PortalOrganization.name.icontains(word, autoescape=True),
    )
