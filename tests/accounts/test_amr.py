"""By which methods somebody signed in, as apps are told (`amr`, RFC 8176)."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts import sessions
from service.accounts.amr import methods
from service.accounts.models import Account, CodeReason, LoginSession
from service.settings import Settings
from tests.accounts.passkey_device import add, sign_in
from tests.accounts.visitor import Visitor, newest_code
from tests.factories import PASSWORD


def shown_in(session: Session) -> list[str]:
    """What the newest session tells of."""
    # In a session of its own: an open one would hold SQLite against the application.
    with Session(session.get_bind()) as own:
        row = own.scalars(select(LoginSession).order_by(LoginSession.created_at.desc())).first()
    assert row is not None and row.amr is not None
    return methods(row.amr)


def test_a_password_alone_and_with_a_code_of_the_app(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    assert shown_in(session) == ["pwd"]
    visitor.sign_in_with_factor(account)
    assert shown_in(session) == ["otp", "pwd", "mfa"]


def test_a_passkey_alone_and_the_password_given_again(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    device = add(visitor)
    visitor.get("/settings")
    visitor.post("/sign-out")
    sign_in(visitor, device)
    assert shown_in(session) == ["pop", "user", "mfa"], "nobody typed a password"
    visitor.get("/confirm-password")
    visitor.post("/confirm-password", username=account.username, password=PASSWORD)
    assert shown_in(session) == ["pop", "pwd", "user", "mfa"]


def test_a_code_by_mail_is_another_channel_and_no_factor(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    sessions.require_code(account, CodeReason.SHARING)
    session.commit()
    visitor.sign_in(account)
    visitor.get("/sign-in/code")
    visitor.post("/sign-in/code", code=newest_code(session, settings, account.email))
    assert shown_in(session) == ["mca", "pwd"]
