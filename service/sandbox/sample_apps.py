"""The apps of the sandbox: one of each kind that a developer may want to imitate, with ids and secrets that stay."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy.orm import Session

from oauth.apps import clients, own_apps, registration
from oauth.apps.clients import Attestation, AuthMethod, ClientKind
from oauth.apps.logos import Logo
from oauth.apps.models import Platform
from oauth.apps.registration import DEFAULT_SCOPES, Registration
from service.db import keyed_digest
from service.sandbox import app_developers
from service.settings import Settings

DEMO_ID = "sample-app"
DEMO_PATH = "/sandbox/app"
_ATTESTED_ON = datetime(2026, 1, 15, 15, tzinfo=UTC)
_REASONS = dict.fromkeys(DEFAULT_SCOPES.split(), "To show it to the member who connected the app.")
_CALLBACKS = ("http://localhost:8765/callback", "http://127.0.0.1:8765/callback")


@dataclass(frozen=True)
class SampleApp:
    """An app to register. Addresses that begin with / are below this installation's own address."""

    client_id: str
    name: str
    developer_name: str
    redirect_uris: tuple[str, ...]
    description: str
    platform: Platform = Platform.WEB
    method: AuthMethod = AuthMethod.NONE
    attestation: Attestation = Attestation.ATTESTED
    may_introspect: bool = False

    @property
    def kind(self) -> ClientKind:
        """Whether it keeps a secret."""
        return ClientKind.PUBLIC if self.method is AuthMethod.NONE else ClientKind.CONFIDENTIAL


SAMPLE_APPS = (
    SampleApp(
        DEMO_ID,
        "Porch Notes",
        "Porch Notes Project",
        (DEMO_PATH,),
        "Keeps a notebook of your care: what happened when, and what to ask next time.",
    ),
    SampleApp(
        "browser-app",
        "Claim Lens",
        "Claim Lens Inc.",
        _CALLBACKS,
        "Shows what was billed, what the plan paid and what you may owe, claim by claim.",
    ),
    SampleApp(
        "server-app",
        "Family Health Ledger",
        "Ledger Works LLC",
        _CALLBACKS,
        "Adds up a family's health costs over the years.",
        method=AuthMethod.BASIC,
        may_introspect=True,
    ),
    SampleApp(
        "server-app-post",
        "Care Calendar",
        "Calendar Labs",
        _CALLBACKS,
        "Turns visits and medicines into a calendar.",
        method=AuthMethod.POST,
    ),
    SampleApp(
        "declined-app",
        "Steps and Sleep",
        "Stride Media",
        _CALLBACKS,
        "Sets steps and sleep beside your health records.",
        attestation=Attestation.DECLINED,
    ),
    SampleApp(
        "native-app",
        "Pocket Chart",
        "Pocket Chart Co-op",
        ("http://127.0.0.1/callback", "http://[::1]/callback", "com.example.pocketchart:/callback"),
        "Your records on your phone, to show at a visit.",
        Platform.ANDROID,
        attestation=Attestation.UNANSWERED,
    ),
)


def register_missing(session: Session, settings: Settings, logo_of: Callable[[str], Logo]) -> None:
    """Register every sample app that is not there yet; `logo_of` gives the logo of its id."""
    for app in SAMPLE_APPS:
        try:
            clients.get(session, app.client_id)
        except clients.NoSuchClient:
            _register(session, app, settings, logo_of(app.client_id))
        _give_to_developer(session, app)


def secret_of(app: SampleApp, settings: Settings) -> str | None:
    """The app's secret: derived from the installation's key, so that the hand-out can be written again."""
    if app.kind is ClientKind.PUBLIC:
        return None
    return keyed_digest(settings.secret_key, "sandbox app", app.client_id)


def demo_address(settings: Settings) -> str:
    """Where the demo app is: on 127.0.0.1 when we are on localhost, so that it is another origin, as real apps are."""
    parts = urlsplit(settings.base_url)
    port = f":{parts.port}" if parts.port else ""
    netloc = f"127.0.0.1{port}" if parts.scheme == "http" else parts.netloc
    return urlunsplit((parts.scheme, netloc, DEMO_PATH, "", ""))


def _give_to_developer(session: Session, app: SampleApp) -> None:
    organization = app_developers.ensure_organization(session, app.developer_name, f"{app.client_id}.example")
    own_apps.take_over(session, app.client_id, organization)


def _register(session: Session, app: SampleApp, settings: Settings, logo: Logo) -> None:
    addresses = tuple(demo_address(settings) if uri == DEMO_PATH else uri for uri in app.redirect_uris)
    answered = app.attestation is not Attestation.UNANSWERED
    told = Registration(
        name=app.name,
        redirect_uris=addresses,
        developer_name=app.developer_name,
        description=app.description,
        platforms=[app.platform.value],
        scope_reasons=_REASONS,
        kind=app.kind,
        token_endpoint_auth_method=app.method,
        website=f"https://{app.client_id}.example",
        policy_uri=f"https://{app.client_id}.example/privacy",
        terms_uri=f"https://{app.client_id}.example/terms",
        contact=f"support@{app.client_id}.example",
        logo=logo,
        attestation=app.attestation,
        attested_on=_ATTESTED_ON if answered else None,
        attestation_version=settings.plan.privacy_policy_version if answered else None,
        may_introspect=app.may_introspect,
        client_id=app.client_id,
        client_secret=secret_of(app, settings),
    )
    registration.register(session, told, settings=settings)
