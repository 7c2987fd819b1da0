"""What a page says after a form was sent (`?done=…`) is said once, in the browser that sent it.

Whoever goes back, reloads, or follows such an address from elsewhere gets the page without it: what it says may no
longer be so, or never was. The redirect after the form leaves a cookie that names the address it leads to; the page
takes it.
"""

from urllib.parse import quote, unquote_plus, urlencode, urlsplit

from flask import Response, redirect, request
from flask.typing import ResponseReturnValue

from service.db import digest
from service.web import LatchstringFlask, settings

WORDS = frozenset({"done", "saved", "sent", "closed"})
"""The parameters in which pages are told what was done."""
_COOKIE = "said"
_SECONDS = 300
_MOST = 4
"""Of several windows that sent a form at once, so many are told."""


def install(app: LatchstringFlask) -> None:
    """Let confirmations of every page be said once."""
    app.before_pages(_leave_out)
    app.after_pages(_keep_in_step)


def _leave_out() -> ResponseReturnValue | None:
    if request.method != "GET" or not _confirms(request.environ["QUERY_STRING"]):
        return None
    if _is_said_here():
        return None
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in WORDS]
    # As it was asked for, encoded: a path such as `/%09/other.example` would lead browsers to another site.
    path = quote(request.path)
    return redirect(f"{path}?{urlencode(kept)}" if kept else path, 302)


def _keep_in_step(response: Response) -> Response:
    if request.method == "POST" and response.status_code == 303:
        to = urlsplit(response.headers.get("Location", ""))
        if not to.netloc and _confirms(to.query):
            _remember(response, [_mark(to.path, to.query), *_marks()][:_MOST])
    elif response.status_code == 200 and request.method == "GET" and _is_said_here():
        _remember(response, [mark for mark in _marks() if mark != _here()])
    return response


def _remember(response: Response, marks: list[str]) -> None:
    response.set_cookie(
        _COOKIE, ".".join(marks), max_age=_SECONDS if marks else 0, path="/", httponly=True, secure=settings().https,
        samesite="Lax",
    )  # fmt: skip


def _is_said_here() -> bool:
    """Whether a form has led to this very address, and it was not looked at since."""
    # Most pages have none: spared the reading of cookies.
    return f"{_COOKIE}=" in request.environ.get("HTTP_COOKIE", "") and _here() in _marks()


def _marks() -> list[str]:
    return [mark for mark in request.cookies.get(_COOKIE, "").split(".") if mark][:_MOST]


def _here() -> str:
    return _mark(request.path, request.query_string.decode("ascii", "replace"))


def _confirms(query: str) -> bool:
    # As the pages read it: a letter of a name may be written as %61 too.
    if "%" not in query and not any(word in query for word in WORDS):
        return False
    return any(unquote_plus(part.partition("=")[0]) in WORDS for part in query.split("&"))


def _mark(path: str, query: str) -> str:
    return digest(f"{path}?{query}")[:16]
