"""Developer organisations and their people. `oauth.apps.disabling` shuts one out."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import clients, names
from oauth.apps.models import Developer, DeveloperOrganization
from oauth.apps.names import NameRefused
from oauth.models import Client
from service import audit
from service.accounts.models import Account

_MOST_PEOPLE, _MOST_APPS = 100, 1_000


class UnknownOrganization(Exception):
    """No such developer organisation."""


class IsDeveloper(Exception):
    """The account belongs to a developer organisation already."""


def found(
    session: Session, account: Account, *, name: str, website: str, domain: str | None, terms_version: str
) -> Developer:
    """A new organisation with its first person. Raises IsDeveloper."""
    organization = add_organization(session, name=name, website=website, domain=domain, terms_version=terms_version)
    return join(session, account, organization)


def add_organization(
    session: Session, *, name: str, website: str, domain: str | None, terms_version: str
) -> DeveloperOrganization:
    """A new organisation without people yet."""
    organization = DeveloperOrganization(name=name, website=website, domain=domain, terms_version=terms_version)
    session.add(organization)
    session.flush()
    return organization


def join(session: Session, account: Account, organization: DeveloperOrganization) -> Developer:
    """Make a person one of an organisation's people. Raises IsDeveloper."""
    if session.get(Developer, account.id) is not None:
        raise IsDeveloper
    made = Developer(account_id=account.id, account=account, organization_id=organization.id, organization=organization)
    session.add(made)
    session.flush()
    audit.record(
        session, "oauth:developer:join", account_id=account.id,
        detail={"organization": organization.id, "terms": organization.terms_version},
    )  # fmt: skip
    return made


def require_name(name: str, *, plan_name: str) -> None:
    """Raise NameRefused for a name that plays tricks or looks like the plan's: members read it beside the app's."""
    names.require_plain(name)
    if names.skeleton(plan_name) in names.skeleton(name):
        raise NameRefused("The name looks like the plan's own name.")


def find(session: Session, account_id: str) -> Developer | None:
    """The person of a developer organisation with this account; None for everybody else."""
    found_person = session.get(Developer, account_id)
    return found_person if found_person is not None and found_person.ended_at is None else None


def people_of(session: Session, organization_id: str) -> list[Developer]:
    """The people of an organisation."""
    serving = (Developer.organization_id == organization_id, Developer.ended_at.is_(None))
    return list(session.scalars(select(Developer).where(*serving).order_by(Developer.created_at).limit(_MOST_PEOPLE)))


def apps_of(session: Session, organization_id: str) -> list[clients.ClientView]:
    """The apps of an organisation by name."""
    own = select(Client).where(Client.organization_id == organization_id).order_by(Client.name).limit(_MOST_APPS)
    return [clients.view(client) for client in session.scalars(own)]


def get_organization(session: Session, organization_id: str) -> DeveloperOrganization:
    """An organisation; raises UnknownOrganization."""
    organization = session.get(DeveloperOrganization, organization_id)
    if organization is None:
        raise UnknownOrganization
    return organization
