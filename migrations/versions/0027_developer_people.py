"""People of developer organisations have a role, and are invited by mail; who is there founded theirs and owns it."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("developer", sa.Column("role", sa.String(length=32), nullable=False, server_default="owner"))
    op.create_table(
        "developer_invitation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("invited_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["invited_by_account_id"], ["account.id"], name=op.f("fk_developer_invitation_invited_by_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["developer_organization.id"], name=op.f("fk_developer_invitation_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_developer_invitation")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_developer_invitation_secret_hash")),
    )
    op.create_index(
        op.f("ix_developer_invitation_organization_id"), "developer_invitation", ["organization_id"], unique=False
    )
    op.create_index(op.f("ix_developer_invitation_expires_at"), "developer_invitation", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("developer_invitation")
    op.drop_column("developer", "role")
