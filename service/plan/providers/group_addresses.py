"""A group's addresses, as far as they help people to recognise it."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.models import ProviderAddress


def shown_addresses(session: Session, group_ids: Collection[str]) -> dict[str, str]:
    """One address line a group, a current practice address before others; groups without any are absent."""
    statement = (
        select(ProviderAddress)
        .where(ProviderAddress.group_id.in_(group_ids))
        .order_by(ProviderAddress.current.desc(), ProviderAddress.use.desc(), ProviderAddress.line)
        .limit(1_000)
    )
    shown: dict[str, str] = {}
    for address in session.scalars(statement):
        shown.setdefault(address.group_id, address.one_line)
    return shown
