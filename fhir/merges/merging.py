"""Merging two records of one member, and parting them again (decision 65).

What moved is kept, so that it can go back. Consents never move: grants and representatives of the merged record end,
and come back only by a new consent or a new link.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from consent import grants, representative_requests, representatives
from consent.models import EndedBy, Grant, RepresentativeLink
from consent.policy import Access
from consent.request_models import RepresentativeRequest
from fhir.bulk.models import ProviderAccessOptOut
from fhir.loading.json_texts import parse
from fhir.loading.preparation import prepare_resource
from fhir.merges.following import chain, renamed, replaced
from fhir.merges.tables import MemberMerge, MergedResource
from fhir.models import StoredResource
from fhir.storage import granting, writing
from fhir.storage.bodies import bodies_of
from service import audit
from service.accounts.models import Account
from service.clock import now
from service.plan.models import Member, ProtectedRecord

_AT_ONCE = 500


class MergeRefused(Exception):
    """These two cannot be merged, or parted; `sentence` says why, for plan staff."""

    sentence = "These two records cannot be merged."


class SameMember(MergeRefused):
    """A record is not merged with itself."""

    sentence = "Name two different members."


class MergedAlready(MergeRefused):
    """One of them is part of another record already."""

    sentence = "One of them is part of another record: merge with that one, or part them first."


class NotMerged(MergeRefused):
    """There is nothing to part."""

    sentence = "This member's record is not part of another."


class AccountsStand(MergeRefused):
    """Both have an account; which one goes on is for their owner to say."""

    sentence = "The surviving member has an account already: merge without moving the account."


@dataclass(frozen=True, slots=True)
class Moved:
    """How many resources moved, grants and links of representatives ended, and whether an account went along."""

    resources: int
    grants: int
    links: int
    account: bool = False


def merge(
    session: Session, access: Access, merged: Member, survivor: Member, *, reason: str, move_account: bool = False
) -> Moved:
    """Make one member's record part of another's, in the caller's transaction; raises MergeRefused and Forbidden."""
    granting.require_every_record(access, "u")
    writing.lock(session)
    _hold(session, merged, survivor)
    _require_mergeable(merged, survivor)
    account = _move_account(session, merged, survivor) if move_account else None
    ended = _end_consents(session, merged)
    _carry_protection(session, merged, survivor)
    made = MemberMerge(
        merged_patient_id=merged.patient_id, surviving_patient_id=survivor.patient_id, reason=reason,
        account_id=account.id if account else None,
    )  # fmt: skip
    session.add(made)
    merged.merged_into_id = survivor.id
    session.flush()
    count = sum(_move(session, rows, made) for rows in _records_of(session, merged.patient_id))
    _mark_patient(session, merged.patient_id, survivor.patient_id)
    moved = Moved(count, *ended, account is not None)
    _record(session, "merge", merged, survivor, reason, moved)
    return moved


def unmerge(session: Session, access: Access, merged: Member, *, reason: str) -> Moved:
    """Give back what came from the merged record, in the caller's transaction; raises NotMerged and Forbidden."""
    granting.require_every_record(access, "u")
    standing = (MemberMerge.merged_patient_id == merged.patient_id, MemberMerge.undone_at.is_(None))
    found = session.scalar(select(MemberMerge).where(*standing))
    survivor = session.get(Member, merged.merged_into_id) if merged.merged_into_id else None
    if found is None or survivor is None:
        raise NotMerged
    writing.lock(session)
    found.undone_at, found.undone_reason = now(), reason
    merged.merged_into_id = None
    ended = links = 0
    if found.account_id is not None:
        # What this account agreed to for the other record was not its to give.
        ended = _end_grants(session, Grant.member_id == survivor.id, Grant.account_id == found.account_id)
        links = _end_asked_links(session, survivor, session.get_one(Account, found.account_id))
        _give_account(session.get_one(Account, found.account_id), merged)
    session.flush()
    count = sum(_give_back(session, keys, found) for keys in _moved_by(session, found))
    _restore_patient(session, merged.patient_id)
    moved = Moved(count, ended, links, found.account_id is not None)
    _record(session, "unmerge", merged, survivor, reason, moved)
    return moved


