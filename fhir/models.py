"""Tables of FHIR resources: the current version of each with its index columns, older versions, body dictionaries."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import DDL, BigInteger, Boolean, Dialect, Index, Integer, LargeBinary, String, Text, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from service.db import Base

SEPARATOR = "\x1f"
"""Stands before and after each value of a list that SQLite keeps as one text; no FHIR string may hold it."""

LOOKED_UP = (
    "Endpoint", "HealthcareService", "InsurancePlan", "Location", "Organization", "OrganizationAffiliation", "Patient",
    "Practitioner", "PractitionerRole",
)  # fmt: skip
"""Types that PostgreSQL has indexes of identifiers and references for; a statement must name the type to use them."""


class Words(TypeDecorator[tuple[str, ...]]):
    """Several texts in one column: an array in PostgreSQL, one delimited text in SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(Text))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        return list(value or ()) if dialect.name == "postgresql" else delimited(value or ())

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...]:
        return tuple(value or ()) if dialect.name == "postgresql" else undelimited(value)


def delimited(values: Sequence[str]) -> str:
    """The values as one text, each between separators; empty for none."""
    return f"{SEPARATOR}{SEPARATOR.join(values)}{SEPARATOR}" if values else ""


def undelimited(text: str | None) -> tuple[str, ...]:
    """The values of a text that `delimited` made."""
    return tuple(text[1:-1].split(SEPARATOR)) if text else ()


class Stored:
    """What is kept of a version of a resource: its body and the columns by which it is found and filtered.

    Instants are microseconds since 1970. A date is a span `start` (in) to `end` (out); where an element repeats, the
    column pair holds the hull and `spans` the single spans as JSON. `body` is the JSON as served, compressed with
    dictionary `dictionary_id` (0: without one). `provider_id` is the Organization that billed, of a claim only: by it
    the provider portal finds its claims. `labels` are by the code tables of version `labelled_by`.
    """

    type: Mapped[str] = mapped_column(String(40), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    patient_id: Mapped[str] = mapped_column(String(64))
    provider_id: Mapped[str | None] = mapped_column(String(64))
    last_updated: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[bool] = mapped_column(Boolean, default=False)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(16))
    dictionary_id: Mapped[int] = mapped_column(Integer, default=0)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    sort_date: Mapped[int] = mapped_column(BigInteger)
    date1_start: Mapped[int | None] = mapped_column(BigInteger)
    date1_end: Mapped[int | None] = mapped_column(BigInteger)
    date2_start: Mapped[int | None] = mapped_column(BigInteger)
    date2_end: Mapped[int | None] = mapped_column(BigInteger)
    date3_start: Mapped[int | None] = mapped_column(BigInteger)
    date3_end: Mapped[int | None] = mapped_column(BigInteger)
    date4_start: Mapped[int | None] = mapped_column(BigInteger)
    date4_end: Mapped[int | None] = mapped_column(BigInteger)
    date1_spans: Mapped[str | None] = mapped_column(Text)
    date2_spans: Mapped[str | None] = mapped_column(Text)
    status: Mapped[tuple[str, ...]] = mapped_column(Words)
    category: Mapped[tuple[str, ...]] = mapped_column(Words)
    code: Mapped[tuple[str, ...]] = mapped_column(Words)
    identifier: Mapped[tuple[str, ...]] = mapped_column(Words)
    tokens: Mapped[tuple[str, ...]] = mapped_column(Words)
    refs: Mapped[tuple[str, ...]] = mapped_column(Words)
    texts: Mapped[str] = mapped_column(Text, default="")
    labels: Mapped[tuple[str, ...]] = mapped_column(Words)
    labelled_by: Mapped[str] = mapped_column(String(20), default="")


class StoredResource(Stored, Base):
    """The current version of a resource; a deleted one keeps its row and says so.

    `claim_number` is the value of a claim's first identifier, by which people ask for it.
    """

    __tablename__ = "resource"

    version: Mapped[int] = mapped_column(Integer)
    claim_number: Mapped[str | None] = mapped_column(Text)


class StoredVersion(Stored, Base):
    """A version that was replaced, for vread and history."""

    __tablename__ = "resource_version"

    # After type and id, by which versions are looked for.
    version: Mapped[int] = mapped_column(Integer, primary_key=True, sort_order=1)


