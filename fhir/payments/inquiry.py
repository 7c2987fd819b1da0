"""PaymentReconciliation for a provider's own software: the payments of the groups that its backend client reaches.

They are rows of ours and no stored resources, so they are found by a search of their own and rendered on reading. They
are for providers alone: a member's app and the plan's own programs have no business with what an office was paid.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from consent.policy import Access, AccessBasis
from fhir.outcomes import BadValue, Forbidden, NotFound, NotSupported
from fhir.payments.payment_reconciliation import payment_reconciliation
from fhir.search.dates import YEAR_10000, BadDate, Prefix, Span, prefixed
from fhir.search.query import TRANSPORT, Search, shown
from fhir.storage.granting import needed
from fhir.storage.results import Cursor, Page, Resource
from oauth.tokens.token_problems import InsufficientScope
from service.db import from_microseconds, microseconds
from service.plan.models import RemittanceClaim
from service.plan.providers.numbers import UnusablePaymentNumber, payment_keys
from service.plan.remittances import remittance_search
from service.plan.remittances.remittance_search import Found, UnknownRemittance, Wanted

TYPE = "PaymentReconciliation"
MOST = 20
"""Payments of one page: each comes with all of its claims."""
_MOST_CLAIMS = 5_000
"""Of one page together; a single payment is told whole, however many it has."""
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class ForProvidersOnly(Forbidden):
    """The token is not that of a provider's backend client."""

    sentence = "Payments are told to the backend client of the provider who was paid."


@dataclass(frozen=True, slots=True)
class Told:
    """What is about to be sent, and what the audit row says of it besides."""

    page: Page
    detail: Mapping[str, Any]


def parse(given: Sequence[tuple[str, str]], *, strict: bool) -> tuple[Search, Wanted]:
    """What `given` (names and values in order) asks for; raises BadValue and NotSupported."""
    count, wanted = MOST, Wanted()
    used: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, value in given:
        if value == "" or name in TRANSPORT:
            continue
        if name == "_count":
            count = _count(value)
        elif name in _PARAMETERS:
            wanted = _PARAMETERS[name](wanted, value)
        elif strict or name.partition(":")[0] in _PARAMETERS:
            raise NotSupported(f"The parameter {shown(name)} is not supported.", expression=shown(name))
        else:
            ignored.append(shown(name))
            continue
        # What was asked above the most is not what was done.
        used.append((name, str(count) if name == "_count" else value))
    return Search(TYPE, count=count, used=tuple(used), ignored=tuple(ignored)), wanted


def search(session: Session, access: Access, count: int, wanted: Wanted, start: Cursor | None) -> Told:
    """One page of payments, the latest first; raises ForProvidersOnly and InsufficientScope."""
    _require(access, "s")
    after = f"{start.place}.{start.id}" if start else None
    results = remittance_search.search(session, access.groups, wanted, after=after, limit=count)
    kept = _within_bounds(results.found)
    last = kept[-1].remittance if kept and (results.after or len(kept) < len(results.found)) else None
    return _tell(session, kept, Cursor(last.paid_on.isoformat(), last.id) if last else None)


def read(session: Session, access: Access, resource_id: str) -> Told:
    """One payment; raises NotFound, ForProvidersOnly and InsufficientScope."""
    _require(access, "r")
    try:
        found = remittance_search.detail(session, access.groups, resource_id, limit=0)
    except UnknownRemittance:
        raise NotFound from None
    return _tell(session, [Found(found.remittance, found.group, found.totals.claims)], None)


def _require(access: Access, letter: str) -> None:
    if not access.permits(TYPE, letter):
        raise InsufficientScope(needed(access, TYPE, letter))
    if access.basis is not AccessBasis.PROVIDER_AUTHORITY:
        raise ForProvidersOnly


def _within_bounds(found: Sequence[Found]) -> Sequence[Found]:
    claims = 0
    for number, one in enumerate(found):
        claims += one.claims
        if number and claims > _MOST_CLAIMS:
            return found[:number]
    return found


def _tell(session: Session, found: Sequence[Found], following: Cursor | None) -> Told:
    claims = remittance_search.claims_of(session, [one.remittance.id for one in found])
    matches = tuple(_resource(one, claims[one.remittance.id]) for one in found)
    members = {claim.member_number for every in claims.values() for claim in every}
    detail = {"groups": sorted({one.group.id for one in found}), "members": len(members - {""})}
    return Told(Page(matches, following=following), detail)


def _resource(one: Found, claims: Sequence[RemittanceClaim]) -> Resource:
    body = payment_reconciliation(one.remittance, one.group, claims)
    return Resource(TYPE, one.remittance.id, 1, microseconds(one.remittance.loaded_at), body)


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value[:12]) < 1:
        raise BadValue("_count must be a whole number from 1.", expression="_count")
    return min(int(value[:12]), MOST)


def _by_id(wanted: Wanted, value: str) -> Wanted:
    asked = frozenset(one for one in value.split(",") if one)
    return replace(wanted, ids=asked if wanted.ids is None else wanted.ids & asked)


def _by_identifier(wanted: Wanted, value: str) -> Wanted:
    # The number of a check or transfer has no system, and `|number` says so: one with a system names nothing here.
    system, _, number = value.rpartition("|")
    if system:
        return replace(wanted, ids=frozenset())
    try:
        payment_keys(number)
    except UnusablePaymentNumber:
        raise BadValue("identifier is one check, EFT or NP number.", expression="identifier") from None
    if wanted.number not in {"", number}:
        raise NotSupported("Give identifier once.", expression="identifier")
    return replace(wanted, number=number)


def _by_creation(wanted: Wanted, value: str) -> Wanted:
    try:
        # A plus that was not encoded arrives as a space.
        prefix, span = prefixed(value.replace(" ", "+"))
    except BadDate:
        raise BadValue("created is one date, such as ge2026-11-01.", expression="created") from None
    if prefix not in _BOUNDS:
        raise NotSupported("created takes eq, gt, ge, lt, le, sa and eb.", expression="created")
    first, end = _BOUNDS[prefix](span)
    since = max(filter(None, (wanted.loaded_from, _moment(first))), default=None)
    before = min(filter(None, (wanted.loaded_before, _moment(end))), default=None)
    return replace(wanted, loaded_from=since, loaded_before=before)


def _moment(instant: int | None) -> datetime | None:
    """The moment, or the end of the calendar beyond which it lies."""
    if instant is None or microseconds(_EARLIEST) <= instant < YEAR_10000:
        return None if instant is None else from_microseconds(instant)
    return _LATEST if instant >= YEAR_10000 else _EARLIEST


_BOUNDS: Mapping[Prefix, Callable[[Span], tuple[int | None, int | None]]] = {
    Prefix.EQ: lambda span: (span.start, span.end),
    Prefix.GE: lambda span: (span.start, None),
    Prefix.GT: lambda span: (span.end, None),
    Prefix.SA: lambda span: (span.end, None),
    Prefix.LE: lambda span: (None, span.end),
    Prefix.LT: lambda span: (None, span.start),
    Prefix.EB: lambda span: (None, span.start),
}
"""From when, and before when, a payment was loaded that is asked for by each prefix."""
_PARAMETERS: Mapping[str, Callable[[Wanted, str], Wanted]] = {
    "_id": _by_id,
    "identifier": _by_identifier,
    "created": _by_creation,
}
DECLARED = (
    ("_id", "token", "Resource-id"),
    ("identifier", "token", f"{TYPE}-identifier"),
    ("created", "date", f"{TYPE}-created"),
)
"""The parameters for the CapabilityStatement: name, type, definition."""
