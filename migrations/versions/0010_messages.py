"""The secure mailbox: threads, messages, attachments, who has read."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_thread",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.Column(
            "topic",
            sa.Enum(
                "add_facility",
                "question",
                "profile",
                "authorization",
                "notice",
                name="threadtopic",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column(
            "status", sa.Enum("open", "closed", name="threadstatus", native_enum=False, length=32), nullable=False
        ),
        sa.Column("assigned_to_account_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("last_from_office_at", sa.BigInteger(), nullable=True),
        sa.Column("last_from_plan_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["assigned_to_account_id"], ["account.id"], name=op.f("fk_message_thread_assigned_to_account_id")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["provider_staff.id"], name=op.f("fk_message_thread_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_thread")),
    )
    op.create_index("ix_message_thread_staff_id_last_at", "message_thread", ["staff_id", "last_at"], unique=False)
    op.create_index(op.f("ix_message_thread_status"), "message_thread", ["status"], unique=False)
    op.create_table(
        "secure_message",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("thread_id", sa.String(length=36), nullable=False),
        sa.Column("author_account_id", sa.String(length=36), nullable=True),
        sa.Column("from_plan", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_account_id"], ["account.id"], name=op.f("fk_secure_message_author_account_id")
        ),
        sa.ForeignKeyConstraint(["thread_id"], ["message_thread.id"], name=op.f("fk_secure_message_thread_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secure_message")),
    )
    op.create_index("ix_secure_message_thread_id_sent_at", "secure_message", ["thread_id", "sent_at"], unique=False)
    op.create_table(
        "thread_reading",
        sa.Column("thread_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_thread_reading_account_id")),
        sa.ForeignKeyConstraint(["thread_id"], ["message_thread.id"], name=op.f("fk_thread_reading_thread_id")),
        sa.PrimaryKeyConstraint("thread_id", "account_id", name=op.f("pk_thread_reading")),
    )
    op.create_table(
        "message_attachment",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["secure_message.id"], name=op.f("fk_message_attachment_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_attachment")),
    )
    op.create_index(op.f("ix_message_attachment_message_id"), "message_attachment", ["message_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_message_attachment_message_id"), table_name="message_attachment")
    op.drop_table("message_attachment")
    op.drop_table("thread_reading")
    op.drop_index("ix_secure_message_thread_id_sent_at", table_name="secure_message")
    op.drop_table("secure_message")
    op.drop_index(op.f("ix_message_thread_status"), table_name="message_thread")
    op.drop_index("ix_message_thread_staff_id_last_at", table_name="message_thread")
    op.drop_table("message_thread")
