"""When a program last had an attribution list's records, so that the next delta begins there."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_access_sent",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_provider_access_sent_client_id_client")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["member_group.id"], ondelete="CASCADE",
            name=op.f("fk_provider_access_sent_group_id_member_group"),
        ),
        sa.PrimaryKeyConstraint("client_id", "group_id", name=op.f("pk_provider_access_sent")),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("provider_access_sent")
