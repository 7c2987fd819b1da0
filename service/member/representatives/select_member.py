"""Select member: for whom a representative acts from here on."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from consent.representatives import MemberChoice
from service.accounts import pressed_twice
from service.accounts.next_page import local_path
from service.accounts.sessions import require_login
from service.member import acting
from service.member.schemas import SelectMember
from service.web import load_form

blueprint = Blueprint("select_member", __name__)


@blueprint.route("/select-member", methods=["GET", "POST"])
@require_login
def choose() -> ResponseReturnValue:
    """Show the select; on POST act for the member chosen and go where the person was going."""
    person = acting.get_person()
    if not person.choices:
        raise acting.NoMember
    if request.method == "GET":
        return _page(person, {})
    form, errors = load_form(SelectMember())
    if errors:
        return _page(person, errors), 400
    acting.choose(person, form["selected"])
    return redirect(local_path(form["next"]) or url_for("member_home.index"), 303)


def member_options(choices: list[MemberChoice]) -> list[tuple[str, str]]:
    """The members as values and texts of a select; oneself comes first."""
    return [(choice.member.patient_id, _option_text(choice)) for choice in choices]


def _option_text(choice: MemberChoice) -> str:
    if choice.is_self:
        return str(gettext("Myself (%(name)s)", name=choice.member.full_name))
    return choice.member.full_name


def _chosen_before() -> str | None:
    """Choosing renews the browser's cookie. Only where it is the same member: another window may have chosen since."""
    who = acting.find_person()
    if who is None or who.choice is None or who.choice.member.patient_id != request.form.get("selected"):
        return None
    return local_path(request.form.get("next", "")) or url_for("member_home.index")


pressed_twice.lead_on(blueprint, {"choose": _chosen_before})


def _page(person: acting.Person, errors: dict[str, list[str]]) -> str:
    return render_template(
        "member/select_member.html",
        options=member_options(person.choices),
        selected=person.choice.member.patient_id if person.choice else "",
        following=request.values.get("next", ""),
        right_ended=person.right_ended,
        errors=errors,
    )
