"""Pages that take files and give them out again, inert.

Their larger bodies are read for the people they are meant for, and for nobody else.

The application's limit is 64 kB, and a form is read before its page runs (the CSRF token is in it). So who sends is
asked first; their transaction ends before the body is read, for SQLite lets one transaction write at a time and a slow
line takes minutes.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.accounts.sessions import current_login, find_run_out
from service.web import db_session, end_transaction

_FIELDS = 160 * 1024
_STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

MOST_BYTES: dict[str, int] = {}
"""By endpoint, how large a form it takes: reverse proxies have to let that through."""


def accept_files(
    blueprint: Blueprint, endpoints: Collection[str], *, most_bytes: int, meant_for: Callable[[Session, Account], bool]
) -> None:
    """Let the named endpoints of the blueprint take bodies of `most_bytes` from the signed-in people meant."""
    names = {f"{blueprint.name}.{endpoint}" for endpoint in endpoints}
    MOST_BYTES.update(dict.fromkeys(names, most_bytes))

    def _raise_limits(endpoint: str | None, _values: dict[str, Any] | None) -> None:
        if endpoint not in names or request.method != "POST":
            return
        # Whose session ran out over the form may send it too: what was typed is kept for after the next sign-in.
        login = current_login()
        account = login.account if login else find_run_out(db_session())
        allowed = account is not None and meant_for(db_session(), account)
        end_transaction()
        if allowed:
            request.max_content_length = most_bytes
            request.max_form_memory_size = _FIELDS

    blueprint.url_value_preprocessor(_raise_limits)


def received_files(field: str, *, most_bytes: int) -> list[tuple[str, bytes]]:
    """Name and content of each file chosen in `field`; of a larger one, only one byte more than `most_bytes`."""
    chosen = [file for file in request.files.getlist(field) if file.filename]
    return [(str(file.filename), file.stream.read(most_bytes + 1)) for file in chosen]


def as_download(name: str, media_type: str, content: bytes | Iterator[bytes]) -> Response:
    """A file on its way out: saved and never opened by the browser, in one piece (security.md 149)."""
    response = Response(content, content_type=media_type)
    # RFC 6266 §4.1: plain letters for old programs, the whole name beside them.
    plain = "".join(sign if sign.isascii() and sign.isprintable() and sign not in '"\\' else "_" for sign in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    response.headers["Content-Disposition"] = disposition
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Accept-Ranges"] = "none"
    return response


def forbid_scripts(blueprint: Blueprint) -> None:
    """Pages of this blueprint show strangers' words: nothing is loaded but our styles, and no script runs."""

    def _add_policy(response: Response) -> Response:
        if "Content-Security-Policy" not in response.headers:
            response.headers["Content-Security-Policy"] = _STRICT
        return response

    blueprint.after_request(_add_policy)
