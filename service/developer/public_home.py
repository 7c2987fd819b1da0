"""The public home of developers: what there is, where it is, and how to begin."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from oauth.apps import review_clock
from oauth.apps.app_words import DECLINE_REASONS
from oauth.apps.models import DeclineReason
from service.accounts.sessions import current_login
from service.developer.developer_words import TERMS_VERSION
from service.web import db_session, settings

blueprint = Blueprint("developer_public", __name__, url_prefix="/developers")


@blueprint.get("", strict_slashes=False)
def index() -> ResponseReturnValue:
    """What there is to build on, and the first steps."""
    held = settings()
    return render_template(
        "developer/public_home.html", base_url=held.base_url, fhir_base=held.fhir_base, sandbox=held.sandbox,
        usual_days=review_clock.usual_days(db_session()), done=request.args.get("done", ""),
        signed_in=current_login() is not None,
    )  # fmt: skip


@blueprint.get("/rules")
def rules() -> ResponseReturnValue:
    """By which rules apps are registered and reviewed, the same for all; and what a no may rest on."""
    reasons = [(reason, DECLINE_REASONS[reason]) for reason in DeclineReason]
    return render_template("developer/rules.html", reasons=reasons)


@blueprint.get("/terms")
def terms() -> ResponseReturnValue:
    """What developers agree to when they sign up."""
    return render_template("developer/terms.html", version=TERMS_VERSION)
