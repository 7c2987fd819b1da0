"""Help, and what to know about apps and one's data (45 CFR 422.119(g)): public pages from the plan's configuration."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from consent.legal_texts import VERSIONS, LegalText
from service.web import NotFoundPage, plan

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
def index() -> ResponseReturnValue:
    """Frequently asked questions."""
    return render_template("member/help.html")


@blueprint.get("/help/your-data")
def education() -> ResponseReturnValue:
    """What to look for in an app, who must follow which privacy rules, and where to complain."""
    return render_template("member/education.html", version=VERSIONS[LegalText.EDUCATION])


@blueprint.get("/help/language-assistance")
def language_assistance() -> ResponseReturnValue:
    """That help with language and auxiliary aids cost nothing (45 CFR 92.11), in each language that the plan gives."""
    if not plan().language_assistance:
        raise NotFoundPage
    return render_template("member/language_assistance.html", notices=plan().language_assistance)
