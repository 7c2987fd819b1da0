"""How much an app was used, and what was refused: counts by day, without any person and any health information."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from oauth.apps import usage
from service.developer.gate import own_app, require_developer
from service.web import db_session

blueprint = Blueprint("developer_usage", __name__, url_prefix="/developers/apps/<client_id>/usage")
REFUSALS: dict[str, LazyString] = {
    "access_denied": _("The person said no"),
    "login_required": _("prompt=none, and nobody was signed in"),
    "consent_required": _("prompt=none, and the person had to be asked"),
    "invalid_request": _("A launch came back in another sign-in than it began in"),
    "client:authenticate": _("The app did not prove itself at the token endpoint"),
    "token_family:code_replayed": _("A code came twice: its tokens were ended"),
    "token_family:refresh_reused": _("A refresh token came twice: its tokens were ended"),
}


@blueprint.get("")
@require_developer
def show(client_id: str) -> ResponseReturnValue:
    """The last 30 days."""
    app = own_app(client_id)
    return render_template(
        "developer/usage.html", app=app, usage=usage.of_app(db_session(), app.id), words=REFUSALS,
        fewest=usage.FEWEST_TOLD,
    )  # fmt: skip
