"""Member services at work, as the cases of the support view need them."""

from typing import TypeVar

from flask import Flask
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.plan.models import Member, PlanStaff, StaffRole
from tests.factories import make_plan_staff
from tests.staff.console import Clerk, make_clerk

T = TypeVar("T")
WHY = {"purpose": "member_called", "words": "Cannot sign in since Monday"}
SECOND = "The privacy office asked me to"


def make_officer(session: Session) -> PlanStaff:
    """A privacy officer who can be told."""
    return make_plan_staff(session, StaffRole.PRIVACY_OFFICER)


def services(app: Flask, session: Session, **names: str) -> Clerk:
    """Somebody of member services, signed in."""
    return make_clerk(app, session, StaffRole.MEMBER_SERVICES, **names)


def address(member: Member) -> str:
    return f"/staff/members/of/{member.patient_id}"


def look_at(clerk: Clerk, member: Member, **more: str) -> str:
    """The address of a look that was begun."""
    clerk.browser.get(address(member))
    answer = clerk.browser.post(address(member), **WHY, **more)
    assert answer.status_code == 303, answer.text
    place: str = answer.headers["Location"]
    clerk.browser.get(place)
    return place


def rows(session: Session, tag: str) -> list[AuditEvent]:
    """The audit rows of one kind, the oldest first."""
    return every(session, select(AuditEvent).where(AuditEvent.tag == tag).order_by(AuditEvent.id))


def every(session: Session, statement: Select[tuple[T]]) -> list[T]:
    """What there is now; the database is let go at once, or the application would wait for the test."""
    session.commit()
    found = list(session.scalars(statement))
    session.commit()
    return found


def id_for(name: str, member: Member) -> str:
    """What to put for an argument of a route: the member where it is about one, else somebody who does not exist."""
    return member.patient_id if name == "patient_id" else "5f0c7d1e-0000-4000-8000-000000000000"
