"""What developers do with their own apps: register one, change it, say how they stand to the plan's privacy policy."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from oauth.apps import admission, changes, clients, developers, dynamic, registration
from oauth.apps.app_content import AppContent
from oauth.apps.clients import ClientView, NoSuchClient
from oauth.apps.models import AppReview, Developer, DeveloperOrganization, ReviewState
from oauth.apps.registration import Registration
from oauth.apps.reviews import ReviewRefused, WrongState
from oauth.models import Attestation, Client, ClientKind, ClientStatus
from service import audit
from service.accounts import throttling
from service.clock import now
from service.settings import Settings

MOST_UNAPPROVED = 20
"""Apps of one organisation that were never approved (case 165)."""
PER_DAY = 20
"""Registrations of one organisation in a day, retired ones counted."""
_DAY = 86_400


class TooManyApps(ReviewRefused):
    """The organisation has many unapproved apps, or registered many today."""

    sentence = (
        f"An organization can have {MOST_UNAPPROVED} apps that were never approved, and register {PER_DAY} in a day. "
        "Please retire those that you do not need, or come back tomorrow."
    )


class OrganizationDisabled(ReviewRefused):
    """The organisation was shut out by the plan."""

    sentence = "Your organization was disabled by the plan, so its apps cannot be changed. Please contact the plan."


class ChangedMeanwhile(ReviewRefused):
    """The form was made before somebody else, or the same person in another window, changed the app."""

    sentence = (
        "The app was changed in another window or by a colleague since this page was made. Nothing of yours is kept "
        "yet: the form below shows what you entered. Save it again to put it in place of the other change."
    )


class NotToBeChanged(ReviewRefused):
    """It waits for the plan, or is closed."""

    sentence = (
        "The app waits for the plan or is closed, so it cannot be changed now. Nothing of yours is kept yet: withdraw "
        "it from review on its page first, in another window, and then save this again."
    )


class HasOwner(ReviewRefused):
    """The app is an organisation's already."""

    sentence = "This app belongs to a developer organization already. Nothing was changed."


class OfNoPeople(ReviewRefused):
    """The app is a program without a person, agreed between the plan and whoever runs it."""

    sentence = (
        "This is a program without a person: the plan keeps it itself, by flask apps set-keys, suspend and retire. "
        "Nothing was changed."
    )


class MayIntrospect(ReviewRefused):
    """The app hears of other apps' tokens, so that its secret takes two people of the plan (decision 147)."""

    sentence = (
        "This app may ask about tokens of other apps, so two people of the plan change its secret (flask apps "
        "rotate-secret). People of an organization would change it alone. Nothing was changed."
    )


class AppClosed(ReviewRefused):
    """The app was retired."""

    sentence = "This app is closed for good, so nobody can have it. Nothing was changed."


def register(
    session: Session, developer: Developer, app: Registration, *, settings: Settings
) -> tuple[ClientView, str | None]:
    """Register an app of the developer's organisation as a draft; in the sandbox it works at once.

    Its secret is returned here and never again. Raises ClientRefused, TooManyApps, OrganizationDisabled. An address of
    keys is read first, three seconds at most: the running transaction ends before, as in `own_keys.replace`.
    """
    organization = developer.organization
    if app.jwks_uri is not None:
        require_stands(developer)
        session.commit()
    published = registration.require_keys(app, settings)
    # Held, so that no app slips in beside the ones that are being shut out.
    developers.lock(session, organization)
    require_stands(developer)
    if not throttling.hit(session, f"app:register:{organization.id}", PER_DAY, _DAY):
        raise TooManyApps
    if _count_unapproved(session, organization.id) >= MOST_UNAPPROVED:
        raise TooManyApps
    own = replace(
        app, organization_id=organization.id, developer_name=organization.name, developer_domain=organization.domain,
        state=ReviewState.DRAFT, by_account_id=developer.account_id, client_id=None, client_secret=None,
        may_introspect=False,
    )  # fmt: skip
    return registration.register(session, own, settings=settings, published=published)


def take_over(session: Session, client_id: str, organization: DeveloperOrganization) -> None:
    """Let an organisation have an app of people's that belongs to none.

    From then on people manage it: the token by which a program did is no longer valid (RFC 7592).
    Raises NoSuchClient, HasOwner, OfNoPeople, MayIntrospect, AppClosed, OrganizationDisabled.
    """
    developers.lock(session, organization)
    client = clients.lock(session, client_id)
    _require_free(client, organization)
    client.organization_id = organization.id
    # Members read who answers for the app from now on, with the domain that it has proven.
    client.developer_name, client.developer_domain = organization.name, organization.domain
    if dynamic.is_of_program(session, client_id):
        dynamic.end_management(session, client_id)
    audit.record(
        session, "oauth:client:take-over", client_id=client.id, detail={"organization": organization.id}
    )  # fmt: skip


def _require_free(client: Client, organization: DeveloperOrganization) -> None:
    if client.organization_id is not None:
        raise HasOwner
    if client.kind is ClientKind.BACKEND:
        raise OfNoPeople
    if client.may_introspect:
        raise MayIntrospect
    if client.status is ClientStatus.RETIRED:
        raise AppClosed
    if not organization.stands:
        raise OrganizationDisabled


