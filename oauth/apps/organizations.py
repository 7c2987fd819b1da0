"""Developer organisations as the plan looks for them: by name, website, app or person."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from oauth.apps.models import Developer, DeveloperOrganization
from oauth.models import Client
from service.accounts.models import Account

MOST = 50
"""Organisations on one page."""


@dataclass(frozen=True)
class OrganizationLine:
    """An organisation in a list, with how many apps and people it has."""

    organization: DeveloperOrganization
    apps: int
    people: int


@dataclass(frozen=True)
class OrganizationPage:
    """One page of a list by name; `has_more` says whether another follows."""

    lines: tuple[OrganizationLine, ...]
    has_more: bool


def search(session: Session, sought: str = "", *, only_disabled: bool = False, page: int = 1) -> OrganizationPage:
    """The organisations that a word fits, by name; all of them without a word. `page` counts from 1.

    The word is a part of the name, the website, an app's name, or a person's name or e-mail address.
    """
    apps = select(func.count()).where(Client.organization_id == DeveloperOrganization.id).scalar_subquery()
    people = select(func.count()).where(*_serving()).scalar_subquery()
    wanted = select(DeveloperOrganization, apps, people)
    if only_disabled:
        wanted = wanted.where(DeveloperOrganization.disabled_at.is_not(None))
    if sought:
        wanted = wanted.where(_fits(sought))
    ordered = wanted.order_by(func.lower(DeveloperOrganization.name), DeveloperOrganization.id)
    found = session.execute(ordered.offset((page - 1) * MOST).limit(MOST + 1)).all()
    return OrganizationPage(tuple(OrganizationLine(*row) for row in found[:MOST]), len(found) > MOST)


def find_by_name(session: Session, name_or_id: str) -> list[DeveloperOrganization]:
    """The organisation with this id, or those with exactly this name: names are nobody's alone."""
    organization = DeveloperOrganization
    named = select(organization).where(or_(organization.id == name_or_id, organization.name == name_or_id))
    return list(session.scalars(named.order_by(organization.id).limit(MOST)))


def _fits(sought: str) -> ColumnElement[bool]:
    own_app = select(Client.id).where(
        Client.organization_id == DeveloperOrganization.id, Client.name.icontains(sought, autoescape=True)
    )
    full_name = Account.given_name + " " + Account.family_name
    named = or_(full_name.icontains(sought, autoescape=True), Account.email.icontains(sought, autoescape=True))
    person = select(Developer.account_id).join(Account, Account.id == Developer.account_id).where(*_serving(), named)
    return or_(
        DeveloperOrganization.name.icontains(sought, autoescape=True),
        DeveloperOrganization.website.icontains(sought, autoescape=True),
        own_app.exists(),
        person.exists(),
    )


def _serving() -> tuple[ColumnElement[bool], ...]:
    return Developer.organization_id == DeveloperOrganization.id, Developer.ended_at.is_(None)
