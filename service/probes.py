"""For those who run it: is this process alive, may it be sent requests, what was counted. Tells of no person."""

import hmac
from collections.abc import Iterator
from threading import Lock
from time import perf_counter
from typing import cast

import structlog
from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fhir.loading import freshness
from fhir.loading.freshness import Watch
from service.audit_chain import vouching
from service.audit_chain.checkpoints import CheckpointLog
from service.clock import now
from service.databases import schema
from service.jobs import JobLease
from service.journal_files import Unreadable
from service.mail import MailState, OutboxMail
from service.watching.metrics import EXTENSION, Counters
from service.web import NotFoundPage, latchstring, outages, settings

blueprint = Blueprint("probes", __name__)
_AREAS = {
    "fhir": "fhir", "directory": "directory", "fhir_plan": "plan", "oauth": "oauth", "registering": "oauth",
    "discovery": "oauth", "brands": "oauth",
}  # fmt: skip
"""Blueprints by area; every other one has pages for people."""
_READINESS = "latchstring.readiness"
_UNCOUNTED = frozenset({"probes", "static"})
log = structlog.get_logger("service.probes")


def install(app: Flask) -> None:
    """Look whether this process is ready when asked, and count answers where somebody may ask for the counters."""
    app.extensions[_READINESS] = Readiness()
    held = app.extensions["latchstring"].settings
    if not held.metrics_token:
        return
    counters = Counters(held.var / "metrics")

    def begin() -> None:
        g.began = perf_counter()

    def count(response: Response) -> Response:
        blueprint_name = (request.endpoint or "").partition(".")[0]
        if blueprint_name not in _UNCOUNTED and "began" in g:
            try:
                counters.count(_AREAS.get(blueprint_name, "pages"), response.status_code, perf_counter() - g.began)
            except OSError as fault:
                # A full or read-only disk costs the count, never the answer.
                log.warning("not_counted", problem=type(fault).__name__)
        return response

    # Around all others, whose time counts too; functions after a request run from the last to the first.
    app.before_request_funcs.setdefault(None, []).insert(0, begin)
    app.after_request_funcs.setdefault(None, []).insert(0, count)
    app.extensions[EXTENSION] = counters


@blueprint.get("/health/live")
def live() -> Response:
    """200 as long as this process answers at all: an orchestrator ends it otherwise."""
    return jsonify(status="alive")


@blueprint.get("/health/ready")
def ready() -> tuple[Response, int, dict[str, str]]:
    """200 where requests may be sent here; 503 with the reason in a word where they had better not."""
    readiness: Readiness = current_app.extensions[_READINESS]
    reason = readiness.reason()
    if reason is None:
        return jsonify(status="ready"), 200, {}
    log.warning("not_ready", reason=reason)
    return jsonify(status="not ready", reason=reason), 503, {"Retry-After": "5"}


@blueprint.get("/metrics")
def metrics() -> Response:
    """What all processes of this machine counted, and what waits, for who knows METRICS_TOKEN."""
    if not settings().metrics_token:
        raise NotFoundPage
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {settings().metrics_token}".encode()):
        return Response("Authorization: Bearer METRICS_TOKEN\n", 401, {"WWW-Authenticate": "Bearer"}, "text/plain")
    text = "\n".join((*_counted(), *_waiting())) + "\n"
    return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")


class Readiness:
    """What keeps this process from being ready. One request asks the database, those beside it hear its last answer.

    The probes pass the door of a full house: a crowd of them must not take the connections of those inside.
    """

    def __init__(self) -> None:
        self._asking, self._known, self._last = Lock(), False, cast(str | None, None)

    def reason(self) -> str | None:
        """The reason in a word; None where requests may come."""
        # Before the first answer there is nothing to hear: all wait for it.
        if not self._asking.acquire(blocking=not self._known):
            return self._last
        try:
            self._last, self._known = _not_ready(), True
            return self._last
        finally:
            self._asking.release()


def _not_ready() -> str | None:
    try:
        with latchstring().sessions() as session:
            there = schema.of_database(session)
        # A newer one may serve this release too, so that servers follow one by one.
        if there is None or not schema.serves(there):
            return "schema"
        return "restored" if latchstring().journal.must_replay(latchstring().sessions) else None
    except Unreadable:
        return "journal"
    except outages():
        return "database"


