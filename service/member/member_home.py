"""Home after sign-in: cards to everything a member or representative can do here."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from consent import coming_of_age
from service.accounts.sessions import require_login
from service.member.acting import get_person, require_choice
from service.web import db_session, settings

blueprint = Blueprint("member_home", __name__)


@blueprint.get("/member")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """The cards; a member who has come of age is told that it is theirs to decide now."""
    person = get_person()
    own = person.choice if person.choice and person.choice.is_self else None
    of_age = coming_of_age.undecided(db_session(), own.member, settings().plan.timezone) if own else []
    return render_template("member/home.html", person=person, of_age=of_age)
