"""A billing organisation's requests to providers and the permissions that follow."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "authorization_request",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("asked_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("remittance_id", sa.String(length=36), nullable=True),
        sa.Column("tax_id", sa.String(length=9), nullable=False),
        sa.Column("contact_name", sa.String(length=200), nullable=False),
        sa.Column("contact_email", sa.String(length=254), nullable=False),
        sa.Column("contact_key", sa.String(length=320), nullable=False),
        sa.Column("contact_phone", sa.String(length=40), nullable=False),
        sa.Column("functions", sa.JSON(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "asked",
                "awaiting_plan",
                "approved",
                "refused",
                "lapsed",
                "withdrawn",
                name="authorizationstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("secret_hash", sa.String(length=64), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by_account_id"], ["account.id"], name=op.f("fk_authorization_request_asked_by_account_id")
        ),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_authorization_request_group_id")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["portal_organization.id"], name=op.f("fk_authorization_request_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["remittance_id"], ["remittance.id"], name=op.f("fk_authorization_request_remittance_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorization_request")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_authorization_request_secret_hash")),
    )
    op.create_index(op.f("ix_authorization_request_expires_at"), "authorization_request", ["expires_at"], unique=False)
    op.create_index(op.f("ix_authorization_request_group_id"), "authorization_request", ["group_id"], unique=False)
    op.create_index(
        op.f("ix_authorization_request_organization_id"), "authorization_request", ["organization_id"], unique=False
    )
    op.create_index(op.f("ix_authorization_request_status"), "authorization_request", ["status"], unique=False)
    op.create_index(
        "uq_authorization_request_open",
        "authorization_request",
        ["organization_id", "group_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('asked', 'awaiting_plan')"),
        postgresql_where=sa.text("status IN ('asked', 'awaiting_plan')"),
    )
    op.create_table(
        "billing_authorization",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("functions", sa.JSON(), nullable=False),
        sa.Column("covers_from", sa.Date(), nullable=True),
        sa.Column("covers_until", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by_account_id", sa.String(length=36), nullable=True),
        sa.Column(
            "ended_side",
            sa.Enum("firm", "provider", "plan", "newer_answer", name="authorizationside", native_enum=False, length=32),
            nullable=True,
        ),
        sa.Column("ended_reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["ended_by_account_id"], ["account.id"], name=op.f("fk_billing_authorization_ended_by_account_id")
        ),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_billing_authorization_group_id")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["portal_organization.id"], name=op.f("fk_billing_authorization_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["authorization_request.id"], name=op.f("fk_billing_authorization_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_authorization")),
        sa.UniqueConstraint("request_id", name=op.f("uq_billing_authorization_request_id")),
    )
    op.create_index(op.f("ix_billing_authorization_group_id"), "billing_authorization", ["group_id"], unique=False)
    op.create_index(
        op.f("ix_billing_authorization_organization_id"), "billing_authorization", ["organization_id"], unique=False
    )
    op.create_index(
        "uq_billing_authorization_standing",
        "billing_authorization",
        ["organization_id", "group_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_billing_authorization_standing",
        table_name="billing_authorization",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index(op.f("ix_billing_authorization_organization_id"), table_name="billing_authorization")
    op.drop_index(op.f("ix_billing_authorization_group_id"), table_name="billing_authorization")
    op.drop_table("billing_authorization")
    op.drop_index(
        "uq_authorization_request_open",
        table_name="authorization_request",
        sqlite_where=sa.text("status IN ('asked', 'awaiting_plan')"),
        postgresql_where=sa.text("status IN ('asked', 'awaiting_plan')"),
    )
    op.drop_index(op.f("ix_authorization_request_status"), table_name="authorization_request")
    op.drop_index(op.f("ix_authorization_request_organization_id"), table_name="authorization_request")
    op.drop_index(op.f("ix_authorization_request_group_id"), table_name="authorization_request")
    op.drop_index(op.f("ix_authorization_request_expires_at"), table_name="authorization_request")
    op.drop_table("authorization_request")
