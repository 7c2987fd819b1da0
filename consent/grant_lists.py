"""Lists of grants: those that stand first, so that no number of former ones ever hides an app that may come in."""

from dataclasses import dataclass
from math import ceil

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import Session

from consent.grants import WITH_PEOPLE
from consent.link_standing import right_stands_now
from consent.models import Grant, GrantStatus
from consent.representatives import MemberChoice
from service.accounts.models import Account
from service.clock import now
from service.plan.models import Member

A_PAGE = 6
"""Grants of a page of the console: with six that may see everything it weighs less than 100 kB, in Spanish too."""
_MOST = 5_000


@dataclass(frozen=True)
class GrantPage:
    """Some of the grants that a person may see, in the order of the whole list; and how many pages there are."""

    grants: list[Grant]
    pages: int


def for_member(session: Session, account: Account, choice: MemberChoice) -> list[Grant]:
    """Every grant of that member that this person may see: those that let an app in, the paused, the former.

    Of each the newest first, at most 5,000 in all. Members see all that was ever let in to their record;
    representatives see only what they gave themselves.
    """
    return list(session.scalars(_listed(*_seen_by(account, choice)).limit(_MOST)))


def page_for_member(session: Session, account: Account, choice: MemberChoice, number: int) -> GrantPage:
    """A page of the same list, counted from 1; behind the last one it is empty, and tells of no pages."""
    counted = _listed(*_seen_by(account, choice)).add_columns(func.count().over())
    rows = session.execute(counted.limit(A_PAGE).offset((number - 1) * A_PAGE)).all()
    return GrantPage([grant for grant, _all in rows], ceil(rows[0][1] / A_PAGE) if rows else 0)


def of_member(session: Session, member: Member) -> list[Grant]:
    """The same list whoever gave the grants, at most 500: for the plan's own people."""
    return list(session.scalars(_listed(Grant.member_id == member.id).limit(500)))


def standing_apps(session: Session, account: Account, choice: MemberChoice) -> frozenset[str]:
    """The client ids of the apps, paused ones too, under grants that this person may see."""
    return frozenset(session.scalars(select(Grant.client_id).where(*_seen_by(account, choice), _stands())))


def _seen_by(account: Account, choice: MemberChoice) -> tuple[ColumnElement[bool], ...]:
    by_whom = () if choice.is_self else (Grant.account_id == account.id,)
    return (Grant.member_id == choice.member.id, *by_whom)


def _listed(*conditions: ColumnElement[bool]) -> Select[Grant]:
    rank = case((~_stands(), 2), (Grant.status == GrantStatus.PAUSED, 1), else_=0)
    listed = select(Grant).options(*WITH_PEOPLE).where(*conditions)
    return listed.order_by(rank, Grant.created_at.desc(), Grant.id)


def _stands() -> ColumnElement[bool]:
    """Whether an app is let in or paused: as `grants.is_standing` and `right_stands` say of a row."""
    return and_(Grant.ended_at.is_(None), Grant.expires_at > now(), right_stands_now())
