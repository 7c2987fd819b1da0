"""A billing firm's requests: find the client, name its contact, follow the answer, send again, withdraw, end."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from consent import authorization_requests, billing_authorizations, billing_clients
from consent.authorization_requests import (
    AlreadyAsked,
    Mailing,
    NoSuchClient,
    NotAFirm,
    RequestClosed,
    TooManyRequests,
    UnknownRequest,
    Wanted,
)
from consent.billing_authorizations import AuthorizationOver, UnknownAuthorization
from consent.billing_models import AuthorizationRequest, AuthorizationSide
from consent.named_contacts import ContactRefused, NamedContact
from service.accounts import kept_form
from service.accounts.next_page import came_from, local_path
from service.plan.models import PortalFunction, ProviderGroup
from service.plan.providers.group_addresses import shown_addresses
from service.plan.registering.payment_proof import ProofRefused, TooManyTries
from service.provider.access import access_words
from service.provider.access.access_pages import may_change, network
from service.provider.access.access_schemas import ChosenClient, ClientNumbers, ContactDetails, Ending
from service.provider.gate import current_staff, require_delegate, require_function, require_staff
from service.web import NotFoundPage, db_session, load_form, settings

blueprint = Blueprint("provider_clients", __name__, url_prefix="/provider/access/clients")
_CHANGES = require_function(PortalFunction.ACCESS)
_FIRST_STEP = kept_form.keeping(lambda: url_for("provider_clients.new"))
_Refused = ProofRefused | NoSuchClient | TooManyRequests


@blueprint.get("/new")
@_CHANGES
def new() -> ResponseReturnValue:
    """Ask for the client's Tax ID and a payment number; `again` names an earlier request whose Tax ID is filled in."""
    if not authorization_requests.is_firm(current_staff()):
        return redirect(url_for("provider_access.index"), 303)
    kept = kept_form.find_kept()
    if kept is not None:
        # The numbers come first again; what was typed on the later pages goes along.
        return kept_form.forget(_numbers_page({}, _as_typed(kept), was_kept=True))
    again = request.args.get("again", "")
    return _numbers_page({}, {"tax_id": _get(again).tax_id} if again else {})


@blueprint.post("/new")
@_FIRST_STEP
@_CHANGES
def choose() -> ResponseReturnValue:
    """Show the providers of that Tax ID."""
    form, errors = load_form(ClientNumbers())
    if errors:
        return _numbers_page(errors, _typed()), 400
    try:
        found = _find(form)
    except (ProofRefused, NoSuchClient, TooManyRequests) as problem:
        return _no_client(problem)
    return _choice_page(form, found, {})


@blueprint.post("/new/numbers")
@_FIRST_STEP
@_CHANGES
def numbers() -> ResponseReturnValue:
    """Back to the numbers, with everything typed so far."""
    if not authorization_requests.is_firm(current_staff()):
        raise NotFoundPage
    return _numbers_page({}, _typed())


@blueprint.post("/new/contact")
@_FIRST_STEP
@_CHANGES
def contact() -> ResponseReturnValue:
    """Ask who at the client's office shall answer."""
    form, errors = load_form(ChosenClient())
    if "tax_id" not in form:
        return _numbers_page(errors, _typed()), 400
    try:
        found = _find(form)
    except (ProofRefused, NoSuchClient, TooManyRequests) as problem:
        return _no_client(problem)
    chosen = next((group for group in found if group.id == str(form.get("group_id"))), None)
    if chosen is None:
        return _choice_page(form, found, errors or {"group_id": ["Please choose your client."]}), 400
    typed = _typed()
    return _contact_page(form, chosen, {}, typed if "contact_name" in typed else _before(chosen))


@blueprint.post("/new/ask")
@_FIRST_STEP
@_CHANGES
def ask() -> ResponseReturnValue:
    """Send the request."""
    form, errors = load_form(ContactDetails(), _typed())
    if errors:
        return _contact_again(form, errors)
    try:
        made = authorization_requests.ask(db_session(), current_staff(), _wanted(form), _mailing())
    except NotAFirm:
        raise NotFoundPage from None
    except (ProofRefused, NoSuchClient, TooManyRequests) as problem:
        return _no_client(problem)
    except (AlreadyAsked, ContactRefused) as problem:
        field = "contact_email" if isinstance(problem, ContactRefused) else "_schema"
        return _contact_again(form, {field: [_sentence(problem)]})
    return redirect(url_for("provider_clients.show", request_id=made.id, done="asked"), 303)


@blueprint.get("/<uuid:request_id>")
@require_staff
def show(request_id: UUID) -> ResponseReturnValue:
    """One request, what became of it, and the earlier ones to the same client."""
    return _show_page(_get(str(request_id)), {})


@blueprint.post("/<uuid:request_id>/resend")
@_CHANGES
def resend(request_id: UUID) -> ResponseReturnValue:
    """Send the e-mail again."""
    found = _get(str(request_id))
    try:
        authorization_requests.resend(db_session(), found, _mailing(), by_account_id=current_staff().account_id)
    except (RequestClosed, TooManyRequests) as problem:
        return _show_page(found, {"_schema": [_sentence(problem)]}), 400
    return redirect(url_for("provider_clients.show", request_id=found.id, done="again"), 303)


