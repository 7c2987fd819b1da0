"""The portal's public pages: register, sign in, what to have ready, answers about registration (product.md PV 1)."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

blueprint = Blueprint("provider_public", __name__, url_prefix="/provider")


@blueprint.get("", strict_slashes=False)
def index() -> ResponseReturnValue:
    """The public home."""
    return render_template("provider/public_home.html")


@blueprint.get("/registration-faq")
def faq() -> ResponseReturnValue:
    """Questions and answers about registering, for providers and for billing organisations."""
    return render_template("provider/registration_faq.html")
