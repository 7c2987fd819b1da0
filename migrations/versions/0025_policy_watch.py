"""The privacy-policy watch; reports that the plan's own watch makes have no account."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy_watch",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=2000), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_policy_watch_client_id")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_policy_watch")),
    )
    with op.batch_alter_table("app_report") as report:
        report.alter_column("account_id", existing_type=sa.String(length=36), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM app_report WHERE account_id IS NULL")
    with op.batch_alter_table("app_report") as report:
        report.alter_column("account_id", existing_type=sa.String(length=36), nullable=False)
    op.drop_table("policy_watch")
