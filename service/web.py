"""What every page and endpoint shares: one transaction a request, the browser's id, CSRF, forms, errors, headers."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from flask import Flask, Request, Response, current_app, g, has_request_context, render_template, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf.csrf import CSRFError, CSRFProtect
from marshmallow import EXCLUDE, Schema, ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from service import audit, revocations
from service.browser_cookie import BrowserCookies, BrowserSession
from service.db import ReadingSessions, digest, make_engine, make_sessions, new_id
from service.group_commit import NotWritten
from service.revocations import Journal, NotJournalled
from service.settings import Settings

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BODY_LIMIT = 64 * 1024
_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
    "img-src 'self' data:; form-action 'self'"
)
# Hand-kept statements run on the drivers' cursors and raise the drivers' errors.
UNAVAILABLE = (
    OperationalError, sqlite3.OperationalError, psycopg.OperationalError, PoolTimeout, NotWritten, audit.NotAudited,
    NotJournalled,
)  # fmt: skip
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
    error_renderers: dict[str, Callable[[HTTPException], Response]] = field(default_factory=dict)


class PageError(Exception):
    """A dead end told to a person in plain words. Subclasses set the status, the title and the sentence."""

    status = 400
    title = _("Something is not right")
    sentence = _("We could not do that. Please go back and try again.")


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
    """The database did not answer in time."""

    status = 503
    title = _("We are very busy right now")
    sentence = _("Nothing was lost. Please try again in a few seconds.")


class LatchstringFlask(Flask):
    """Flask in which returning commits and raising rolls back; request code has no other commit."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: nothing here is a coroutine, and Flask would look for one at every hook of a request."""
        return func

    def log_exception(self, exc_info: Any) -> None:
        """Log a fault of an error page itself as every other: Flask would write the exception's text."""
        log.error("unexpected_fault", problem=exc_info[0].__name__, exc_info=exc_info[1], request_id=request_id())

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


def latchstring() -> Latchstring:
    """What the running application holds: settings, engine, session factory."""
    held: Latchstring = current_app._get_current_object().extensions["latchstring"]  # type: ignore[attr-defined]  # a proxy
    return held


def request_itself() -> Request:
    """The request at hand, for what every call of an API asks: each look through Flask's proxies costs half a µs."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy
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

    Only before the view of a request begins: what a view does is one transaction.
    """
    _finish(commit=True)


def drop_transaction() -> None:
    """Let go of what an error page has read, for hooks that write in a session of their own once the answer is made.

    After a view that returned there is nothing left to let go of: it has committed.
    """
    _finish(commit=False)


def reading_session() -> Session:
    """The session of a request that only reads and leaves an audit row: `db_session` answers with it from then on."""
    kept = notes()
    session: Session | None = kept.get("db_session")
    if session is None:
        session = kept.db_session = latchstring().reading.open()
    return session


def browser_id() -> str:
    """Hash of the part of the browser's cookie that stays the same through sign-in: binds requests and codes to it."""
    return digest(_browser().stable)


def browser_token() -> str:
    """Hash of the whole cookie: names the login session, if there is one."""
    return digest(_browser().sid)


def rotate_browser_token() -> str:
    """Give the browser a new cookie (at sign-in, step-up, sign-out) and return the hash that now names it."""
    browser = _browser()
    browser.replace_secret()
    g.pop("csrf_token", None)
    return digest(browser.sid)


def request_id() -> str:
    """The id of this request: the reference number people read and the key to find its log lines."""
    kept = notes()
    found: str | None = kept.get("request_id")
    if found is None:
        given = request_itself().environ.get("HTTP_X_REQUEST_ID", "")
        found = kept.request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
    return found


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


def render_errors_under(app: Flask, prefix: str, renderer: Callable[[HTTPException], Response]) -> None:
    """Answer HTTP errors of paths under `prefix` by `renderer` instead of a page (FHIR, OAuth)."""
    app.extensions["latchstring"].error_renderers[prefix] = renderer


