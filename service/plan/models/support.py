"""Looks of member services at a member's page, and the records that such a look needs a second reason for."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.accounts.models import Account
from service.clock import now
from service.db import Base, Instant, new_id, words
from service.plan.models.members import Member
from service.plan.models.portal import PlanStaff
from service.single_use import SpentOnce


class SupportPurpose(StrEnum):
    """Why member services look; the member reads it in words."""

    MEMBER_CALLED = "member_called"
    SIGN_IN = "sign_in"
    APPS = "apps"
    COMPLAINT = "complaint"
    SAFETY = "safety"


class Guard(StrEnum):
    """Why a record needs a second reason, or is closed to this person of the plan."""

    OWN = "own"
    COLLEAGUE = "colleague"
    PROTECTED = "protected"


class SupportLook(SpentOnce, Base):
    """One look: who at whom, in which signed-in browser, why, from when until when.

    `guard` is set where glass was broken, with `guard_reason`; `spent_at` is then when a privacy officer reviewed it.
    A look at one's own record ends as it begins: the row tells that it was tried.
    """

    __tablename__ = "support_look"
    __table_args__ = (
        Index("ix_support_look_member_id_begun_at", "member_id", "begun_at"),
        Index("ix_support_look_guard_spent_at", "guard", "spent_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    login_session_id: Mapped[str] = mapped_column(String(36))
    purpose: Mapped[SupportPurpose] = mapped_column(words(SupportPurpose))
    reason: Mapped[str] = mapped_column(String(300))
    """In the words of who looks; the member reads them."""
    begun_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    guard: Mapped[Guard | None] = mapped_column(words(Guard))
    guard_reason: Mapped[str] = mapped_column(String(500), default="")
    reviewed_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))

    member: Mapped[Member] = relationship(lazy="joined")
    account: Mapped[Account] = relationship(lazy="joined", foreign_keys=[account_id])

    def is_open(self, at: datetime) -> bool:
        """Whether it has neither been closed nor run out."""
        return self.ended_at is None and at < self.expires_at

    @property
    def reason_in_full(self) -> str:
        """Purpose and words, as audit rows keep them."""
        return f"{self.purpose.value}: {self.reason}"


class ProtectedRecord(Base):
    """A member whose record opens for member services only with a second reason: a person in the public eye, say."""

    __tablename__ = "protected_record"

    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(String(500))
    marked_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    marked_at: Mapped[datetime] = mapped_column(Instant, default=now)

    member: Mapped[Member] = relationship(lazy="joined")


class Colleague(Base):
    """Which member a person of the plan is, where neither their account nor their address says so."""

    __tablename__ = "colleague"

    plan_staff_id: Mapped[str] = mapped_column(ForeignKey("plan_staff.id"), primary_key=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"), index=True)

    staff: Mapped[PlanStaff] = relationship()
