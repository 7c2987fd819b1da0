"""A spent code or refresh token came again: two parties hold it, and nobody can tell which one is the app."""

from sqlalchemy.orm import Session

from consent import grant_notices
from consent.models import Grant
from oauth.models import FamilyEnd
from oauth.tokens import token_rows
from service import audit, mail
from service.accounts import notices
from service.accounts.notice_model import NoticeKind
from service.clock import now


def report(session: Session, family_id: str, reason: FamilyEnd, *, client_id: str, grant_id: str) -> None:
    """End the family, leave a security event, and tell the member and whoever connected the app (OA-22, OA-30)."""
    grant = session.get_one(Grant, grant_id)
    ended = token_rows.end_family(session, family_id, reason)
    audit.record(
        session, f"oauth:token_family:{reason}", outcome=audit.Outcome.REFUSED, account_id=grant.account_id,
        member_id=grant.member_id, link_id=grant.link_id, client_id=client_id, grant_id=grant_id,
        detail={"family": family_id},
    )  # fmt: skip
    if ended:
        _tell(session, grant)


def _tell(session: Session, grant: Grant) -> None:
    for account in grant_notices.concerned(session, grant):
        notices.keep(session, account, NoticeKind.APP_DISCONNECTED, grant_notices.about(grant))
        # Not which app: its name may tell of an illness.
        mail.enqueue(
            session, to=account.email, template="app_disconnected", language=account.language,
            given_name=account.given_name, at=now(),
        )  # fmt: skip
