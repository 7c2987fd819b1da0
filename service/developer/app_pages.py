"""My apps: the list, registering one, its page, changing what is reviewed."""

from typing import Any

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from oauth.apps import admission, changes, clients, developers, logos, own_apps, review_clock, reviews
from oauth.apps.app_content import AppContent, differences
from oauth.apps.app_words import CATEGORIES, DECLINE_REASONS, PLATFORMS, STATES, STEPS
from oauth.apps.clients import AuthMethod, ClientRefused, ClientView
from oauth.apps.models import Platform, ReviewState
from oauth.apps.reviews import ReviewRefused
from service.accounts import kept_form
from service.accounts.page_files import accept_files
from service.accounts.stepping_up import require_recent_password
from service.developer import app_form, scope_choice
from service.developer.app_form import LABELS, Posted
from service.developer.developer_words import ATTESTATIONS, METHODS
from service.developer.gate import current_developer, own_app, require_developer
from service.developer.scope_choice import Choice
from service.web import PageError, db_session, settings

blueprint = Blueprint("developer_apps", __name__, url_prefix="/developers/apps")
accept_files(
    blueprint, ("register", "change"), most_bytes=app_form.MOST_FORM_BYTES,
    meant_for=lambda session, account: developers.find(session, account.id) is not None,
)  # fmt: skip
_USUAL = ("openid", "fhirUser", "launch/patient", "patient/*.rs")


class FormTooLarge(PageError):
    """The form is larger than a logo and its fields may be."""

    status = 413
    title = _("That was too large")
    sentence = _("A logo has at most 1 MB. Go back and choose a smaller picture. Nothing was changed.")


@blueprint.get("")
@require_developer
def index() -> ResponseReturnValue:
    """Every app of the developer's organization."""
    session, developer = db_session(), current_developer()
    apps = developers.apps_of(session, developer.organization_id)
    states = {app.id: admission.versions_of(session, app.id) for app in apps}
    return render_template(
        "developer/apps.html", developer=developer, apps=apps, versions=states, states=STATES,
        done=request.args.get("done", ""),
    )  # fmt: skip


@blueprint.get("/new")
@require_developer
def new() -> ResponseReturnValue:
    """The form that registers an app, as it was left where the session ran out over it."""
    if not current_developer().organization.stands:
        return redirect(url_for("developer_apps.index"), 303)
    kept = kept_form.find_kept()
    if kept is not None:
        return kept_form.forget(_new_page({}, scope_choice.read(kept)[0], kept, was_kept=True))
    return _new_page({}, Choice(_USUAL, {}), {"method": AuthMethod.NONE.value})


@blueprint.post("/new")
@kept_form.keeping(lambda: url_for("developer_apps.new"))
@require_developer
def register() -> ResponseReturnValue:
    """Register an app; its secret stands on the page that answers, and nowhere afterwards."""
    posted = app_form.read_new()
    if posted.errors:
        return _new_page(posted.errors, posted.choice, request.form), 400
    try:
        app, secret = own_apps.register(
            db_session(), current_developer(), app_form.registration_of(posted), settings=settings()
        )
    except ClientRefused as refused:
        return _new_page(app_form.errors_of(refused), posted.choice, request.form), 400
    except ReviewRefused as refused:
        status = 429 if isinstance(refused, own_apps.TooManyApps) else 403
        return _new_page({"_schema": [refused.sentence]}, posted.choice, request.form), status
    if secret is None:
        return redirect(url_for("developer_apps.show", client_id=app.id, done="registered"), 303)
    return render_template("developer/secret.html", app=app, secret=secret, first=True)


@blueprint.get("/<client_id>")
@require_developer
def show(client_id: str) -> ResponseReturnValue:
    """An app: how it stands, what can be done, what happened."""
    app, kept = own_app(client_id), kept_form.find_kept()
    if kept is not None:
        return kept_form.forget(app_page(app, {}, request.args.get("form", ""), kept))
    return app_page(app, {})


@blueprint.get("/<client_id>/edit")
@require_developer
@require_recent_password(30)
def edit(client_id: str) -> ResponseReturnValue:
    """The form that changes what is reviewed; the app's page, which says why, where it may not be changed now."""
    app = own_app(client_id)
    versions = admission.versions_of(db_session(), app.id)
    if not _may_edit(versions):
        return redirect(url_for("developer_apps.show", client_id=app.id), 303)
    kept = kept_form.find_kept()
    if kept is not None:
        return kept_form.forget(_edit_page(app, {}, scope_choice.read(kept)[0], kept, was_kept=True))
    content = AppContent.read(versions.latest.content)
    return _edit_page(app, {}, app_form.choice_of(content), app_form.shown(content))


