"""The Users tab: Control Panel, provider users. Staff find a login and give it provider ids, or end them."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from service import audit
from service.accounts import kept_form
from service.plan.logins import access_entries, hand_overs, login_search, portal_staff
from service.plan.logins.access_entries import EntryOver, EntryRefused, UnusableNumbers
from service.plan.logins.entry_words import SOURCES
from service.plan.logins.login_search import MOST, TooLittle
from service.plan.mailbox import threads
from service.plan.models import EntrySource, IdKind, ProviderGroup, ProviderStaff, StaffRole
from service.plan.providers.numbers import shown_tax_id
from service.plan.staff import plan_staff
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused
from service.staff.gate import current_staff, require_role
from service.staff.schemas import EndEntry, NewDelegate, ProviderIds
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("staff_users", __name__, url_prefix="/staff/users")
_LOOKING = (StaffRole.PROVIDER_SERVICES, StaffRole.PRIVACY_OFFICER)
_CHANGING = (StaffRole.PROVIDER_SERVICES,)
KINDS: dict[IdKind, LazyString] = {
    IdKind.TAX_ID: _("Tax ID"),
    IdKind.NPI: _("NPI"),
    IdKind.VENDOR_NUMBER: _("Vendor number"),
    IdKind.OFFICE_ID: _("Office ID"),
}


@blueprint.get("/")
@require_role(*_LOOKING)
def index() -> ResponseReturnValue:
    """Search a login by user name, name, organisation or Tax ID."""
    asked = request.args.get("q")
    if asked is None:
        return render_template("staff/users.html", asked="", found=None, errors={})
    try:
        found = login_search.find(db_session(), asked[:100])
    except TooLittle as refusal:
        return render_template("staff/users.html", asked=asked, found=None, errors={"q": [refusal.sentence]}), 400
    return render_template(
        "staff/users.html", asked=asked, found=found[:MOST], has_more=len(found) > MOST, errors={},
        shown_tax_id=shown_tax_id,
    )  # fmt: skip


@blueprint.get("/<uuid:staff_id>")
@require_role(*_LOOKING)
def user(staff_id: UUID) -> ResponseReturnValue:
    """One login: who it is, its entries, and the form that adds one."""
    found = _get(staff_id)
    audit.record(
        db_session(), "staff:provider_user:open", account_id=current_staff().account_id, detail={"staff": found.id}
    )
    return _user_page(found, {"thread": request.args.get("thread", "")}, {})


@blueprint.post("/<uuid:staff_id>/preview")
@kept_form.keeping(lambda staff_id: url_for("staff_users.user", staff_id=staff_id))
@require_role(*_CHANGING)
def preview(staff_id: UUID) -> ResponseReturnValue:
    """Show which providers an entry would reach, before it is given."""
    found = _get(staff_id)
    form, errors = load_form(ProviderIds())
    groups: list[ProviderGroup] = []
    if not errors:
        groups, errors = _reached(found, form)
    if errors:
        return _user_page(found, request.form, errors), 400
    numbers = access_entries.read_numbers(_numbers(form))
    return render_template(
        "staff/confirm_entry.html", login=found, groups=groups, form_values=form, numbers=numbers, kinds=KINDS,
        shown_tax_id=shown_tax_id,
    )  # fmt: skip


@blueprint.post("/<uuid:staff_id>/entries")
@kept_form.keeping(
    lambda staff_id: url_for("staff_users.user", staff_id=staff_id),
    form=lambda staff_id: url_for("staff_users.preview", staff_id=staff_id),
)
@require_role(*_CHANGING)
def add(staff_id: UUID) -> ResponseReturnValue:
    """Give the login the entry."""
    found, by = _get(staff_id), current_staff()
    form, errors = load_form(ProviderIds())
    if errors:
        return _user_page(found, request.form, errors), 400
    thread_id = _thread_of(found, form["thread"])
    try:
        plan_staff.require_other(by, found)
        access_entries.add_entry(
            db_session(), found, _numbers(form), source=EntrySource.PLAN, by_account_id=by.account_id,
            thread_id=thread_id,
        )  # fmt: skip
    except (NotOneself, EntryRefused) as refusal:
        return _user_page(found, request.form, _problems(refusal)), 400
    return redirect(url_for("staff_users.user", staff_id=found.id, thread=thread_id, done="added"), 303)


@blueprint.post("/<uuid:staff_id>/entries/<uuid:entry_id>/end")
@require_role(*_CHANGING)
def end(staff_id: UUID, entry_id: UUID) -> ResponseReturnValue:
    """End an entry of the login."""
    found, by = _get(staff_id), current_staff()
    form, _errors = load_form(EndEntry())
    thread_id = _thread_of(found, form.get("thread", ""))
    try:
        plan_staff.require_other(by, found)
        access_entries.end_entry(
            db_session(), found, str(entry_id), by_account_id=by.account_id, thread_id=thread_id
        )  # fmt: skip
    except (NotOneself, EntryOver) as refusal:
        return _user_page(found, {}, {"_schema": [refusal.sentence]}), 400
    return redirect(url_for("staff_users.user", staff_id=found.id, thread=thread_id, done="ended"), 303)


@blueprint.post("/<uuid:staff_id>/delegate")
@kept_form.keeping(lambda staff_id: url_for("staff_users.user", staff_id=staff_id))
@require_role(*_CHANGING)
def make_delegate(staff_id: UUID) -> ResponseReturnValue:
    """Ask a second person to make this login delegate."""
    found = _get(staff_id)
    form, errors = load_form(NewDelegate())
    if errors:
        return _user_page(found, request.form, errors), 400
    try:
        hand_overs.ask(db_session(), found, by=current_staff(), **form)
    except (NotOneself, SecondLookRefused) as refusal:
        return _user_page(found, request.form, {"_schema": [refusal.sentence]}), 400
    return redirect(url_for("staff_users.user", staff_id=found.id, done="asked"), 303)


def _get(staff_id: UUID) -> ProviderStaff:
    found = login_search.get(db_session(), str(staff_id))
    if found is None:
        raise NotFoundPage
    return found


def _numbers(form: dict[str, Any]) -> dict[IdKind, str]:
    return {kind: form[kind.value] for kind in KINDS}


def _reached(found: ProviderStaff, form: dict[str, Any]) -> tuple[list[ProviderGroup], dict[str, list[str]]]:
    try:
        plan_staff.require_other(current_staff(), found)
        return access_entries.preview(db_session(), found, _numbers(form)), {}
    except (NotOneself, EntryRefused) as refusal:
        return [], _problems(refusal)


def _problems(refusal: NotOneself | EntryRefused) -> dict[str, list[str]]:
    if isinstance(refusal, UnusableNumbers):
        return {kind.value: [sentence] for kind, sentence in refusal.problems.items()}
    return {"_schema": [refusal.sentence]}


def _thread_of(found: ProviderStaff, thread_id: str) -> str | None:
    """The thread only if it is this login's: an audit row must not name another's."""
    if not thread_id:
        return None
    try:
        return threads.get_of_login(db_session(), found, thread_id).id
    except threads.UnknownThread:
        raise NotFoundPage from None


def _user_page(found: ProviderStaff, typed: Any, errors: dict[str, list[str]]) -> str:
    session = db_session()
    return render_template(
        "staff/user.html", login=found, typed=typed, errors=errors, kinds=KINDS, sources=SOURCES,
        held=access_entries.held(session, found), ended=access_entries.ended(session, found),
        delegates=portal_staff.delegates_of(session, found.organization_id), shown_tax_id=shown_tax_id,
        may_change=bool(plan_staff.roles_of(current_staff()) & set(_CHANGING)),
        act=hand_overs.find_waiting(session, found),
        threads=threads.list_for_login(session, found).lines, done=request.args.get("done", ""),
    )  # fmt: skip
