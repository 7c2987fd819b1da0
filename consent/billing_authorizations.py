"""The permissions of billing organisations to act for provider groups: given by an answer, limited, ended (PV 6).

They are looked up anew for every request, so that what is limited or ended is gone at the next one (security.md 135).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.orm import Session

from consent import authorization_notices
from consent.billing_models import AuthorizationRequest, AuthorizationSide, BillingAuthorization
from service import audit
from service.accounts.models import Account
from service.clock import now
from service.plan.logins import portal_staff, reach
from service.plan.models import (
    OrganizationKind,
    PortalFunction,
    PortalOrganization,
    ProviderGroup,
    ProviderStaff,
    StaffStatus,
)

_MOST = 2_000
_MOST_LOOKUPS = 20_000


class UnknownAuthorization(Exception):
    """No such permission, or not one this login may see: both look the same."""


class AuthorizationOver(Exception):
    """The permission has ended; nothing about it changes any more."""


class NothingLeft(Exception):
    """No function, more than the provider was asked for, or dates that hold no day: end it instead."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """How often one person of the firm looked something up on one day, in the plan's time zone."""

    day: date
    name: str
    count: int


def standing_of(session: Session, organization_id: str, function: PortalFunction) -> list[BillingAuthorization]:
    """The permissions of a billing organisation that stand now and cover `function`.

    A group with whom the plan does business no longer drops out by itself (security.md 135).
    """
    standing = (BillingAuthorization.organization_id == organization_id, BillingAuthorization.ended_at.is_(None))
    found = session.scalars(select(BillingAuthorization).where(*standing).limit(_MOST))
    today = now().date()
    return [one for one in found if function.value in one.functions and one.group.in_business(today)]


def give(
    session: Session,
    request: AuthorizationRequest,
    functions: Collection[PortalFunction],
    *,
    covers_from: date | None,
    covers_until: date | None,
) -> BillingAuthorization:
    """The permission that follows from a yes; an older one of the same two ends, the newer answer stands."""
    for older in _standing_for(session, request):
        _end(session, older, AuthorizationSide.NEWER_ANSWER, None, "")
    made = BillingAuthorization(
        request_id=request.id, organization=request.organization, group=request.group, version=1, given_at=now(),
        functions=_values(functions), covers_from=covers_from, covers_until=covers_until,
    )  # fmt: skip
    session.add(made)
    session.flush()
    _record(session, made, "give", None, after=_terms(made))
    return made


def limit(
    session: Session,
    authorization: BillingAuthorization,
    functions: Collection[PortalFunction],
    *,
    covers_from: date | None,
    covers_until: date | None,
    by_account_id: str,
) -> None:
    """Set anew, within what was asked for, what the firm may see. Raises AuthorizationOver and NothingLeft."""
    _lock(session, authorization)
    if authorization.ended_at is not None:
        raise AuthorizationOver
    asked = session.get_one(AuthorizationRequest, authorization.request_id).functions
    if not functions or not set(_values(functions)) <= set(asked):
        raise NothingLeft
    if covers_from and covers_until and covers_until < covers_from:
        raise NothingLeft
    before = _terms(authorization)
    authorization.functions = _values(functions)
    authorization.covers_from, authorization.covers_until = covers_from, covers_until
    authorization.version += 1
    session.flush()
    _record(session, authorization, "limit", by_account_id, before=before, after=_terms(authorization))


def end(
    session: Session,
    authorization: BillingAuthorization,
    side: AuthorizationSide,
    *,
    by_account_id: str,
    reason: str = "",
) -> None:
    """End the permission, by whichever side. Raises AuthorizationOver."""
    _lock(session, authorization)
    if authorization.ended_at is not None:
        raise AuthorizationOver
    _end(session, authorization, side, by_account_id, reason)
    authorization_notices.tell_of_end(session, authorization)


def get(session: Session, authorization_id: str) -> BillingAuthorization:
    """Any permission, for plan staff; raises UnknownAuthorization."""
    found = session.get(BillingAuthorization, authorization_id)
    if found is None:
        raise UnknownAuthorization
    return found


def get_for_firm(session: Session, staff: ProviderStaff, authorization_id: str) -> BillingAuthorization:
    """A permission of the login's own firm; raises UnknownAuthorization."""
    found = get(session, authorization_id)
    if staff.status is not StaffStatus.ACTIVE or found.organization_id != staff.organization_id:
        raise UnknownAuthorization
    return found


def for_provider(session: Session, staff: ProviderStaff) -> list[BillingAuthorization]:
    """Whom the providers that this login answers for let in, now or before, the newest first."""
    groups = _groups_of(session, staff)
    statement = (
        select(BillingAuthorization)
        .where(BillingAuthorization.group_id.in_(groups))
        .order_by(BillingAuthorization.given_at.desc(), BillingAuthorization.id)
        .limit(_MOST)
    )
    return list(session.scalars(statement))


