"""Runs of the conformance self-test, for the staff console."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "self_test_run",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("asked_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("problem", sa.String(length=300), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by_account_id"], ["account.id"], name=op.f("fk_self_test_run_asked_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_self_test_run")),
    )
    op.create_index(op.f("ix_self_test_run_asked_at"), "self_test_run", ["asked_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_self_test_run_asked_at"), table_name="self_test_run")
    op.drop_table("self_test_run")
