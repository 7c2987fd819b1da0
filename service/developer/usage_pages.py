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
    "authorize:redirect": _("The redirect_uri was not one of those registered"),
    "authorize:state": _("The state was missing or too long"),
    "authorize:invalid_request": _(
        "A parameter of the authorization request was missing or wrong: aud, code_challenge, launch"
    ),
    "authorize:invalid_scope": _("None of the scopes asked for could be given"),
    "authorize:invalid_target": _("The resource was not the address of the FHIR API"),
    "authorize:unsupported_response_type": _("response_type was not code"),
    "authorize:request_not_supported": _("A request object was sent; none is read"),
    "authorize:request_uri_not_supported": _("A request object was sent; none is read"),
    "token:invalid_grant": _(
        "A code or refresh token was unknown, too late or ended, or the code_verifier or redirect_uri did not fit"
    ),
    "token:invalid_request": _("A parameter was missing at the token endpoint"),
    "token:invalid_scope": _("More scopes were asked at the token endpoint than were granted"),
    "token:invalid_target": _("The resource was not the address of the FHIR API"),
    "token:unauthorized_client": _("The grant type is not one of this app"),
    "token:unsupported_grant_type": _("The grant type is not offered"),
    "token:invalid_dpop_proof": _("The DPoP proof was missing or not right"),
    "token:temporarily_unavailable": _("The member has paused the app"),
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
