"""What the attack cases of an office's logins share."""

import re
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

from service.plan.logins.invitations import Invitee
from service.plan.models import PortalOrganization, ProviderStaff
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_portal_staff

LINK = re.compile(r"http://localhost(/provider/invitation/[\w-]{43})")


def delegate_of(session: Session, office: PortalOrganization, **given: Any) -> ProviderStaff:
    """A delegate of the office. Commits."""
    made = make_portal_staff(session, office, is_delegate=True, **given)
    session.commit()
    return made


def invitee(email: str = "robin@clinic.example", **given: object) -> Invitee:
    """Whom a delegate invites; give what differs."""
    values = {"given_name": "Robin", "family_name": "Vale", "email": email, "phone": "5550100199", "functions": ()}
    return Invitee(**values | given)  # type: ignore[arg-type]


def secret_sent(session: Session, settings: Settings, to: str = "robin@clinic.example") -> str:
    """The secret of the newest invitation sent to an address."""
    found = LINK.findall(letters(session, settings, to)[-1])
    return str(found[-1]).rpartition("/")[2]


def signed_in(app: Flask, staff: ProviderStaff) -> Visitor:
    """A browser in which that person is signed in, with a code where a delegate needs one."""
    visitor = Visitor(app)
    if staff.is_delegate:
        visitor.sign_in_with_factor(staff.account)
    else:
        visitor.sign_in(staff.account)
    return visitor