def get_for_provider(session: Session, staff: ProviderStaff, authorization_id: str) -> BillingAuthorization:
    """A permission that a provider of this login gave; raises UnknownAuthorization."""
    found = get(session, authorization_id)
    if found.group_id not in _groups_of(session, staff):
        raise UnknownAuthorization
    return found


def search(session: Session, words: str, *, limit: int = 50) -> list[BillingAuthorization]:
    """Standing permissions whose firm or group has this in its name, or this Tax ID or group number; for staff."""
    pattern = f"%{words.strip().lower().replace('%', '').replace('_', '')}%"
    digits = "".join(letter for letter in words if letter.isdigit())
    statement = (
        select(BillingAuthorization)
        .join(PortalOrganization, PortalOrganization.id == BillingAuthorization.organization_id)
        .join(ProviderGroup, ProviderGroup.id == BillingAuthorization.group_id)
        .where(
            BillingAuthorization.ended_at.is_(None),
            or_(
                func.lower(PortalOrganization.name).like(pattern), func.lower(ProviderGroup.legal_name).like(pattern),
                func.lower(ProviderGroup.dba_name).like(pattern), func.lower(ProviderGroup.number) == words.lower(),
                PortalOrganization.tax_id == digits,
            ),
        )
        .order_by(PortalOrganization.name, ProviderGroup.legal_name)
        .limit(limit)
    )  # fmt: skip
    return list(session.scalars(statement))


def lookups(session: Session, authorization: BillingAuthorization, zone: ZoneInfo) -> list[Lookups]:
    """What the firm's people looked up of the group since it was let in: how often, by day and person.

    Counts the disclosures of the audit stream by the firm's logins whose detail names the group; grants of apps are no
    business of firms, which the index leaves out.
    """
    event = audit.AuditEvent
    people = (
        select(ProviderStaff.account_id)
        .where(ProviderStaff.organization_id == authorization.organization_id)
        .limit(_MOST)
    )
    statement = (
        select(event.at, Account.given_name, Account.family_name)
        .join(Account, Account.id == event.account_id)
        .where(
            event.account_id.in_(people), event.grant_id.is_(None), event.at >= authorization.given_at,
            event.outcome == audit.Outcome.SUCCESS, event.tag.not_like("consent:%"),
            cast(event.detail, String).contains(authorization.group_id),
        )
        .order_by(event.at.desc())
        .limit(_MOST_LOOKUPS)
    )  # fmt: skip
    if authorization.ended_at is not None:
        statement = statement.where(event.at <= authorization.ended_at)
    counted: dict[tuple[date, str], int] = {}
    for at, given, family in session.execute(statement):
        key = at.astimezone(zone).date(), f"{given} {family}"
        counted[key] = counted.get(key, 0) + 1
    return [Lookups(day, name, count) for (day, name), count in counted.items()]


def _standing_for(session: Session, request: AuthorizationRequest) -> list[BillingAuthorization]:
    statement = (
        select(BillingAuthorization)
        .where(
            BillingAuthorization.organization_id == request.organization_id,
            BillingAuthorization.group_id == request.group_id,
            BillingAuthorization.ended_at.is_(None),
        )
        .with_for_update(of=BillingAuthorization)
    )
    return list(session.scalars(statement))


def _groups_of(session: Session, staff: ProviderStaff) -> set[str]:
    """The groups a provider's login answers for: its own, and for a delegate those of every co-worker too."""
    if staff.organization.kind is not OrganizationKind.PROVIDER or staff.status is not StaffStatus.ACTIVE:
        return set()
    logins = portal_staff.active_of(session, staff.organization_id) if staff.is_delegate else [staff]
    return {group.id for login in logins for group in reach.groups_of_entries(session, login.id)}


def _lock(session: Session, authorization: BillingAuthorization) -> None:
    session.refresh(authorization, with_for_update={"of": BillingAuthorization})


def _end(
    session: Session,
    authorization: BillingAuthorization,
    side: AuthorizationSide,
    by_account_id: str | None,
    reason: str,
) -> None:
    authorization.ended_at = now()
    authorization.ended_side = side
    authorization.ended_by_account_id = by_account_id
    authorization.ended_reason = reason
    authorization.version += 1
    session.flush()
    _record(session, authorization, "end", by_account_id, side=side.value)


def _values(functions: Collection[PortalFunction]) -> list[str]:
    return [function.value for function in PortalFunction if function in functions]


def _terms(authorization: BillingAuthorization) -> dict[str, object]:
    days = (authorization.covers_from, authorization.covers_until)
    return {"functions": authorization.functions, "days": [day.isoformat() if day else None for day in days]}


def _record(
    session: Session, authorization: BillingAuthorization, action: str, account_id: str | None, **detail: object
) -> None:
    audit.record(
        session, f"consent:billing_authorization:{action}", account_id=account_id,
        detail={
            "authorization": authorization.id, "organization": authorization.organization_id,
            "group": authorization.group_id, **detail,
        },
    )  # fmt: skip
