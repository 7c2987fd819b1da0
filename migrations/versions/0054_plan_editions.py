"""Editions of what the plan says to everybody: phone lines, lines of business, terms, reviews (append-only)."""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0051"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "plan_edition",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("asked_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("agreed_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["asked_by_account_id"], ["account.id"]),
        sa.ForeignKeyConstraint(["agreed_by_account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("number"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER plan_edition_no_{action.lower()} BEFORE {action} ON plan_edition "
                "BEGIN SELECT RAISE(ABORT, 'plan_edition is append-only'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER plan_edition_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON plan_edition "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    # What waits for a second person is of a kind that the older version does not know.
    op.execute(
        "DELETE FROM pending_act WHERE kind IN "
        "('plan_edition', 'pause_lift', 'developer_factor_reset', 'staff_factor_reset')"
    )
    op.drop_table("plan_edition")
