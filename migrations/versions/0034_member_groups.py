"""Lists of members for bulk export, and who opted out of Provider Access."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "member_group",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_group")),
    )
    op.create_table(
        "member_group_entry",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["member_group.id"], name=op.f("fk_member_group_entry_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "patient_id", name=op.f("pk_member_group_entry")),
    )
    op.create_table(
        "provider_access_opt_out",
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_provider_access_opt_out")),
    )


def downgrade() -> None:
    op.drop_table("provider_access_opt_out")
    op.drop_table("member_group_entry")
    op.drop_table("member_group")