def _hold(session: Session, *members: Member) -> None:
    """Keep the members as they are until this transaction ends; links to them that are being made are seen, or wait."""
    for member in sorted(members, key=lambda one: one.id):
        session.refresh(member, with_for_update={"key_share": True})


def _require_mergeable(merged: Member, survivor: Member) -> None:
    if merged.id == survivor.id:
        raise SameMember
    if merged.merged_into_id or survivor.merged_into_id:
        raise MergedAlready


def _move_account(session: Session, merged: Member, survivor: Member) -> Account | None:
    account = session.scalar(select(Account).where(Account.member_id == merged.id))
    if account is not None:
        if session.scalar(select(Account.id).where(Account.member_id == survivor.id)):
            raise AccountsStand
        _give_account(account, survivor)
    return account


def _give_account(account: Account, member: Member) -> None:
    account.member_id = member.id
    # Sessions and tokens of the account end: whoever signs in again sees the other record.
    account.credentials_version += 1


def _end_consents(session: Session, merged: Member) -> tuple[int, int]:
    """End the grants and the representatives' links of a record; how many of each."""
    standing = (RepresentativeLink.member_id == merged.id, RepresentativeLink.ended_at.is_(None))
    # Links are held before grants, as by everybody who ends a link or consents under one.
    held = select(RepresentativeLink).where(*standing).order_by(RepresentativeLink.id)
    links = session.scalars(held.with_for_update(of=RepresentativeLink, key_share=True)).unique().all()
    given = _end_grants(session, Grant.member_id == merged.id)
    for link in links:
        representatives.end_link(session, link, by=EndedBy.PLAN)
    return given, len(links)


def _end_asked_links(session: Session, member: Member, account: Account) -> int:
    """End the links that an account asked for as this member, and take back what is open; how many links."""
    asked = select(RepresentativeRequest).where(
        RepresentativeRequest.account_id == account.id, RepresentativeRequest.member_id == member.id,
        RepresentativeRequest.for_oneself.is_(True),
    ).with_for_update(of=RepresentativeRequest).execution_options(populate_existing=True)  # fmt: skip
    made = []
    for one in session.scalars(asked).unique().all():
        representative_requests.withdraw(session, one, account)
        made.append(one.link_id)
    standing = (RepresentativeLink.id.in_(made), RepresentativeLink.ended_at.is_(None))
    links = session.scalars(select(RepresentativeLink).where(*standing)).unique().all()
    for link in links:
        representatives.end_link(session, link, by=EndedBy.PLAN)
    return len(links)


def _end_grants(session: Session, *whose: ColumnElement[bool]) -> int:
    given = session.scalars(select(Grant).where(*whose, Grant.ended_at.is_(None))).all()
    for grant in given:
        grants.revoke(session, grant, by=EndedBy.PLAN)
    return len(given)


def _carry_protection(session: Session, merged: Member, survivor: Member) -> None:
    """What protects the merged record protects the survivor's from now on, and stays when they part."""
    survivor.confidential = survivor.confidential or merged.confidential
    out = ProviderAccessOptOut
    if session.get(out, merged.patient_id) is not None and session.get(out, survivor.patient_id) is None:
        session.add(out(patient_id=survivor.patient_id))
    mark = session.get(ProtectedRecord, merged.id)
    if mark is not None and session.get(ProtectedRecord, survivor.id) is None:
        session.add(
            ProtectedRecord(
                member=survivor, member_id=survivor.id, reason=mark.reason,
                marked_by_account_id=mark.marked_by_account_id,
            )
        )  # fmt: skip
    blocked = select(RepresentativeLink.representative_id).where(
        RepresentativeLink.member_id == merged.id, RepresentativeLink.safety_block.is_(True)
    )
    same = (
        RepresentativeLink.member_id == survivor.id, RepresentativeLink.safety_block.is_(False),
        RepresentativeLink.representative_id.in_(blocked),
    )  # fmt: skip
    for link in session.scalars(select(RepresentativeLink).where(*same)).unique().all():
        representatives.block(session, link, by_account_id=None)


