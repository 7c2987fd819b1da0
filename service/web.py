"""What every page and endpoint shares: one transaction a request, the browser's id, CSRF, forms, errors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from flask import Flask, Request, Response, current_app, g, has_request_context, redirect, request
from flask.globals import request_ctx
from flask.typing import AfterRequestCallable, BeforeRequestCallable, ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf.csrf import CSRFProtect
from marshmallow import EXCLUDE, Schema, ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import RequestRedirect

from service import audit, revocations, unreadable_dates
from service.browser_cookie import BrowserCookies, BrowserSession
from service.databases.driver_errors import operational_errors
from service.databases.group_commit import NotWritten
from service.databases.reading import ReadingSessions
from service.db import digest, make_engine, make_sessions, new_id
from service.plan_editions import EditedPlan
from service.plan_file import Plan
from service.rates import Limits, Policy, limits_of
from service.revocations import Journal, NotJournalled
from service.settings import Settings
from service.watching import tracing

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from service.databases.replica import Replica

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
BODY_LIMIT = 64 * 1024
PAGES = "pages"
"""The name under which Flask keeps the hooks of pages, as it keeps those of a blueprint under the blueprint's."""
ALWAYS_THERE = frozenset({"static", "probes.live", "probes.ready", "probes.metrics"})
"""Endpoints that answer whatever state the database is in: they tell nothing out of it about anybody."""
log = structlog.get_logger("service.web")
csrf = CSRFProtect()


@dataclass
class Latchstring:
    """What the application holds for the length of its life."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]
    reading: ReadingSessions
    journal: Journal
    limits: Limits
    edited_plan: EditedPlan
    error_renderers: dict[str, Callable[[HTTPException], Response]] = field(default_factory=dict)


class PageError(Exception):
    """A dead end told to a person in plain words. Subclasses set the status, the title and the sentence."""

    status = 400
    title = _("Something is not right")
    sentence = _("We could not do that. Please go back and try again.")
    retry_after: int | None = None
    """Seconds after which it is worth while to try again."""

    @property
    def plain(self) -> bool:
        """Whether the page looks nobody up: a fault of ours must not depend on what failed."""
        return self.status >= 500


class FormExpired(PageError):
    """The form's CSRF token is missing, foreign or too old."""

    status = 403
    title = _("This page has expired")
    sentence = _("For your safety this form could not be used. Go back, reload the page and try again.")


class NotFoundPage(PageError):
    """No such page, or not one for this person: both look the same."""

    status = 404
    title = _("We could not find that page")
    sentence = _("The page does not exist, or it is not one that you can open.")


class ServiceBusy(PageError):
    """The database did not answer in time, or more is asked of us than we can answer."""

    status = 503
    title = _("We are very busy right now")
    sentence = _("Nothing was lost. Please try again in a few seconds.")


class LatchstringRequest(Request):
    """A request that knows whose hooks are run for it, without conditions that name no moment (RFC 9110 §13.1.3)."""

    def __init__(self, environ: "WSGIEnvironment", populate_request: bool = True, shallow: bool = False) -> None:
        unreadable_dates.forget(environ)
        super().__init__(environ, populate_request, shallow)

    @cached_property
    def blueprints(self) -> list[str]:
        """Those of its blueprint and, where people ask, of every page."""
        found = super().blueprints
        return [*found, PAGES] if answers_with_pages() else found


class LatchstringFlask(Flask):
    """Flask in which returning commits and raising rolls back; request code has no other commit."""

    request_class = LatchstringRequest

    def before_pages(self, hook: BeforeRequestCallable) -> None:
        """Call `hook` before every page, and not before what programs ask."""
        self.before_request_funcs.setdefault(PAGES, []).append(hook)

    def after_pages(self, hook: AfterRequestCallable[Any]) -> None:
        """Call `hook` after every page, before those that are called after every answer."""
        self.after_request_funcs.setdefault(PAGES, []).append(hook)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: nothing here is a coroutine, and Flask would look for one at every hook of a request."""
        return func

    def log_exception(self, exc_info: Any) -> None:
        """Log a fault of an error page itself as every other: Flask would write the exception's text."""
        log.error("unexpected_fault", problem=exc_info[0].__name__, exc_info=exc_info[1], request_id=request_id())

    def handle_http_exception(self, e: HTTPException) -> HTTPException | ResponseReturnValue:
        """Answer one; where the router sends a path to its right spelling, by a path alone.

        It would name the host that the request was for, and that is whatever the caller wrote there.
        """
        if isinstance(e, RequestRedirect):
            to = urlsplit(e.new_url)
            return redirect(urlunsplit(("", "", f"/{to.path.lstrip('/')}", to.query, "")), e.code)
        return super().handle_http_exception(e)

    def dispatch_request(self) -> ResponseReturnValue:
        try:
            response = self.make_response(super().dispatch_request())
            _finish(commit=True)
        except BaseException:
            _finish(commit=False)
            raise
        return response


