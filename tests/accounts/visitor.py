"""A person at a browser without JavaScript, and their mailbox: reads the form's token, posts, looks at the answer."""

import html
import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.accounts.models import Account
from service.mail import OutboxMail, compose
from service.plan.logins import portal_staff
from service.plan.staff import plan_staff
from service.settings import Settings
from service.web import Latchstring
from tests.accounts.factors import sign_in_with_factor
from tests.factories import PASSWORD

_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_CODE = re.compile(r"^ {4}([0-9]{6})$", re.MULTILINE)


@dataclass
class Visitor:
    """One browser; `address` is where it comes from."""

    app: Flask
    address: str = "192.0.2.7"
    browser: FlaskClient = field(init=False)
    page: TestResponse = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.app.test_client()

    def get(self, path: str) -> TestResponse:
        """Open a page, not following redirects."""
        self.page = self.browser.get(path, environ_base={"REMOTE_ADDR": self.address})
        return self.page

    def post(self, path: str, **form: Any) -> TestResponse:
        """Post a form with the token of the page at hand."""
        return self.post_without_token(path, csrf_token=csrf_token(self.page.text), **form)

    def post_without_token(self, path: str, **form: Any) -> TestResponse:
        """Post just these fields."""
        answer = self.browser.post(path, data=form, environ_base={"REMOTE_ADDR": self.address})
        if answer.mimetype == "text/html" and _TOKEN.search(answer.text):
            self.page = answer
        return answer

    def sign_in(self, account: Account | str, password: str = PASSWORD, *, following: str = "") -> TestResponse:
        """Open the sign-in page and send user name and password."""
        username = account if isinstance(account, str) else account.username
        self.get("/sign-in" + (f"?next={following}" if following else ""))
        return self.post("/sign-in" + (f"?next={following}" if following else ""), username=username, password=password)

    def sign_in_with_factor(self, account: Account, *, following: str = "") -> TestResponse:
        """Sign in with password and the code of an authenticator app, which the account is given if it has none."""
        return sign_in_with_factor(self.browser, account, following=following)

    def enter(self, account: Account, *, following: str = "") -> TestResponse:
        """Sign in by as many steps as the person's work asks for: delegates and plan staff show a second factor."""
        held: Latchstring = self.app.extensions["latchstring"]
        with held.sessions() as session:
            staff = portal_staff.find_staff(session, account)
            needs_factor = plan_staff.find(session, account) or (staff and staff.is_delegate)
        if needs_factor:
            return self.sign_in_with_factor(account, following=following)
        return self.sign_in(account, following=following)

    def ask_for_code(self, username: str, email: str) -> TestResponse:
        """Ask for a code on the password reset page, and come to the page that takes it."""
        self.get("/password-reset")
        asked = self.post("/password-reset", username=username, email=email)
        return self.get(asked.location) if asked.status_code == 303 else asked

    def enter_code(self, username: str, email: str, code: str) -> TestResponse:
        """Enter a code on the page at hand."""
        return self.post("/password-reset/code", username=username, email=email, code=code)

    def sid(self) -> str | None:
        """The value of the browser's cookie."""
        cookie = self.browser.get_cookie("sid")
        return cookie.value if cookie else None


def csrf_token(page: str) -> str:
    """The token of the first form of a page."""
    found = _TOKEN.search(page)
    assert found, "the page has no form"
    return html.unescape(found[1])


def letters(session: Session, settings: Settings, to: str) -> list[str]:
    """The waiting mails to an address as they would be sent, the oldest first; those never sent are left out."""
    # In a session of its own: an open one would hold SQLite against the application.
    with Session(session.get_bind()) as own:
        rows = own.scalars(select(OutboxMail).where(OutboxMail.recipient == to).order_by(OutboxMail.id)).all()
    sent = [row for row in rows if row.context and (row.expires_at is None or row.expires_at > row.created_at)]
    return [_read(compose(row, settings, settings.plan)) for row in sent]


def _read(letter: EmailMessage) -> str:
    headers = "".join(f"{name}: {value}\n" for name, value in letter.items())
    return f"{headers}\n{letter.get_content()}"


def newest_code(session: Session, settings: Settings, to: str) -> str:
    """The code in the newest mail to an address."""
    found = _CODE.findall(letters(session, settings, to)[-1])
    assert len(found) == 1, "the mail holds no code, or several"
    code: str = found[0]
    return code


def another(code: str) -> str:
    """A code that is not `code`."""
    return f"{(int(code) + 1) % 1_000_000:06d}"
