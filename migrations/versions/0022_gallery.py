"""The check-list of app reviews, reports about apps, the category of an app, and which members were told."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_ANSWERS = ("yes", "no", "not_applicable")
_REASONS = ("poses_as_another", "misleads", "shares_data", "does_not_work", "unsafe", "other")


def upgrade() -> None:
    with op.batch_alter_table("client") as client:
        client.add_column(sa.Column("category", sa.String(length=32), nullable=True))
    with op.batch_alter_table("app_review_event") as event:
        event.add_column(sa.Column("members_told_at", sa.BigInteger(), nullable=True))
        event.add_column(sa.Column("members_told_to", sa.String(length=36), nullable=False, server_default=""))
        event.create_index(op.f("ix_app_review_event_members_told_at"), ["members_told_at"], unique=False)
    # What happened before is no news.
    op.execute("UPDATE app_review_event SET members_told_at = at")
    op.create_table(
        "app_check",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("review_id", sa.String(length=36), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("question", sa.String(length=40), nullable=False),
        sa.Column("answer", sa.Enum(*_ANSWERS, name="checkanswer", native_enum=False, length=32), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_app_check_account_id")),
        sa.ForeignKeyConstraint(["review_id"], ["app_review.id"], name=op.f("fk_app_check_review_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_check")),
    )
    op.create_index(op.f("ix_app_check_review_id"), "app_check", ["review_id"], unique=False)
    op.create_table(
        "app_report",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Enum(*_REASONS, name="reportreason", native_enum=False, length=32), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("outcome", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_app_report_account_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_app_report_client_id")),
        sa.ForeignKeyConstraint(
            ["closed_by_account_id"], ["account.id"], name=op.f("fk_app_report_closed_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_report")),
    )
    op.create_index(op.f("ix_app_report_client_id"), "app_report", ["client_id"], unique=False)
    op.create_index(op.f("ix_app_report_closed_at"), "app_report", ["closed_at"], unique=False)


def downgrade() -> None:
    op.drop_table("app_report")
    op.drop_table("app_check")
    with op.batch_alter_table("app_review_event") as event:
        event.drop_index(op.f("ix_app_review_event_members_told_at"))
        event.drop_column("members_told_to")
        event.drop_column("members_told_at")
    with op.batch_alter_table("client") as client:
        client.drop_column("category")
