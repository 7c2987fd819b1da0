"""Tables of bulk export: what was asked and how far it is, its files, and the lists of members it may be asked for."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.clock import now
from service.db import Base, Instant, new_id, words


class Level(StrEnum):
    """Whose records an export is about."""

    SYSTEM = "system"
    PATIENT = "patient"
    GROUP = "group"


class Status(StrEnum):
    """How an export stands."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = "status IN ('accepted', 'running')"
"""What there may be one of for each client."""


class FileKind(StrEnum):
    """Under which member of the manifest a file stands."""

    OUTPUT = "output"
    DELETED = "deleted"
    ERROR = "error"


class BulkExport(Base):
    """One export. `asked` is what it is about (`fhir.bulk.asking`), `place` how far the worker is.

    `began_at` is the transaction time: nothing that changed later is in the files.
    """

    __tablename__ = "bulk_export"
    __table_args__ = (
        Index(
            "uq_bulk_export_open", "client_id", unique=True,
            sqlite_where=text(OPEN), postgresql_where=text(OPEN),
        ),
        Index("ix_bulk_export_expires_at", "expires_at"),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    scope: Mapped[str] = mapped_column(Text)
    level: Mapped[Level] = mapped_column(words(Level, 12))
    group_id: Mapped[str | None] = mapped_column(String(64))
    request: Mapped[str] = mapped_column(Text)
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[Status] = mapped_column(words(Status, 12), default=Status.ACCEPTED)
    place: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    written: Mapped[int] = mapped_column(BigInteger, default=0)
    problem: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    began_at: Mapped[datetime | None] = mapped_column(Instant)
    worked_at: Mapped[datetime | None] = mapped_column(Instant)
    polled_at: Mapped[datetime | None] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


class BulkFile(Base):
    """A file of an export. Its first `size` bytes count; what stands behind them was never finished.

    `members` are the Patients whose records it holds, with how many resources of each, where the export is about a
    list; None where it is about everybody, or the file about nobody. `told_at` is when the audit was told of it.
    """

    __tablename__ = "bulk_file"
    __table_args__ = (UniqueConstraint("export_id", "name", name="uq_bulk_file_export_id_name"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    export_id: Mapped[str] = mapped_column(ForeignKey("bulk_export.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    kind: Mapped[FileKind] = mapped_column(words(FileKind, 12))
    type: Mapped[str] = mapped_column(String(40))
    number: Mapped[int] = mapped_column(Integer)
    count: Mapped[int] = mapped_column(Integer, default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    members: Mapped[dict[str, int] | None] = mapped_column(JSON(none_as_null=True))
    told_at: Mapped[datetime | None] = mapped_column(Instant)


class GroupKind(StrEnum):
    """What a list of members is for."""

    PLAN = "plan"
    ATTRIBUTION = "attribution"
    """The members in a provider's care, for the Provider Access API: who opted out is left out."""


class MemberGroup(Base):
    """A list of members, told as a FHIR Group."""

    __tablename__ = "member_group"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[GroupKind] = mapped_column(words(GroupKind, 16))
    version: Mapped[int] = mapped_column(Integer, default=1)
    changed_at: Mapped[datetime] = mapped_column(Instant, default=now)


class MemberGroupEntry(Base):
    """A member of a list, and since when."""

    __tablename__ = "member_group_entry"

    group_id: Mapped[str] = mapped_column(ForeignKey("member_group.id", ondelete="CASCADE"), primary_key=True)
    patient_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    added_at: Mapped[datetime] = mapped_column(Instant, default=now)


class ProviderAccessOptOut(Base):
    """A member who does not want providers to get their record in bulk (45 CFR 422.121(a)(4))."""

    __tablename__ = "provider_access_opt_out"

    patient_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[datetime] = mapped_column(Instant, default=now)


class ProviderAccessSent(Base):
    """That a program got the records of an attribution list, as they were at `sent_at`: a delta begins there."""

    __tablename__ = "provider_access_sent"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("member_group.id", ondelete="CASCADE"), primary_key=True)
    sent_at: Mapped[datetime] = mapped_column(Instant)
