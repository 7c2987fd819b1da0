"""Eligibility: whether a member named by number and birth date was covered on a day, from the plan's FHIR Coverage.

Only coverage and the name are shown. A number that does not exist and a birth date that does not fit get one answer
(security.md G); what else the plan knows of the member, death or a wish for confidential communications, is not told.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from consent import policy
from consent.policy import Access
from fhir import store
from fhir.search.query import Search
from fhir.storage.results import Resource
from service import audit
from service.audit import Outcome
from service.plan.logins import lookups
from service.plan.logins.lookups import Reason, ReasonNeeded
from service.plan.members import roster
from service.plan.models import Member, PortalFunction, ProviderStaff
from service.provider.claims import claim_inquiry
from service.settings import Settings

_MOST = 100
_COVERAGE = "Coverage"
_STANDS = frozenset({"active", "cancelled"})
RELATIONSHIPS: Mapping[str, LazyString] = {
    "self": _("Subscriber"),
    "spouse": _("Dependent (spouse)"),
    "child": _("Dependent (child)"),
    "parent": _("Dependent (parent)"),
    "common": _("Dependent (common law spouse)"),
}
"""By subscriber-relationship code."""
DEPENDENT = _("Dependent")


@dataclass(frozen=True, kw_only=True)
class EligibilityAsked:
    """Whose coverage on which day. `last_name` must fit where it is given."""

    member_number: str
    birth_date: date
    service_date: date
    last_name: str = ""
    reason: Reason | None = None


@dataclass(frozen=True)
class CoverageShown:
    """One coverage: the plan's name, its line of business, from when until when (both included; None: open)."""

    plan: str
    line_of_business: str
    since: date | None
    until: date | None
    relationship: LazyString


@dataclass(frozen=True)
class Eligibility:
    """What was found: the member and every coverage that is active on the day; none where nothing is."""

    member: Member
    day: date
    coverages: tuple[CoverageShown, ...]


class NoMatch(Exception):
    """Nobody has that number and birth date; its audit row stands in the transaction."""


class ReachesNobody(Exception):
    """The login has the application but no provider to ask for, or none that lets it look at that day."""


def check(session: Session, staff: ProviderStaff, asked: EligibilityAsked, settings: Settings) -> Eligibility:
    """The member's coverage on the day; raises ReachesNobody, ReasonNeeded, TooManyLookups and NoMatch."""
    own = policy.provider_authority(
        session, staff, PortalFunction.ELIGIBILITY, reason=lookups.ON_FILE, day=asked.service_date
    )
    if not own.groups:
        raise ReachesNobody
    member = _match(session, asked)
    related = claim_inquiry.has_claim(session, own, [member] if member else [])
    if not related and asked.reason is None:
        raise ReasonNeeded
    lookups.take(session, staff, settings)
    reason = str(asked.reason or lookups.ON_FILE)
    if member is None:
        audit.record(
            session, "provider:eligibility:lookup", outcome=Outcome.FAILED, account_id=staff.account_id,
            resource_type=_COVERAGE, count=0, reason=reason, detail=_asked_for(own),
        )  # fmt: skip
        raise NoMatch
    return _read(session, staff, member, asked, reason)


def _match(session: Session, asked: EligibilityAsked) -> Member | None:
    found = roster.find_by_number(session, asked.member_number)
    if found is None or found.birth_date != asked.birth_date:
        return None
    named = not asked.last_name or roster.same_name(found.family_name, asked.last_name)
    return found if named else None


def _read(
    session: Session, staff: ProviderStaff, member: Member, asked: EligibilityAsked, reason: str
) -> Eligibility:  # fmt: skip
    day = asked.service_date
    access = policy.provider_eligibility(session, staff, member, reason=reason, day=day)
    page = store.search(session, access, Search(_COVERAGE, count=_MOST))
    found = tuple(_shown(one, member) for one in map(_parse, page.matches) if _is_active(one, member, day))
    audit.record(
        session, "provider:eligibility:lookup", account_id=staff.account_id, member_id=member.id,
        resource_type=_COVERAGE, count=len(found), reason=reason, detail=_asked_for(access),
    )  # fmt: skip
    return Eligibility(member, day, found)


def _asked_for(access: Access) -> dict[str, Any]:
    """The groups in whose name it was asked: providers see by them what their billing organisations looked up."""
    return {"groups": sorted(group.group_id for group in access.groups)}


def _parse(found: Resource) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(found.body)
    return parsed


def _is_active(coverage: Mapping[str, Any], member: Member, day: date) -> bool:
    since, until = _period(coverage)
    if coverage.get("status") not in _STANDS or (coverage.get("status") == "cancelled" and until is None):
        return False
    if member.deceased_on is not None and day > member.deceased_on:
        return False
    return (since is None or since <= day) and (until is None or day <= until)


def _shown(coverage: Mapping[str, Any], member: Member) -> CoverageShown:
    since, until = _period(coverage)
    kind = coverage.get("type") or {}
    plan = next(_plan_names(coverage), "") or str(kind.get("text", ""))
    line = next((str(coding["display"]) for coding in kind.get("coding", ()) if coding.get("display")), "")
    code = next((str(one.get("code")) for one in (coverage.get("relationship") or {}).get("coding", ())), "")
    if not code and member.subscriber_number == member.member_number:
        code = "self"
    return CoverageShown(
        plan=plan, line_of_business=line or member.line_of_business, since=since, until=until,
        relationship=RELATIONSHIPS.get(code, DEPENDENT),
    )  # fmt: skip


def _plan_names(coverage: Mapping[str, Any]) -> Iterator[str]:
    for one in coverage.get("class") or ():
        codes = {coding.get("code") for coding in (one.get("type") or {}).get("coding", ())}
        if "plan" in codes:
            yield str(one.get("name") or one.get("value") or "")


def _period(coverage: Mapping[str, Any]) -> tuple[date | None, date | None]:
    period = coverage.get("period") or {}
    return _day(period.get("start")), _day(period.get("end"))


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
