"""Somebody whose session runs out over a form: they sign in again, and come back to the page that it stood on."""

from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from service.accounts.models import Account
from service.web import Latchstring
from tests.accounts.factors import code_of, secret_of
from tests.accounts.visitor import Visitor
from tests.conftest import MovableClock
from tests.factories import PASSWORD
from tests.member.pages import Form, form_to

KEPT = "You had to sign in or confirm your password again, and nothing was sent yet."
_LATE = 16 * 60


def send_late(
    visitor: Visitor, account: Account, clock: MovableClock, page: str, action: str, **typed: str | list[str]
) -> TestResponse:
    """Fill in a form of a page and send it after the session's end; the page that follows the sign-in."""
    return late(visitor, account, clock, action, form_to(visitor.get(page).text, action).changed(**typed))


def late(
    visitor: Visitor, account: Account, clock: MovableClock, action: str, sent: "MultiDict[str, str]"
) -> TestResponse:
    """Send this form after the session's end; the page that follows the sign-in."""
    clock.advance(_LATE)
    answer = visitor.browser.post(action, data=sent)
    assert answer.status_code == 303 and answer.location.startswith("/sign-in?next=")
    return visitor.get(sign_in_again(visitor, account, answer.location))


def sign_in_again(visitor: Visitor, account: Account, address: str) -> str:
    """Sign in at this page, with the second factor where there is one; the address that the sign-in leads to."""
    visitor.get(address)
    entered = visitor.post(address, username=account.username, password=PASSWORD)
    if "/sign-in/factor" in entered.location:
        visitor.get(entered.location)
        entered = visitor.post(entered.location, code=_code(visitor, account))
    assert entered.status_code == 303
    return entered.location


def _code(visitor: Visitor, account: Account) -> str:
    held: Latchstring = visitor.app.extensions["latchstring"]
    with held.sessions() as session:
        return code_of(secret_of(session, held.settings, account))


def form_again(shown: TestResponse, action: str) -> Form:
    """The form as it stands on the page that follows, which says why."""
    assert shown.status_code == 200 and KEPT in shown.text
    return form_to(shown.text, action)
