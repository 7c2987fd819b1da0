"""What every change of a grant leaves behind: the number by which what is rendered tells it apart, and an audit row."""

from sqlalchemy.orm import Session

from consent.models import Grant
from service import audit
from service.clock import now


def touch(grant: Grant) -> None:
    """Note that a grant is another than before, for whatever is rendered from it."""
    grant.revision += 1
    grant.changed_at = now()


def write_audit(
    session: Session, grant: Grant, action: str, account_id: str | None, reason: str | None = None
) -> None:  # fmt: skip
    """Write down that somebody did this to the grant."""
    audit.record(
        session, f"consent:grant:{action}", account_id=account_id, member_id=grant.member_id, link_id=grant.link_id,
        client_id=grant.client_id, grant_id=grant.id, reason=reason,
    )  # fmt: skip
