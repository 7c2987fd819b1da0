"""Provider Data Profiles: a group's practitioners and places, and the changes that its people ask the plan for.

A change is asked for by the group, looked at by plan staff, and then stands in the plan's records; what the provider
directory shows of it is written by `service.staff.providers.provider_profiles`, which joins this with the FHIR store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from service import audit
from service.clock import now
from service.db import new_id
from service.plan.models import (
    Practitioner,
    PractitionerAffiliation,
    ProfileChange,
    ProfileChangeKind,
    ProfileChangeStatus,
    ProviderAddress,
    ProviderGroup,
)
from service.plan.providers import numbers

_PEOPLE = frozenset({ProfileChangeKind.CHANGE_PRACTITIONER, ProfileChangeKind.REMOVE_PRACTITIONER})
_PLACES = frozenset({ProfileChangeKind.CHANGE_LOCATION, ProfileChangeKind.REMOVE_LOCATION})
_OPEN = (ProfileChangeStatus.SUBMITTED, ProfileChangeStatus.IN_REVIEW)
_MOST = 500


class ChangeOver(Exception):
    """The request was answered or withdrawn before: nothing is done twice."""


class NoSuchChange(Exception):
    """No such request, or not one of this group."""


class NotOfTheGroup(Exception):
    """The practitioner or place that the change names is not this group's."""


class AlreadyOfTheGroup(Exception):
    """The practitioner works for this group already."""


@dataclass(frozen=True)
class Affiliated:
    """A practitioner of a group, and since when."""

    person: Practitioner
    affiliation: PractitionerAffiliation


def people_of(session: Session, group_id: str) -> list[Affiliated]:
    """The practitioners who work for the group now, by family name."""
    today = now().date()
    statement = (
        select(Practitioner, PractitionerAffiliation)
        .join(PractitionerAffiliation, PractitionerAffiliation.practitioner_id == Practitioner.id)
        .where(
            PractitionerAffiliation.group_id == group_id,
            or_(PractitionerAffiliation.ends_on.is_(None), PractitionerAffiliation.ends_on > today),
        )
        .order_by(Practitioner.family_name, Practitioner.given_name)
        .limit(_MOST)
    )
    return [Affiliated(person, affiliation) for person, affiliation in session.execute(statement)]


def places_of(session: Session, group_id: str) -> list[ProviderAddress]:
    """The places where the group sees patients now."""
    current = (
        ProviderAddress.group_id == group_id, ProviderAddress.current.is_(True), ProviderAddress.use == "practice",
    )  # fmt: skip
    return list(session.scalars(select(ProviderAddress).where(*current).order_by(ProviderAddress.line).limit(_MOST)))


def changes_of(session: Session, group_ids: Sequence[str]) -> list[ProfileChange]:
    """What was asked for these groups, the newest first."""
    statement = select(ProfileChange).where(ProfileChange.group_id.in_(group_ids))
    return list(session.scalars(statement.order_by(ProfileChange.asked_at.desc(), ProfileChange.id).limit(_MOST)))


def open_changes(session: Session) -> list[ProfileChange]:
    """What waits for plan staff, the oldest first."""
    statement = select(ProfileChange).where(ProfileChange.status.in_(_OPEN)).order_by(ProfileChange.asked_at)
    return list(session.scalars(statement.limit(_MOST)))


def count_open(session: Session) -> int:
    """How many requests wait for plan staff."""
    return session.scalars(select(func.count()).select_from(ProfileChange).where(ProfileChange.status.in_(_OPEN))).one()


def get_change(session: Session, change_id: str, group_ids: Sequence[str] | None = None) -> ProfileChange:
    """One request, of one of these groups where they are given; raises NoSuchChange."""
    found = session.get(ProfileChange, change_id)
    if found is None or (group_ids is not None and found.group_id not in group_ids):
        raise NoSuchChange
    return found


def ask(
    session: Session,
    group: ProviderGroup,
    kind: ProfileChangeKind,
    content: Mapping[str, str],
    *,
    subject_id: str | None = None,
    by_account_id: str,
) -> ProfileChange:
    """Ask for a change. Raises NotOfTheGroup, AlreadyOfTheGroup and numbers.UnusableNpi.

    `subject_id` is the practitioner or place that is changed or removed; for other kinds it is not looked at.
    """
    subject_id = _subject(session, group, kind, subject_id)
    if kind is ProfileChangeKind.ADD_PRACTITIONER:
        content = {**content, "npi": numbers.npi(content.get("npi", ""))}
        if any(one.person.npi == content["npi"] for one in people_of(session, group.id)):
            raise AlreadyOfTheGroup
    made = ProfileChange(
        group_id=group.id, kind=kind, subject_id=subject_id, content=dict(content), asked_by_account_id=by_account_id
    )
    session.add(made)
    session.flush()
    _record(session, made, "ask", by_account_id)
    return made


def withdraw(session: Session, change: ProfileChange, *, by_account_id: str) -> None:
    """Take a request back before it is answered; raises ChangeOver."""
    _move(session, change, ProfileChangeStatus.WITHDRAWN, by_account_id, "", since=_OPEN)
    _record(session, change, "withdraw", by_account_id)


def take_up(session: Session, change: ProfileChange, *, by_account_id: str) -> None:
    """Say that somebody of the plan looks at it now; raises ChangeOver."""
    _move(session, change, ProfileChangeStatus.IN_REVIEW, by_account_id, "", since=(ProfileChangeStatus.SUBMITTED,))
    _record(session, change, "take_up", by_account_id)


