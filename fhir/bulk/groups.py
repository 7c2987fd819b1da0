"""Lists of members as FHIR Groups: kept by the plan, told to its own programs, and what an export may be about.

A list of attribution (the members in a provider's care) is there only where `PROVIDER_ACCESS` says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from consent.policy import Access, AccessBasis
from fhir.bulk.models import GroupKind, MemberGroup, MemberGroupEntry, ProviderAccessOptOut
from fhir.compartment import ID
from fhir.outcomes import Forbidden, NotFound
from fhir.storage import granting
from fhir.storage.projections import instant_text
from fhir.storage.results import Resource
from oauth.tokens.token_problems import InsufficientScope
from service.clock import now
from service.db import microseconds
from service.plan.members import roster
from service.plan.models import Member
from service.settings import Settings

TYPE = "Group"
_Rows = Select[*tuple[Any, ...]]
MOST_TOLD = 10_000
"""Members named in a Group; a longer list tells its number only."""


class ForPlanProgramsOnly(Forbidden):
    """The token is a person's, or a provider's program's."""

    sentence = "This is for the plan's own programs (backend clients of the plan)."


class BadGroup(ValueError):
    """A list that cannot be taken; the sentence says what to mend."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a list: its members now, and numbers that nobody on the roster has."""

    members: int
    unknown: tuple[str, ...]


def require_plan_program(access: Access) -> None:
    """Raise ForPlanProgramsOnly unless the access is that of a program of the plan."""
    if access.basis is not AccessBasis.PLAN_CLIENT:
        raise ForPlanProgramsOnly


def get(session: Session, settings: Settings, group_id: str) -> MemberGroup:
    """The list with this id; raises NotFound where there is none, or none of its kind on this installation."""
    found = session.get(MemberGroup, group_id) if ID.fullmatch(group_id) else None
    if found is None or not _is_there(settings, found.kind):
        raise NotFound
    return found


def read(session: Session, access: Access, settings: Settings, group_id: str) -> Resource:
    """The list as a Group; raises ForPlanProgramsOnly, InsufficientScope and NotFound."""
    _require(access, "r")
    return _resource(session, get(session, settings, group_id))


def search(
    session: Session, access: Access, settings: Settings, *, ids: Sequence[str] | None, names: Sequence[str]
) -> list[Resource]:
    """The lists with one of `ids` (None: any) whose names begin with one of `names` (none: any), by id."""
    _require(access, "s")
    kinds = [kind for kind in GroupKind if _is_there(settings, kind)]
    wanted = select(MemberGroup).where(MemberGroup.kind.in_(kinds)).order_by(MemberGroup.id).limit(100)
    if ids is not None:
        wanted = wanted.where(MemberGroup.id.in_(ids))
    found = [
        one
        for one in session.scalars(wanted)
        if not names or any(one.name.casefold().startswith(name.casefold()) for name in names)
    ]
    return [_resource(session, one) for one in found]


def members_after(
    session: Session, group: MemberGroup, after: str, limit: int, *, until: str = "", joined_by: datetime | None = None
) -> list[tuple[str, int]]:
    """The next members in order of their Patients' ids, up to `until`: id and instant of joining.

    Who opted out is not among them, nor who joined later than `joined_by`.
    """
    entry = MemberGroupEntry
    columns: _Rows = select(entry.patient_id, entry.added_at)
    wanted = columns.where(entry.group_id == group.id, entry.patient_id > after)
    if until:
        wanted = wanted.where(entry.patient_id <= until)
    if joined_by is not None:
        wanted = wanted.where(entry.added_at <= joined_by)
    wanted = _without_opted_out(group.kind, wanted)
    return [
        (patient_id, microseconds(added))
        for patient_id, added in session.execute(wanted.order_by(entry.patient_id).limit(limit))
    ]