@blueprint.post("/<uuid:request_id>/withdraw")
@_CHANGES
def withdraw(request_id: UUID) -> ResponseReturnValue:
    """Take the request back."""
    found = _get(str(request_id))
    try:
        authorization_requests.withdraw(db_session(), found, by_account_id=current_staff().account_id)
    except RequestClosed as problem:
        return _show_page(found, {"_schema": [_sentence(problem)]}), 400
    return redirect(url_for("provider_clients.show", request_id=found.id), 303)


@blueprint.post("/permissions/<uuid:authorization_id>/end")
@kept_form.keeping(lambda authorization_id: local_path(came_from().path) or url_for("provider_access.index"))
@require_delegate
def end(authorization_id: UUID) -> ResponseReturnValue:
    """The firm gives its access back."""
    session, staff = db_session(), current_staff()
    form, errors = load_form(Ending())
    try:
        found = billing_authorizations.get_for_firm(session, staff, str(authorization_id))
        if not errors:
            billing_authorizations.end(
                session, found, AuthorizationSide.FIRM, by_account_id=staff.account_id, reason=form["reason"]
            )
    except UnknownAuthorization:
        raise NotFoundPage from None
    except AuthorizationOver:
        pass  # ended by somebody else a moment ago: the page says so
    return redirect(url_for("provider_clients.show", request_id=found.request_id), 303)


def _get(request_id: str) -> AuthorizationRequest:
    try:
        return authorization_requests.get_for_firm(db_session(), current_staff(), request_id)
    except UnknownRequest:
        raise NotFoundPage from None


def _find(form: dict[str, Any]) -> list[ProviderGroup]:
    try:
        return authorization_requests.find_clients(
            db_session(), current_staff(), tax_id=form["tax_id"], number=form.get("number"), mailing=_mailing()
        )[0]
    except NotAFirm:
        raise NotFoundPage from None


def _mailing() -> Mailing:
    return Mailing(settings().secret_key, network(), settings().plan.provider.proof_days)


def _wanted(form: dict[str, Any]) -> Wanted:
    return Wanted(
        tax_id=form["tax_id"], number=form["number"], group_id=str(form["group_id"]),
        functions=frozenset(one for one in authorization_requests.FUNCTIONS if one.value in form["functions"]),
        contact=NamedContact(
            " ".join(form["contact_name"].split()), form["contact_email"].strip(), form["contact_phone"].strip()
        ),
    )  # fmt: skip


def _sentence(problem: Exception) -> str:
    return access_words.refusal(problem, days=settings().plan.provider.proof_days)


def _no_client(problem: _Refused) -> ResponseReturnValue:
    status = 429 if isinstance(problem, TooManyTries | TooManyRequests) else 400
    return _numbers_page({"_schema": [_sentence(problem)]}, _typed()), status


def _before(group: ProviderGroup) -> dict[str, Any]:
    """What was asked of this client last time, to be filled in again."""
    earlier = billing_clients.history_of(db_session(), current_staff(), group.id)
    if not earlier:
        return {"functions": [function.value for function in authorization_requests.FUNCTIONS]}
    last = earlier[0].request
    return {
        "contact_name": last.contact_name, "contact_email": last.contact_email, "contact_phone": last.contact_phone,
        "functions": last.functions,
    }  # fmt: skip


def _contact_again(form: dict[str, Any], errors: dict[str, list[str]]) -> ResponseReturnValue:
    if "tax_id" not in form:
        return _numbers_page(errors, _typed()), 400
    try:
        found = _find(form)
    except (ProofRefused, NoSuchClient, TooManyRequests) as problem:
        return _no_client(problem)
    chosen = next((group for group in found if group.id == str(form.get("group_id"))), None)
    if chosen is None:
        return _no_client(NoSuchClient())
    return _contact_page(form, chosen, errors, _typed()), 400


def _typed() -> dict[str, Any]:
    """What the form holds, unchecked."""
    return _as_typed(request.form)


def _as_typed(fields: MultiDict[str, str]) -> dict[str, Any]:
    return {**fields.to_dict(), "functions": fields.getlist("functions")}


def _numbers_page(errors: dict[str, list[str]], given: Any, *, was_kept: bool = False) -> str:
    return render_template(
        "provider/client_numbers.html", errors=errors, given=given, days=settings().plan.provider.proof_days,
        was_kept=was_kept,
    )  # fmt: skip


def _choice_page(form: dict[str, Any], found: list[ProviderGroup], errors: dict[str, list[str]]) -> str:
    addresses = shown_addresses(db_session(), [group.id for group in found])
    return render_template(
        "provider/client_choice.html", numbers=form, errors=errors, groups=found, addresses=addresses, given=_typed()
    )


def _contact_page(form: dict[str, Any], chosen: ProviderGroup, errors: dict[str, list[str]], given: Any) -> str:
    earlier = billing_clients.history_of(db_session(), current_staff(), chosen.id)
    return render_template(
        "provider/client_contact.html", numbers=form, group=chosen, errors=errors, given=given, words=access_words,
        functions=authorization_requests.FUNCTIONS, standing=earlier[0].standing if earlier else None,
    )  # fmt: skip


def _show_page(found: AuthorizationRequest, errors: dict[str, list[str]]) -> str:
    history = billing_clients.history_of(db_session(), current_staff(), found.group_id)
    return render_template(
        "provider/client.html", client=next(one for one in history if one.request.id == found.id),
        earlier=[one for one in history if one.request.id != found.id], errors=errors, words=access_words,
        staff=current_staff(), may_change=may_change(), asked=request.args.get("done"),
    )  # fmt: skip