def decline(session: Session, change: ProfileChange, *, reason: str, by_account_id: str) -> None:
    """Say no, with the reason that the group reads; raises ChangeOver."""
    _move(session, change, ProfileChangeStatus.DECLINED, by_account_id, reason, since=_OPEN)
    _record(session, change, "decline", by_account_id)


def approve(session: Session, change: ProfileChange, *, by_account_id: str) -> None:
    """Say yes and bring the plan's records in step; raises ChangeOver and NotOfTheGroup (gone meanwhile)."""
    _move(session, change, ProfileChangeStatus.APPROVED, by_account_id, "", since=_OPEN)
    _APPLY.get(change.kind, _apply_nothing)(session, change)
    session.flush()
    _record(session, change, "approve", by_account_id)


def _subject(session: Session, group: ProviderGroup, kind: ProfileChangeKind, subject_id: str | None) -> str | None:
    """The row of this group that the change is about; None for kinds that are about none."""
    if kind in _PEOPLE:
        known = {one.person.id for one in people_of(session, group.id)}
    elif kind in _PLACES:
        known = {place.id for place in places_of(session, group.id)}
    else:
        return None
    if subject_id not in known:
        raise NotOfTheGroup
    return subject_id


def _move(
    session: Session,
    change: ProfileChange,
    to: ProfileChangeStatus,
    by_account_id: str,
    reason: str,
    *,
    since: Sequence[ProfileChangeStatus],
) -> None:
    # One statement decides between two people who answer at once.
    moved = session.execute(
        update(ProfileChange)
        .where(ProfileChange.id == change.id, ProfileChange.status.in_(since))
        .values(status=to, decided_at=now(), decided_by_account_id=by_account_id, reason=reason)
        .execution_options(synchronize_session=False)
    )
    if not isinstance(moved, CursorResult) or moved.rowcount != 1:
        raise ChangeOver
    session.refresh(change)


def _add_practitioner(session: Session, change: ProfileChange) -> None:
    content = change.content
    person = session.scalar(select(Practitioner).where(Practitioner.npi == content["npi"]))
    if person is None:
        person = Practitioner(
            npi=content["npi"], given_name=content["given_name"], family_name=content["family_name"],
            gender=content.get("gender", ""), taxonomy=content.get("taxonomy", ""), practitioner_id=new_id(),
        )  # fmt: skip
        session.add(person)
        session.flush()
    change.subject_id = person.id
    starts_on = date.fromisoformat(content["starts_on"])
    # Somebody who comes back on the day they left has that row already.
    same = (
        PractitionerAffiliation.group_id == change.group_id, PractitionerAffiliation.practitioner_id == person.id,
        PractitionerAffiliation.starts_on == starts_on,
    )  # fmt: skip
    found = session.scalar(select(PractitionerAffiliation).where(*same))
    if found is not None:
        found.ends_on = None
        return
    session.add(PractitionerAffiliation(group_id=change.group_id, practitioner_id=person.id, starts_on=starts_on))


def _change_practitioner(session: Session, change: ProfileChange) -> None:
    person = _affiliated(session, change).person
    for name in ("given_name", "family_name", "gender", "taxonomy"):
        if change.content.get(name):
            setattr(person, name, change.content[name])
    person.loaded_at = now()


def _remove_practitioner(session: Session, change: ProfileChange) -> None:
    _affiliated(session, change).affiliation.ends_on = date.fromisoformat(change.content["ends_on"])


def _add_location(session: Session, change: ProfileChange) -> None:
    made = ProviderAddress(
        group_id=change.group_id, use="practice", valid_from=now().date(), location_id=new_id(),
        **{name: change.content.get(name, "") for name in _PLACE},
    )  # fmt: skip
    session.add(made)
    session.flush()
    change.subject_id = made.id


def _change_location(session: Session, change: ProfileChange) -> None:
    place = _place(session, change)
    for name in _PLACE:
        if change.content.get(name):
            setattr(place, name, change.content[name])


def _remove_location(session: Session, change: ProfileChange) -> None:
    place = _place(session, change)
    place.current, place.valid_until = False, now().date()


def _apply_nothing(_session: Session, _change: ProfileChange) -> None:
    """What comes from outside the network is entered in the claim system by hand; the answer is all that is kept."""


def _affiliated(session: Session, change: ProfileChange) -> Affiliated:
    found = (one for one in people_of(session, change.group_id) if one.person.id == change.subject_id)
    try:
        return next(found)
    except StopIteration:
        raise NotOfTheGroup from None


def _place(session: Session, change: ProfileChange) -> ProviderAddress:
    found = (place for place in places_of(session, change.group_id) if place.id == change.subject_id)
    try:
        return next(found)
    except StopIteration:
        raise NotOfTheGroup from None


_PLACE = ("name", "line", "city", "state", "zip_code", "phone")
_APPLY = {
    ProfileChangeKind.ADD_PRACTITIONER: _add_practitioner,
    ProfileChangeKind.CHANGE_PRACTITIONER: _change_practitioner,
    ProfileChangeKind.REMOVE_PRACTITIONER: _remove_practitioner,
    ProfileChangeKind.ADD_LOCATION: _add_location,
    ProfileChangeKind.CHANGE_LOCATION: _change_location,
    ProfileChangeKind.REMOVE_LOCATION: _remove_location,
}


def _record(session: Session, change: ProfileChange, action: str, by_account_id: str) -> None:
    audit.record(
        session, f"plan:profile_change:{action}", account_id=by_account_id,
        detail={"change": change.id, "group": change.group_id, "kind": change.kind.value},
    )  # fmt: skip
