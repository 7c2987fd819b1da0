"""Loads that go on after an interruption, and how fresh each source is."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0028"
branch_labels = None
depends_on = None

_COUNTS = (
    "lines_read", "added", "changed", "unchanged", "deleted", "rejected", "warned", "rejects_length",
    "warnings_length",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "fhir_load",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("files_digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fhir_load")),
    )
    op.create_index("ix_fhir_load_files", "fhir_load", ["files_digest", "finished_at"])
    op.create_table(
        "fhir_load_file",
        sa.Column("load_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["load_id"], ["fhir_load.id"], name=op.f("fk_fhir_load_file_load_id")),
        sa.PrimaryKeyConstraint("load_id", "path", name=op.f("pk_fhir_load_file")),
    )
    op.create_table(
        "fhir_load_waiting",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("load_id", sa.String(length=36), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["load_id"], ["fhir_load.id"], name=op.f("fk_fhir_load_waiting_load_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fhir_load_waiting")),
    )
    op.create_index(op.f("ix_fhir_load_waiting_load_id"), "fhir_load_waiting", ["load_id"])
    op.create_table(
        "fhir_source",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("visible_at", sa.BigInteger(), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_fhir_source")),
    )


def downgrade() -> None:
    op.drop_table("fhir_source")
    op.drop_index(op.f("ix_fhir_load_waiting_load_id"), table_name="fhir_load_waiting")
    op.drop_table("fhir_load_waiting")
    op.drop_table("fhir_load_file")
    op.drop_index("ix_fhir_load_files", table_name="fhir_load")
    op.drop_table("fhir_load")
