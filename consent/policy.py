"""The one gate: what this request may see or do. Only this module makes an Access."""

from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import lru_cache

from sqlalchemy.orm import Session

from consent import billing_authorizations
from consent.data_types import EVERY_TYPE
from consent.models import LinkScope, SensitiveClass
from consent.representatives import MemberChoice
from consent.scopes import BY_NAME, READ_LETTERS, REMEMBERED, ScopeSet, parse
from service.accounts.models import Account
from service.clock import now
from service.plan.logins import reach
from service.plan.logins.reach import GroupReach
from service.plan.models import (
    Member,
    OrganizationKind,
    PlanStaff,
    PortalFunction,
    ProviderStaff,
    StaffRole,
    SupportLook,
)
from service.plan.staff import plan_staff

CLAIMS_TYPES = frozenset({
    "Patient", "RelatedPerson", "Coverage", "ExplanationOfBenefit", "Organization", "Practitioner", "PractitionerRole",
    "Location",
})  # fmt: skip
"""What a representative for claims only may reach: claims, and the people and places they name."""
UNCLASSIFIED = "restricted"
"""The label of what could not be classified: kept from third parties, shown to the member."""
DIRECTORY_TYPES = (
    "Endpoint", "HealthcareService", "InsurancePlan", "Location", "Organization", "OrganizationAffiliation",
    "Practitioner", "PractitionerRole",
)  # fmt: skip
"""What the public provider directory may show (Da Vinci PDex Plan-Net); each is about no member."""
EVERY_LABEL = frozenset({*(label.value for label in SensitiveClass), UNCLASSIFIED})
PROVIDER_CLIENT_FUNCTIONS = {
    "ExplanationOfBenefit": PortalFunction.CLAIMS,
    "PaymentReconciliation": PortalFunction.REMITTANCES,
}
"""What a provider's backend client may reach, and the application that its organization's logins need for it."""
SYSTEM_TYPES = EVERY_TYPE | {"Group", "PaymentReconciliation"}
"""What a program without a person may name in a scope: what people may, and what stands in nobody's record."""
_EVERYTHING = parse("patient/*.rs")
_PLAN = parse("system/*.cruds")
_PROVIDER = parse("user/ExplanationOfBenefit.rs")
_COVERAGE = parse("user/Coverage.rs")
_SUPPORT = parse("user/*.s")
_MADE_HERE = object()


class AccessBasis(StrEnum):
    """Why this request may see anything at all."""

    GRANT = "grant"
    OWN_RECORD = "own_record"
    PROVIDER_AUTHORITY = "provider_authority"
    PLAN_SYSTEM = "plan_system"
    PLAN_CLIENT = "plan_client"
    STAFF_SUPPORT = "staff_support"
    DIRECTORY = "directory"
    CONSENT_PREVIEW = "consent_preview"


class AccessForged(TypeError):
    """Somebody but this module tried to make an Access."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one request may see: for whom, on which basis, which types and letters, without which labels.

    `patient_ids` are FHIR ids of the members it reaches; None reaches all of them, and is for plan systems and for
    backend clients of the plan. On the
    basis of provider authority claims are reached by `groups` alone, and `patient_ids` name whose coverage is reached.
    `patient_id` is the one in context, where there is one.
    """

    basis: AccessBasis
    scopes: ScopeSet
    patient_ids: frozenset[str] | None
    patient_id: str | None = None
    groups: tuple[GroupReach, ...] = ()
    excluded_labels: frozenset[str] = EVERY_LABEL
    account_id: str | None = None
    member_id: str | None = None
    link_id: str | None = None
    related_person_id: str | None = None
    person_id: str | None = None
    client_id: str | None = None
    grant_id: str | None = None
    reason: str | None = None
    made_by: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.made_by is not _MADE_HERE:
            raise AccessForged("an Access is made by consent.policy only")

    def permits(self, resource_type: str, letter: str) -> bool:
        """Whether the interaction (r read, s search, c u d) on the type is allowed at all."""
        return self.scopes.permits(resource_type, letter)


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """What a token's look-up found of its grant; every text comes from its row as it is now."""

    grant_id: str
    account_id: str
    client_id: str
    member_id: str
    patient_id: str
    token_scopes: str
    grant_scopes: str
    client_scopes: str
    sensitive_classes: frozenset[str]
    link_id: str | None = None
    link_scope: str | None = None
    related_person_id: str | None = None
    person_id: str | None = None


