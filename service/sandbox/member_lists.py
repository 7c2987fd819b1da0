"""A list of members in the sandbox, for programs of the plan to export: those in care management."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir.bulk import groups
from fhir.bulk.models import GroupKind
from service.plan.models import Member

ID, NAME = "care-management", "Care management"
_MEMBERS = 8


def make_missing(session: Session) -> None:
    """Make the list of the first members of the roster, unless it is there."""
    if any(group.id == ID for group, _number in groups.list_all(session)):
        return
    numbers = session.scalars(select(Member.member_number).order_by(Member.member_number).limit(_MEMBERS))
    groups.load(session, ID, NAME, GroupKind.PLAN, list(numbers))


def to_hand_out(session: Session) -> list[dict[str, Any]]:
    """Every list with its id, for testers."""
    return [
        {"id": group.id, "name": group.name, "kind": group.kind.value, "members": number}
        for group, number in groups.list_all(session)
    ]