def settings() -> Settings:
    """The settings of the running application."""
    return latchstring().settings


def plan() -> Plan:
    """The plan as its people have it say now: phone lines, lines of business, terms, privacy policy, reviewed texts.

    `settings().plan` is the plan of the file, for what stands there alone: name, time zone, numbers.
    """
    if "plan" not in g:
        edited = latchstring().edited_plan
        try:
            g.plan = edited.current(db_session(), count=g.get("plan_edition_count"))
        except outages():
            # The page that tells of the fault must not fail on the same fault.
            return edited.last_known
    found: Plan = g.plan
    return found


def latchstring() -> Latchstring:
    """What the running application holds: settings, engine, session factory."""
    return held_by(current_app._get_current_object())  # type: ignore[attr-defined]


def outages(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What is raised where database, audit or journal is away or does not take what it is given, and `others`."""
    own = (OperationalError, PoolTimeout, NotWritten, audit.NotAudited, NotJournalled)
    return *own, *operational_errors(), *others


def held_by(app: Flask) -> Latchstring:
    """What an application holds, outside of requests too."""
    held: Latchstring = app.extensions["latchstring"]
    return held


def request_itself() -> Request:
    """The request at hand, for what every call of an API asks: each look through Flask's proxies costs half a µs."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def notes() -> Any:
    """What Flask keeps of this request under the name of `g`, likewise."""
    return g._get_current_object()


def db_session() -> Session:
    """The one database session of this request, opened at first use."""
    if "db_session" not in g:
        g.db_session = latchstring().sessions()
    session: Session = g.db_session
    return session


def end_transaction() -> None:
    """End the transaction so far before something slow that needs none; the next `db_session` opens another.

    Only before the view of a request begins, what a view does being one transaction; and while a password is hashed
    (decision 14).
    """
    _finish(commit=True)


def drop_transaction() -> None:
    """Let go of what an error page has read, for hooks that write in a session of their own once the answer is made.

    After a view that returned there is nothing left to let go of: it has committed.
    """
    _finish(commit=False)


def reading_session() -> Session:
    """The session of a request that only reads, or whose rows are written together and at once (audit, sign-in).

    `db_session` answers with it from then on.
    """
    kept = notes()
    session: Session | None = kept.get("db_session")
    if session is None:
        session = kept.db_session = latchstring().reading.open()
    return session


def browser() -> BrowserSession:
    """The browser of this request, as its cookie names it."""
    # flask.session is a proxy; the object behind it is what BrowserCookies made.
    session = request_ctx.session
    assert isinstance(session, BrowserSession)
    return session


def browser_id() -> str:
    """Hash of the part of the browser's cookie that stays the same through sign-in: binds requests and codes to it."""
    return digest(browser().stable)


def browser_token() -> str:
    """Hash of the whole cookie: names the login session, if there is one."""
    return digest(browser().sid)


def rotate_browser_token() -> str:
    """Give the browser a new cookie (at sign-in, step-up, sign-out) and return the hash that now names it."""
    named = browser()
    named.replace_secret()
    g.pop("csrf_token", None)
    return digest(named.sid)


def request_id() -> str:
    """The id of this request: the reference number people read and the key to find its log lines."""
    kept = notes()
    found: str | None = kept.get("request_id")
    if found is None:
        given = request_itself().environ.get("HTTP_X_REQUEST_ID", "")
        found = kept.request_id = given if REQUEST_ID.fullmatch(given) else new_id()
    return found


def reference() -> str:
    """What people read out to us: the id of this request, and of its trace where there is one."""
    traced = tracing.trace_id()
    return f"{request_id()} / {traced}" if traced else request_id()


def allow_form_redirect(origin: str) -> None:
    """Let the forms of this page end in a redirect to `origin` (CSP form-action covers redirects too)."""
    g.form_action = origin


def load_form(schema: Schema, given: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The posted form read by `schema`: its values and, by field, the sentences about what is wrong."""
    try:
        return schema.load(request.form if given is None else given, unknown=EXCLUDE), {}
    except ValidationError as problem:
        told: dict[str, Any] = problem.normalized_messages()  # type: ignore[no-untyped-call]
        return dict(problem.valid_data or {}), {name: _sentences(said) for name, said in told.items()}


def _sentences(said: Any) -> list[str]:
    # marshmallow takes a sentence of the catalogue for a list of them: a page would show it letter by letter.
    if isinstance(said, dict):
        return [sentence for each in said.values() for sentence in _sentences(each)]
    return list(said) if isinstance(said, list) else [said]


def seconds_to_wait(policy: Policy | None, key: str) -> int:
    """Count this request by one of the `limits`: 0 where it is within, else after how long the next one is.

    The answer tells what is left (RateLimit).
    """
    if policy is None:
        return 0
    left = g.rate = policy.count(key)
    return 0 if left.allowed else left.seconds


def answers_with_pages() -> bool:
    """Whether this request is for a page, not for what programs ask."""
    return not request_itself().path.startswith(tuple(latchstring().error_renderers))


def renderer_prefix(app: Flask, path: str) -> str:
    """The prefix given to `render_errors_under` that `path` lies under; empty where errors are pages."""
    return next((prefix for prefix in held_by(app).error_renderers if path.startswith(prefix)), "")


def render_errors_under(app: Flask, prefix: str, renderer: Callable[[HTTPException], Response]) -> None:
    """Answer HTTP errors of paths under `prefix` by `renderer` instead of a page (FHIR, OAuth)."""
    held_by(app).error_renderers[prefix] = renderer


def prepare(app: LatchstringFlask, settings: Settings, engine: Engine | None = None) -> None:
    """Give `app` its engine, cookie, CSRF protection and error pages."""
    engine = engine or make_engine(settings.database_url, settings.pool)
    sessions, journal = make_sessions(engine), Journal(settings.journal_folder)
    revocations.keep_journal(sessions, journal)
    reading = ReadingSessions(engine, _replica(settings), told=revocations.told(journal))
    app.extensions["latchstring"] = Latchstring(
        settings, engine, sessions, reading, journal, limits_of(settings), EditedPlan(settings.plan)
    )
    app.secret_key = settings.secret_key
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=BODY_LIMIT,
        MAX_FORM_PARTS=1_000,
        WTF_CSRF_TIME_LIMIT=None,
        # Referrers are not sent by some browsers; the Origin is compared instead, by service.door.request_guards.
        WTF_CSRF_SSL_STRICT=False,
        # Asked for by service.door.request_guards, after the origin.
        WTF_CSRF_CHECK_DEFAULT=False,
        TESTING=settings.testing,
        PROPAGATE_EXCEPTIONS=False,
    )
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=0)  # type: ignore[method-assign]
    elif settings.https:
        log.warning("no_proxy_is_trusted", setting="TRUSTED_PROXIES", meaning="https has to end in this very process")
    app.session_interface = BrowserCookies()
    csrf.init_app(app)
    app.teardown_appcontext(_close)
    audit.learn_circumstances(_circumstances)


def _replica(settings: Settings) -> "Replica | None":
    if not settings.database_read_url:
        return None
    # Only PostgreSQL has one: its driver is not loaded elsewhere.
    from service.databases.replica import Replica  # noqa: PLC0415

    return Replica(make_engine(settings.database_read_url, settings.pool), settings.database_read_lag)


def _finish(*, commit: bool) -> None:
    session: Session | None = notes().pop("db_session", None)
    if session is None:
        return
    try:
        if commit:
            session.commit()
        else:
            session.rollback()
    finally:
        session.close()


def _close(_error: BaseException | None) -> None:
    session: Session | None = g.pop("db_session", None)
    if session is not None:
        session.close()


def _circumstances() -> audit.Circumstances:
    if not has_request_context():
        return audit.Circumstances()
    return audit.Circumstances(request_itself().remote_addr, request_id(), notes().get("login_session_id"))
