"""How errors are told: a page in plain words to people, what the address speaks (FHIR, OAuth) to programs."""

from collections.abc import Callable

import structlog
from flask import Flask, Response, current_app, render_template, request
from flask.globals import request_ctx
from flask_babel import lazy_gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from service.sealing import NotSealed
from service.web import (
    FormExpired,
    NotFoundPage,
    PageError,
    ServiceBusy,
    latchstring,
    outages,
    reference,
    renderer_prefix,
    request_id,
)

_MINUTE = 60
log = structlog.get_logger("service.web")


class OpensUnderNoKey(PageError):
    """What lies sealed opens under no key that is named: those who run the service took one away (docs/keys.md)."""

    status = 503
    title = _("This part of the service does not work right now")
    sentence = _("The fault is ours, and nothing was lost. Please try again later, or call us.")
    retry_after = _MINUTE


def install(app: Flask) -> None:
    """Answer every error of a view, and what no view met, in the words and the shape of its address."""
    app.register_error_handler(PageError, _page)
    app.register_error_handler(CSRFError, lambda _error: _page(FormExpired()))
    app.register_error_handler(HTTPException, _http_error)
    for kind in outages():
        app.register_error_handler(kind, _busy)
    app.register_error_handler(NotSealed, _not_sealed)
    app.register_error_handler(Exception, _unexpected)


def unavailable(retry_after: int = 5, page: PageError | None = None) -> Response:
    """503 in the shape that belongs to the address; come again after so many seconds.

    People read `page`, or else that we are busy.
    """
    renderer = _renderer()
    answer = renderer(_Unavailable()) if renderer else _page(page or ServiceBusy())
    answer.headers["Retry-After"] = str(retry_after)
    return answer


def _page(error: PageError) -> Response:
    try:
        body = render_template("errors/page.html", error=error, reference=reference())
    except outages() as away:
        # Pages up to 499 name who is signed in, and so may meet the fault themselves; a busy page looks nobody up.
        if error.plain:
            return _plain(away, error.status)
        return _busy(away)
    except Exception as fault:  # noqa: BLE001 (there is nobody above who could answer)
        return _plain(fault, 500)
    answer = Response(body, error.status, content_type="text/html; charset=utf-8")
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _plain(fault: Exception, status: int) -> Response:
    """An error whose page fails too. Whatever left here the web server would write down, with the exception's text."""
    log.error("unexpected_fault", problem=type(fault).__name__, exc_info=fault, request_id=request_id())
    sentence = f"Something is not right. Please try again. Reference number: {reference()}\n"
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


def _not_sealed(error: NotSealed) -> Response:
    # Not by itself a fault of the program: whoever reads the log learns what to mend.
    log.error("opens_under_no_key", exc_info=error, request_id=request_id(), mend="flask doctor, docs/keys.md")
    return unavailable(_MINUTE, OpensUnderNoKey())


class _Unavailable(HTTPException):
    code = 503
    description = "The service is busy. Try again in a few seconds."


class _Broken(HTTPException):
    code = 500
    description = "An unexpected fault; quote the request id when you report it."


def _unexpected(error: Exception) -> Response:
    # service.watching.logs writes where it happened, never what was in the variables or the exception's text.
    log.exception("unexpected_fault", problem=type(error).__name__, request_id=request_id())
    if renderer := _renderer():
        return renderer(_Broken())
    page = PageError()
    page.status = 500
    return _page(page)


def _renderer() -> Callable[[HTTPException], Response] | None:
    return latchstring().error_renderers.get(renderer_prefix(current_app, request.path))
