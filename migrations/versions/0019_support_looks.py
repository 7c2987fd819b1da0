"""Looks of member services at a member's page, protected records, and which members the plan's own people are."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_PURPOSES = ("member_called", "sign_in", "apps", "complaint", "safety")


def upgrade() -> None:
    op.create_table(
        "support_look",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("login_session_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.Enum(*_PURPOSES, name="supportpurpose", native_enum=False, length=32), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "guard",
            sa.Enum("own", "colleague", "protected", name="guard", native_enum=False, length=32),
            nullable=True,
        ),
        sa.Column("guard_reason", sa.String(length=500), nullable=False),
        sa.Column("reviewed_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_support_look_account_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_support_look_member_id")),
        sa.ForeignKeyConstraint(
            ["reviewed_by_account_id"], ["account.id"], name=op.f("fk_support_look_reviewed_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_look")),
    )
    op.create_index("ix_support_look_member_id_begun_at", "support_look", ["member_id", "begun_at"], unique=False)
    op.create_index("ix_support_look_guard_spent_at", "support_look", ["guard", "spent_at"], unique=False)
    op.create_table(
        "protected_record",
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("marked_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("marked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["marked_by_account_id"], ["account.id"], name=op.f("fk_protected_record_marked_by_account_id")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_protected_record_member_id")),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_protected_record")),
    )
    op.create_table(
        "colleague",
        sa.Column("plan_staff_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_colleague_member_id")),
        sa.ForeignKeyConstraint(["plan_staff_id"], ["plan_staff.id"], name=op.f("fk_colleague_plan_staff_id")),
        sa.PrimaryKeyConstraint("plan_staff_id", name=op.f("pk_colleague")),
    )
    op.create_index(op.f("ix_colleague_member_id"), "colleague", ["member_id"], unique=False)


def downgrade() -> None:
    op.drop_table("colleague")
    op.drop_table("protected_record")
    op.drop_table("support_look")
