"""The form of an app: what was posted, read into what is registered or proposed; and what the page shows again."""

from dataclasses import dataclass, replace
from typing import Any

from flask import request
from flask_babel import gettext

from oauth.apps import own_keys
from oauth.apps.app_content import AppContent
from oauth.apps.clients import AuthMethod, ClientKind, ClientRefused, ClientView
from oauth.apps.logos import Logo
from oauth.apps.registration import Registration
from service.accounts.page_files import received_files
from service.developer import scope_choice
from service.developer.developer_schemas import NewApp, Reviewed
from service.developer.scope_choice import Choice
from service.web import load_form

MOST_LOGO_BYTES = 1024 * 1024
MOST_FORM_BYTES = 6 * 1024 * 1024
"""A picture of a phone fits, so that who chose one reads so at its field, and keeps what they typed."""
LABELS = {
    "name": "Name of the app", "method": "How the app proves itself", "jwks": "Public keys",
    "jwks_uri": "Address of the public keys", "redirect_uris": "Redirect addresses", "launch_uris": "Launch addresses",
    "post_logout_redirect_uris": "Addresses after sign-out", "scope": "Scopes", "logo": "Logo",
    "description": "Description", "platforms": "Platforms", "contact": "Support contact",
    "category": "Category in the App Gallery", "website": "Website", "policy_uri": "Privacy policy",
    "terms_uri": "Terms", "agrees": "Your answer", "url": "Address for messages",
}  # fmt: skip
"""In the order of the fields on their pages, which is that of what is told of them."""
_LONGEST_VALUE = 200


@dataclass(frozen=True)
class Posted:
    """A posted form: its values, its scopes, its logo, and what is wrong by field."""

    form: dict[str, Any]
    choice: Choice
    logo: Logo | None
    errors: dict[str, list[str]]


def read_new() -> Posted:
    """The form that registers an app."""
    return _read(NewApp(), {**request.form.to_dict(), "platforms": request.form.getlist("platforms")})


def read_change() -> Posted:
    """The form that changes what is reviewed."""
    return _read(Reviewed(), request.form.to_dict())


def registration_of(posted: Posted) -> Registration:
    """What the form says, to be registered; name and domain of the developer are added there. Raises ClientRefused."""
    form = posted.form
    by_key = form["method"] is AuthMethod.PRIVATE_KEY
    kind = ClientKind.PUBLIC if form["method"] is AuthMethod.NONE else ClientKind.CONFIDENTIAL
    return Registration(
        name=form["name"], developer_name="", redirect_uris=_lines(form["redirect_uris"]),
        launch_uris=_lines(form["launch_uris"]), category=form["category"] or None,
        post_logout_redirect_uris=_lines(form["post_logout_redirect_uris"]), kind=kind,
        token_endpoint_auth_method=form["method"],
        scopes=" ".join(posted.choice.scopes), scope_reasons=posted.choice.given, website=form["website"] or None,
        policy_uri=form["policy_uri"] or None, terms_uri=form["terms_uri"] or None, contact=form["contact"] or None,
        description=form["description"], platforms=[platform.value for platform in form["platforms"]],
        logo=posted.logo, id_token_signed_response_alg=form["id_token_signed_response_alg"],
        jwks=own_keys.read(form["jwks"]) if by_key and (form["jwks"] or not form["jwks_uri"]) else None,
        jwks_uri=(form["jwks_uri"] or None) if by_key else None,
    )  # fmt: skip


def content_of(posted: Posted, before: AppContent, logo_digest: str | None) -> AppContent:
    """What the form says, to be reviewed. `logo_digest` names a new logo; without one the old stays, unless removed."""
    form = posted.form
    kept = None if form["remove_logo"] else before.logo_digest
    return replace(
        before, name=form["name"], redirect_uris=_lines(form["redirect_uris"]), launch_uris=_lines(form["launch_uris"]),
        post_logout_redirect_uris=_lines(form["post_logout_redirect_uris"]), category=form["category"] or None,
        scopes=" ".join(posted.choice.scopes), scope_reasons=posted.choice.given, website=form["website"] or None,
        policy_uri=form["policy_uri"] or None, terms_uri=form["terms_uri"] or None, logo_digest=logo_digest or kept,
    )  # fmt: skip


def errors_of(refused: ClientRefused) -> dict[str, list[str]]:
    """What the pages tell of it, at the field that is meant; of several addresses it says which."""
    told = f"{refused.reason} ({refused.value[:_LONGEST_VALUE]})" if refused.value else refused.reason
    return {refused.field or "_schema": [told]}


def shown(content: AppContent) -> dict[str, Any]:
    """What stands in the fields of the form of an app that is there."""
    return {
        "name": content.name, "redirect_uris": "\n".join(content.redirect_uris),
        "launch_uris": "\n".join(content.launch_uris), "website": content.website or "",
        "post_logout_redirect_uris": "\n".join(content.post_logout_redirect_uris), "category": content.category or "",
        "policy_uri": content.policy_uri or "", "terms_uri": content.terms_uri or "",
    }  # fmt: skip


def choice_of(content: AppContent) -> Choice:
    """The scopes of an app that is there."""
    return Choice(tuple(content.scopes.split()), content.scope_reasons)


def shown_description(app: ClientView) -> dict[str, Any]:
    """What stands in the fields of the form of what changes at once."""
    return {"description": app.description, "contact": app.contact or "", "platforms": list(app.platforms)}


def _read(schema: Reviewed, given: dict[str, Any]) -> Posted:
    form, errors = load_form(schema, given)
    choice, wrong = scope_choice.read(request.form)
    logo, refused = _read_logo()
    errors |= wrong | refused
    if errors and logo is not None:
        errors["logo"] = [gettext("The picture is fine, but was not kept. Please choose it again.")]
    return Posted(form, choice, logo, errors)


def _read_logo() -> tuple[Logo | None, dict[str, list[str]]]:
    """The picture sent, drawn anew, or what is wrong with it."""
    files = received_files("logo", most_bytes=MOST_LOGO_BYTES)
    if not files:
        return None, {}
    # Here and not above: a web server loads what reads pictures only when somebody sends one.
    from oauth.apps import logo_reading  # noqa: PLC0415

    try:
        return logo_reading.read(files[0][1]), {}
    except logo_reading.LogoRefused as refused:
        return None, {"logo": [refused.reason]}


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
