"""The audit, searched by privacy officers: who did what for whom, when and how it ended. Each search is in it too.

Searches are posted: member numbers and names stay out of addresses, histories and logs. Nobody searches by the number
of themselves: what was done with one's own record stands in one's member account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import orjson
from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from oauth.apps import clients
from service.accounts import kept_form
from service.accounts.authentication import find_by_username
from service.accounts.models import Account
from service.audit import AuditEvent, Outcome
from service.audit_chain import reading
from service.audit_chain.reading import PAGE, Wanted
from service.clock import now
from service.plan.members import roster
from service.plan.models import Member, StaffRole
from service.plan.staff import own_records
from service.staff.gate import current_staff, require_role
from service.staff.refusals import own_record
from service.staff.schemas import AuditSearch
from service.web import db_session, load_form, settings

blueprint = Blueprint("staff_audit", __name__, url_prefix="/staff/audit")
_FIRST_DAYS = timedelta(days=6)
_FIELDS = ("since", "until", "member_number", "username", "client_id", "tag", "outcome", "request_id")


@dataclass(frozen=True)
class Line:
    """An event with the names of those it tells of; empty where there are none."""

    event: AuditEvent
    account: str
    member: str
    app: str
    detail: str


@blueprint.get("/")
@require_role(StaffRole.PRIVACY_OFFICER)
def index() -> ResponseReturnValue:
    """The search, for the last seven days unless others are named."""
    today = now().astimezone(settings().plan.timezone).date()
    return _page({"since": str(today - _FIRST_DAYS), "until": str(today)})


@blueprint.post("/")
@kept_form.keeping()
@require_role(StaffRole.PRIVACY_OFFICER)
def search() -> ResponseReturnValue:
    """What was found, the latest first."""
    typed = {name: request.form.get(name, "") for name in _FIELDS}
    form, errors = load_form(AuditSearch())
    member = None
    if not errors:
        member, wanted, errors = _wanted(form)
    if errors:
        return _page(typed, errors=errors), 400
    if member is not None and own_records.is_own(db_session(), current_staff(), member):
        return own_record(member, "audit:event:search")
    found = reading.search(
        db_session(), wanted, by_account_id=current_staff().account_id, before_id=form["before"]
    )  # fmt: skip
    older = found[PAGE - 1].id if len(found) > PAGE else None
    return _page(typed, lines=_lines(found[:PAGE]), older=older)


def _wanted(form: dict[str, Any]) -> tuple[Member | None, Wanted, dict[str, list[str]]]:
    session, zone, errors = db_session(), settings().plan.timezone, {}
    member = account = None
    if form["member_number"]:
        member = roster.find_by_number(session, form["member_number"])
        if member is None:
            errors["member_number"] = ["No member has this member ID."]
    if form["username"]:
        account = find_by_username(session, form["username"])
        if account is None:
            errors["username"] = ["No account has this user name."]
    end = form["until"] + timedelta(days=1)
    wanted = Wanted(
        datetime.combine(form["since"], time(), zone), datetime.combine(end, time(), zone),
        member_ids=roster.parts(session, member) if member else None, account_id=account.id if account else None,
        client_id=form["client_id"] or None, tag=form["tag"] or None, outcome=form["outcome"],
        request_id=form["request_id"] or None,
    )  # fmt: skip
    return member, wanted, errors


def _lines(found: Sequence[AuditEvent]) -> list[Line]:
    session = db_session()
    accounts = select(Account).where(Account.id.in_({one.account_id for one in found if one.account_id}))
    members = select(Member).where(Member.id.in_({one.member_id for one in found if one.member_id}))
    people = {one.id: f"{one.full_name} ({one.username})" for one in session.scalars(accounts)}
    about = {one.id: f"{one.full_name} ({one.member_number})" for one in session.scalars(members)}
    apps = clients.get_several(session, {one.client_id for one in found if one.client_id})
    return [
        Line(
            one, people.get(one.account_id or "", ""), about.get(one.member_id or "", ""),
            apps[one.client_id].name if one.client_id in apps else one.client_id or "",
            orjson.dumps(one.detail).decode() if one.detail else "",
        )
        for one in found
    ]  # fmt: skip


def _page(
    typed: dict[str, str], *, errors: dict[str, list[str]] | None = None, lines: list[Line] | None = None,
    older: int | None = None,
) -> str:  # fmt: skip
    return render_template(
        "staff/audit_events.html", typed=typed, errors=errors or {}, lines=lines, older=older,
        outcomes=[(one.value, one.value.capitalize()) for one in Outcome],
    )  # fmt: skip
