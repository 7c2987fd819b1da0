"""Launches from the portal, as the App Gallery makes them."""

from typing import Any

from sqlalchemy import select

from consent.representatives import right_for
from oauth.authorization import launching
from service.accounts.models import Account, LoginSession
from service.accounts.sessions import Login
from service.plan.models import Member
from tests.member.pages import Reader
from tests.oauth.desk import App, Desk, answer_of

ADDRESS = "https://app.example.org/launch"
SCOPE = "launch openid fhirUser patient/*.rs"


def launch(reader: Reader, app: App, member: Member | None = None, **given: Any) -> str:
    """The address at which the portal opens `app` for this reader, who acts for `member`."""
    return launch_for(reader.desk, reader.account, app, member, **given)


def launch_for(desk: Desk, person: Account, app: App, member: Member | None = None, **given: Any) -> str:
    """The same for a person whose newest sign-in is that of their browser."""
    with desk.session() as session:
        account = session.get_one(Account, person.id)
        newest = select(LoginSession).where(LoginSession.account_id == account.id).order_by(
            LoginSession.created_at.desc()
        ).limit(1)  # fmt: skip
        choice = right_for(session, account, (member or desk.member).id)
        assert choice is not None
        login = Login(account, session.scalars(newest).one())
        return launching.begin(session, app.id, account, choice, login, **given)


def handle(reader: Reader, app: App, member: Member | None = None, **given: Any) -> str:
    """The `launch` parameter that the app finds in that address."""
    return answer_of(launch(reader, app, member, **given))["launch"]
