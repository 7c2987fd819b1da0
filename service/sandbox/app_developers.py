"""The developers of the sandbox: an organisation for each that the sample apps name, and a person to sign in as."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import developers
from oauth.apps.models import DeveloperOrganization
from service.accounts.authentication import find_by_username
from service.sandbox import portal_accounts
from service.sandbox.handout import HandOut
from service.sandbox.portal_people import PortalPerson
from service.sandbox.sign_ins import PASSWORD, Kind
from service.settings import Settings

DEVON = PortalPerson(
    "devon", "Devon", "Hart", Kind.DEVELOPER, "devon.hart@browser-app.example",
    "an app developer: register an app, change one, see its review",
)  # fmt: skip
WORKS_FOR = "Claim Lens Inc."
_TERMS = "2026-1"


def ensure_organization(session: Session, name: str, host: str) -> DeveloperOrganization:
    """The organisation of this name, made if it is not there."""
    found = session.scalar(select(DeveloperOrganization).where(DeveloperOrganization.name == name).limit(1))
    if found is not None:
        return found
    return developers.add_organization(
        session, name=name, website=f"https://{host}", domain=host, terms_version=_TERMS
    )  # fmt: skip


def open_missing(session: Session, settings: Settings) -> None:
    """Open the developer's account, if it is not there; after the sample apps."""
    if portal_accounts.is_open(session, DEVON):
        return
    account = portal_accounts.open_account(session, DEVON, settings)
    developers.join(session, account, ensure_organization(session, WORKS_FOR, "browser-app.example"))


def is_complete(session: Session) -> bool:
    """Whether the developer can sign in."""
    return portal_accounts.is_open(session, DEVON)


def account(session: Session) -> HandOut:
    """What the hand-out says of the developer."""
    found = find_by_username(session, DEVON.username)
    assert found is not None, "opened when the sandbox was made"
    return {
        "kind": DEVON.kind.value, "username": found.username, "password": PASSWORD, "email": found.email,
        "name": found.full_name, "good_for": DEVON.good_for, "organization": WORKS_FOR, "members": [],
    }  # fmt: skip
