"""A person of the plan at the staff console, and a person of an office at the portal: signed in, each at a browser."""

import html
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from service.accounts.models import Account
from service.plan.logins import hand_overs
from service.plan.models import DelegateRequest, PendingAct, PlanStaff, ProviderStaff, StaffRole
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_plan_staff, make_portal_staff


@dataclass
class Clerk:
    """Somebody of the plan, at a browser."""

    staff: PlanStaff
    browser: Visitor

    @property
    def account(self) -> Account:
        return self.staff.account


@dataclass
class Office:
    """Somebody of a provider's office, at a browser."""

    staff: ProviderStaff
    browser: Visitor

    @property
    def account(self) -> Account:
        return self.staff.account


def sign_in_clerk(app: Flask, account: Account) -> Visitor:
    """The one place where tests sign plan staff in."""
    visitor = Visitor(app)
    answer = visitor.enter(account)
    assert answer.status_code == 303, answer.text
    visitor.get("/staff/")
    return visitor


def sign_in_office(app: Flask, account: Account) -> Visitor:
    """The one place where tests sign a login of the portal in."""
    visitor = Visitor(app)
    answer = visitor.enter(account)
    assert answer.status_code == 303, answer.text
    visitor.get("/provider/home")
    return visitor


def make_clerk(app: Flask, session: Session, *roles: StaffRole, **names: Any) -> Clerk:
    """A person of the plan, signed in; of provider services unless told otherwise."""
    staff = make_plan_staff(session, *(roles or (StaffRole.PROVIDER_SERVICES,)), account=make_account(session, **names))
    session.commit()
    return Clerk(staff, sign_in_clerk(app, staff.account))


def make_office(app: Flask, session: Session, **given: object) -> Office:
    """A login of the portal, signed in."""
    staff = make_portal_staff(session, **given)  # type: ignore[arg-type]
    session.commit()
    return Office(staff, sign_in_office(app, staff.account))


def send_files(visitor: Visitor, path: str, files: list[tuple[str, bytes]], **fields: str) -> TestResponse:
    """Post a form with files as a browser does; encoded in memory, for the test client leaves its own files open."""
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', visitor.page.text)
    assert token, "the page has no form"
    values = {
        "csrf_token": html.unescape(token[1]),
        **fields,
        "files": [FileStorage(BytesIO(body), name) for name, body in files],
    }
    boundary, body = encode_multipart(values)
    return visitor.browser.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def ask_for(session: Session, wish: DelegateRequest, by: PlanStaff) -> PendingAct:
    """What waits for a second person after the first has called the office."""
    staff = session.get_one(ProviderStaff, wish.staff_id)
    return hand_overs.ask(session, staff, by=by, reason="Called", request_id=wish.id)