@lru_cache(maxsize=4096)
def access_for_grant(facts: GrantFacts) -> Access:
    """The Access of an app under a live grant; whether the grant is live was compared by the token's look-up.

    Follows from the facts alone, which are read anew for every request, and so need not be worked out anew.
    """
    link_scope = LinkScope(facts.link_scope) if facts.link_scope else None
    return Access(
        basis=AccessBasis.GRANT,
        scopes=effective_scopes(facts.token_scopes, facts.grant_scopes, facts.client_scopes, link_scope),
        patient_ids=frozenset({facts.patient_id}),
        patient_id=facts.patient_id,
        excluded_labels=excluded_labels(facts.sensitive_classes, link_scope),
        account_id=facts.account_id,
        member_id=facts.member_id,
        link_id=facts.link_id,
        related_person_id=facts.related_person_id,
        person_id=facts.person_id,
        client_id=facts.client_id,
        grant_id=facts.grant_id,
        made_by=_MADE_HERE,
    )


@dataclass(frozen=True, slots=True)
class BackendFacts:
    """What a backend client's token says, and its client now; `organization_id` where it is a provider's."""

    client_id: str
    token_scopes: str
    client_scopes: str
    organization_id: str | None


def access_for_backend(session: Session, facts: BackendFacts) -> Access:
    """The Access of a program without a person, by whose program it is (decision 44).

    The plan's own reaches every member, as the plan does, and writes at the plan's base what its scopes allow
    (decision 64). A provider's reaches the claims and payments of the groups
    that its organization's own logins reach at this moment, by provider authority as they do, and nothing else.
    """
    scopes = backend_scopes(facts.token_scopes, facts.client_scopes, facts.organization_id)
    provider = facts.organization_id is not None
    return Access(
        basis=AccessBasis.PROVIDER_AUTHORITY if provider else AccessBasis.PLAN_CLIENT,
        scopes=scopes,
        patient_ids=None,
        groups=_reach_of_organization(session, facts.organization_id, scopes) if facts.organization_id else (),
        excluded_labels=frozenset(),
        client_id=facts.client_id,
        reason="payment" if provider else "health care operations",
        made_by=_MADE_HERE,
    )


def backend_scopes(asked: str, allowed: str, organization_id: str | None) -> ScopeSet:
    """Asked ∧ allowed for the client ∧ what a provider may reach at all, which is reading: system/ scopes only."""
    met = parse(asked).meet(parse(allowed)).limited_to_contexts({"system"})
    met = met.without(*met.words).without_types(BY_NAME).limited_to_types(SYSTEM_TYPES, SYSTEM_TYPES)
    if organization_id is None:
        return met
    readable = met.limited_to_letters(READ_LETTERS)
    return readable.limited_to_types(PROVIDER_CLIENT_FUNCTIONS, {*PROVIDER_CLIENT_FUNCTIONS, "*"})


def _reach_of_organization(session: Session, organization_id: str, scopes: ScopeSet) -> tuple[GroupReach, ...]:
    # A login counts that has every application the token speaks of: the client is given what a person there has.
    needed = [PROVIDER_CLIENT_FUNCTIONS[kind] for kind in scopes.types]
    found = reach.groups_of_organization(session, organization_id, needed) if needed else []
    return tuple(GroupReach(group.id, group.organization_id) for group in found)


