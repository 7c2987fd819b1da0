"""Notices: what an account's owner was told, kept; of which topics they want no mail; what was told of a grant."""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0046"
branch_labels = None
depends_on = None

_UNREAD_GRANTS = sa.text("read_told_at IS NULL AND ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=True),
        sa.Column("client_id", sa.String(length=64), nullable=True),
        sa.Column("grant_id", sa.String(length=36), nullable=True),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("by_owner", sa.Boolean(), nullable=False),
        sa.Column("mailed", sa.Boolean(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"]),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"]),
        sa.ForeignKeyConstraint(["grant_id"], ["consent_grant.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_notice_account_at", "notice", ["account_id", "at"])
    op.create_index("ix_notice_at", "notice", ["at"])
    op.create_index("ix_notice_member_id", "notice", ["member_id"])
    unread = sa.text("read_at IS NULL")
    op.create_index("ix_notice_unread", "notice", ["account_id"], sqlite_where=unread, postgresql_where=unread)
    op.add_column("account", sa.Column("unmailed", sa.JSON(), nullable=True))
    for name in ("read_told_at", "end_warned_at", "end_told_at"):
        op.add_column("consent_grant", sa.Column(name, sa.BigInteger(), nullable=True))
    # What apps read before this was kept is no news.
    op.execute("UPDATE consent_grant SET read_told_at = created_at")
    op.create_index(
        "ix_consent_grant_unread", "consent_grant", ["id"],
        sqlite_where=_UNREAD_GRANTS, postgresql_where=_UNREAD_GRANTS,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_consent_grant_unread", "consent_grant")
    with op.batch_alter_table("consent_grant") as grant:
        for name in ("read_told_at", "end_warned_at", "end_told_at"):
            grant.drop_column(name)
    with op.batch_alter_table("account") as account:
        account.drop_column("unmailed")
    op.drop_table("notice")
