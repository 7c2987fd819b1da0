"""An app developer of the sandbox, with apps in every state that the plan's reviewers can look at.

They came there by the verbs that people's own steps call.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from oauth.apps import admission, approval, developers, own_apps, review_checks, reviews
from oauth.apps.app_content import AppContent
from oauth.apps.logos import Logo
from oauth.apps.models import AppReview, Category, CheckAnswer, DeclineReason, Developer, Platform
from oauth.apps.registration import Registration
from service.accounts.authentication import find_by_username
from service.plan.models import PlanStaff
from service.plan.staff import plan_staff
from service.sandbox import portal_accounts
from service.sandbox.portal_people import ABEL, GWEN, INES, PortalPerson
from service.settings import Settings

_SITE = "https://brightpathlabs.example"
_REASONS = {
    "launch/patient": "To know whose records are shown.",
    "openid": "To know the person again at the next sign-in.",
    "fhirUser": "To greet the person by name.",
    "patient/Patient.rs": "To show whose records these are.",
    "patient/Coverage.rs": "To show the plan that pays.",
    "patient/ExplanationOfBenefit.rs": "To show what was billed and paid.",
    "patient/MedicationRequest.rs": "To list medicines.",
    "patient/Observation.rs": "To draw blood pressure and weight over time.",
}


@dataclass(frozen=True)
class _App:
    name: str
    description: str
    category: Category
    platforms: tuple[Platform, ...]
    reads: str


_COMPASS = _App(
    "Copay Compass", "Tells what a visit may cost you, from what earlier visits did.", Category.CLAIMS,
    (Platform.WEB, Platform.IOS), "patient/Coverage.rs patient/ExplanationOfBenefit.rs",
)  # fmt: skip
_LANTERN = _App(
    "Pill Lantern", "Says aloud which medicine is due, for people who see poorly.", Category.MEDICINES,
    (Platform.ANDROID,), "patient/MedicationRequest.rs",
)  # fmt: skip
_KITE = _App(
    "Vital Kite", "Draws blood pressure and weight as a picture.", Category.WELLBEING, (Platform.WEB,),
    "patient/Observation.rs",
)  # fmt: skip
_COIN = _App(
    "Quick Coin Health", "Finds savings in your claims.", Category.CLAIMS, (Platform.WEB,),
    "patient/ExplanationOfBenefit.rs",
)  # fmt: skip


def open_missing(session: Session, settings: Settings, logo_of: Callable[[str], Logo]) -> None:
    """Open the developer's account and bring each app where it stands; what people did with them stays."""
    if portal_accounts.is_open(session, INES):
        return
    account = portal_accounts.open_account(session, INES, settings)
    developer = developers.found(
        session, account, name="Brightpath Labs Inc.", website=_SITE, domain="brightpathlabs.example",
        terms_version="sandbox",
    )  # fmt: skip
    for app in (_COMPASS, _LANTERN, _KITE, _COIN):
        _submit(session, developer, app, settings, logo_of(app.name))
    _approve(session, _version(session, developer, _COMPASS), settings)
    _approve(session, _version(session, developer, _KITE), settings)
    _change(session, developer, settings)
    _suspend_and_decline(session, developer, settings)


def _submit(session: Session, developer: Developer, app: _App, settings: Settings, logo: Logo) -> None:
    place = app.name.lower().replace(" ", "-")
    scopes = f"launch/patient openid fhirUser patient/Patient.rs {app.reads}"
    told = Registration(
        name=app.name, redirect_uris=[f"{_SITE}/{place}/callback"], developer_name="", scopes=scopes,
        scope_reasons={scope: _REASONS[scope] for scope in scopes.split()}, description=app.description,
        category=app.category.value, platforms=[platform.value for platform in app.platforms], logo=logo,
        website=f"{_SITE}/{place}", policy_uri=f"{_SITE}/privacy", terms_uri=f"{_SITE}/terms",
        contact="help@brightpathlabs.example",
    )  # fmt: skip
    made, _secret = own_apps.register(session, developer, told, settings=settings)
    own_apps.attest(session, developer, made.id, agrees=True, version=settings.plan.privacy_policy_version)
    reviews.submit(session, admission.versions_of(session, made.id).latest, by_account_id=developer.account_id)


def _approve(session: Session, review: AppReview, settings: Settings) -> None:
    first, second = _clerk(session, GWEN), _clerk(session, ABEL)
    found = {check.key: (CheckAnswer.YES, "") for check in review_checks.asked_of(session, review.client_id)}
    review_checks.answer(session, review, found, by=first)
    act = approval.first_look(session, review, by=first, reason="Looked at everything, and called them.")
    approval.second_look(session, act, by=second, settings=settings)


def _change(session: Session, developer: Developer, settings: Settings) -> None:
    """A second version of an approved app, so that there is a difference to look at."""
    standing = _version(session, developer, _COMPASS)
    content = AppContent.read(standing.content)
    changed = replace(
        content, redirect_uris=(*content.redirect_uris, "https://copaycompass.example/callback"),
        website="https://copaycompass.example",
    )  # fmt: skip
    review = own_apps.propose(session, developer, standing.client_id, changed, settings=settings)
    reviews.submit(session, review, by_account_id=developer.account_id)


def _suspend_and_decline(session: Session, developer: Developer, settings: Settings) -> None:
    by = _clerk(session, GWEN).account_id
    reviews.suspend(
        session, _version(session, developer, _KITE).client_id, settings=settings, by_account_id=by,
        reason="Its server answered with the records of another test member. Please mend it and write to us.",
    )  # fmt: skip
    reviews.decline(
        session, _version(session, developer, _COIN), by_account_id=by, reason=DeclineReason.PAGES_MISSING,
        explanation="The privacy policy's address answers with an empty page.",
    )  # fmt: skip


def _version(session: Session, developer: Developer, app: _App) -> AppReview:
    own = developers.apps_of(session, developer.organization_id)
    return admission.versions_of(session, next(each.id for each in own if each.name == app.name)).latest


def _clerk(session: Session, person: PortalPerson) -> PlanStaff:
    account = find_by_username(session, person.username)
    staff = plan_staff.find(session, account) if account else None
    assert staff is not None, "the plan's people are appointed before its developers' apps are looked at"
    return staff
