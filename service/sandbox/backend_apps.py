"""The sandbox's programs without a person, with keys that stay: the plan's own, and one of a provider's office."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from oauth.apps import clients, registration
from oauth.apps.clients import BackendBasis, ClientKind
from oauth.apps.registration import PLAN_SCOPES, PROVIDER_SCOPES, Registration
from oauth.tokens.system_tokens import INTROSPECT
from service.plan.models import OrganizationKind
from service.plan.registering.joining import find_organization
from service.sandbox import sample_keys
from service.sandbox.portal_offices import CLINIC
from service.sandbox.provider_groups import payees
from service.settings import Settings


@dataclass(frozen=True)
class BackendApp:
    """A program to register; `office` names the provider whose it is.

    `may_introspect` lets it ask for the scope __introspect beside its own.
    """

    client_id: str
    name: str
    developer_name: str
    scopes: str
    office: str = ""
    may_introspect: bool = False


BACKEND_APPS = (
    BackendApp("plan-reporting", "Quality Reporting", "Analytics department of the plan", PLAN_SCOPES),
    BackendApp("clinic-billing", "Clinic Billing Desk", "Ledger Works LLC", PROVIDER_SCOPES, office=CLINIC),
    # In front of services of the plan's own: it asks about every token that it is shown.
    BackendApp(
        "plan-gateway", "Records Gateway", "Platform department of the plan", "system/Organization.rs",
        may_introspect=True,
    ),
)  # fmt: skip


def register_missing(session: Session, settings: Settings) -> None:
    """Register every program that is not there yet; its office has registered for the portal before."""
    for app in BACKEND_APPS:
        if not is_registered(session, app):
            registration.register(session, _registration(session, app, settings), settings=settings)


def is_registered(session: Session, app: BackendApp) -> bool:
    """Whether it is there."""
    try:
        clients.get(session, app.client_id)
    except clients.NoSuchClient:
        return False
    return True


def hand_out(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """What a tester needs to call as each of them."""
    return [_told(clients.get(session, app.client_id), app, settings) for app in BACKEND_APPS]


def _told(view: clients.ClientView, app: BackendApp, settings: Settings) -> dict[str, Any]:
    return {
        "client_id": view.id,
        "name": view.name,
        "kind": view.kind.value,
        "token_endpoint_auth_method": view.token_endpoint_auth_method.value,
        "private_jwk": sample_keys.private_jwk(app.client_id, settings),
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "scopes": f"{INTROSPECT} {view.scopes}" if app.may_introspect else view.scopes,
        "attestation": view.attestation.value,
        **({"organization": app.office} if app.office else {}),
    }


def _registration(session: Session, app: BackendApp, settings: Settings) -> Registration:
    return Registration(
        name=app.name,
        developer_name=app.developer_name,
        kind=ClientKind.BACKEND,
        jwks=sample_keys.public_set(app.client_id, settings),
        backend_basis=BackendBasis.PROVIDER if app.office else BackendBasis.PLAN,
        provider_organization_id=_organization_id(session, app.office) if app.office else None,
        scopes=app.scopes,
        may_introspect=app.may_introspect,
        contact=f"support@{app.client_id}.example",
        client_id=app.client_id,
    )


def _organization_id(session: Session, office: str) -> str:
    (tax_id,) = (payee.tax_id for payee in payees() if payee.name == office)
    found = find_organization(session, OrganizationKind.PROVIDER, tax_id)
    assert found is not None, "the office registered before"
    return found.id
