"""Claims Inquiry: the claims a login's providers billed, found under its Access, each answer with its audit row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import policy
from consent.policy import Access
from fhir import store
from fhir.answers import paging
from fhir.outcomes import BadRequest, Gone, NotFound, PageExpired
from fhir.search import conditions, parameters
from fhir.search.conditions import Condition, Term, Test
from fhir.search.declared import Column
from fhir.search.query import Search
from fhir.storage.results import Cursor
from service import audit
from service.audit import Outcome
from service.db import digest
from service.plan.claims import claim_view
from service.plan.claims.claim_view import Claim
from service.plan.logins import lookups
from service.plan.logins.lookups import Reason, ReasonNeeded
from service.plan.members import roster
from service.plan.models import Member, PortalFunction, ProviderGroup, ProviderStaff
from service.provider.claims import claim_words
from service.provider.claims.claim_words import ClaimState
from service.settings import Settings

PAGE = 20
_LOOKED_THROUGH, _MOST_LOOKS = 20, 25
"""Claims read at a time, and how often, where only those of one state are shown."""
_WITHDRAWN = ("cancelled", "entered-in-error")
_CLAIM = "ExplanationOfBenefit"
_OWN = "payment: claims of their own"
"""The reason for looking at claims one billed (45 CFR 164.506(c)(3))."""
_NOBODY = "~"
"""Not a legal FHIR id: whoever is not found is looked for all the same, so that both cost alike (security.md N)."""


@dataclass(frozen=True, kw_only=True)
class ClaimsAsked:
    """What somebody looks for. A member is named by number, or by last name and birth date; `after` starts a page."""

    claim_number: str = ""
    member_number: str = ""
    last_name: str = ""
    birth_date: date | None = None
    served_from: date | None = None
    served_to: date | None = None
    status: ClaimState | None = None
    reason: Reason | None = None
    after: str = ""

    @property
    def names_member(self) -> bool:
        """Whether it is a look-up of a member."""
        return bool(self.member_number or self.last_name)

    @property
    def given(self) -> tuple[str, ...]:
        """The names of what was given, for the audit row; the values are health data and stay out."""
        names = ("claim_number", "member_number", "last_name", "birth_date", "served_from", "served_to", "status")
        return tuple(name for name in names if getattr(self, name))


@dataclass(frozen=True)
class ShownClaim:
    """A claim with the member and the provider it is about, where the plan's records know them."""

    claim: Claim
    member: Member | None
    group: ProviderGroup | None


@dataclass(frozen=True)
class ClaimsPage:
    """One page of claims, the newest services first. `following` starts the next one; empty on the last."""

    claims: tuple[ShownClaim, ...]
    following: str = ""


class NoSuchClaim(Exception):
    """No such claim, or not one of theirs: nobody can tell which."""


def find(session: Session, staff: ProviderStaff, asked: ClaimsAsked, settings: Settings) -> ClaimsPage:
    """The claims that match; raises ReasonNeeded and TooManyLookups for a look-up of a member."""
    access = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason=_OWN)
    seal = settings.secret_key
    start = _start(access, asked, seal)
    members = _members(session, asked) if asked.names_member else []
    reason = _reason(session, access, asked, members) if asked.names_member else _OWN
    if asked.names_member and start is None:
        lookups.take(session, staff, settings)
    claims, after = _matching(session, access, asked, _search(asked, members), start)
    shown = _shown(session, claims)
    _record(session, access, asked, shown, members, reason)
    return ClaimsPage(shown, paging.seal(seal, access, _CLAIM, _bound(asked), after) if after else "")


def get(session: Session, staff: ProviderStaff, claim_id: str) -> ShownClaim:
    """One claim; raises NoSuchClaim, with an audit row of the refusal in the transaction."""
    access = policy.provider_authority(session, staff, PortalFunction.CLAIMS, reason=_OWN)
    try:
        found = store.read(session, access, _CLAIM, claim_id)
    except (NotFound, Gone):
        audit.record(
            session, "provider:claim:read", outcome=Outcome.REFUSED, account_id=staff.account_id,
            detail={"asked_for": claim_id[:64]},
        )  # fmt: skip
        raise NoSuchClaim from None
    (shown,) = _shown(session, [claim_view.read(found.body)])
    audit.record(
        session, "provider:claim:read", account_id=staff.account_id, resource_type=_CLAIM, count=1,
        member_id=shown.member.id if shown.member else None, detail={"claims": [claim_id], "groups": _groups([shown])},
        reason=_OWN,
    )  # fmt: skip
    return shown


def has_claim(session: Session, access: Access, members: Iterable[Member]) -> bool:
    """Whether a claim that the access reaches joins its providers and any of the members."""
    asked = Search(_CLAIM, conditions=(_of_members(members),), count=1)
    return bool(store.search(session, access, asked).matches)