def get(session: Session, developer: Developer, client_id: str) -> ClientView:
    """An app of the developer's organisation; raises NoSuchClient for everybody else's."""
    found = clients.get(session, client_id)
    if found.organization_id != developer.organization_id:
        raise NoSuchClient
    return found


def propose(
    session: Session, developer: Developer, client_id: str, content: AppContent, *, settings: Settings
) -> AppReview:
    """Change what the plan looks at, and return the version that says so from now on (`oauth.apps.changes`).

    Raises ClientRefused, WrongState, OrganizationDisabled, NoSuchClient.
    """
    client = own(session, developer, client_id)
    return changes.propose(session, client, content, settings=settings, by_account_id=developer.account_id)


def require_unchanged(session: Session, developer: Developer, client_id: str, seen: str) -> None:
    """Hold one's own app, and raise ChangedMeanwhile unless its latest version stands as it was `seen` (`as_seen`).

    Raises NotToBeChanged, OrganizationDisabled, NoSuchClient, too.
    """
    own(session, developer, client_id)
    versions = admission.versions_of(session, client_id)
    # It may have been read before it was held.
    session.refresh(versions.latest)
    if not changes.may_edit(versions):
        raise NotToBeChanged
    if versions.latest.as_seen != seen:
        raise ChangedMeanwhile


def describe(
    session: Session, developer: Developer, client_id: str, *, description: str, contact: str, platforms: Sequence[str]
) -> None:
    """Change what needs no review. Raises WrongState, OrganizationDisabled, NoSuchClient."""
    client = own(session, developer, client_id)
    if admission.versions_of(session, client_id).state is ReviewState.RETIRED:
        raise WrongState
    client.description, client.contact, client.platforms = description, contact, list(platforms)
    client.version += 1
    audit.record(session, "oauth:client:describe", client_id=client.id, account_id=developer.account_id)


def harden(session: Session, developer: Developer, client_id: str, *, dpop: bool, pushed: bool) -> None:
    """Say whether the app gets tokens for a key alone (RFC 9449), and may ask only by requests sent ahead (RFC 9126).

    Holds from the next request on. Raises WrongState, OrganizationDisabled, NoSuchClient.
    """
    client = own(session, developer, client_id)
    if client.status is ClientStatus.RETIRED:
        raise WrongState
    client.dpop_bound_access_tokens, client.require_pushed_authorization_requests = dpop, pushed
    audit.record(
        session, "oauth:client:harden", client_id=client.id, account_id=developer.account_id,
        detail={"dpop": dpop, "pushed": pushed},
    )  # fmt: skip


def attest(session: Session, developer: Developer, client_id: str, *, agrees: bool, version: str) -> None:
    """Keep a developer's answer about the plan's privacy policy: a fact for members, never a ground to refuse.

    Raises WrongState, OrganizationDisabled, NoSuchClient.
    """
    client = own(session, developer, client_id)
    if client.status is ClientStatus.RETIRED:
        raise WrongState
    client.attestation = Attestation.ATTESTED if agrees else Attestation.DECLINED
    client.attested_on, client.attestation_version = now(), version
    audit.record(
        session, "oauth:client:attest", client_id=client.id, account_id=developer.account_id,
        detail={"answer": client.attestation.value, "version": version},
    )  # fmt: skip


def rotate_secret(session: Session, developer: Developer, client_id: str) -> str:
    """A new secret for one's own app, shown once. Raises ClientRefused, WrongState, NoSuchClient."""
    client = own(session, developer, client_id)
    if client.status is ClientStatus.RETIRED:
        raise WrongState
    return clients.rotate_secret(session, client_id, by_account_id=developer.account_id)


def end_previous_secret(session: Session, developer: Developer, client_id: str) -> None:
    """Let the secret before the present one count no more. Raises WrongState, NoSuchClient."""
    client = own(session, developer, client_id)
    if client.status is ClientStatus.RETIRED:
        raise WrongState
    clients.end_previous_secret(session, client_id, by_account_id=developer.account_id)


def require_stands(developer: Developer) -> None:
    """Raise OrganizationDisabled for a developer whose organisation the plan shut out."""
    if not developer.organization.stands:
        raise OrganizationDisabled


def own(session: Session, developer: Developer, client_id: str) -> Client:
    """The row of the developer's own app, held to change it; for this package only.

    Raises NoSuchClient, OrganizationDisabled.
    """
    client = clients.lock(session, client_id)
    if client.organization_id != developer.organization_id:
        raise NoSuchClient
    require_stands(developer)
    return client


def _count_unapproved(session: Session, organization_id: str) -> int:
    """How many apps of the organisation have no version that was approved, and are not retired."""
    stood = select(AppReview.client_id).where(
        AppReview.client_id == Client.id,
        AppReview.state.in_((ReviewState.APPROVED, ReviewState.SUSPENDED, ReviewState.RETIRED)),
    )
    count = select(func.count()).select_from(Client).where(Client.organization_id == organization_id, ~stood.exists())
    return session.scalars(count).one()
