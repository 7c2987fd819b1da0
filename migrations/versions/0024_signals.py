"""Webhooks: the address of an app with its secrets, the messages to it; when grants ended, as an index.

Traces and faults of trials. What an app did outside of any grant, as an index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


_OUTSIDE_OF_GRANTS = sa.text("grant_id IS NULL AND client_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_audit_event_client_at",
        "audit_event",
        ["client_id", "at"],
        unique=False,
        sqlite_where=_OUTSIDE_OF_GRANTS,
        postgresql_where=_OUTSIDE_OF_GRANTS,
    )
    op.create_index(op.f("ix_consent_grant_ended_at"), "consent_grant", ["ended_at"], unique=False)
    op.create_table(
        "webhook_endpoint",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("sealed_previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_until", sa.BigInteger(), nullable=True),
        sa.Column("listens_from", sa.BigInteger(), nullable=False),
        sa.Column("pulled_until", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rests_until", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_webhook_endpoint_client_id")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_webhook_endpoint")),
    )
    op.create_table(
        "webhook_message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_problem", sa.String(length=200), nullable=False),
        sa.Column("lease", sa.String(length=36), nullable=True),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_webhook_message_client_id")),
        sa.ForeignKeyConstraint(["grant_id"], ["consent_grant.id"], name=op.f("fk_webhook_message_grant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_message")),
        sa.UniqueConstraint("message_id", name=op.f("uq_webhook_message_message_id")),
    )
    op.create_index("ix_webhook_message_client", "webhook_message", ["client_id", "id"], unique=False)
    op.create_index(
        "ix_webhook_message_due",
        "webhook_message",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "uq_webhook_message_grant",
        "webhook_message",
        ["grant_id"],
        unique=True,
        sqlite_where=sa.text("grant_id IS NOT NULL"),
        postgresql_where=sa.text("grant_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_webhook_message_ended_at"), "webhook_message", ["ended_at"], unique=False)
    op.create_table(
        "app_trial",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("traced_until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_app_trial_client_id")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_app_trial")),
    )
    op.create_table(
        "trace_step",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.String(length=32), nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("failed_check", sa.String(length=32), nullable=True),
        sa.Column("error", sa.String(length=60), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("resource_type", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_trace_step_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trace_step")),
    )
    op.create_table(
        "app_fault",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("fault", sa.String(length=32), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_app_fault_client_id")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_app_fault")),
    )
    op.create_index("ix_trace_step_client", "trace_step", ["client_id", "id"], unique=False)
    op.create_index(op.f("ix_trace_step_at"), "trace_step", ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("app_fault")
    op.drop_table("trace_step")
    op.drop_table("app_trial")
    op.drop_table("webhook_message")
    op.drop_table("webhook_endpoint")
    op.drop_index(op.f("ix_consent_grant_ended_at"), table_name="consent_grant")
    op.drop_index("ix_audit_event_client_at", table_name="audit_event")