def own_record(account: Account, choice: MemberChoice) -> Access:
    """The Access of a person who looks at the record they chose: their own, or one they represent."""
    link = choice.link
    scope = link.scope_now if link else None
    return Access(
        basis=AccessBasis.OWN_RECORD,
        scopes=_limit(_EVERYTHING, scope),
        patient_ids=frozenset({choice.member.patient_id}),
        patient_id=choice.member.patient_id,
        excluded_labels=EVERY_LABEL if scope and not scope.sensitive else frozenset(),
        account_id=account.id,
        member_id=choice.member.id,
        link_id=link.id if link else None,
        related_person_id=link.related_person_id if link else None,
        person_id=link.representative.person_id if link else None,
        made_by=_MADE_HERE,
    )


def for_attribution(access: Access) -> Access:
    """The Access of a plan's program to what goes on to providers: without the sensitive labels, ticked by nobody."""
    return replace(access, excluded_labels=EVERY_LABEL, reason="provider access")


def directory() -> Access:
    """The Access of anybody at all to the plan's provider directory: people and places of care, nobody's record."""
    return _DIRECTORY


def consent_preview(
    account: Account, choice: MemberChoice, scopes: ScopeSet, *, client_id: str, sensitive: frozenset[str] = frozenset()
) -> Access:  # fmt: skip
    """The Access to count what an app would see by a yes to `scopes`, which `effective_scopes` has cut.

    Never wider than the grant would be: what is not ticked beforehand, as very personal topics are not, is not counted.
    """
    link = choice.link
    return Access(
        basis=AccessBasis.CONSENT_PREVIEW,
        scopes=_limit(scopes.limited_to_letters(READ_LETTERS), link.scope_now if link else None),
        patient_ids=frozenset({choice.member.patient_id}),
        patient_id=choice.member.patient_id,
        excluded_labels=excluded_labels(sensitive, link.scope_now if link else None),
        account_id=account.id,
        member_id=choice.member.id,
        link_id=link.id if link else None,
        client_id=client_id,
        made_by=_MADE_HERE,
    )


def plan_system(reason: str) -> Access:
    """The Access of the plan's own loading and reporting; `reason` goes into the audit row."""
    return Access(
        basis=AccessBasis.PLAN_SYSTEM,
        scopes=_PLAN,
        patient_ids=None,
        excluded_labels=frozenset(),
        reason=reason,
        made_by=_MADE_HERE,
    )


def provider_authority(
    session: Session, staff: ProviderStaff, function: PortalFunction, *, reason: str, day: date | None = None
) -> Access:
    """The Access of a login of the provider portal to one application; it reaches nothing without that function.

    Its groups are those of the login's own entries and, for a billing organisation, those whose contacts said yes:
    looked up anew for each request, so that what ends is gone at the next one (security.md 134, 135). With a `day`
    only those that are reached for that day.
    """
    return Access(
        basis=AccessBasis.PROVIDER_AUTHORITY,
        scopes=_PROVIDER,
        patient_ids=None,
        groups=_reach(session, staff, function, day),
        excluded_labels=frozenset(),
        account_id=staff.account_id,
        reason=reason,
        made_by=_MADE_HERE,
    )


def provider_eligibility(
    session: Session, staff: ProviderStaff, member: Member, *, reason: str, day: date
) -> Access:  # fmt: skip
    """The Access of a login of the provider portal to the coverage of one member, and to nothing else of theirs.

    Whoever has the application asks for any member they can name (45 CFR 162.1202), so the reason is asked for and
    kept. A login that reaches no provider for the day of service reaches no member.
    """
    groups = _reach(session, staff, PortalFunction.ELIGIBILITY, day)
    return Access(
        basis=AccessBasis.PROVIDER_AUTHORITY,
        scopes=_COVERAGE,
        patient_ids=frozenset({member.patient_id}) if groups else frozenset(),
        groups=groups,
        excluded_labels=frozenset(),
        account_id=staff.account_id,
        member_id=member.id,
        reason=reason,
        made_by=_MADE_HERE,
    )


