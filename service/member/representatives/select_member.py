"""Select member: for whom a representative acts from here on."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.representatives import MemberChoice
from service.accounts import pressed_twice
from service.accounts.next_page import local_path
from service.accounts.sessions import require_login
from service.member import acting
from service.member.schemas import SelectMember
from service.web import load_form

blueprint = Blueprint("select_member", __name__)
OWN_INFORMATION = _("My own information (%(name)s)")
"""Oneself, in answer to whose information it is."""
_MYSELF = _("Myself (%(name)s)")


@blueprint.route("/select-member", methods=["GET", "POST"])
@require_login
def choose() -> ResponseReturnValue:
    """Show the select; on POST act for the member chosen and go where the person was going.

    `selected` in the address is the member that stands chosen in it: a link leads to a page of theirs, and asks first.
    """
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


def member_options(choices: list[MemberChoice], oneself: LazyString = _MYSELF) -> list[tuple[str, str]]:
    """The members as values and texts of a select; oneself comes first, in words that answer what the page asks."""
    return [(choice.member.patient_id, _option_text(choice, oneself)) for choice in choices]


def _option_text(choice: MemberChoice, oneself: LazyString) -> str:
    name = choice.member.full_name
    return str(oneself) % {"name": name} if choice.is_self else name


def _chosen_before() -> str | None:
    """Choosing renews the browser's cookie. Only where it is the same member: another window may have chosen since."""
    who = acting.find_person()
    if who is None or who.choice is None or who.choice.member.patient_id != request.form.get("selected"):
        return None
    return local_path(request.form.get("next", "")) or url_for("member_home.index")


pressed_twice.lead_on(blueprint, {"choose": _chosen_before})


def _page(person: acting.Person, errors: dict[str, list[str]]) -> str:
    options = member_options(person.choices)
    current, wanted = person.choice.member.patient_id if person.choice else "", request.args.get("selected", "")
    # Of a page that was open while the right to somebody ended: the way on would lead to another person's.
    is_closed = bool(wanted) and wanted not in dict(options)
    return render_template(
        "member/select_member.html",
        options=options,
        selected=wanted if wanted in dict(options) else current,
        following="" if is_closed else request.values.get("next", ""),
        is_closed=is_closed,
        right_ended=person.right_ended,
        errors=errors,
    )
