"""Who is my delegate, for every login; colleagues' requests to become one, for delegates."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.accounts import kept_form
from service.plan.logins import delegates, portal_staff
from service.plan.logins.delegates import NotADelegate, NotYetActive, OwnRequest, RequestDecided
from service.plan.models import StaffStatus
from service.plan.registering import joining
from service.provider.accounts.account_schemas import Decision
from service.provider.gate import current_staff, require_delegate, require_staff
from service.web import NotFoundPage, PageError, db_session, load_form

blueprint = Blueprint("provider_delegates", __name__, url_prefix="/provider/delegate")


class AlreadyDecided(PageError):
    """Another delegate, or the plan, was faster."""

    status = 409
    title = _("This request was decided already")
    sentence = _("Somebody decided it before you, or it is not one that you can decide. Nothing was changed.")


class CannotBeDelegate(PageError):
    """The login waits for its PIN."""

    status = 409
    title = _("That is not possible yet")
    sentence = _("This person still waits for the PIN from the mail. They can be a delegate when they have entered it.")


@blueprint.get("/")
@require_staff
def index() -> ResponseReturnValue:
    """Name, e-mail and phone of the organisation's delegates."""
    staff = current_staff()
    if staff.status is not StaffStatus.ACTIVE:
        # Nothing is proven yet: whoever registered by a Tax ID would read names, e-mails and phones (security.md 127).
        return redirect(url_for("provider_validation.index"), 303)
    found = portal_staff.delegates_of(db_session(), staff.organization_id)
    return render_template("provider/delegate.html", staff=staff, delegates=found)


@blueprint.get("/requests")
@require_delegate
def requests() -> ResponseReturnValue:
    """Colleagues who ask to become delegate, and why."""
    return _page({})


@blueprint.post("/requests/<uuid:request_id>")
@kept_form.keeping(lambda request_id: url_for("provider_delegates.requests"))
@require_delegate
def decide(request_id: UUID) -> ResponseReturnValue:
    """Approve or refuse; the asker is told by mail."""
    form, errors = load_form(Decision())
    if errors:
        return _page(errors), 400
    approve = form["decision"] == "approve"
    try:
        delegates.decide_request(
            db_session(), current_staff(), str(request_id), approve=approve, reason=form["reason"].strip()
        )
    except NotADelegate:
        raise NotFoundPage from None
    except NotYetActive:
        raise CannotBeDelegate from None
    except (RequestDecided, OwnRequest):
        raise AlreadyDecided from None
    return redirect(url_for("provider_delegates.requests", done="approved" if approve else "refused"), 303)


def _page(errors: object) -> str:
    staff = current_staff()
    return render_template(
        "provider/delegate_requests.html", staff=staff, errors=errors, done=request.args.get("done", ""),
        requests=delegates.open_requests(db_session(), staff.organization_id), reasons=joining.REASON_WORDS,
    )  # fmt: skip