def _records_of(session: Session, patient_id: str) -> Iterator[Sequence[StoredResource]]:
    stored = StoredResource
    while True:
        theirs = (stored.patient_id == patient_id, stored.type != "Patient", stored.deleted.is_(False))
        rows = session.scalars(select(stored).where(*theirs).order_by(stored.type, stored.id).limit(_AT_ONCE)).all()
        if not rows:
            return
        yield rows


def _move(session: Session, rows: Sequence[StoredResource], made: MemberMerge) -> int:
    session.add_all([MergedResource(merge_id=made.id, type=row.type, id=row.id) for row in rows])
    _rewrite(session, rows, made.merged_patient_id, made.surviving_patient_id)
    return len(rows)


def _moved_by(session: Session, found: MemberMerge) -> Iterator[list[tuple[str, str]]]:
    last = ("", "")
    kept = MergedResource
    while True:
        beyond = (kept.type > last[0]) | ((kept.type == last[0]) & (kept.id > last[1]))
        wanted = select(kept.type, kept.id).where(kept.merge_id == found.id, beyond)
        rows = [(one[0], one[1]) for one in session.execute(wanted.order_by(kept.type, kept.id).limit(_AT_ONCE))]
        if not rows:
            return
        last = rows[-1]
        yield rows


def _give_back(session: Session, keys: Sequence[tuple[str, str]], found: MemberMerge) -> int:
    """Rewrite those of the resources that stand and are still the survivor's; what is another's by now stays theirs."""
    survivor = chain(session, found)[-1].surviving_patient_id
    standing = writing.find_standing(session, keys)
    count = 0
    for key in keys:
        one = standing.get(key)
        if one is None or one.deleted or one.patient_id != survivor:
            continue
        row = session.get_one(StoredResource, key)
        _rewrite(session, [row], survivor, found.merged_patient_id)
        count += 1
    return count


def _rewrite(session: Session, rows: Sequence[StoredResource], former: str, patient_id: str) -> None:
    batch = [prepare_resource(renamed(_read(session, row), former, patient_id)) for row in rows]
    session.flush()
    # They are written past the ORM, which would hold on to what they were.
    for row in rows:
        session.expunge(row)
    for one in batch:
        # A Provenance by its targets' owner: those move with it.
        one.patient_id = patient_id
    writing.write(session, batch)


def _mark_patient(session: Session, patient_id: str, survivor: str) -> None:
    row = session.get(StoredResource, ("Patient", patient_id))
    if row is not None and not row.deleted:
        marked = prepare_resource(replaced(_read(session, row), survivor))
        session.expunge(row)
        writing.write(session, [marked])


def _restore_patient(session: Session, patient_id: str) -> None:
    row = session.get(StoredResource, ("Patient", patient_id))
    if row is None or row.deleted:
        return
    patient = _read(session, row)
    links = [one for one in patient.pop("link", ()) if one.get("type") != "replaced-by"]
    restored = patient | {"active": True} | ({"link": links} if links else {})
    session.expunge(row)
    writing.write(session, [prepare_resource(restored)])


def _read(session: Session, row: StoredResource) -> dict[str, Any]:
    return parse(bodies_of(session).unpack(session, row.dictionary_id, row.body))


def _record(session: Session, deed: str, merged: Member, survivor: Member, reason: str, moved: Moved) -> None:
    detail = {"resources": moved.resources, "grants": moved.grants, "links": moved.links, "account": moved.account}
    for member in (merged, survivor):
        audit.record(
            session, f"plan:member:{deed}", member_id=member.id, count=moved.resources, detail=detail, reason=reason
        )  # fmt: skip