def prepare(app: LatchstringFlask, settings: Settings, engine: Engine | None = None) -> None:
    """Give `app` its engine, cookie, CSRF protection, error pages and headers."""
    engine = engine or make_engine(settings.database_url, pool_size=settings.pool_size)
    sessions, journal = make_sessions(engine), Journal(settings.journal_folder)
    revocations.keep_journal(sessions, journal)
    reading = ReadingSessions(engine, revocations.told(journal))
    app.extensions["latchstring"] = Latchstring(settings, engine, sessions, reading, journal)
    app.secret_key = settings.secret_key
    app.config.update(
        MAX_CONTENT_LENGTH=_BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=_BODY_LIMIT,
        MAX_FORM_PARTS=1_000,
        WTF_CSRF_TIME_LIMIT=None,
        # Referrers are not sent by some browsers; the Origin header is compared instead, see service.request_guards.
        WTF_CSRF_SSL_STRICT=False,
        # Asked for by service.request_guards, after the origin.
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
    app.after_request(_set_headers)
    app.teardown_appcontext(_close)
    _answer_errors(app)
    audit.learn_circumstances(_circumstances)


def _browser() -> BrowserSession:
    # flask.session is a proxy; the object behind it is what BrowserCookies made.
    session = request_ctx.session
    assert isinstance(session, BrowserSession)
    return session


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


def _set_headers(response: Response) -> Response:
    """Add what every answer carries, unless its view said otherwise."""
    headers = response.headers
    # One walk through what is there: Headers.setdefault would walk once for each name.
    given = {name.lower() for name, _ in headers}
    for name, value in _common_headers():
        if name.lower() not in given:
            headers.add(name, value)
    return response


def _common_headers() -> Iterator[tuple[str, str]]:
    yield "X-Request-Id", request_id()
    yield "X-Content-Type-Options", "nosniff"
    yield "X-Frame-Options", "DENY"
    yield "Referrer-Policy", "same-origin"
    yield "Content-Security-Policy", _content_security_policy()
    if request_itself().endpoint != "static":
        yield "Cache-Control", "no-store"
    if settings().https:
        yield "Strict-Transport-Security", "max-age=63072000; includeSubDomains"


def _content_security_policy() -> str:
    form_action = notes().get("form_action")
    return f"{_POLICY} {form_action}" if form_action else _POLICY


def _answer_errors(app: Flask) -> None:
    app.register_error_handler(PageError, _page)
    app.register_error_handler(CSRFError, lambda _error: _page(FormExpired()))
    app.register_error_handler(HTTPException, _http_error)
    for unavailable in UNAVAILABLE:
        app.register_error_handler(unavailable, _busy)
    app.register_error_handler(Exception, _unexpected)


def _page(error: PageError) -> Response:
    try:
        body = render_template("errors/page.html", error=error, reference=request_id())
    except UNAVAILABLE as unavailable:
        # Pages up to 499 name who is signed in, and so may meet the fault themselves; a busy page looks nobody up.
        if error.status >= 500:
            return _plain(unavailable, error.status)
        return _busy(unavailable)
    except Exception as fault:  # noqa: BLE001 (there is nobody above who could answer)
        return _plain(fault, 500)
    return Response(body, error.status, content_type="text/html; charset=utf-8")


def _plain(fault: Exception, status: int) -> Response:
    """An error whose page fails too. Whatever left here the web server would write down, with the exception's text."""
    log.error("unexpected_fault", problem=type(fault).__name__, exc_info=fault, request_id=request_id())
    sentence = f"Something is not right. Please try again. Reference number: {request_id()}\n"
    return Response(sentence, status, content_type="text/plain; charset=utf-8")


def _http_error(error: HTTPException) -> Response:
    if isinstance(error.response, Response):
        return error.response
    if renderer := _renderer():
        return renderer(error)
    if request_ctx.url_adapter is None:
        # The Host header names no host: without one Flask builds no address, and every page holds some.
        return Response(str(PageError.sentence), error.code, content_type="text/plain; charset=utf-8")
    page = NotFoundPage() if error.code == 404 else PageError()
    page.status = error.code or 500
    answer = _page(page)
    for name, value in error.get_headers(request.environ):
        if name in {"Allow", "Retry-After", "Location"}:
            answer.headers[name] = value
    return answer


def _busy(error: Exception) -> Response:
    log.error("database_unavailable", problem=type(error.__cause__ or error).__name__, request_id=request_id())
    return unavailable()


def unavailable() -> Response:
    """The answer while the database does not answer, or may not be believed: try again in some seconds."""
    renderer = _renderer()
    answer = renderer(_Unavailable()) if renderer else _page(ServiceBusy())
    answer.headers["Retry-After"] = "5"
    return answer


class _Unavailable(HTTPException):
    code = 503
    description = "The service is busy. Try again in a few seconds."


class _Broken(HTTPException):
    code = 500
    description = "An unexpected fault; quote the request id when you report it."


def _unexpected(error: Exception) -> Response:
    # service.logs writes where it happened, never what was in the variables or the exception's text.
    log.exception("unexpected_fault", problem=type(error).__name__, request_id=request_id())
    if renderer := _renderer():
        return renderer(_Broken())
    page = PageError()
    page.status = 500
    return _page(page)


def _renderer() -> Callable[[HTTPException], Response] | None:
    renderers = latchstring().error_renderers
    return next((renderer for prefix, renderer in renderers.items() if request.path.startswith(prefix)), None)


def _circumstances() -> audit.Circumstances:
    if not has_request_context():
        return audit.Circumstances()
    return audit.Circumstances(request_itself().remote_addr, request_id(), notes().get("login_session_id"))
