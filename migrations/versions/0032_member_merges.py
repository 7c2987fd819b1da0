"""Members whose record is part of another's, and what moved with it."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("member") as member:
        member.add_column(sa.Column("merged_into_id", sa.String(length=36), nullable=True))
        member.create_foreign_key(op.f("fk_member_merged_into_id"), "member", ["merged_into_id"], ["id"])
        member.create_index(op.f("ix_member_merged_into_id"), ["merged_into_id"])
    op.create_table(
        "member_merge",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("merged_patient_id", sa.String(length=64), nullable=False),
        sa.Column("surviving_patient_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("merged_at", sa.BigInteger(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_reason", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_member_merge_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_merge")),
    )
    op.create_index(op.f("ix_member_merge_surviving_patient_id"), "member_merge", ["surviving_patient_id"])
    op.create_index(
        "uq_member_merge_standing", "member_merge", ["merged_patient_id"], unique=True,
        sqlite_where=sa.text("undone_at IS NULL"), postgresql_where=sa.text("undone_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "member_merge_resource",
        sa.Column("merge_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["merge_id"], ["member_merge.id"], name=op.f("fk_member_merge_resource_merge_id")),
        sa.PrimaryKeyConstraint("merge_id", "type", "id", name=op.f("pk_member_merge_resource")),
    )


def downgrade() -> None:
    op.drop_table("member_merge_resource")
    op.drop_index("uq_member_merge_standing", table_name="member_merge")
    op.drop_index(op.f("ix_member_merge_surviving_patient_id"), table_name="member_merge")
    op.drop_table("member_merge")
    with op.batch_alter_table("member") as member:
        member.drop_index(op.f("ix_member_merged_into_id"))
        member.drop_constraint(op.f("fk_member_merged_into_id"), type_="foreignkey")
        member.drop_column("merged_into_id")
