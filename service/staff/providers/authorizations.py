"""Requests of billing organisations at the plan: contacts to verify, mails to send again, permissions to end."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import Schema, fields, validate

from consent import authorization_requests, billing_authorizations, named_contacts, neutrality
from consent.authorization_requests import Mailing, RequestClosed, TooManyRequests, UnknownRequest
from consent.billing_authorizations import AuthorizationOver, UnknownAuthorization
from consent.billing_models import AuthorizationRequest, AuthorizationSide, AuthorizationStatus
from consent.named_contacts import ContactIsClerk, ContactRefused
from service.accounts import kept_form
from service.accounts.next_page import came_from_page
from service.accounts.schemas import require_storable
from service.plan.models import StaffRole
from service.plan.staff.plan_staff import NotOneself
from service.staff.gate import current_staff, require_role
from service.web import NotFoundPage, db_session, load_form, settings

blueprint = Blueprint("staff_authorizations", __name__, url_prefix="/staff/authorizations")
_FILL_IN = "Please give a reason: the billing organization reads it."
_REFUSALS: dict[type[Exception], str] = {
    RequestClosed: "This request was answered, withdrawn or has lapsed in the meantime.",
    TooManyRequests: "That is the most that can be sent to this contact in one day. Please go on tomorrow.",
    AuthorizationOver: "This access has ended already.",
    NotOneself: NotOneself.sentence,
    ContactIsClerk: "You are the contact yourself. Please ask a colleague to verify it.",
}
_OWN = "The contact or you belong to the billing organization, so this cannot be verified. Refuse it with a reason."


class Said(Schema):
    """Why."""

    reason = fields.String(
        required=True,
        validate=[
            validate.Length(1, 200, error=_FILL_IN),
            validate.Regexp(r"(?s).*\S", error=_FILL_IN),
            require_storable,
        ],
        error_messages={"required": _FILL_IN, "invalid": _FILL_IN, "invalid_utf8": _FILL_IN},
    )


@blueprint.get("")
@require_role(StaffRole.PROVIDER_SERVICES)
def index() -> ResponseReturnValue:
    """The queue: contacts to verify first, then what waits for providers, then what stands."""
    return _page({})


@blueprint.post("/<uuid:request_id>/verify")
@require_role(StaffRole.PROVIDER_SERVICES)
def verify(request_id: UUID) -> ResponseReturnValue:
    """The contact was verified by phone or on file: send the request."""
    found = _get(request_id)
    try:
        _require_stranger(found)
        authorization_requests.verify_contact(db_session(), found, _mailing(), by_account_id=_me())
    except (RequestClosed, TooManyRequests, ContactRefused, NotOneself) as problem:
        return _refused(problem)
    return _done("verified")


@blueprint.post("/<uuid:request_id>/refuse")
@kept_form.keeping(lambda request_id: url_for("staff_authorizations.index"))
@require_role(StaffRole.PROVIDER_SERVICES)
def refuse(request_id: UUID) -> ResponseReturnValue:
    """The contact is not the provider's: the request ends, with a reason."""
    found = _get(request_id)
    form, errors = load_form(Said())
    if errors:
        return _page(errors), 400
    try:
        _require_stranger(found)
        authorization_requests.refuse_contact(db_session(), found, form["reason"].strip(), by_account_id=_me())
    except (RequestClosed, ContactRefused, NotOneself) as problem:
        return _refused(problem)
    return _done("refused")


@blueprint.post("/<uuid:request_id>/resend")
@require_role(StaffRole.PROVIDER_SERVICES)
def resend(request_id: UUID) -> ResponseReturnValue:
    """Send the mail again; the 30 days do not begin anew."""
    found = _get(request_id)
    try:
        _require_stranger(found)
        authorization_requests.resend(db_session(), found, _mailing(), by_account_id=_me())
    except (RequestClosed, TooManyRequests, NotOneself) as problem:
        return _refused(problem)
    return _done("resent")


@blueprint.post("/permissions/<uuid:authorization_id>/end")
@kept_form.keeping(lambda authorization_id: came_from_page(url_for("staff_authorizations.index")))
@require_role(StaffRole.PROVIDER_SERVICES)
def end(authorization_id: UUID) -> ResponseReturnValue:
    """End a firm's access to a provider."""
    form, errors = load_form(Said())
    if errors:
        return _page(errors), 400
    session = db_session()
    try:
        found = billing_authorizations.get(session, str(authorization_id))
        neutrality.require_stranger(session, _me(), group_id=found.group_id, organization_id=found.organization_id)
        billing_authorizations.end(
            session, found, AuthorizationSide.PLAN, by_account_id=_me(), reason=form["reason"].strip()
        )
    except UnknownAuthorization:
        raise NotFoundPage from None
    except (AuthorizationOver, NotOneself) as problem:
        return _refused(problem)
    return _done("ended")


def _me() -> str:
    return current_staff().account_id


def _require_stranger(found: AuthorizationRequest) -> None:
    neutrality.require_stranger(
        db_session(), _me(), group_id=found.group_id, organization_id=found.organization_id,
        asked_by_account_id=found.asked_by_account_id,
    )  # fmt: skip


def _mailing() -> Mailing:
    return Mailing(settings().secret_key)


def _get(request_id: UUID) -> AuthorizationRequest:
    try:
        return authorization_requests.get(db_session(), str(request_id))
    except UnknownRequest:
        raise NotFoundPage from None


def _refused(problem: Exception) -> ResponseReturnValue:
    return _page({"_schema": [_REFUSALS.get(type(problem), _OWN)]}), 400


def _done(what: str) -> ResponseReturnValue:
    return redirect(url_for("staff_authorizations.index", done=what), 303)


def _page(errors: dict[str, list[str]]) -> str:
    session, words = db_session(), request.args.get("q", "").strip()[:100]
    waiting = authorization_requests.with_status(session, AuthorizationStatus.AWAITING_PLAN)
    return render_template(
        "staff/authorizations.html", errors=errors, done=request.args.get("done"), words=words, waiting=waiting,
        on_file={one.id: named_contacts.contacts_on_file(session, one.group_id) for one in waiting},
        sent=authorization_requests.with_status(session, AuthorizationStatus.ASKED),
        found=billing_authorizations.search(session, words) if words else [],
    )  # fmt: skip
