"""FHIR resources with their index columns, older versions, body dictionaries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(postgresql.ARRAY(sa.Text()), "postgresql")


def upgrade() -> None:
    op.create_table(
        "body_dictionary",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_body_dictionary")),
    )
    op.create_table(
        "resource",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("dictionary_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sort_date", sa.BigInteger(), nullable=False),
        sa.Column("date1_start", sa.BigInteger(), nullable=True),
        sa.Column("date1_end", sa.BigInteger(), nullable=True),
        sa.Column("date2_start", sa.BigInteger(), nullable=True),
        sa.Column("date2_end", sa.BigInteger(), nullable=True),
        sa.Column("date3_start", sa.BigInteger(), nullable=True),
        sa.Column("date3_end", sa.BigInteger(), nullable=True),
        sa.Column("date4_start", sa.BigInteger(), nullable=True),
        sa.Column("date4_end", sa.BigInteger(), nullable=True),
        sa.Column("date1_spans", sa.Text(), nullable=True),
        sa.Column("date2_spans", sa.Text(), nullable=True),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("category", WORDS, nullable=False),
        sa.Column("code", WORDS, nullable=False),
        sa.Column("identifier", WORDS, nullable=False),
        sa.Column("tokens", WORDS, nullable=False),
        sa.Column("refs", WORDS, nullable=False),
        sa.Column("texts", sa.Text(), nullable=False),
        sa.Column("labels", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("type", "id", name=op.f("pk_resource")),
    )
    op.create_index(
        "ix_resource_patient_type_date",
        "resource",
        ["patient_id", "type", sa.literal_column("sort_date DESC"), "id"],
        unique=False,
    )
    op.create_table(
        "resource_version",
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("dictionary_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sort_date", sa.BigInteger(), nullable=False),
        sa.Column("date1_start", sa.BigInteger(), nullable=True),
        sa.Column("date1_end", sa.BigInteger(), nullable=True),
        sa.Column("date2_start", sa.BigInteger(), nullable=True),
        sa.Column("date2_end", sa.BigInteger(), nullable=True),
        sa.Column("date3_start", sa.BigInteger(), nullable=True),
        sa.Column("date3_end", sa.BigInteger(), nullable=True),
        sa.Column("date4_start", sa.BigInteger(), nullable=True),
        sa.Column("date4_end", sa.BigInteger(), nullable=True),
        sa.Column("date1_spans", sa.Text(), nullable=True),
        sa.Column("date2_spans", sa.Text(), nullable=True),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("category", WORDS, nullable=False),
        sa.Column("code", WORDS, nullable=False),
        sa.Column("identifier", WORDS, nullable=False),
        sa.Column("tokens", WORDS, nullable=False),
        sa.Column("refs", WORDS, nullable=False),
        sa.Column("texts", sa.Text(), nullable=False),
        sa.Column("labels", WORDS, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("type", "id", "version", name=op.f("pk_resource_version")),
    )
    op.create_index("ix_resource_version_patient", "resource_version", ["patient_id", "type"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_resource_version_patient", table_name="resource_version")
    op.drop_table("resource_version")
    op.drop_index("ix_resource_patient_type_date", table_name="resource")
    op.drop_table("resource")
    op.drop_table("body_dictionary")
