"""Help center, Contact us, e-Services, Tools, contracting and credentialing: public, from the plan's configuration.

Who is signed in sees their own group's Service Specialist and Contract Manager as well.
"""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service.accounts.sessions import current_login
from service.plan.models import ProviderGroup
from service.provider.access import holdings
from service.provider.gate import find_current
from service.web import db_session

blueprint = Blueprint("provider_help", __name__, url_prefix="/provider")


@blueprint.get("/help")
def index() -> ResponseReturnValue:
    """Frequently asked questions."""
    return render_template("provider/help.html")


@blueprint.get("/contact")
def contact() -> ResponseReturnValue:
    """Whom to call or write, and the people who look after one's group."""
    return render_template("provider/contact.html", groups=_own_groups())


@blueprint.get("/e-services")
def e_services() -> ResponseReturnValue:
    """The payer id and what can be done electronically."""
    return render_template("provider/e_services.html")


@blueprint.get("/tools")
def tools() -> ResponseReturnValue:
    """Every tool of the portal in a list."""
    return render_template("provider/tools.html")


@blueprint.get("/network")
def network() -> ResponseReturnValue:
    """Joining the network, contracting, credentialing, changes of practitioners and locations."""
    return render_template("provider/network.html", groups=_own_groups())


def _own_groups() -> list[ProviderGroup]:
    staff = find_current() if current_login() else None
    return holdings.groups_of(db_session(), staff) if staff else []
