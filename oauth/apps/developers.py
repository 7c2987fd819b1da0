"""Developer organisations and their people. `oauth.apps.disabling` shuts one out."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from oauth.apps import clients, names
from oauth.apps.models import Developer, DeveloperOrganization, DeveloperRole
from oauth.apps.names import NameRefused
from oauth.models import Client
from service import audit
from service.accounts.models import Account
from service.clock import now

_MOST_PEOPLE, _MOST_APPS = 100, 1_000


class UnknownOrganization(Exception):
    """No such developer organisation."""


class IsDeveloper(Exception):
    """The account belongs to a developer organisation already."""


class PeopleRefused(Exception):
    """This cannot be done to the organisation's people; `sentence` says why."""

    sentence = ""


class NotAnOwner(PeopleRefused):
    """Only owners say who belongs to the organisation."""

    sentence = "Only an owner of your organization can do this. Please ask one of them."


class LastOwner(PeopleRefused):
    """An organisation keeps an owner."""

    sentence = "This is the only owner of your organization. Please make somebody else an owner first."


class UnknownPerson(PeopleRefused):
    """Nobody of this organisation."""

    sentence = "This person does not belong to your organization any more."


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


def join(
    session: Session, account: Account, organization: DeveloperOrganization, role: DeveloperRole = DeveloperRole.OWNER
) -> Developer:
    """Make a person one of an organisation's people; who left one before may. Raises IsDeveloper."""
    if find(session, account.id) is not None:
        raise IsDeveloper
    made = session.get(Developer, account.id) or Developer(account_id=account.id, account=account)
    made.organization_id, made.organization, made.role, made.ended_at = organization.id, organization, role, None
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:
        # Joined elsewhere at the same moment.
        raise IsDeveloper from None
    audit.record(
        session, "oauth:developer:join", account_id=account.id,
        detail={"organization": organization.id, "terms": organization.terms_version, "role": role.value},
    )  # fmt: skip
    return made


def remove(session: Session, by: Developer, account_id: str) -> Developer:
    """End that a person belongs to the organisation, from their next request on; anybody may leave it themselves.

    Raises NotAnOwner, LastOwner, UnknownPerson.
    """
    person = _take(session, by, account_id)
    if person.is_owner and _is_last_owner(session, person):
        raise LastOwner
    person.ended_at = now()
    session.flush()
    _record_person(session, "remove", by, person)
    return person


def change_role(session: Session, by: Developer, account_id: str, role: DeveloperRole) -> Developer:
    """Make a person an owner, or one no more. Raises NotAnOwner, LastOwner, UnknownPerson."""
    require_owner(session, by)
    person = _take(session, by, account_id)
    if person.is_owner and role is not DeveloperRole.OWNER and _is_last_owner(session, person):
        raise LastOwner
    person.role = role
    session.flush()
    _record_person(session, "change_role", by, person)
    return person


def require_owner(session: Session, by: Developer) -> None:
    """Raise NotAnOwner unless this person is an owner now; changes of who is happen one after another."""
    lock(session, by.organization)
    session.refresh(by)
    if not by.is_owner:
        raise NotAnOwner


def require_name(name: str, *, plan_name: str) -> None:
    """Raise NameRefused for a name that plays tricks or looks like the plan's: members read it beside the app's."""
    names.require_plain(name)
    if names.skeleton(plan_name) in names.skeleton(name):
        raise NameRefused("The name looks like the plan's own name.")


def find(session: Session, account_id: str) -> Developer | None:
    """The person of a developer organisation with this account; None for everybody else."""
    found_person = session.get(Developer, account_id)
    return found_person if found_person is not None and found_person.ended_at is None else None


def lock(session: Session, organization: DeveloperOrganization) -> None:
    """Read an organisation afresh and hold it to the end of the transaction, for this package only."""
    session.refresh(organization, with_for_update={"key_share": True})


def people_of(session: Session, organization_id: str) -> list[Developer]:
    """The people of an organisation."""
    serving = (Developer.organization_id == organization_id, Developer.ended_at.is_(None))
    return list(session.scalars(select(Developer).where(*serving).order_by(Developer.created_at).limit(_MOST_PEOPLE)))


def apps_of(session: Session, organization_id: str) -> list[clients.ClientView]:
    """The apps of an organisation by name."""
    own = select(Client).where(Client.organization_id == organization_id).order_by(Client.name).limit(_MOST_APPS)
    return [clients.view(client) for client in session.scalars(own)]


def _take(session: Session, by: Developer, account_id: str) -> Developer:
    if account_id != by.account_id:
        require_owner(session, by)
    lock(session, by.organization)
    person = session.get(Developer, account_id, populate_existing=True)
    if person is None or person.ended_at is not None or person.organization_id != by.organization_id:
        raise UnknownPerson
    return person


def _is_last_owner(session: Session, person: Developer) -> bool:
    return not any(one.is_owner for one in people_of(session, person.organization_id) if one is not person)


def _record_person(session: Session, action: str, by: Developer, person: Developer) -> None:
    audit.record(
        session, f"oauth:developer:{action}", account_id=by.account_id,
        detail={"organization": person.organization_id, "account": person.account_id, "role": person.role.value},
    )  # fmt: skip


def get_organization(session: Session, organization_id: str) -> DeveloperOrganization:
    """An organisation; raises UnknownOrganization."""
    organization = session.get(DeveloperOrganization, organization_id)
    if organization is None:
        raise UnknownOrganization
    return organization
