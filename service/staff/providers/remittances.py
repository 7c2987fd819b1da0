"""Unassigned remittances: payments whose payee the plan's records do not name alone. Staff say whose they are."""

from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from marshmallow import Schema, fields, validate

from consent import neutrality
from service.accounts import kept_form
from service.plan.models import ProviderGroup, Remittance, StaffRole
from service.plan.providers.numbers import shown_tax_id
from service.plan.remittances import payees
from service.plan.remittances.payees import Assigned
from service.plan.staff.plan_staff import NotOneself
from service.staff.gate import current_staff, require_role
from service.staff.schemas import Reason
from service.web import NotFoundPage, PageError, db_session, load_form

blueprint = Blueprint("staff_remittances", __name__, url_prefix="/staff/remittances")
_MISSING = _("Please choose the group that was paid.")


class AssignedAlready(PageError):
    """Somebody was quicker."""

    status = 409
    title = _("This remittance has its group")
    sentence = _("Somebody else assigned it a moment ago. Nothing was changed.")


class Choice(Schema):
    """The group that was paid."""

    group = fields.String(
        required=True, validate=validate.Length(1, 36, error=str(_MISSING)), error_messages={"required": str(_MISSING)}
    )


@blueprint.get("")
@require_role(StaffRole.PROVIDER_SERVICES)
def index() -> ResponseReturnValue:
    """What waits."""
    after = request.args.get("after", type=UUID)
    waiting = payees.unassigned(db_session(), after=str(after) if after else None)
    return render_template("staff/remittances.html", waiting=waiting, assigned=payees.assigned(db_session()))


@blueprint.get("/<uuid:remittance_id>")
@require_role(StaffRole.PROVIDER_SERVICES)
def show(remittance_id: UUID) -> ResponseReturnValue:
    """One payment, and the groups that a number finds."""
    return _page(_get(remittance_id), request.args.get("number", "")[:60], {})


@blueprint.post("/<uuid:remittance_id>")
@require_role(StaffRole.PROVIDER_SERVICES)
def assign(remittance_id: UUID) -> ResponseReturnValue:
    """Give it to the group."""
    session, remittance = db_session(), _get(remittance_id)
    chosen, errors = load_form(Choice())
    group = None if errors else session.get(ProviderGroup, chosen["group"])
    if group is None:
        return _refused(remittance, errors or {"group": [str(_MISSING)]})
    account_id = current_staff().account_id
    try:
        neutrality.require_stranger(session, account_id, group_id=group.id)
        payees.assign(session, remittance, group, by_account_id=account_id)
    except NotOneself as refusal:
        return _refused(remittance, {"group": [refusal.sentence]})
    except payees.AlreadyAssigned:
        raise AssignedAlready from None
    return redirect(url_for("staff_remittances.index"), 303)


@blueprint.get("/<uuid:remittance_id>/assigned")
@require_role(StaffRole.PROVIDER_SERVICES)
def show_assigned(remittance_id: UUID) -> ResponseReturnValue:
    """A payment that staff gave to a group, and the form that takes it back."""
    return _assigned_page(_get_assigned(remittance_id), {})


@blueprint.post("/<uuid:remittance_id>/assigned")
@kept_form.keeping()
@require_role(StaffRole.PROVIDER_SERVICES)
def unassign(remittance_id: UUID) -> ResponseReturnValue:
    """Take it back, with the reason; it waits again."""
    session, found = db_session(), _get_assigned(remittance_id)
    form, errors = load_form(Reason())
    if errors:
        return _assigned_page(found, errors), 400
    account_id = current_staff().account_id
    try:
        neutrality.require_stranger(session, account_id, group_id=found.group.id)
        payees.unassign(session, found.remittance, form["reason"], by_account_id=account_id)
    except NotOneself as refusal:
        return _assigned_page(found, {"reason": [refusal.sentence]}), 400
    except payees.NotAssigned:
        raise NotFoundPage from None
    return redirect(url_for("staff_remittances.show", remittance_id=found.remittance.id), 303)


def _get_assigned(remittance_id: UUID) -> Assigned:
    try:
        return payees.get_assigned(db_session(), str(remittance_id))
    except payees.UnknownRemittance:
        raise NotFoundPage from None


def _assigned_page(found: Assigned, errors: dict[str, list[str]]) -> str:
    return render_template("staff/remittance_assigned.html", found=found, errors=errors, given=request.form)


def _get(remittance_id: UUID) -> Remittance:
    try:
        return payees.get_unassigned(db_session(), str(remittance_id))
    except payees.UnknownRemittance:
        raise NotFoundPage from None


def _refused(remittance: Remittance, errors: dict[str, list[str]]) -> Response:
    return Response(_page(remittance, request.form.get("number", "")[:60], errors), 400)


def _page(remittance: Remittance, number: str, errors: dict[str, list[str]]) -> str:
    # Where no number was typed, the payment's own say which groups may be meant.
    numbers = [number] if number else [remittance.payee_tax_id or "", remittance.payee_npi or ""]
    found = {group.id: group for one in numbers if one for group in payees.candidates(db_session(), one)}
    return render_template(
        "staff/remittance.html", remittance=remittance, number=number, groups=list(found.values()), errors=errors,
        shown_tax_id=shown_tax_id,
    )  # fmt: skip
