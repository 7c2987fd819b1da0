"""Answers on the consent screen: append-only evidence of who was asked what, in which words, and what they said."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import Answer, ConsentDecision, Duration, Grant
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet
from service import audit
from service.accounts.models import Account
from service.clock import now
from service.db import new_id


class UnknownDecision(Exception):
    """No such decision, or not one this person may read: both look the same."""


@dataclass(frozen=True)
class Asked:
    """What the screen asked and showed: the app in its version, its scopes after policy, and the very words."""

    client_id: str
    client_version: int
    scopes: ScopeSet
    language: str
    text_version: str
    words: dict[str, Any]


@dataclass(frozen=True)
class Chosen:
    """What the person chose: scopes left ticked, sensitive classes ticked, how long, and reading while away."""

    scopes: ScopeSet
    sensitive_classes: frozenset[str] = frozenset()
    duration: Duration = Duration.THIRTEEN_MONTHS
    offline: bool = False


def record(
    session: Session, account: Account, choice: MemberChoice, asked: Asked, *, answer: Answer, chosen: Chosen
) -> ConsentDecision:
    """Keep one answer; it is never changed afterwards."""
    nothing = answer is Answer.DENY
    made = ConsentDecision(
        id=new_id(), at=now(), answer=answer, account_id=account.id, member_id=choice.member.id,
        link_id=choice.link.id if choice.link else None, client_id=asked.client_id,
        client_version=asked.client_version, asked_scopes=str(asked.scopes),
        granted_scopes="" if nothing else str(chosen.scopes),
        sensitive_classes=[] if nothing else sorted(chosen.sensitive_classes), duration=chosen.duration,
        offline=chosen.offline and not nothing, language=asked.language, text_version=asked.text_version,
        words=asked.words,
    )  # fmt: skip
    session.add(made)
    session.flush()
    audit.record(
        session, f"consent:decision:{answer}", account_id=account.id, member_id=choice.member.id, link_id=made.link_id,
        client_id=asked.client_id, detail={"decision": made.id, "scopes": made.granted_scopes},
    )  # fmt: skip
    return made


def of_grant(session: Session, grant: Grant) -> list[ConsentDecision]:
    """What this person has answered to this app about this member, the latest answer first."""
    same = (
        ConsentDecision.account_id == grant.account_id, ConsentDecision.member_id == grant.member_id,
        ConsentDecision.client_id == grant.client_id,
    )  # fmt: skip
    statement = select(ConsentDecision).where(*same).order_by(ConsentDecision.at.desc(), ConsentDecision.id)
    return list(session.scalars(statement.limit(50)))


def get(session: Session, account: Account, decision_id: str) -> ConsentDecision:
    """A decision on this person's own record, or one they made; raises UnknownDecision for every other."""
    found = session.scalar(select(ConsentDecision).where(ConsentDecision.id == decision_id))
    if found is None or (account.id != found.account_id and (account.member_id or "") != found.member_id):
        raise UnknownDecision
    return found
