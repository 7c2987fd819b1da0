"""Bulk exports and their files."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_export",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("level", sa.String(length=12), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("place", sa.JSON(), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=True),
        sa.Column("worked_at", sa.BigInteger(), nullable=True),
        sa.Column("polled_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_bulk_export_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_export")),
    )
    running = sa.text("status IN ('accepted', 'running')")
    op.create_index(
        "uq_bulk_export_open", "bulk_export", ["client_id"], unique=True, sqlite_where=running, postgresql_where=running
    )
    op.create_index("ix_bulk_export_expires_at", "bulk_export", ["expires_at"])
    op.create_table(
        "bulk_file",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("export_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["bulk_export.id"], name=op.f("fk_bulk_file_export_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_file")),
        sa.UniqueConstraint("export_id", "name", name=op.f("uq_bulk_file_export_id_name")),
    )


def downgrade() -> None:
    op.drop_table("bulk_file")
    op.drop_table("bulk_export")
