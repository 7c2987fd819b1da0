"""Reports about apps: what people tell the plan, and what the plan did about it. Developers are told of none."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from oauth.apps import admission, clients, reviews
from oauth.apps.models import AppReport, ReportReason
from service import audit
from service.accounts import throttling
from service.clock import now
from service.plan.models import PlanStaff

MOST_WORDS = 2_000
PER_DAY = 5
"""Reports of one account in a day; about one app, one."""
_DAY = 86_400
_MOST = 200


class TooManyReports(Exception):
    """This person has reported much today, or this app already."""


class UnknownReport(Exception):
    """No such report."""


class ClosedAlready(Exception):
    """A colleague has closed it."""

    sentence = "A colleague has closed this report already. Nothing was changed now."


def report(session: Session, client_id: str, *, account_id: str, reason: ReportReason, words: str) -> AppReport:
    """Tell the plan about an app of the gallery. Raises NoSuchClient, TooManyReports."""
    app = admission.get_listed(session, client_id)
    if not throttling.hit(session, f"app:report:{account_id}:{app.id}", 1, _DAY):
        raise TooManyReports
    if not throttling.hit(session, f"app:report:{account_id}", PER_DAY, _DAY):
        raise TooManyReports
    made = AppReport(client_id=app.id, reason=reason, words=words[:MOST_WORDS], account_id=account_id, at=now())
    session.add(made)
    session.flush()
    # What was said stands in the report alone.
    audit.record(session, "oauth:app_report:make", account_id=account_id, client_id=app.id, detail={"report": made.id})
    return made


def report_policy(session: Session, client_id: str, reason: ReportReason) -> None:
    """Tell the reviewers what the watch saw of the app's privacy policy; one report of a kind waits at most."""
    waits = (AppReport.client_id == client_id, AppReport.closed_at.is_(None), AppReport.reason == reason)
    if session.scalar(select(AppReport.id).where(*waits)) is None:
        session.add(AppReport(client_id=client_id, reason=reason, words="", at=now()))


def list_open(session: Session, client_id: str | None = None) -> list[AppReport]:
    """The reports that nobody has looked at, the oldest first: of one app, or of all."""
    found = select(AppReport).where(AppReport.closed_at.is_(None)).order_by(AppReport.at)
    return list(session.scalars((found.where(AppReport.client_id == client_id) if client_id else found).limit(_MOST)))


def list_closed(session: Session, client_id: str) -> list[AppReport]:
    """What was done about the reports of an app, the latest first."""
    closed = (AppReport.client_id == client_id, AppReport.closed_at.is_not(None))
    return list(session.scalars(select(AppReport).where(*closed).order_by(AppReport.closed_at.desc()).limit(20)))


def count_open(session: Session) -> int:
    """How many reports wait."""
    return session.scalars(select(func.count()).select_from(AppReport).where(AppReport.closed_at.is_(None))).one()


def close(session: Session, client_id: str, report_id: str, *, by: PlanStaff, outcome: str) -> None:
    """Write down what was done. Raises UnknownReport, ClosedAlready, NotOneself."""
    client = clients.lock(session, client_id)
    found = session.get(AppReport, report_id, populate_existing=True)
    if found is None or found.client_id != client_id:
        raise UnknownReport
    reviews.require_other(session, client, by.account_id)
    if found.closed_at is not None:
        raise ClosedAlready
    found.closed_at, found.closed_by_account_id, found.outcome = now(), by.account_id, outcome[:500]
    session.flush()
    audit.record(
        session, "oauth:app_report:close", account_id=by.account_id, client_id=client_id, reason=outcome[:500],
        detail={"report": found.id},
    )  # fmt: skip
