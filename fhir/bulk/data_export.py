"""`Group/[id]/$davinci-data-export` (Da Vinci ATR, PDex provider access): the records of an attribution list.

Three kinds, as PDex names them: what the parameters say (download, the default), the whole of the records as they are
(snapshot), and what changed since this program's last finished one of the same list that left nothing out (delta).
"""

from enum import StrEnum

import msgspec
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.bulk.asking import Asked, reached
from fhir.bulk.models import BulkExport, GroupKind, MemberGroup, ProviderAccessSent
from fhir.calls import Given
from fhir.compartment import PATIENT_ELEMENT
from fhir.outcomes import BadValue, NotFound
from fhir.search.query import shown
from service.db import microseconds

PARAMETER = "exportType"
_GUIDE = "hl7.fhir.us.davinci-pdex#"


class ExportType(StrEnum):
    """The kinds of export that providers are served by."""

    DOWNLOAD = "provider-download"
    SNAPSHOT = "provider-snapshot"
    DELTA = "provider-delta"


def require_attribution(group: MemberGroup) -> None:
    """Raise NotFound unless the list is one of members in a provider's care."""
    if group.kind is not GroupKind.ATTRIBUTION:
        raise NotFound


def parse(given: Given) -> tuple[ExportType, Given]:
    """Which kind is asked for, and the parameters that a plain export has too; raises BadValue."""
    named = [value for name, value in given if name == PARAMETER and value]
    rest = [(name, value) for name, value in given if name != PARAMETER]
    if not named:
        return ExportType.DOWNLOAD, rest
    kinds = {f"{_GUIDE}{one}": one for one in ExportType}
    if len(named) > 1 or named[0] not in kinds:
        offered = ", ".join(kinds)
        raise BadValue(f"{PARAMETER} {shown(named[0])} is not offered. Send one of: {offered}.", expression=PARAMETER)
    kind = kinds[named[0]]
    if kind is not ExportType.DOWNLOAD and any(name in {"_since", "_until"} for name, _value in rest):
        raise BadValue(f"A {kind} takes no _since and no _until: it says itself since when.", expression=PARAMETER)
    return kind, rest


def narrow(session: Session, access: Access, group: MemberGroup, kind: ExportType, asked: Asked) -> Asked:
    """What was asked, with since when; the worker notes once it was made."""
    sent = session.get(ProviderAccessSent, (access.client_id, group.id)) if kind is ExportType.DELTA else None
    since = microseconds(sent.sent_at) if sent else asked.since
    return msgspec.structs.replace(asked, since=since, export_type=kind)


def is_whole(access: Access, asked: Asked) -> bool:
    """Whether nothing that the access reaches of the list was left out, but for what a delta need not repeat."""
    narrowed = asked.until is not None or asked.filters or asked.patients
    since = asked.since if asked.export_type != ExportType.DELTA else None
    every = {one for one in PATIENT_ELEMENT if reached(access, one)}
    return not narrowed and since is None and every <= set(asked.types)


def note_sent(session: Session, export: BulkExport) -> None:
    """Keep that this program has the list's records as they were when the export began; only of a whole one."""
    assert export.group_id is not None and export.began_at is not None
    sent = session.get(ProviderAccessSent, (export.client_id, export.group_id))
    if sent is None:
        sent = ProviderAccessSent(client_id=export.client_id, group_id=export.group_id)
        session.add(sent)
    sent.sent_at = export.began_at
