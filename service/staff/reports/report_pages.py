"""The Reports tab: what CMS asks of the plan each year, and how far the authorizations of each app came."""

import codecs
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from oauth.apps import funnel
from service import audit
from service.clock import now
from service.door.admission import BrokenOff
from service.plan.models import StaffRole
from service.reports import patient_access_usage, transfers
from service.staff import navigation
from service.staff.gate import current_staff, require_role
from service.staff.reports.report_schemas import FunnelDays, UsageYear
from service.web import db_session, load_form, settings

blueprint = Blueprint("staff_reports", __name__, url_prefix="/staff/reports")
_NOT_WHOLE = b"This file is not whole: it broke off. Please download it again.\r\n"


@blueprint.get("/")
@require_role(StaffRole.ADMINISTRATOR, StaffRole.PRIVACY_OFFICER, StaffRole.APP_REVIEWER)
def index() -> ResponseReturnValue:
    """Which reports there are, for whom."""
    pages = navigation.reports(current_staff())
    return render_template("staff/reports.html", pages=pages, last=transfers.last_counted(db_session()))


@blueprint.get("/patient-access-usage")
@require_role(StaffRole.ADMINISTRATOR, StaffRole.PRIVACY_OFFICER)
def usage() -> ResponseReturnValue:
    """A year's numbers: as a page, or as CSV with `format=csv`, for the public with `public=yes`."""
    year, errors = _year()
    made = patient_access_usage.report(db_session(), year)
    if request.args.get("format") == "csv" and not errors:
        public = request.args.get("public") == "yes"
        _keep("plan:usage_report:download", {"year": year, "public": public})
        name = f"patient-access-usage-{year}{'-public' if public else ''}.csv"
        return as_file([patient_access_usage.as_csv(made, public=public)], name)
    _keep("plan:usage_report:read", {"year": year})
    page = render_template(
        "staff/usage_report.html", report=made, this_year=_today().year, errors=errors,
        version=patient_access_usage.QUERY_VERSION, fewest=patient_access_usage.FEWEST_PUBLIC,
        not_kept=patient_access_usage.UNIT_NOT_KEPT, no_unit=patient_access_usage.NO_UNIT,
    )  # fmt: skip
    return page, 400 if errors else 200


@blueprint.get("/authorizations")
@require_role(StaffRole.ADMINISTRATOR, StaffRole.APP_REVIEWER)
def authorizations() -> ResponseReturnValue:
    """Each app's funnel over the last 7, 30 or 365 days that are over."""
    form, errors = load_form(FunnelDays(), request.args)
    days = 30 if errors else form["days"]
    last = transfers.last_counted(db_session())
    sums = funnel.sums(db_session(), last - timedelta(days=days - 1), last) if last else []
    return render_template("staff/funnel.html", funnels=sums, days=days, last=last, choices=FunnelDays.CHOICES)


def as_file(text: Iterable[str], name: str) -> Response:
    """A CSV as a download that spreadsheets read as UTF-8 and no cache keeps; `text` in pieces, sent one by one.

    Where they break off, which they do between two lines, the last line says so.
    """
    response = Response(_encoded(text), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _encoded(text: Iterable[str]) -> Iterator[bytes]:
    yield codecs.BOM_UTF8
    try:
        for piece in text:
            yield piece.encode()
    except BrokenOff:
        yield _NOT_WHOLE
        raise


def _year() -> tuple[int, dict[str, list[str]]]:
    form, errors = load_form(UsageYear(), request.args)
    this_year = _today().year
    if not errors and form["year"] is not None:
        return form["year"], {}
    # Until the report is due, it is last year's that is wanted.
    return (this_year if _today().month > 3 else this_year - 1), errors


def _today() -> date:
    return now().astimezone(settings().plan.timezone).date()


def _keep(tag: str, detail: dict[str, object]) -> None:
    audit.record(db_session(), tag, account_id=current_staff().account_id, detail=detail)
