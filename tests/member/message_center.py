"""What the tests of messages ask of the message center: what was told, which mails went out, where a message leads."""

import re
from html import unescape

from sqlalchemy import select

from consent import grant_notices
from service.accounts.models import Account
from service.accounts.notice_model import Notice, NoticeKind
from service.mail import OutboxMail
from tests.oauth.desk import Desk


def kinds_of(desk: Desk, account: Account) -> list[NoticeKind]:
    """What the account was told, the first first, but for the welcome with which each test begins."""
    with desk.session() as session:
        mine = select(Notice.kind).where(Notice.account_id == account.id, Notice.kind != NoticeKind.WELCOME)
        return list(session.scalars(mine.order_by(Notice.at)))


def mails_of(desk: Desk, account: Account) -> list[str]:
    with desk.session() as session:
        mine = OutboxMail.recipient == account.email, OutboxMail.template == "new_notice"
        return list(session.scalars(select(OutboxMail.template).where(*mine)))


def run_job(desk: Desk) -> None:
    grant_notices.run(desk.app.extensions["latchstring"].sessions, desk.settings)


def console_link(page: str) -> str:
    """Where the one link to the console of the messages leads; empty without one."""
    main = page.partition("<main")[2]
    found = re.findall(r'<a href="([^"]+)">Open App Management Console', main)
    assert len(found) <= 1
    return unescape(found[0]) if found else ""
