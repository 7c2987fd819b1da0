"""Who has looked at my information: apps, people who act for me, providers' offices and people of the plan, by day."""

from datetime import date

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent import lookers, policy
from consent.lookers import Deed, LookedOn, Way
from fhir.storage import exported
from oauth.apps import clients
from service.accounts.sessions import require_login
from service.days import read_day
from service.member.acting import get_actor, require_choice
from service.member.apps.app_activity import KINDS
from service.member.information.sections import SECTIONS
from service.plan.logins.lookups import Purpose
from service.plan.members import roster
from service.plan.models import SupportLook, SupportPurpose
from service.plan.staff import support_looks
from service.web import NotFoundPage, db_session, settings

blueprint = Blueprint("looks", __name__)
PURPOSES: dict[SupportPurpose, LazyString] = {
    SupportPurpose.MEMBER_CALLED: _("You called or wrote to us"),
    SupportPurpose.SIGN_IN: _("Trouble signing in to your account"),
    SupportPurpose.APPS: _("A question about an app"),
    SupportPurpose.COMPLAINT: _("A complaint"),
    SupportPurpose.SAFETY: _("A sign that somebody may misuse your account"),
}
DEEDS: dict[Deed, LazyString] = {
    Deed.VIEW: _("Opened pages of My information"),
    Deed.DOWNLOAD: _("Downloaded your whole record"),
    Deed.APPS_EXPORT: _("Downloaded the list of your apps and what they have read"),
    Deed.PREVIEW: _("Saw how many records there are of each type, to choose what an app may see"),
    Deed.ELIGIBILITY: _("Asked whether you are covered"),
    Deed.MEMBER_LOOKUP: _("Looked for your claims"),
    Deed.CLAIM: _("Opened a claim that they sent to the plan"),
}
OFFICE_REASONS: dict[str, LazyString] = {
    Purpose.TREATMENT.value: _("To treat you"),
    Purpose.PAYMENT.value: _("To be paid for care"),
    Purpose.OPERATIONS.value: _("To run their practice, such as a quality review"),
}
"""By the word before the colon of a reason."""
WAYS: dict[Way, LazyString] = {
    Way.READ: _("Read from your record"),
    Way.MATCH: _("Found you as a member, for another health plan that asked"),
    Way.COPY: _("Copied from your record"),
    Way.COPY_OF_ALL: _("Copied the records of all members, yours among them"),
    Way.COPY_OF_SOME: _("Copied some records of all members, perhaps some of yours"),
}
PROGRAM_REASONS: dict[str, LazyString] = {
    "payment": _("To be paid for care"),
    "health care operations": _("To run the health plan"),
    "provider access": _("For the providers who care for you"),
}
"""By the reason that `consent.policy` gives for a program's Access."""
ON_FILE = _("They sent the plan a claim for you")
_OTHERS: dict[str, LazyString] = {
    "overview": _("the start page"), "profile": _("My Profile (address, phone number and e-mail)"),
}  # fmt: skip
SECTION_NAMES = _OTHERS | {one.key: one.name for one in SECTIONS}


@blueprint.get("/who-has-looked")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """The days, for the member alone: what they told the plan is not for their representatives."""
    actor = get_actor()
    if not actor.choice.is_self:
        raise NotFoundPage
    member, zone = actor.choice.member, settings().plan.timezone
    before = read_day(request.args.get("before", ""))
    patients = roster.patients_of_parts(db_session(), member)
    everybody, records = exported.was_in(policy.own_record(actor.account, actor.choice), patients), list(patients)
    looked = lookers.of_member(db_session(), records, actor.account.id, zone, everybody=everybody, before=before)
    staff = _by_day(support_looks.of_member(db_session(), records), looked.days)
    apps = clients.get_several(db_session(), set().union(*map(_clients_of, looked.days)))
    return render_template(
        "member/looks.html", looked=looked, staff=staff, apps=apps, before=before, kinds=KINDS, deeds=DEEDS,
        purposes=PURPOSES, sections=SECTION_NAMES, told_reason=told_reason, ways=WAYS, program_reasons=PROGRAM_REASONS,
    )  # fmt: skip


def _clients_of(day: LookedOn) -> set[str]:
    return {*(one.client_id for one in day.apps), *(one.client_id for one in day.programs)}


def told_reason(reason: str) -> str:
    """Why an office says it looked, in the member's words; what it wrote itself follows as it is."""
    purpose, _colon, text = reason.partition(": ")
    if purpose in OFFICE_REASONS:
        return f"{OFFICE_REASONS[purpose]}: {text}" if text else str(OFFICE_REASONS[purpose])
    return str(ON_FILE)


def _by_day(looks: list[SupportLook], days: list[LookedOn]) -> dict[date, list[SupportLook]]:
    zone = settings().plan.timezone
    found: dict[date, list[SupportLook]] = {one.day: [] for one in days}
    for look in looks:
        day = look.begun_at.astimezone(zone).date()
        if day in found:
            found[day].append(look)
    return found
