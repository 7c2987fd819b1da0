"""Tables of merges: which patient became part of which, and what moved."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.clock import now
from service.db import Base, Instant, new_id


class MemberMerge(Base):
    """That one member's record is part of another's, from when until when, and why."""

    __tablename__ = "member_merge"
    __table_args__ = (
        Index(
            "uq_member_merge_standing", "merged_patient_id", unique=True,
            sqlite_where=text("undone_at IS NULL"), postgresql_where=text("undone_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    merged_patient_id: Mapped[str] = mapped_column(String(64))
    surviving_patient_id: Mapped[str] = mapped_column(String(64), index=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    """The account that went with the record, where it did."""
    reason: Mapped[str] = mapped_column(String(500))
    merged_at: Mapped[datetime] = mapped_column(Instant, default=now)
    undone_at: Mapped[datetime | None] = mapped_column(Instant)
    undone_reason: Mapped[str | None] = mapped_column(String(500))


class MergedResource(Base):
    """A resource that came from the merged record, so that it can go back."""

    __tablename__ = "member_merge_resource"

    merge_id: Mapped[str] = mapped_column(ForeignKey("member_merge.id"), primary_key=True)
    type: Mapped[str] = mapped_column(String(40), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
