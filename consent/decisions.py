"""Answers on the consent screen: append-only evidence of who was asked what, in which words, and what they said."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import Session, aliased

from consent.models import Answer, ConsentDecision, Duration
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet
from service import audit
from service.accounts.models import Account
from service.clock import now
from service.db import new_id

REFUSALS_A_PAGE = 10


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
    session: Session, account: Account, choice: MemberChoice, asked: Asked, *, answer: Answer, chosen: Chosen,
    at: datetime | None = None,
) -> ConsentDecision:  # fmt: skip
    """Keep one answer; it is never changed afterwards. `at` is the moment that its words name, where they name one."""
    nothing = answer is Answer.DENY
    made = ConsentDecision(
        id=new_id(), at=at or now(), answer=answer, account_id=account.id, member_id=choice.member.id,
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


def refusals(session: Session, account: Account, choice: MemberChoice) -> list[ConsentDecision]:
    """The answers No of that member that this person may see, the latest first, at most 5,000."""
    return list(session.scalars(_refused(account, choice).limit(5_000)))


def page_of_refusals(
    session: Session, account: Account, choice: MemberChoice, number: int
) -> tuple[list[ConsentDecision], int]:  # fmt: skip
    """A page of the same list, counted from 1, and how many there are; behind the last one nothing and 0."""
    counted = _refused(account, choice).add_columns(func.count().over())
    rows = session.execute(counted.limit(REFUSALS_A_PAGE).offset((number - 1) * REFUSALS_A_PAGE)).all()
    return [refusal for refusal, _all in rows], ceil(rows[0][1] / REFUSALS_A_PAGE) if rows else 0


def get(
    session: Session, account: Account, choice: MemberChoice, decision_id: str
) -> tuple[ConsentDecision, list[ConsentDecision]]:  # fmt: skip
    """One answer of that member that this person may see, and its person's other answers to the same app.

    The others are the latest first, at most 50. Raises UnknownDecision.
    """
    wanted = aliased(ConsentDecision)
    same = (
        wanted.account_id == ConsentDecision.account_id, wanted.member_id == ConsentDecision.member_id,
        wanted.client_id == ConsentDecision.client_id, wanted.id == decision_id,
    )  # fmt: skip
    statement = select(ConsentDecision).join(wanted, and_(*same)).where(*_seen_by(account, choice))
    # The one wanted leads, so that no number of others hides it.
    others_after = case((ConsentDecision.id == decision_id, 0), else_=1)
    found = session.scalars(statement.order_by(others_after, ConsentDecision.at.desc(), ConsentDecision.id).limit(51))
    every = list(found)
    if not every:
        raise UnknownDecision
    return every[0], every[1:]


def _refused(account: Account, choice: MemberChoice) -> Select[ConsentDecision]:
    refused = (*_seen_by(account, choice), ConsentDecision.answer == Answer.DENY)
    return select(ConsentDecision).where(*refused).order_by(ConsentDecision.at.desc(), ConsentDecision.id)


def _seen_by(account: Account, choice: MemberChoice) -> tuple[ColumnElement[bool], ...]:
    """Members see every answer given about them; representatives see only their own."""
    by_whom = () if choice.is_self else (ConsentDecision.account_id == account.id,)
    return (ConsentDecision.member_id == choice.member.id, *by_whom)
