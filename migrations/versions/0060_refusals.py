"""Refusals: how often an app was refused on a day, by reason."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusal_day",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_refusal_day_client_id_client")),
        sa.PrimaryKeyConstraint("client_id", "day", "reason", name=op.f("pk_refusal_day")),
    )
    op.create_index(op.f("ix_refusal_day_day"), "refusal_day", ["day"])


def downgrade() -> None:
    op.drop_table("refusal_day")
