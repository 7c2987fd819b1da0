"""Tables of loading: loads with how far each of their files was read, what waits, and how fresh each source is."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.clock import now
from service.db import Base, Instant, new_id


class FhirLoad(Base):
    """One load of files. `files_digest` tells whether another load is the same one, gone on with.

    Its counts are those of what is committed; `rejects_length` is how much of the reject file belongs to that.
    `written_at` is when it last committed anything, or was begun or gone on with (None: before that was kept).
    """

    __tablename__ = "fhir_load"
    __table_args__ = (Index("ix_fhir_load_files", "files_digest", "finished_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(String(64))
    files_digest: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(Instant)
    started_at: Mapped[datetime] = mapped_column(Instant, default=now)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    written_at: Mapped[datetime | None] = mapped_column(Instant, default=now)
    given_up_at: Mapped[datetime | None] = mapped_column(Instant)
    lines_read: Mapped[int] = mapped_column(BigInteger, default=0)
    added: Mapped[int] = mapped_column(BigInteger, default=0)
    changed: Mapped[int] = mapped_column(BigInteger, default=0)
    unchanged: Mapped[int] = mapped_column(BigInteger, default=0)
    deleted: Mapped[int] = mapped_column(BigInteger, default=0)
    rejected: Mapped[int] = mapped_column(BigInteger, default=0)
    warned: Mapped[int] = mapped_column(BigInteger, default=0)
    rejects_length: Mapped[int] = mapped_column(BigInteger, default=0)
    warnings_length: Mapped[int] = mapped_column(BigInteger, default=0)


class FhirLoadFile(Base):
    """How far one file of a load was read: the last line, and a digest of every line up to it."""

    __tablename__ = "fhir_load_file"

    load_id: Mapped[str] = mapped_column(ForeignKey("fhir_load.id"), primary_key=True)
    path: Mapped[str] = mapped_column(Text, primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, default=0)
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    finished: Mapped[bool] = mapped_column(Boolean, default=False)


class FhirLoadWaiting(Base):
    """A resource whose patient nobody knows yet: it is tried again at the end of its load."""

    __tablename__ = "fhir_load_waiting"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    load_id: Mapped[str] = mapped_column(ForeignKey("fhir_load.id"), index=True)
    file: Mapped[str] = mapped_column(Text)
    line: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class FhirSource(Base):
    """How fresh the data of one source is: when its last delivery came in, and when all of it could be read."""

    __tablename__ = "fhir_source"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    received_at: Mapped[datetime] = mapped_column(Instant)
    visible_at: Mapped[datetime] = mapped_column(Instant)
    written: Mapped[int] = mapped_column(BigInteger)
    """Resources added, changed or deleted by that delivery."""
