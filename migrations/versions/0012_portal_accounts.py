"""Logins of the portal: invitations, signs of sharing, and the code that the next sign-in then asks for."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("code_due_at", sa.BigInteger(), nullable=True))
    op.add_column("account", sa.Column("last_signed_in_at", sa.BigInteger(), nullable=True))
    op.add_column("login_session", sa.Column("code_due_at", sa.BigInteger(), nullable=True))
    op.add_column("login_session", sa.Column("device_id", sa.String(length=36), nullable=True))
    op.create_table(
        "portal_invitation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("invited_by_staff_id", sa.String(length=36), nullable=False),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("is_delegate", sa.Boolean(), nullable=False),
        sa.Column("functions", sa.JSON(), nullable=False),
        sa.Column("entry_ids", sa.JSON(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("voided_at", sa.BigInteger(), nullable=True),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["portal_organization.id"], name=op.f("fk_portal_invitation_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["invited_by_staff_id"], ["provider_staff.id"], name=op.f("fk_portal_invitation_invited_by_staff_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portal_invitation")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_portal_invitation_secret_hash")),
    )
    for column in ("email_key", "invited_by_staff_id", "organization_id"):
        op.create_index(op.f(f"ix_portal_invitation_{column}"), "portal_invitation", [column], unique=False)
    op.create_table(
        "sharing_sign",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("two_devices", "many_devices", "round_the_clock", name="sharingkind", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_by_account_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_sharing_sign_account_id")),
        sa.ForeignKeyConstraint(
            ["settled_by_account_id"], ["account.id"], name=op.f("fk_sharing_sign_settled_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sharing_sign")),
    )
    op.create_index("ix_sharing_sign_account_id_seen_at", "sharing_sign", ["account_id", "seen_at"], unique=False)
    op.create_index(op.f("ix_sharing_sign_settled_at"), "sharing_sign", ["settled_at"], unique=False)


def downgrade() -> None:
    op.drop_table("sharing_sign")
    op.drop_table("portal_invitation")
    op.drop_column("login_session", "device_id")
    op.drop_column("login_session", "code_due_at")
    op.drop_column("account", "last_signed_in_at")
    op.drop_column("account", "code_due_at")
