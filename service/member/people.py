"""People who act for me: the personal representatives of a member, on which basis and until when."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from consent import representatives
from consent.link_words import BASES, LINK_SCOPES
from service.accounts.sessions import require_login
from service.member.acting import get_actor, require_choice
from service.web import NotFoundPage, db_session

blueprint = Blueprint("people", __name__)


@blueprint.get("/people")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """The list. Members see who acts for them; a representative does not see the others."""
    actor = get_actor()
    if not actor.choice.is_self:
        raise NotFoundPage
    links = representatives.acting_for(db_session(), actor.choice.member)
    return render_template("member/people.html", links=links, bases=BASES, scopes=LINK_SCOPES)
