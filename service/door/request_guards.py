"""What is refused before a request reaches its page or endpoint: packed bodies, null characters, forged forms."""

import hmac

from flask import Flask
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, validate_csrf
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from service import sealing, web
from service.door.error_pages import unavailable
from service.journal_files import Unreadable
from service.web import ALWAYS_THERE, FormExpired, csrf, latchstring, settings

# Fields that are never kept as text: a password may hold any character, and a wrong one has one answer (case 100).
_HASHED = frozenset({"password", "confirmation"})


def install(app: Flask) -> None:
    """Ask these before anything else."""
    app.before_request(_refuse_compressed_body)
    app.before_request(_refuse_before_replay)
    app.before_request(_refuse_null_character)
    app.before_request(_refuse_forged_forms)


def _refuse_compressed_body() -> None:
    """Refuse a body that says it is compressed: some kilobytes may unpack to gigabytes, and nobody here unpacks any."""
    if "HTTP_CONTENT_ENCODING" in web.request_itself().environ:
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")


def _refuse_before_replay() -> ResponseReturnValue | None:
    """Refuse everything while the database is older than the journal: what was revoked since would live in it.

    So too while nobody can know whether it is. The journal has told the log of either.
    """
    held = latchstring()
    if web.request_itself().endpoint in ALWAYS_THERE:
        return None
    try:
        return unavailable() if held.journal.must_replay(held.sessions) else None
    except Unreadable:
        return unavailable()


def _refuse_null_character() -> None:
    """Refuse a path or query with a null character: PostgreSQL keeps none in texts, a look-up would fail."""
    given = web.request_itself()
    if "\0" in given.path or b"%00" in given.query_string:
        raise BadRequest


def _refuse_null_character_in_form() -> None:
    """Refuse it in the fields of a page's form too, after the form was read for its token; files are left alone."""
    given = web.request_itself()
    fields = given.form.items(multi=True) if given.mimetype == "application/x-www-form-urlencoded" else ()
    if any("\0" in name or ("\0" in value and name not in _HASHED) for name, value in fields):
        raise BadRequest


def _refuse_foreign_origin() -> None:
    """Refuse a form posted from another site, or from an opaque origin, before anything reads it (OA-14)."""
    origin = web.request_itself().headers.get("Origin")
    if origin is not None and not hmac.compare_digest(origin.encode(), settings().base_url.encode()):
        raise FormExpired


def _is_form_of_earlier_key() -> bool:
    """Whether the form is this browser's, given out under a key from before SECRET_KEY was changed."""
    return any(_has_form_of(one) for one in sealing.each(settings().secret_key)[1:])


def _has_form_of(key: bytes) -> bool:
    """Whether the request's CSRF token is of this browser, and was made under `key`."""
    browser = web.browser()
    present, browser.key = browser.key, key
    try:
        validate_csrf(csrf._get_csrf_token(), secret_key=key)
    except ValueError:
        return False
    finally:
        browser.key = present
    return True


def _refuse_forged_forms() -> None:
    given = web.request_itself()
    if given.method in {"GET", "HEAD", "OPTIONS"} or given.endpoint is None or csrf._is_exempt():
        return
    _refuse_foreign_origin()
    try:
        csrf.protect()
    except CSRFError:
        if not _is_form_of_earlier_key():
            raise
    _refuse_null_character_in_form()
