"""The tabs and queues of the staff console in one table: each is shown to whom its page opens, if there is one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import current_app, request
from flask_babel import LazyString
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from consent import authorization_requests, representative_reviews, safety_blocks
from fhir.loading import freshness
from oauth.apps import app_reports, reviews
from service.plan.logins import hand_overs
from service.plan.mailbox import threads
from service.plan.models import PlanStaff, StaffRole
from service.plan.providers import provider_profiles
from service.plan.registering import mailed_pins, not_listed
from service.plan.remittances import payees
from service.plan.staff import plan_staff, second_looks, support_looks
from service.staff.gate import DECLARED
from service.web import db_session, settings

Count = Callable[[Session, PlanStaff], int]


@dataclass(frozen=True)
class Place:
    """A page of the console, and how much waits there."""

    endpoint: str
    label: LazyString
    count: Count | None = None


@dataclass(frozen=True)
class Link:
    """A place as shown; `waiting` is None where nothing is counted."""

    endpoint: str
    label: LazyString
    waiting: int | None
    current: bool


def _count_app_reviews(session: Session, _staff: PlanStaff) -> int:
    return reviews.count_submitted(session) + app_reports.count_open(session)


TABS = (
    Place("staff_home.index", _("Home")),
    Place("staff_mailbox.index", _("Mailbox"), threads.unread_count_for_plan),
    Place("staff_app_reviews.index", _("App reviews"), _count_app_reviews),
    Place("staff_users.index", _("Users")),
    Place("staff_members.index", _("Members")),
    Place(
        "staff_representatives.index",
        _("Representatives"),
        lambda session, _staff: representative_reviews.count_waiting(session),
    ),
    Place("staff_reports.index", _("Reports")),
    Place("staff_self_test.index", _("Self-test")),
)
REPORTS = (
    Place("staff_reports.usage", _("Patient Access API usage: what CMS asks for by March 31 of each year")),
    Place("staff_disclosures.index", _("Accounting of disclosures: what a member may ask an account of")),
    Place("staff_reports.authorizations", _("How far authorizations came: app by app, step by step")),
)
QUEUES = (
    Place("staff_app_reviews.index", _("App reviews and reports about apps"), _count_app_reviews),
    Place("staff_mailbox.index", _("Mailbox: conversations with something new"), threads.unread_count_for_plan),
    Place(
        "staff_not_listed.index", _("Providers not listed"),
        lambda session, _staff: len(not_listed.open_requests(session)),
    ),
    Place("staff_hand_overs.index", _("Delegate hand-overs"), lambda session, _staff: hand_overs.count_open(session)),
    Place(
        "staff_second_looks.index", _("Waiting for a second person"),
        lambda session, _staff: second_looks.count_waiting(session),
    ),
    Place(
        "staff_representatives.index", _("Representative requests"),
        lambda session, _staff: representative_reviews.count_waiting(session),
    ),
    Place(
        "staff_representative_links.index", _("Representatives: safety blocks to review"),
        lambda session, _staff: safety_blocks.count_to_review(session),
    ),
    Place("staff_letters.index", _("PIN letters"), lambda session, _staff: mailed_pins.count_waiting(session)),
    Place(
        "staff_authorizations.index", _("Billing authorizations: contacts to verify, resend"),
        lambda session, _staff: authorization_requests.count_to_verify(session),
    ),
    Place(
        "staff_profiles.index", _("Provider data profiles"),
        lambda session, _staff: provider_profiles.count_open(session),
    ),
    Place(
        "staff_remittances.index", _("Remittances with an unknown payee"),
        lambda session, _staff: payees.count_unassigned(session),
    ),
    Place(
        "staff_break_glass.index", _("Break-glass looks"),
        lambda session, _staff: support_looks.count_to_review(session),
    ),
    Place(
        "staff_data_freshness.index", _("Freshness of data: deliveries overdue, late or due soon"),
        lambda session, _staff: len(freshness.pressing(session, settings().plan.timezone)),
    ),
    Place("staff_developer_organizations.index", _("Developer organizations")),
    Place("staff_protected.index", _("Protected records")),
    Place("staff_colleagues.index", _("Colleagues and their roles")),
    Place("staff_plan_texts.index", _("Plan texts, phone lines, lines of business")),
    Place("staff_audit.index", _("Audit")),
)  # fmt: skip


_UNDER = {
    "staff_member_view": "staff_members",
    "staff_pause_lifts": "staff_members",
    "staff_app_standing": "staff_app_reviews",
    "staff_developer_organizations": "staff_app_reviews",
    "staff_representative_links": "staff_representatives",
}
"""Pages to which a tab's own pages lead; all others are reached from the home page."""


def tabs(staff: PlanStaff) -> list[Link]:
    """The tabs this person may open."""
    return _links(TABS, staff, _tab_here())


def queues(staff: PlanStaff) -> list[Link]:
    """The queues this person may open, with what waits there."""
    return _links(QUEUES, staff)


def reports(staff: PlanStaff) -> list[Link]:
    """The reports this person may open."""
    return _links(REPORTS, staff)


def _tab_here() -> str:
    """The blueprint of the tab under which the page at hand stands."""
    here = request.blueprint or ""
    if here in {_blueprint(place) for place in TABS}:
        return here
    return "staff_reports" if here in {_blueprint(place) for place in REPORTS} else _UNDER.get(here, "staff_home")


def _blueprint(place: Place) -> str:
    return place.endpoint.partition(".")[0]


def _links(places: Sequence[Place], staff: PlanStaff, here: str | None = None) -> list[Link]:
    session = db_session()
    return [
        Link(
            place.endpoint, place.label, place.count(session, staff) if place.count else None,
            here == _blueprint(place),
        )
        for place in places
        if _opens(place.endpoint, staff)
    ]  # fmt: skip


def _opens(endpoint: str, staff: PlanStaff) -> bool:
    view = current_app.view_functions.get(endpoint)
    roles: frozenset[StaffRole] = getattr(view, DECLARED, frozenset())
    return bool(roles & plan_staff.roles_of(staff))
