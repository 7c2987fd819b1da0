"""Whose records a file of an export holds, for the audit row of the first time it is fetched (decision 137).

A list's file names its members. An export of everybody would name millions: it says which resources it held, so that
whether a member's were among them is worked out when they ask (`fhir.storage.exported`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import policy
from consent.policy import Access
from consent.scopes import parse
from fhir.bulk import asking, standing
from fhir.bulk.asking import Asked
from fhir.bulk.models import BulkExport, BulkFile, FileKind, GroupKind, MemberGroup
from fhir.compartment import PATIENT_ELEMENT
from service.audit import EVERYBODY, Subject
from service.clock import now
from service.db import microseconds
from service.plan.members import roster


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a file: under which Access, about whom, and what else."""

    access: Access
    subjects: Collection[Subject]
    detail: Mapping[str, Any]


def told(session: Session, access: Access, file: BulkFile) -> Told:
    """What the audit row of a file says that is about to be sent; that it was told is kept.

    Whom it is about is said once, the first time: each further fetch is a row that names the export and the file.
    """
    # Of two requests that fetch at one time, one tells: the other waits here, and reads then what was told.
    export = session.get_one(BulkExport, file.export_id, with_for_update=True)
    session.refresh(file, ["told_at"])
    group = session.get(MemberGroup, export.group_id) if export.group_id else None
    detail: dict[str, Any] = {"list": group.id} if group else {}
    if group and group.kind is GroupKind.ATTRIBUTION:
        access, detail = policy.for_attribution(access), {**detail, "for": group.name}
    asked = asking.restored(export.asked)
    of_list = export.group_id is not None or bool(asked.patients)
    if file.kind is not FileKind.OUTPUT or file.type not in PATIENT_ELEMENT or _is_told(session, file, of_list=of_list):
        return Told(access, (), detail)
    file.told_at = now()
    if not of_list:
        held = {**detail, "everybody": _held(export, asked, file.type)}
        return Told(access, [Subject(EVERYBODY, file.type, None)], held)
    # A worker of before schema 0066 kept nobody's name.
    counts = file.members or {}
    members = roster.ids_by_patient(session, counts)
    return Told(access, [Subject(members[one], file.type, counts[one]) for one in counts if one in members], detail)


def _is_told(session: Session, file: BulkFile, *, of_list: bool) -> bool:
    """Whether it was; of an export of everybody that any file of the type was, since no file is of certain members."""
    if of_list:
        return file.told_at is not None
    same = (BulkFile.export_id == file.export_id, BulkFile.kind == file.kind, BulkFile.type == file.type)
    return session.scalar(select(BulkFile.id).where(*same, BulkFile.told_at.is_not(None)).limit(1)) is not None


def _held(export: BulkExport, asked: Asked, resource_type: str) -> dict[str, Any]:
    """Which resources of a type an export of everybody held: those that changed after `since` up to `until` and not
    again before it was `made` (microseconds since 1970); `partly` where only those that met a further condition."""
    assert export.began_at is not None
    began, made = microseconds(export.began_at), microseconds(export.expires_at - standing.LIFE)
    until = began if asked.until is None else min(began, asked.until - 1)
    scopes, left_out = parse(export.scope), {*export.place.get("narrowed", ()), *export.place.get("lacking", ())}
    is_whole = all(() in scopes.restrictions(resource_type, letter) for letter in "rs")
    partly = not is_whole or resource_type in left_out or bool(asked.conditions(resource_type))
    return {"since": asked.since or 0, "until": until, "made": made, "partly": partly}