def _counted() -> list[str]:
    counters: Counters = current_app.extensions[EXTENSION]
    try:
        return list(counters.lines())
    except OSError as fault:
        # What waits is told all the same: somebody watches it while a disk fails.
        log.warning("counters_not_read", problem=type(fault).__name__)
        return []


def _waiting() -> Iterator[str]:
    try:
        with latchstring().sessions() as session:
            found = list(_gauges(session))
    except outages():
        found = []
    yield "# HELP latchstring_database_answers Whether the database answered this very scrape."
    yield "# TYPE latchstring_database_answers gauge"
    yield f"latchstring_database_answers {int(bool(found))}"
    yield from found


def _gauges(session: Session) -> Iterator[str]:
    counted = select(OutboxMail.state, func.count(), func.min(OutboxMail.due_at))
    states = {
        state: (number, due)
        for state, number, due in session.execute(
            counted.where(OutboxMail.state.in_((MailState.WAITING, MailState.PARKED))).group_by(OutboxMail.state)
        )
    }
    waiting, due = states.get(MailState.WAITING, (0, None))
    late = max(0.0, (now() - due).total_seconds()) if due else 0.0
    for name, told, value in (
        ("mail_waiting", "Mails in the outbox.", waiting),
        ("mail_late_seconds", "How long the oldest of them has been due.", late),
        ("mail_parked", "Mails refused for good.", states.get(MailState.PARKED, (0, None))[0]),
    ):
        yield f"# HELP latchstring_{name} {told}"
        yield f"# TYPE latchstring_{name} gauge"
        yield f"latchstring_{name} {value}"
    yield "# HELP latchstring_job_lease_seconds How long a worker still holds a job; negative where none does."
    yield "# TYPE latchstring_job_lease_seconds gauge"
    leases = session.scalars(select(JobLease).order_by(JobLease.name)).all()
    for lease in leases:
        yield f'latchstring_job_lease_seconds{{job="{lease.name}"}} {(lease.held_until - now()).total_seconds():.1f}'
    yield "# HELP latchstring_job_failures_total How often a job broke by what nobody had expected."
    yield "# TYPE latchstring_job_failures_total counter"
    for lease in leases:
        yield f'latchstring_job_failures_total{{job="{lease.name}"}} {lease.failures}'
    yield "# HELP latchstring_job_failures_in_row How often it did so since it last went well."
    yield "# TYPE latchstring_job_failures_in_row gauge"
    for lease in leases:
        yield f'latchstring_job_failures_in_row{{job="{lease.name}"}} {lease.failures_in_row}'
    yield from _of_audit(session)
    yield from _of_deliveries(session)


def _of_audit(session: Session) -> Iterator[str]:
    since = vouching.missing_since_last(session, CheckpointLog(settings().checkpoints_folder))
    age = max(0.0, (now() - since).total_seconds()) if since else 0.0
    yield "# HELP latchstring_audit_unseen_seconds How old the oldest event is that no checkpoint of the audit saw."
    yield "# TYPE latchstring_audit_unseen_seconds gauge"
    yield f"latchstring_audit_unseen_seconds {age:.1f}"


def _of_deliveries(session: Session) -> Iterator[str]:
    found = freshness.deliveries(session, settings().plan.timezone)
    yield "# HELP latchstring_deliveries Last deliveries of data by how they stand to their one business day."
    yield "# TYPE latchstring_deliveries gauge"
    for watch in Watch:
        yield f'latchstring_deliveries{{watch="{watch}"}} {sum(one.watch is watch for one in found)}'
    yield "# HELP latchstring_source_age_seconds How long ago the last delivery of a source came that apps see."
    yield "# TYPE latchstring_source_age_seconds gauge"
    for one in found:
        if one.visible_at is not None:
            age = (now() - one.received_at).total_seconds()
            yield f'latchstring_source_age_seconds{{source="{_label(one.source)}"}} {age:.1f}'


def _label(text: str) -> str:
    """A label's value, which a person wrote, as the format has it."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
