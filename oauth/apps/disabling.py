"""Shutting a developer organisation out, and letting it in again: what it does to its apps, and who is told."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import admission, clients, developers, reviews
from oauth.apps.models import (
    Developer,
    DeveloperOrganization,
    DeveloperOrganizationEvent,
    OrganizationStep,
    ReviewStep,
)
from oauth.apps.reviews import ReviewRefused
from oauth.models import Client, ClientStatus
from service import audit, mail
from service.clock import now
from service.plan.staff.plan_staff import NotOneself
from service.settings import Settings

_MOST_EVENTS = 100


class StandsSo(ReviewRefused):
    """The organisation is shut out already, or let in already."""

    sentence = "Somebody else has done this meanwhile. Please look at the organization again. Nothing was changed."


class OwnOrganization(NotOneself):
    """A person of the plan would decide on their own developer organisation."""

    sentence = "This is your own developer organization. Please ask a colleague to do it."


def disable(
    session: Session, organization: DeveloperOrganization, *, reason: str, settings: Settings, by_account_id: str | None
) -> None:
    """Shut out every app of an organisation at once (case 17); their grants rest, and their givers are told.

    Raises StandsSo, OwnOrganization.
    """
    _take(session, organization, by_account_id, stands=True)
    organization.disabled_at, organization.disabled_reason = now(), reason[:500]
    _settle_all(session, organization, ReviewStep.DISABLE, settings, reason, by_account_id)
    _note(session, organization, OrganizationStep.DISABLE, by_account_id, reason)


def enable(
    session: Session, organization: DeveloperOrganization, *, reason: str, settings: Settings, by_account_id: str | None
) -> None:
    """Let an organisation's apps in again, each as its own review has it. Raises StandsSo, OwnOrganization."""
    _take(session, organization, by_account_id, stands=False)
    organization.disabled_at, organization.disabled_reason = None, ""
    _settle_all(session, organization, ReviewStep.ENABLE, settings, reason, by_account_id)
    _note(session, organization, OrganizationStep.ENABLE, by_account_id, reason)


def require_other(session: Session, organization: DeveloperOrganization, by_account_id: str | None) -> None:
    """Raise OwnOrganization where a person of the plan would decide on their own organisation."""
    own = session.get(Developer, by_account_id) if by_account_id else None
    if own is not None and own.organization_id == organization.id:
        raise OwnOrganization


def history(session: Session, organization_id: str) -> list[DeveloperOrganizationEvent]:
    """What the plan did to an organisation, the newest first."""
    event = DeveloperOrganizationEvent
    own = select(event).where(event.organization_id == organization_id).order_by(event.at.desc(), event.id)
    return list(session.scalars(own.limit(_MOST_EVENTS)))


def _take(
    session: Session, organization: DeveloperOrganization, by_account_id: str | None, *, stands: bool
) -> None:  # fmt: skip
    developers.lock(session, organization)
    require_other(session, organization, by_account_id)
    if organization.stands is not stands:
        raise StandsSo


def _settle_all(
    session: Session, organization: DeveloperOrganization, step: ReviewStep, settings: Settings, reason: str,
    by_account_id: str | None,
) -> None:  # fmt: skip
    session.flush()
    ids = session.scalars(select(Client.id).where(Client.organization_id == organization.id).order_by(Client.id)).all()
    for client_id in ids:
        client = clients.lock(session, client_id)
        before = client.status
        admission.settle(session, client, sandbox=settings.sandbox, reason=reason)
        # What did not work before, or does not now, is news to nobody.
        if client.status is not before and ClientStatus.APPROVED in {before, client.status}:
            versions = admission.versions_of(session, client_id)
            reviews.note(session, versions.standing or versions.latest, step, by_account_id, reason)


def _note(
    session: Session, organization: DeveloperOrganization, step: OrganizationStep, by_account_id: str | None,
    reason: str,
) -> None:  # fmt: skip
    moment = now()
    session.add(
        DeveloperOrganizationEvent(
            organization_id=organization.id, step=step, account_id=by_account_id, words=reason[:500], at=moment
        )
    )
    # One mail for the whole organisation, however many apps it has; the reason is on their page, not in it.
    for developer in developers.people_of(session, organization.id):
        mail.enqueue(
            session, to=developer.account.email, template="developer_organization", language=developer.account.language,
            given_name=developer.account.given_name, organization=organization.name, step=step.value, at=moment,
        )  # fmt: skip
    audit.record(
        session, f"oauth:developer:{step}", account_id=by_account_id, reason=reason[:500],
        detail={"organization": organization.id},
    )  # fmt: skip
