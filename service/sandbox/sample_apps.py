"""The apps of the sandbox: one of each kind that a developer may want to imitate, with ids and secrets that stay."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy.orm import Session

from oauth.apps import clients, own_apps, registration
from oauth.apps.clients import Attestation, AuthMethod, ClientKind
from oauth.apps.logos import Logo
from oauth.apps.models import Category, Platform
from oauth.apps.registration import DEFAULT_SCOPES, Registration
from service.db import keyed_digest
from service.sandbox import app_developers, sample_keys
from service.settings import Settings

DEMO_ID = "sample-app"
DEMO_PATH = "/sandbox/app"
_ATTESTED_ON = datetime(2026, 1, 15, 15, tzinfo=UTC)
_REASON = "To show it to the member who connected the app."
_CALLBACKS = ("http://localhost:8765/callback", "http://127.0.0.1:8765/callback")

_MEDICINES = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/MedicationRequest.rs"
_CONDITIONS = "launch/patient openid fhirUser patient/Patient.rs patient/Condition.rs patient/Observation.rs"


@dataclass(frozen=True)
class SampleApp:
    """An app to register. Addresses that begin with / are below this installation's own address."""

    client_id: str
    name: str
    developer_name: str
    redirect_uris: tuple[str, ...]
    method: AuthMethod = AuthMethod.NONE
    attestation: Attestation = Attestation.ATTESTED
    may_introspect: bool = False
    description: str = ""
    category: Category = Category.RECORDS
    platforms: tuple[Platform, ...] = (Platform.WEB,)
    launch_uris: tuple[str, ...] = ()
    scopes: str = DEFAULT_SCOPES

    @property
    def kind(self) -> ClientKind:
        """Whether it keeps a secret."""
        return ClientKind.PUBLIC if self.method is AuthMethod.NONE else ClientKind.CONFIDENTIAL


SAMPLE_APPS = (
    SampleApp(
        DEMO_ID, "Porch Notes", "Porch Notes Project", (DEMO_PATH,), launch_uris=(DEMO_PATH,),
        description="Your plan's records in one plain list, on one page, to read or to print before a visit.",
    ),
    SampleApp(
        "browser-app", "Claim Lens", "Claim Lens Inc.", _CALLBACKS, category=Category.CLAIMS,
        description="Shows what was billed, what the plan paid and what you may still owe, claim by claim.",
    ),
    SampleApp(
        "server-app", "Family Health Ledger", "Ledger Works LLC", _CALLBACKS, AuthMethod.BASIC, may_introspect=True,
        platforms=(Platform.WEB, Platform.DESKTOP),
        description="Keeps the records of everybody you care for in one ledger, sorted by person and year.",
    ),
    SampleApp(
        "server-app-post", "Care Calendar", "Calendar Labs", _CALLBACKS, AuthMethod.POST, category=Category.CARING,
        platforms=(Platform.WEB, Platform.ANDROID),
        description="A shared calendar of visits and medicines for families who look after a parent.",
    ),
    SampleApp(
        "keyed-app", "Quiet Harbor", "Harbor Street Software", _CALLBACKS, AuthMethod.PRIVATE_KEY,
        platforms=(Platform.DESKTOP,),
        description="Keeps a copy of your records on a server that you run yourself.",
    ),
    SampleApp(
        "declined-app", "Steps and Sleep", "Stride Media", _CALLBACKS, attestation=Attestation.DECLINED,
        category=Category.WELLBEING, platforms=(Platform.IOS, Platform.ANDROID),
        description="Puts your steps and hours of sleep beside your lab results.",
    ),
    SampleApp(
        "medicine-app", "Kitchen Table Meds", "Harbor Street Software",
        ("com.example.kitchentablemeds:/callback",), category=Category.MEDICINES, scopes=_MEDICINES,
        platforms=(Platform.IOS, Platform.ANDROID),
        description="A list of your medicines in large letters, with a reminder for each.",
    ),
    SampleApp(
        "condition-app", "Sugar Diary", "Two Rivers Health", ("com.example.sugardiary:/callback",),
        category=Category.CONDITIONS, attestation=Attestation.UNANSWERED, scopes=_CONDITIONS,
        platforms=(Platform.ANDROID,),
        description="For people with diabetes: your A1c results over the years, and what to ask your doctor.",
    ),
    SampleApp(
        "native-app",
        "Pocket Chart",
        "Pocket Chart Co-op",
        ("http://127.0.0.1/callback", "http://[::1]/callback", "com.example.pocketchart:/callback"),
        attestation=Attestation.UNANSWERED, platforms=(Platform.DESKTOP, Platform.ANDROID),
        description="Stores your chart on your own device, and nowhere else.",
    ),
)  # fmt: skip


def register_missing(session: Session, settings: Settings, logo_of: Callable[[str], Logo]) -> None:
    """Register every sample app that is not there yet; `logo_of` gives the logo of its id."""
    for app in SAMPLE_APPS:
        try:
            clients.get(session, app.client_id)
        except clients.NoSuchClient:
            _register(session, app, settings, logo_of(app.client_id))
        _give_to_developer(session, app)


def follow_address(session: Session, settings: Settings) -> None:
    """Bring the apps that live beside the sandbox to where it is now: another port is another address."""
    here = demo_address(settings)
    for app in SAMPLE_APPS:
        if DEMO_PATH in app.redirect_uris:
            before = clients.get(session, app.client_id).redirect_uris[app.redirect_uris.index(DEMO_PATH)]
            if before != here:
                registration.move_address(session, app.client_id, before, here)


def secret_of(app: SampleApp, settings: Settings) -> str | None:
    """The app's secret: derived from the installation's key, so that the hand-out can be written again."""
    if app.method not in {AuthMethod.BASIC, AuthMethod.POST}:
        return None
    return keyed_digest(settings.secret_key, "sandbox app", app.client_id)


def demo_address(settings: Settings) -> str:
    """Where the demo app is: on 127.0.0.1 when we are on localhost, so that it is another origin, as real apps are."""
    parts = urlsplit(settings.base_url)
    port = f":{parts.port}" if parts.port else ""
    netloc = f"127.0.0.1{port}" if parts.scheme == "http" else parts.netloc
    return urlunsplit((parts.scheme, netloc, DEMO_PATH, "", ""))


def _give_to_developer(session: Session, app: SampleApp) -> None:
    # Who hears of other apps' tokens is kept by the plan alone.
    if app.may_introspect or clients.get(session, app.client_id).organization_id is not None:
        return
    organization = app_developers.ensure_organization(session, app.developer_name, f"{app.client_id}.example")
    own_apps.take_over(session, app.client_id, organization)


def _register(session: Session, app: SampleApp, settings: Settings, logo: Logo) -> None:
    answered = app.attestation is not Attestation.UNANSWERED
    told = Registration(
        name=app.name,
        redirect_uris=_addresses(app.redirect_uris, settings),
        launch_uris=_addresses(app.launch_uris, settings),
        scopes=app.scopes,
        description=app.description,
        category=app.category.value,
        platforms=[platform.value for platform in app.platforms],
        developer_name=app.developer_name,
        scope_reasons=dict.fromkeys(app.scopes.split(), _REASON),
        kind=app.kind,
        token_endpoint_auth_method=app.method,
        jwks=sample_keys.public_set(app.client_id, settings) if app.method is AuthMethod.PRIVATE_KEY else None,
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


def _addresses(addresses: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    return tuple(demo_address(settings) if uri == DEMO_PATH else uri for uri in addresses)
