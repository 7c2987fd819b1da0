"""Shutting a developer organisation out, and letting it in again: what it does to its apps, and who is told."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import admission, clients, reviews
from oauth.apps.models import DeveloperOrganization, ReviewStep
from oauth.models import Client, ClientStatus
from service import audit
from service.clock import now
from service.settings import Settings


def disable(
    session: Session, organization: DeveloperOrganization, *, reason: str, settings: Settings, by_account_id: str | None
) -> None:
    """Shut out every app of an organisation at once (case 17); their grants rest, and their givers are told."""
    if not organization.stands:
        return
    organization.disabled_at, organization.disabled_reason = now(), reason[:500]
    _settle_all(session, organization, ReviewStep.DISABLE, settings, reason, by_account_id)
    _record(session, "disable", organization, by_account_id, reason)


def enable(
    session: Session, organization: DeveloperOrganization, *, reason: str, settings: Settings, by_account_id: str | None
) -> None:
    """Let an organisation's apps in again, each as its own review has it."""
    if organization.stands:
        return
    organization.disabled_at, organization.disabled_reason = None, ""
    _settle_all(session, organization, ReviewStep.ENABLE, settings, reason, by_account_id)
    _record(session, "enable", organization, by_account_id, reason)


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


def _record(
    session: Session, action: str, organization: DeveloperOrganization, by_account_id: str | None, reason: str
) -> None:
    audit.record(
        session, f"oauth:developer:{action}", account_id=by_account_id, reason=reason[:500],
        detail={"organization": organization.id},
    )  # fmt: skip
