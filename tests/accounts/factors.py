"""Signing in with an authenticator app, for tests of pages whose readers must have one (delegates, plan staff)."""

import html
import re

import pyotp
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service import sealing
from service.accounts.models import Account, Totp
from service.clock import now
from service.settings import Settings
from service.web import Latchstring
from tests.factories import PASSWORD, make_totp

_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def sign_in_with_factor(client: FlaskClient, account: Account, *, following: str = "") -> TestResponse:
    """Sign this browser in with password and code; the account is given an app first where it has none.

    The account must be committed. Whoever was signed in in this browser is no more. Codes taken before are forgotten,
    so that a test may sign in many times in a minute.
    """
    query = f"?next={following}" if following else ""
    held: Latchstring = client.application.extensions["latchstring"]
    with held.sessions.begin() as session:
        code = _code_to_use(session, held.settings, account)
    client.delete_cookie(held.settings.cookie_name)
    _post(client, f"/sign-in{query}", username=account.username, password=PASSWORD)
    answer = _post(client, f"/sign-in/factor{query}", code=code)
    assert answer.status_code == 303, answer.text
    return answer


def code_of(secret: str, *, steps: int = 0) -> str:
    """The code that an app with this secret shows now, or so many 30-second steps later."""
    return pyotp.TOTP(secret).generate_otp(int(now().timestamp()) // 30 + steps)


def secret_of(session: Session, settings: Settings, account: Account) -> str:
    """The secret of the account's app."""
    return sealing.unseal(settings.secret_key, "totp-secret", session.get_one(Totp, account.id).sealed_secret)


def _code_to_use(session: Session, settings: Settings, account: Account) -> str:
    kept = session.get(Totp, account.id)
    if kept is None:
        return code_of(make_totp(session, settings, session.get_one(Account, account.id)))
    kept.last_step = 0
    return code_of(secret_of(session, settings, account))


def _post(client: FlaskClient, path: str, **form: str) -> TestResponse:
    found = _TOKEN.search(client.get(path).text)
    assert found, f"{path} has no form"
    return client.post(path, data=form | {"csrf_token": html.unescape(found[1])})
