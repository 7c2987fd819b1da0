"""A member's page as plan staff see it: to read, under a banner, for 15 minutes, shown to the member (security.md 146).

Nothing here acts for the member: staff hold no member session, and the only forms end the look.
"""

from uuid import UUID

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from consent.link_words import BASES, LINK_SCOPES
from consent.pause_lifts import is_held
from service.accounts.sessions import current_login
from service.clock import now
from service.plan.models import StaffRole, SupportLook
from service.plan.staff import support_looks
from service.plan.staff.support_looks import LookOver
from service.staff.gate import current_staff, require_role
from service.staff.members import member_seen
from service.staff.members.look_words import PURPOSES
from service.web import db_session, settings

blueprint = Blueprint("staff_member_view", __name__, url_prefix="/staff/members/looks")


@blueprint.get("/<uuid:look_id>")
@require_role(StaffRole.MEMBER_SERVICES)
def show(look_id: UUID) -> ResponseReturnValue:
    """The page, while the look lasts."""
    try:
        look = get_open(look_id)
    except LookOver:
        return redirect(url_for("staff_members.index", over="yes"), 303)
    seen = member_seen.read(db_session(), look, current_staff(), settings())
    support_looks.record(db_session(), look, "view", count=seen.count)
    page = make_response(render_template(
        "staff/member_view.html", look=look, member=look.member, seen=seen, purposes=PURPOSES, bases=BASES,
        scopes=LINK_SCOPES, held=is_held, sent="sent" in request.args,
    ))  # fmt: skip
    # The page leaves the screen when the look is over; a header, since pages hold no scripts.
    seconds = int((look.expires_at - now()).total_seconds()) + 1
    page.headers["Refresh"] = f"{seconds};url={url_for('staff_members.index', over='yes')}"
    return page


@blueprint.post("/<uuid:look_id>/close")
@require_role(StaffRole.MEMBER_SERVICES)
def close(look_id: UUID) -> ResponseReturnValue:
    """End the look."""
    try:
        support_looks.close(db_session(), get_open(look_id))
    except LookOver:
        return redirect(url_for("staff_members.index", over="yes"), 303)
    return redirect(url_for("staff_members.index", closed="yes"), 303)


def get_open(look_id: UUID) -> SupportLook:
    """The standing look of whoever is signed in on this browser; raises LookOver."""
    login = current_login()
    assert login is not None, "the page requires sign-in"
    return support_looks.get_open(db_session(), str(look_id), current_staff(), login_session_id=login.session.id)
