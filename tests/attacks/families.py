"""A representative with two members and a stranger: what the cases of representatives begin from."""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from consent.models import RepresentativeLink
from service.accounts.models import Account
from service.plan.models import Member
from tests.oauth.desk import Desk

NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class Family:
    """A representative with an account, two linked members, and a stranger."""

    account: Account
    father: Member
    mother: Member
    stranger: Member
    link_id: str

    def standing(self, session: Session) -> RepresentativeLink:
        return session.get_one(RepresentativeLink, self.link_id)


def signed_in(desk: Desk, family: Family) -> FlaskClient:
    browser = desk.app.test_client()
    desk.sign_in(browser, family.account)
    return browser


def choose(browser: FlaskClient, patient_id: str) -> int:
    page = browser.get("/select-member")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token
    return browser.post("/select-member", data={"selected": patient_id, "csrf_token": token[1]}).status_code