def staff_support(look: SupportLook, staff: PlanStaff) -> Access:
    """The Access of member services to one member while their look lasts: to count, without the sensitive labels.

    It reaches nobody once the look is over, for anybody but who began it, and without the role.
    """
    is_theirs = look.account_id == staff.account_id and StaffRole.MEMBER_SERVICES in plan_staff.roles_of(staff)
    return Access(
        basis=AccessBasis.STAFF_SUPPORT,
        scopes=_SUPPORT,
        patient_ids=frozenset({look.member.patient_id}) if is_theirs and look.is_open(now()) else frozenset(),
        account_id=staff.account_id,
        member_id=look.member_id,
        reason=look.reason_in_full,
        made_by=_MADE_HERE,
    )


_DIRECTORY = Access(
    basis=AccessBasis.DIRECTORY,
    scopes=parse(" ".join(f"system/{name}.rs" for name in DIRECTORY_TYPES)),
    patient_ids=frozenset(),
    made_by=_MADE_HERE,
)


def _reach(
    session: Session, staff: ProviderStaff, function: PortalFunction, day: date | None
) -> tuple[GroupReach, ...]:  # fmt: skip
    if not staff.may(function):
        return ()
    found = _every_group(session, staff, function)
    return found if day is None else tuple(one for one in found if one.holds_on(day))


def _every_group(session: Session, staff: ProviderStaff, function: PortalFunction) -> tuple[GroupReach, ...]:
    if staff.organization.kind is OrganizationKind.PROVIDER:
        own = reach.groups_of_entries(session, staff.id)
        return tuple(GroupReach(group.id, group.organization_id) for group in own)
    return tuple(
        GroupReach(one.group_id, one.group.organization_id, one.covers_from, one.covers_until)
        for one in billing_authorizations.standing_of(session, staff.organization_id, function)
    )


def effective_scopes(asked: str, ticked: str, allowed_for_app: str, link_scope: LinkScope | None) -> ScopeSet:
    """Asked ∧ ticked ∧ allowed for the app ∧ right of the representative ∧ plan policy (product.md CS 5).

    The member API is read-only, so plan policy cuts every scope to reading and searching; `system/` scopes never
    come from a person. The same result is shown, returned as `scope` and enforced.
    """
    # What strangers ask at length is worked out and not remembered.
    made = _effective_scopes if len(asked) + len(ticked) <= 2 * REMEMBERED else _effective_scopes.__wrapped__
    return made(asked, ticked, allowed_for_app, link_scope)


@lru_cache(maxsize=4096)
def _effective_scopes(asked: str, ticked: str, allowed_for_app: str, link_scope: LinkScope | None) -> ScopeSet:
    both = parse(asked) if asked == ticked else parse(asked).meet(parse(ticked))
    met = both.meet(parse(allowed_for_app))
    # A type that is none of ours, or ours in other letters, is an unknown scope: nobody is asked about it.
    of_people = met.limited_to_contexts({"patient", "user"}).limited_to_types(EVERY_TYPE, EVERY_TYPE)
    return _limit(of_people.limited_to_letters(READ_LETTERS), link_scope)


def excluded_labels(sensitive_classes: frozenset[str], link_scope: LinkScope | None) -> frozenset[str]:
    """The labels an app does not get to see: all but the classes that were ticked."""
    if link_scope is not None and not link_scope.sensitive:
        return EVERY_LABEL
    return EVERY_LABEL - sensitive_classes


def _limit(scopes: ScopeSet, link_scope: LinkScope | None) -> ScopeSet:
    if link_scope is None:
        return scopes
    # What the member told the plan, and whom else they let in, is for the member alone.
    scopes = scopes.without_types(BY_NAME)
    if not link_scope.claims_only:
        return scopes
    return scopes.limited_to_types(CLAIMS_TYPES, CLAIMS_TYPES | {"*"})
