"""The roster: the people the plan covers or covered, and under which contract they were before."""

from datetime import date, datetime

from sqlalchemy import Boolean, Date, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Instant, new_id


class Member(Base):
    """A person the plan covers or covered: the roster row against which people register.

    `id` is ours and never leaves; `patient_id` is the id of the member's FHIR Patient; `member_number` is on the card.
    """

    __tablename__ = "member"
    __table_args__ = (
        Index("ix_member_name", "family_name", "given_name"),
        Index("ix_member_birth_date", "birth_date"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    patient_id: Mapped[str] = mapped_column(String(64), unique=True)
    member_number: Mapped[str] = mapped_column(String(40), unique=True)
    subscriber_number: Mapped[str] = mapped_column(String(40), index=True)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    birth_date: Mapped[date] = mapped_column(Date)
    zip_code: Mapped[str] = mapped_column(String(10), default="")
    line_of_business: Mapped[str] = mapped_column(String(40), default="")
    report_unit: Mapped[str] = mapped_column(String(40), default="", server_default="")
    """The contract, plan or issuer by which the plan reports to CMS, within the line of business; "" if nobody said."""
    address_line: Mapped[str] = mapped_column(String(200), default="")
    city: Mapped[str] = mapped_column(String(100), default="")
    state: Mapped[str] = mapped_column(String(40), default="")
    phone: Mapped[str] = mapped_column(String(40), default="")
    email_on_file: Mapped[str] = mapped_column(String(254), default="")
    deceased_on: Mapped[date | None] = mapped_column(Date)
    confidential: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether the member asked for confidential communications (45 CFR 164.522(b))."""
    merged_into_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"), index=True)
    """The member whose record this one is part of: nobody registers, acts or is let in under it any more."""
    loaded_at: Mapped[datetime] = mapped_column(Instant)

    @property
    def full_name(self) -> str:
        """Given and family name, as people read it."""
        return f"{self.given_name} {self.family_name}"


class FormerUnit(Base):
    """Line of business and unit of a member until they changed, kept until every day before is counted.

    A day's transfers are reported under what the member had as the day ended, however late the day is counted
    (`service.reports.transfers`).
    """

    __tablename__ = "former_unit"

    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"), primary_key=True)
    until: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    line_of_business: Mapped[str] = mapped_column(String(40))
    report_unit: Mapped[str] = mapped_column(String(40))
