"""A provider's view of a billing firm that it let in: what it may see, what it looked up; limit it, end it."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from consent import authorization_requests, billing_authorizations
from consent.billing_authorizations import AuthorizationOver, NothingLeft, UnknownAuthorization
from consent.billing_models import AuthorizationSide, BillingAuthorization
from service.accounts import kept_form
from service.plan.models import PortalFunction
from service.provider.access import access_words
from service.provider.access.access_schemas import Ending, Terms
from service.provider.gate import current_staff, require_delegate, require_staff
from service.web import NotFoundPage, db_session, load_form, settings

blueprint = Blueprint("provider_permissions", __name__, url_prefix="/provider/access/permissions")
_ENDED = "This access has ended already."
_NOTHING = "Please choose at least one thing they may see, or end the access."


@blueprint.get("/<uuid:authorization_id>")
@require_staff
def show(authorization_id: UUID) -> ResponseReturnValue:
    """The permission and the look-ups under it."""
    return _page(_get(authorization_id), {})


@blueprint.post("/<uuid:authorization_id>/limit")
@kept_form.keeping(lambda authorization_id: url_for("provider_permissions.show", authorization_id=authorization_id))
@require_delegate
def limit(authorization_id: UUID) -> ResponseReturnValue:
    """Set anew what the firm may see."""
    found = _get(authorization_id)
    form, errors = load_form(Terms(), {**request.form.to_dict(), "functions": request.form.getlist("functions")})
    if errors:
        return _page(found, errors), 400
    try:
        billing_authorizations.limit(
            db_session(), found, _functions(form), covers_from=form["covers_from"], covers_until=form["covers_until"],
            by_account_id=current_staff().account_id,
        )  # fmt: skip
    except (AuthorizationOver, NothingLeft) as problem:
        sentence = _ENDED if isinstance(problem, AuthorizationOver) else _NOTHING
        return _page(found, {"_schema": [sentence]}), 400
    return redirect(url_for("provider_permissions.show", authorization_id=found.id, saved="limits"), 303)


@blueprint.post("/<uuid:authorization_id>/end")
@kept_form.keeping(lambda authorization_id: url_for("provider_permissions.show", authorization_id=authorization_id))
@require_delegate
def end(authorization_id: UUID) -> ResponseReturnValue:
    """End it at once."""
    found = _get(authorization_id)
    form, errors = load_form(Ending())
    if errors:
        return _page(found, errors), 400
    try:
        billing_authorizations.end(
            db_session(), found, AuthorizationSide.PROVIDER, by_account_id=current_staff().account_id,
            reason=form["reason"],
        )  # fmt: skip
    except AuthorizationOver:
        return _page(found, {"_schema": [_ENDED]}), 400
    return redirect(url_for("provider_permissions.show", authorization_id=found.id, saved="end"), 303)


def _get(authorization_id: UUID) -> BillingAuthorization:
    try:
        return billing_authorizations.get_for_provider(db_session(), current_staff(), str(authorization_id))
    except UnknownAuthorization:
        raise NotFoundPage from None


def _functions(form: dict[str, Any]) -> list[PortalFunction]:
    return [function for function in PortalFunction if function.value in form["functions"]]


def _page(found: BillingAuthorization, errors: dict[str, list[str]]) -> str:
    session = db_session()
    asked = authorization_requests.get(session, found.request_id)
    return render_template(
        "provider/permission.html", permission=found, asked=asked, errors=errors, words=access_words,
        functions=[one for one in authorization_requests.FUNCTIONS if one.value in asked.functions],
        lookups=billing_authorizations.lookups(session, found, settings().plan.timezone), staff=current_staff(),
        saved=request.args.get("saved"),
    )  # fmt: skip
