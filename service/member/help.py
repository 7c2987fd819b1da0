"""Help, and what to know about apps and one's data (45 CFR 422.119(g)): public pages from the plan's configuration."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from consent.legal_texts import VERSIONS, LegalText

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
def index() -> ResponseReturnValue:
    """Frequently asked questions."""
    return render_template("member/help.html")


@blueprint.get("/help/your-data")
def education() -> ResponseReturnValue:
    """What to look for in an app, who must follow which privacy rules, and where to complain."""
    return render_template("member/education.html", version=VERSIONS[LegalText.EDUCATION])
