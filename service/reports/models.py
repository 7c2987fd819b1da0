"""Tables of the reports: transfers of a day, the days that are counted, and disclosures that a plan accounts for."""

from datetime import date, datetime
from enum import StrEnum
from typing import cast

from sqlalchemy import BigInteger, Date, ForeignKey, Index, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.accounts.models import Account
from service.db import Base, Instant, append_only, new_id, words
from service.plan.models import Member


class ReportDay(Base):
    """A day whose events are counted. `events_after` is the id after which the next day's events are looked for."""

    __tablename__ = "report_day"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    events_after: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime] = mapped_column(Instant)


class ApiTransfer(Base):
    """That an app was sent a member's data on a day, under one grant: how often, how much (regulation.md RG-28 to 30).

    `line_of_business` and `report_unit` (contract, plan or issuer) are the member's as the day ended, "" where the
    roster named none: a later change must not rewrite the report. A row that was counted before units were kept has
    None, and the line of business of the night in which it was counted. `sessions` are reads with less than half an
    hour between them, taken together.
    """

    __tablename__ = "api_transfer"
    __table_args__ = (Index("ix_api_transfer_member_day", "member_id", "day"),)

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    grant_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(64))
    line_of_business: Mapped[str] = mapped_column("plan_unit", String(40))
    report_unit: Mapped[str | None] = mapped_column(String(40))
    events: Mapped[int] = mapped_column(Integer)
    sessions: Mapped[int] = mapped_column(Integer)
    resources: Mapped[int] = mapped_column(BigInteger)


append_only(cast(Table, ApiTransfer.__table__))


class DisclosurePurpose(StrEnum):
    """Why the plan told somebody without the member's word, other than for treatment, payment or operations."""

    REQUIRED_BY_LAW = "required_by_law"
    PUBLIC_HEALTH = "public_health"
    ABUSE_OR_NEGLECT = "abuse_or_neglect"
    OVERSIGHT = "oversight"
    COURT = "court"
    LAW_ENFORCEMENT = "law_enforcement"
    DECEASED = "deceased"
    RESEARCH = "research"
    SERIOUS_THREAT = "serious_threat"
    GOVERNMENT = "government"
    WORKERS_COMPENSATION = "workers_compensation"
    MISTAKE = "mistake"


class AccountableDisclosure(Base):
    """A disclosure that a member may ask an account of for six years (45 CFR 164.528). Never changed: corrected anew.

    `corrects_id` names the entry in whose place this one stands.
    """

    __tablename__ = "accountable_disclosure"
    __table_args__ = (Index("ix_accountable_disclosure_member", "member_id", "disclosed_on"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))
    disclosed_on: Mapped[date] = mapped_column(Date)
    recipient: Mapped[str] = mapped_column(String(200))
    recipient_address: Mapped[str] = mapped_column(String(300))
    description: Mapped[str] = mapped_column(String(1000))
    purpose: Mapped[DisclosurePurpose] = mapped_column(words(DisclosurePurpose))
    basis: Mapped[str] = mapped_column(String(1000))
    corrects_id: Mapped[str | None] = mapped_column(ForeignKey("accountable_disclosure.id"), unique=True)
    recorded_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    recorded_at: Mapped[datetime] = mapped_column(Instant)

    recorded_by: Mapped[Account] = relationship(lazy="joined")
    member: Mapped[Member] = relationship()


append_only(cast(Table, AccountableDisclosure.__table__))