@blueprint.post("/<client_id>/edit")
@kept_form.keeping(lambda client_id: url_for("developer_apps.edit", client_id=client_id))
@require_developer
@require_recent_password(60)
def change(client_id: str) -> ResponseReturnValue:
    """Change it: at once where it was never approved, else as a version that waits."""
    app, posted = own_app(client_id), app_form.read_change()
    if posted.errors:
        return _edit_page(app, posted.errors, posted.choice, request.form), 400
    try:
        _propose(app, posted)
    except ClientRefused as refused:
        return _edit_page(app, app_form.errors_of(refused), posted.choice, request.form), 400
    except ReviewRefused as refused:
        # Whoever sends it once more has been told, and means the version that stands now.
        typed = request.form.to_dict() | {"seen": ""}
        return _edit_page(app, {"_schema": [refused.sentence]}, posted.choice, typed), 409
    return redirect(url_for("developer_apps.show", client_id=app.id, done="changed"), 303)


def app_page(
    app: ClientView, errors: dict[str, list[str]], about: str = "", kept: MultiDict[str, str] | None = None
) -> str:  # fmt: skip
    """The page of an app; `about` names the form that `errors` are about, or that was `kept`."""
    session = db_session()
    versions = admission.versions_of(session, app.id)
    latest = versions.latest
    standing = AppContent.read(versions.standing.content) if versions.standing else None
    values: dict[str, Any] = {
        "versions": versions, "latest": latest, "clock": review_clock.read(session, latest),
        "changes": differences(standing, AppContent.read(latest.content)) if versions.waiting and standing else [],
        "missing": reviews.missing_of(session, latest), "history": reviews.history(session, app.id),
        "may_edit": _may_edit(versions), "state": versions.state,
        "organization": current_developer().organization,
        "earlier_secret_until": clients.previous_secret_until(session, app.id),
    }  # fmt: skip
    return render_template(
        "developer/app.html", app=app, errors=errors, about=about, given=kept or request.form, labels=LABELS,
        states=STATES, steps=STEPS, decline_reasons=DECLINE_REASONS, attestations=ATTESTATIONS, methods=METHODS,
        platforms=PLATFORMS, every_state=ReviewState, done=request.args.get("done", ""), sandbox=settings().sandbox,
        was_kept=kept is not None, described=app_form.shown_description(app), **values,
    )  # fmt: skip


def app_address(client_id: str, *, form: str) -> str:
    """The page of an app for whom the session ran out over one of its forms."""
    return url_for("developer_apps.show", client_id=client_id, form=form)


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_large(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(FormTooLarge())


def _propose(app: ClientView, posted: Posted) -> None:
    session = db_session()
    own_apps.require_unchanged(session, current_developer(), app.id, request.form.get("seen", ""))
    before = AppContent.read(admission.versions_of(session, app.id).latest.content)
    logo_digest = logos.keep(session, posted.logo) if posted.logo else None
    content = app_form.content_of(posted, before, logo_digest)
    own_apps.propose(session, current_developer(), app.id, content, settings=settings())


def _may_edit(versions: admission.Versions) -> bool:
    return changes.may_edit(versions) and current_developer().organization.stands


def _new_page(errors: object, choice: Choice, given: Any, *, was_kept: bool = False) -> str:
    ticked = given.getlist("platforms") if hasattr(given, "getlist") else ()
    return render_template(
        "developer/app_new.html", errors=errors, given=given, ticked=ticked, platforms=PLATFORMS, methods=METHODS,
        every_platform=Platform, categories=CATEGORIES, was_kept=was_kept, **_scopes(choice),
    )  # fmt: skip


def _edit_page(app: ClientView, errors: object, choice: Choice, given: Any, *, was_kept: bool = False) -> str:
    versions = admission.versions_of(db_session(), app.id)
    logo_digest = versions.latest.content["logo_digest"]
    return render_template(
        "developer/app_edit.html", app=app, versions=versions, errors=errors, given=given, logo_digest=logo_digest,
        categories=CATEGORIES, was_kept=was_kept, **_scopes(choice),
    )  # fmt: skip


def _scopes(choice: Choice) -> dict[str, Any]:
    return {
        "labels": LABELS, "choice": choice, "first_scopes": scope_choice.FIRST, "type_scopes": scope_choice.ONE_TYPE,
        "longest_reason": scope_choice.LONGEST_REASON,
    }  # fmt: skip
