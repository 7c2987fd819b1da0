"""What people changed of a grant after they gave it (append-only), pausing, and what apps were told of it."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grant_change",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("link_id", sa.String(length=36), nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("sensitive_classes", sa.JSON(), nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_grant_change_account_id")),
        sa.ForeignKeyConstraint(["grant_id"], ["consent_grant.id"], name=op.f("fk_grant_change_grant_id")),
        sa.ForeignKeyConstraint(["link_id"], ["representative_link.id"], name=op.f("fk_grant_change_link_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant_change")),
    )
    op.create_index("ix_grant_change_grant_at", "grant_change", ["grant_id", "at"], unique=False)
    op.create_index(op.f("ix_grant_change_at"), "grant_change", ["at"], unique=False)
    _append_only("grant_change")
    op.add_column("consent_grant", sa.Column("paused_at", sa.BigInteger(), nullable=True))
    op.add_column("consent_grant", sa.Column("paused_by", sa.String(length=32), nullable=True))
    op.add_column("consent_grant", sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    op.add_column("consent_grant", sa.Column("changed_at", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE consent_grant SET changed_at = coalesce(ended_at, created_at)")
    op.add_column("webhook_message", sa.Column("change_id", sa.String(length=36), nullable=True))
    op.create_index(
        "uq_webhook_message_change",
        "webhook_message",
        ["change_id"],
        unique=True,
        sqlite_where=sa.text("change_id IS NOT NULL"),
        postgresql_where=sa.text("change_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_webhook_message_change", table_name="webhook_message")
    op.drop_column("webhook_message", "change_id")
    # What was paused stays shut: a grant of the older version that nobody may use is one that ended.
    op.execute(
        "UPDATE consent_grant SET status = 'revoked', ended_at = paused_at, ended_by = 'plan', version = version + 1"
        " WHERE status = 'paused' AND ended_at IS NULL"
    )
    for column in ("changed_at", "revision", "paused_by", "paused_at"):
        op.drop_column("consent_grant", column)
    op.drop_index(op.f("ix_grant_change_at"), table_name="grant_change")
    op.drop_index("ix_grant_change_grant_at", table_name="grant_change")
    op.drop_table("grant_change")


def _append_only(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
