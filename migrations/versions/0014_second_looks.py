"""Acts of plan staff that wait for a second person."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_act",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("delegate_replacement", name="actkind", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("asked_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=True),
        sa.Column("decided_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("decision_reason", sa.String(length=500), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by_account_id"], ["account.id"], name=op.f("fk_pending_act_asked_by_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_account_id"], ["account.id"], name=op.f("fk_pending_act_decided_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_act")),
    )
    op.create_index("ix_pending_act_kind_subject_id", "pending_act", ["kind", "subject_id"], unique=False)
    op.create_index(op.f("ix_pending_act_expires_at"), "pending_act", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_pending_act_expires_at"), table_name="pending_act")
    op.drop_index("ix_pending_act_kind_subject_id", table_name="pending_act")
    op.drop_table("pending_act")
