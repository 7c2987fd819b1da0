"""What somebody types into a form is kept where their session runs out over it (service.accounts.kept_form).

Every test that uses the application watches it: a page for somebody who is signed in that holds a form with fields to
type in fails the test where the form is not kept, unless `NOT_KEPT` says why.
"""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from service.accounts.kept_form import DECLARED, NEVER

NO_SIGN_IN = "asks for no sign-in, so that the end of a session stops nothing"
_SECRETS = "asks who one is, by what is kept nowhere: a name and a password"
NOT_KEPT: dict[str, str] = {
    "developer_trial.switch_fault": "of the sandbox alone: a number of requests",
    "sign_in.confirm_password": _SECRETS,
    "sign_in.sign_in": _SECRETS,
    "developer_sign_up.start": NO_SIGN_IN,
    "passwords.reset": NO_SIGN_IN,
    "provider_authorization.allow": NO_SIGN_IN,
    "provider_authorization.refuse": NO_SIGN_IN,
    "provider_not_listed.index": NO_SIGN_IN,
    "provider_registration.billing": NO_SIGN_IN,
    "provider_registration.mail": NO_SIGN_IN,
    "provider_registration.npi": NO_SIGN_IN,
    "provider_registration.reason": NO_SIGN_IN,
    "provider_registration.vendor": NO_SIGN_IN,
    "registration.email": NO_SIGN_IN,
    "registration.representative": NO_SIGN_IN,
    "registration.start": NO_SIGN_IN,
}
"""Forms with fields to type in that are not kept, by endpoint, and why."""
_FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)
_ACTION = re.compile(r'\baction="([^"]*)"')
_TYPED = re.compile(
    r'<(?:textarea|input(?![^>]*\btype="(?:hidden|checkbox|radio|submit|button|file|password)"))\b[^>]*?\bname="([^"]+)"'
)
_SIGNED_IN = 'session-end.js"'


@contextmanager
def watching(app: Flask) -> Iterator[None]:
    """Fail at the end if a page held a form whose text is not kept, and no reason is given for it."""
    found: set[str] = set()

    def _look(response: Response) -> Response:
        if response.mimetype == "text/html" and not response.is_streamed:
            page = response.get_data(as_text=True)
            if _SIGNED_IN in page:
                found.update(unkept(app, page))
        return response

    app.after_request(_look)
    yield
    assert not found - set(NOT_KEPT), f"what is typed is lost (tests/kept_forms.py): {sorted(found - set(NOT_KEPT))}"


def unkept(app: Flask, page: str) -> Iterator[str]:
    """The endpoints of the page's forms with fields to type in that are not kept."""
    for opening, inside in _FORM.findall(page):
        action = _ACTION.search(opening)
        if 'method="post"' not in opening or action is None or not set(_TYPED.findall(inside)) - NEVER:
            continue
        endpoint = _endpoint(app, html.unescape(action[1]))
        if endpoint and not getattr(app.view_functions[endpoint], DECLARED, False):
            yield endpoint


def _endpoint(app: Flask, address: str) -> str | None:
    try:
        endpoint: str = app.url_map.bind("localhost").match(urlsplit(address).path, "POST")[0]
    except HTTPException:
        return None
    return endpoint