class BodyDictionary(Base):
    """A zstd dictionary trained on bodies of one type. Kept for ever: bodies name the one they need."""

    __tablename__ = "body_dictionary"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    type: Mapped[str] = mapped_column(String(40))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class VisibilityEpoch(Base):
    """One row: what the last transaction drew that took something out of somebody's sight (decision 94).

    Triggers of PostgreSQL keep it; a replica that has another one may still show what was taken away.
    """

    __tablename__ = "visibility_epoch"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(String(36))
    changed_by: Mapped[str] = mapped_column(String(20))


_NARROWED = """
    ({old}.patient_id, {old}.provider_id, {old}.deleted, {old}.category, {old}.sort_date) IS DISTINCT FROM
    (NEW.patient_id, NEW.provider_id, NEW.deleted, NEW.category, NEW.sort_date) OR NOT NEW.labels <@ {old}.labels
"""
"""Of what a resource is seen by any change counts, of its labels only more of them."""
_DRAW = """
    INSERT INTO visibility_epoch AS held (id, epoch, changed_by)
    VALUES (1, gen_random_uuid(), pg_current_xact_id()) ON CONFLICT (id) DO UPDATE
    SET epoch = excluded.epoch, changed_by = excluded.changed_by WHERE held.changed_by <> excluded.changed_by;
"""
VISIBILITY_TRIGGERS = (
    f"CREATE OR REPLACE FUNCTION narrow_visibility() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN {_DRAW} RETURN NULL; END $$",
    f"CREATE TRIGGER resource_narrowed AFTER UPDATE ON resource FOR EACH ROW"
    f" WHEN ({_NARROWED.format(old='OLD')}) EXECUTE FUNCTION narrow_visibility()",
    f"CREATE TRIGGER resource_version_narrowed AFTER UPDATE ON resource_version FOR EACH ROW"
    f" WHEN ({_NARROWED.format(old='OLD')}) EXECUTE FUNCTION narrow_visibility()",
    # What changed comes as a new row; the one before it stands among the replaced ones by then.
    f"CREATE OR REPLACE FUNCTION compare_visibility() RETURNS trigger LANGUAGE plpgsql AS"  # noqa: S608
    f" $$ DECLARE former resource_version; BEGIN"
    f" SELECT * INTO former FROM resource_version WHERE type = NEW.type AND id = NEW.id AND version = NEW.version - 1;"
    f" IF NOT FOUND OR {_NARROWED.format(old='former')} THEN {_DRAW} END IF; RETURN NULL; END $$",
    "CREATE TRIGGER resource_replaced AFTER INSERT ON resource FOR EACH ROW"
    " WHEN (NEW.version > 1) EXECUTE FUNCTION compare_visibility()",
)
for _statement in VISIBILITY_TRIGGERS:
    event.listen(StoredVersion.__table__, "after_create", DDL(_statement).execute_if(dialect="postgresql"))
Index(
    "ix_resource_patient_type_date",
    StoredResource.patient_id, StoredResource.type, StoredResource.sort_date.desc(), StoredResource.id,
)  # fmt: skip
# Of claims only (no other type has a provider_id): what clinical records write is not made dearer.
Index(
    "ix_resource_provider_date", StoredResource.provider_id, StoredResource.sort_date.desc(), StoredResource.id,
    sqlite_where=StoredResource.provider_id.is_not(None), postgresql_where=StoredResource.provider_id.is_not(None),
)  # fmt: skip
Index(
    "ix_resource_claim_number", StoredResource.claim_number,
    sqlite_where=StoredResource.claim_number.is_not(None), postgresql_where=StoredResource.claim_number.is_not(None),
)  # fmt: skip
# Where no member is named: people and places by the numbers others know them by, and by whom they belong to.
for _column in (StoredResource.identifier, StoredResource.refs):
    Index(
        f"ix_resource_{_column.key}", _column, postgresql_using="gin",
        postgresql_where=StoredResource.type.in_(LOOKED_UP), info={"dialect": "postgresql"},
    ).ddl_if(dialect="postgresql")  # fmt: skip
Index("ix_resource_version_patient", StoredVersion.patient_id, StoredVersion.type)