def _matching(
    session: Session, access: Access, asked: ClaimsAsked, search: Search, start: Cursor | None
) -> tuple[list[Claim], Cursor | None]:
    """The claims of one page, and where the next one starts. With few that match, a page may be short or empty."""
    found: list[Claim] = []
    for _ in range(_MOST_LOOKS):
        page = store.search(session, access, search, start)
        read = (claim_view.read(one.body, in_full=False) for one in page.matches)
        found += [claim for claim in read if asked.status in {None, claim_words.state(claim)}]
        start = page.following
        if start is None or asked.status is None or len(found) >= PAGE:
            break
    return found, start


def _reason(session: Session, access: Access, asked: ClaimsAsked, members: list[Member]) -> str:
    related = has_claim(session, access, members)
    if not related and asked.reason is None:
        raise ReasonNeeded
    return str(asked.reason or lookups.ON_FILE)


def _members(session: Session, asked: ClaimsAsked) -> list[Member]:
    if asked.member_number:
        found = roster.find_by_number(session, asked.member_number)
        return [found] if found is not None and _fits(found, asked) else []
    assert asked.birth_date is not None, "a name is looked for with a birth date"
    return roster.find_by_name(session, asked.last_name, asked.birth_date)


def _fits(member: Member, asked: ClaimsAsked) -> bool:
    named = not asked.last_name or roster.same_name(member.family_name, asked.last_name)
    return named and asked.birth_date in {None, member.birth_date}


def _search(asked: ClaimsAsked, members: Iterable[Member]) -> Search:
    found = [Condition(Column.CODE, (Term(Test.EQUALS, "claim"),))]
    if asked.claim_number:
        spellings = dict.fromkeys((asked.claim_number, asked.claim_number.upper()))
        found.append(Condition(Column.CLAIM_NUMBER, tuple(Term(Test.EQUALS, one) for one in spellings)))
    if asked.names_member:
        found.append(_of_members(members))
    if asked.status:
        withdrawn = Condition(Column.STATUS, tuple(Term(Test.EQUALS, one) for one in _WITHDRAWN))
        found.append(replace(withdrawn, negated=asked.status is not ClaimState.WITHDRAWN))
    found += [_served(f"ge{asked.served_from}")] if asked.served_from else []
    found += [_served(f"le{asked.served_to}")] if asked.served_to else []
    # What was paid is in the claim and in no column: to find it, more claims are read at a time.
    return Search(_CLAIM, conditions=tuple(found), count=_LOOKED_THROUGH if asked.status else PAGE)


def _of_members(members: Iterable[Member]) -> Condition:
    ids = [member.patient_id for member in members] or [_NOBODY]
    return Condition(Column.PATIENT, tuple(Term(Test.EQUALS, one) for one in ids))


def _served(value: str) -> Condition:
    parameter = parameters.find(_CLAIM, "service-date")
    assert parameter is not None
    return conditions.condition(parameter, "", value, base="")


def _shown(session: Session, claims: list[Claim]) -> tuple[ShownClaim, ...]:
    members = _by_patient(session, {claim.patient_id for claim in claims})
    groups = _by_organization(session, {claim.organization_id for claim in claims})
    return tuple(
        ShownClaim(claim, members.get(claim.patient_id), groups.get(claim.organization_id)) for claim in claims
    )


def _by_patient(session: Session, patients: set[str]) -> Mapping[str, Member]:
    found = session.scalars(select(Member).where(Member.patient_id.in_(patients)).limit(len(patients)))
    return {member.patient_id: member for member in found}


def _by_organization(session: Session, organizations: set[str]) -> Mapping[str, ProviderGroup]:
    found = session.scalars(
        select(ProviderGroup).where(ProviderGroup.organization_id.in_(organizations)).limit(len(organizations))
    )
    return {group.organization_id: group for group in found if group.organization_id}


def _record(
    session: Session, access: Access, asked: ClaimsAsked, shown: tuple[ShownClaim, ...], members: list[Member],
    reason: str,
) -> None:  # fmt: skip
    detail = {
        "parameters": list(asked.given), "claims": [one.claim.id for one in shown], "groups": _groups(shown),
    }  # fmt: skip
    audit.record(
        session, "provider:member:lookup" if asked.names_member else "provider:claim:search",
        account_id=access.account_id, member_id=members[0].id if len(members) == 1 else None, resource_type=_CLAIM,
        count=len(shown), detail=detail, reason=reason,
    )  # fmt: skip


def _groups(shown: Iterable[ShownClaim]) -> list[str]:
    """The groups whose claims were told of: providers see by them what their billing organisations looked up."""
    return sorted({one.group.id for one in shown if one.group is not None})


def _start(access: Access, asked: ClaimsAsked, seal: bytes) -> Cursor | None:
    """Where the page starts; a link that is old, bent or of another search starts at the first page."""
    if not asked.after:
        return None
    try:
        link = paging.unseal(seal, access, _CLAIM, asked.after)
    except (BadRequest, NotFound, PageExpired):
        return None
    return link.start if link.given == tuple(_bound(asked)) else None


def _bound(asked: ClaimsAsked) -> list[tuple[str, str]]:
    # A page link is good for its own search only: it is what lets later pages pass without being counted again.
    return [("search", digest(repr(replace(asked, after="", reason=None))))]