def load(session: Session, group_id: str, name: str, kind: GroupKind, member_numbers: Iterable[str]) -> Loaded:
    """Make the list what `member_numbers` says: new ones join now, others keep since when, those left out go.

    Raises BadGroup.
    """
    if not ID.fullmatch(group_id):
        raise BadGroup(f"{group_id} is not a FHIR id: letters, digits, - and . up to 64")
    wanted, unknown = _patients(session, member_numbers)
    group = session.get(MemberGroup, group_id)
    if group is None:
        group = MemberGroup(id=group_id, name=name, kind=kind)
        session.add(group)
    elif group.kind is not kind:
        raise BadGroup(f"{group_id} is a list of another kind ({group.kind})")
    else:
        group.name, group.version, group.changed_at = name, group.version + 1, now()
    session.flush()
    held = set(session.scalars(select(MemberGroupEntry.patient_id).where(MemberGroupEntry.group_id == group_id)))
    for gone in held - wanted:
        session.execute(
            delete(MemberGroupEntry).where(
                MemberGroupEntry.group_id == group_id, MemberGroupEntry.patient_id == gone
            )
        )  # fmt: skip
    session.add_all(MemberGroupEntry(group_id=group_id, patient_id=one) for one in sorted(wanted - held))
    session.flush()
    return Loaded(len(wanted), tuple(unknown))


def opt_out(session: Session, member_number: str, *, out: bool) -> None:
    """Keep that a member does not want providers to get their record in bulk, or no longer; raises BadGroup.

    With the number of an old card it counts for the record that this one became part of, too.
    """
    number = member_number.strip().upper()
    named = session.scalar(select(Member).where(func.upper(Member.member_number) == number))
    if named is None:
        raise BadGroup(f"nobody on the roster has the member number {number}")
    for patient_id in sorted({named.patient_id, roster.surviving(session, named).patient_id}):
        held = session.get(ProviderAccessOptOut, patient_id)
        if out and held is None:
            session.add(ProviderAccessOptOut(patient_id=patient_id))
        elif not out and held is not None:
            session.delete(held)
            _join_anew(session, patient_id)
    session.flush()


def _join_anew(session: Session, patient_id: str) -> None:
    # What changed while they were left out was told to nobody: to readers of changes they are new.
    entries = update(MemberGroupEntry).where(MemberGroupEntry.patient_id == patient_id)
    session.execute(entries.values(added_at=now()))


def list_all(session: Session) -> list[tuple[MemberGroup, int]]:
    """Every list with the number of its members, by id."""
    counted = select(MemberGroupEntry.group_id, func.count()).group_by(MemberGroupEntry.group_id)
    numbers: dict[str, int] = {row[0]: row[1] for row in session.execute(counted)}
    groups = session.scalars(select(MemberGroup).order_by(MemberGroup.id).limit(1_000))
    return [(group, numbers.get(group.id, 0)) for group in groups]


def _require(access: Access, letter: str) -> None:
    require_plan_program(access)
    if not access.permits(TYPE, letter):
        raise InsufficientScope(granting.needed(access, TYPE, letter))


def _is_there(settings: Settings, kind: GroupKind) -> bool:
    return kind is not GroupKind.ATTRIBUTION or settings.provider_access


def _without_opted_out(kind: GroupKind, wanted: _Rows) -> _Rows:
    if kind is not GroupKind.ATTRIBUTION:
        return wanted
    gone = select(ProviderAccessOptOut.patient_id)
    return wanted.where(MemberGroupEntry.patient_id.not_in(gone))


def _patients(session: Session, member_numbers: Iterable[str]) -> tuple[set[str], list[str]]:
    numbers = sorted({number.strip().upper() for number in member_numbers if number.strip()})
    found: dict[str, str] = {}
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        rows = session.scalars(select(Member).where(func.upper(Member.member_number).in_(some)))
        found |= {one.member_number.upper(): roster.surviving(session, one).patient_id for one in rows}
    return set(found.values()), [number for number in numbers if number not in found]


def _resource(session: Session, group: MemberGroup) -> Resource:
    entry = MemberGroupEntry
    counted = select(func.count()).select_from(entry).where(entry.group_id == group.id)
    quantity = session.scalar(_without_opted_out(group.kind, counted)) or 0
    changed = microseconds(group.changed_at)
    told: dict[str, Any] = {
        "resourceType": TYPE,
        "id": group.id,
        "meta": {"versionId": str(group.version), "lastUpdated": instant_text(changed)},
        "active": True,
        "type": "person",
        "actual": True,
        "name": group.name,
        "quantity": quantity,
    }
    if 0 < quantity <= MOST_TOLD:
        members = members_after(session, group, "", MOST_TOLD)
        told["member"] = [{"entity": {"reference": f"Patient/{patient_id}"}} for patient_id, _added in members]
    return Resource(TYPE, group.id, group.version, changed, orjson.dumps(told))
