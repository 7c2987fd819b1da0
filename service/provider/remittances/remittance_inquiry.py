"""Remittance inquiry of one login: what it may reach comes from its Access, and each look leaves its audit row."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from consent.policy import Access
from service import audit
from service.plan.models import Remittance
from service.plan.remittances import remittance_search
from service.plan.remittances.remittance_search import Detail, Results, Wanted

MOST_CLAIMS = 20_000
"""Claims one download holds at most; an 835 carries fewer (the guide advises 10,000)."""


def find(session: Session, access: Access, wanted: Wanted, *, after: str | None = None) -> Results:
    """The matching remittances; raises UnusablePaymentNumber for a number that is none."""
    results = remittance_search.search(session, access.groups, wanted, after=after)
    given = [name for name in Wanted.__slots__ if getattr(wanted, name) not in {"", None}]
    _record(
        session, access, "search", count=len(results.found), groups=(one.group.id for one in results.found), by=given
    )
    return results


def read(session: Session, access: Access, remittance_id: str, *, after: int = 0) -> Detail:
    """A remittance with a page of its claims; raises UnknownRemittance."""
    found = remittance_search.detail(session, access.groups, remittance_id, after=after)
    _record_reading(session, access, "read", found)
    return found


def take(session: Session, access: Access, remittance_id: str, form: str) -> Detail:
    """A remittance with all of its claims, to be taken away as `form`; raises UnknownRemittance."""
    found = remittance_search.detail(session, access.groups, remittance_id, limit=MOST_CLAIMS)
    _record_reading(session, access, "download", found, form=form)
    return found


def take_document(session: Session, access: Access, remittance_id: str) -> Remittance:
    """A remittance with the 835 it came in, to be taken away; raises UnknownRemittance."""
    found = remittance_search.detail(session, access.groups, remittance_id, limit=0)
    _record_reading(session, access, "download", found, form="835")
    return found.remittance


def _record_reading(session: Session, access: Access, action: str, found: Detail, **more: Any) -> None:
    told = {"remittance": found.remittance.id, "members": found.totals.members, **more}
    _record(session, access, action, count=found.totals.claims, groups=(found.group.id,), **told)


def _record(session: Session, access: Access, action: str, *, count: int, groups: Iterable[str], **detail: Any) -> None:
    audit.record(
        session, f"provider:remittance:{action}", account_id=access.account_id, resource_type="Remittance",
        count=count, detail={"groups": sorted(set(groups)), **detail}, reason=access.reason,
    )  # fmt: skip
