"""The plan's roster; accounts with their sessions, devices, codes and counters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempt_counter",
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempt_counter")),
    )
    op.create_index(op.f("ix_attempt_counter_expires_at"), "attempt_counter", ["expires_at"], unique=False)
    op.create_table(
        "email_code",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("registration", "password_reset", name="codepurpose", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("subject_id", sa.String(length=36), nullable=True),
        sa.Column("browser_id", sa.String(length=64), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("voided_at", sa.BigInteger(), nullable=True),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_code")),
    )
    op.create_index("ix_email_code_browser_purpose", "email_code", ["browser_id", "purpose"], unique=False)
    op.create_index(op.f("ix_email_code_expires_at"), "email_code", ["expires_at"], unique=False)
    op.create_index(op.f("ix_email_code_subject_id"), "email_code", ["subject_id"], unique=False)
    op.create_table(
        "email_proof",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum("registration", "password_reset", name="codepurpose", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("browser_token", sa.String(length=64), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_proof")),
    )
    op.create_index(op.f("ix_email_proof_browser_token"), "email_proof", ["browser_token"], unique=False)
    op.create_index(op.f("ix_email_proof_expires_at"), "email_proof", ["expires_at"], unique=False)
    op.create_index(op.f("ix_email_proof_subject_id"), "email_proof", ["subject_id"], unique=False)
    op.create_table(
        "member",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("member_number", sa.String(length=40), nullable=False),
        sa.Column("subscriber_number", sa.String(length=40), nullable=False),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("zip_code", sa.String(length=10), nullable=False),
        sa.Column("line_of_business", sa.String(length=40), nullable=False),
        sa.Column("address_line", sa.String(length=200), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("email_on_file", sa.String(length=254), nullable=False),
        sa.Column("deceased_on", sa.Date(), nullable=True),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
        sa.UniqueConstraint("member_number", name=op.f("uq_member_member_number")),
        sa.UniqueConstraint("patient_id", name=op.f("uq_member_patient_id")),
    )
    op.create_index("ix_member_name", "member", ["family_name", "given_name"], unique=False)
    op.create_index(op.f("ix_member_subscriber_number"), "member", ["subscriber_number"], unique=False)
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("username_key", sa.String(length=256), nullable=False),
        sa.Column("username_skeleton", sa.String(length=256), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("email_verified_at", sa.BigInteger(), nullable=True),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("credentials_version", sa.Integer(), nullable=False),
        sa.Column(
            "status", sa.Enum("active", "disabled", name="accountstatus", native_enum=False, length=32), nullable=False
        ),
        sa.Column("member_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_account_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("member_id", name=op.f("uq_account_member_id")),
        sa.UniqueConstraint("username_key", name=op.f("uq_account_username_key")),
    )
    op.create_index(op.f("ix_account_email_key"), "account", ["email_key"], unique=False)
    op.create_index(op.f("ix_account_username_skeleton"), "account", ["username_skeleton"], unique=False)
    op.create_table(
        "pending_registration",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("browser_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=True),
        sa.Column("representative_id", sa.String(length=36), nullable=True),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("next_path", sa.String(length=2000), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_pending_registration_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_registration")),
    )
    op.create_index(op.f("ix_pending_registration_browser_id"), "pending_registration", ["browser_id"], unique=False)
    op.create_index(op.f("ix_pending_registration_expires_at"), "pending_registration", ["expires_at"], unique=False)
    op.create_table(
        "known_device",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_known_device_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_device")),
    )
    op.create_index(op.f("ix_known_device_account_id"), "known_device", ["account_id"], unique=False)
    op.create_index(op.f("ix_known_device_token_hash"), "known_device", ["token_hash"], unique=False)
    op.create_table(
        "login_session",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("authenticated_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("acting_member_id", sa.String(length=36), nullable=True),
        sa.Column("credentials_version", sa.Integer(), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_login_session_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_login_session_token_hash")),
    )
    op.create_index(op.f("ix_login_session_account_id"), "login_session", ["account_id"], unique=False)
    op.create_index(op.f("ix_login_session_expires_at"), "login_session", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_login_session_expires_at"), table_name="login_session")
    op.drop_index(op.f("ix_login_session_account_id"), table_name="login_session")
    op.drop_table("login_session")
    op.drop_index(op.f("ix_known_device_token_hash"), table_name="known_device")
    op.drop_index(op.f("ix_known_device_account_id"), table_name="known_device")
    op.drop_table("known_device")
    op.drop_index(op.f("ix_pending_registration_expires_at"), table_name="pending_registration")
    op.drop_index(op.f("ix_pending_registration_browser_id"), table_name="pending_registration")
    op.drop_table("pending_registration")
    op.drop_index(op.f("ix_account_username_skeleton"), table_name="account")
    op.drop_index(op.f("ix_account_email_key"), table_name="account")
    op.drop_table("account")
    op.drop_index(op.f("ix_member_subscriber_number"), table_name="member")
    op.drop_index("ix_member_name", table_name="member")
    op.drop_table("member")
    op.drop_index(op.f("ix_email_proof_subject_id"), table_name="email_proof")
    op.drop_index(op.f("ix_email_proof_expires_at"), table_name="email_proof")
    op.drop_index(op.f("ix_email_proof_browser_token"), table_name="email_proof")
    op.drop_table("email_proof")
    op.drop_index(op.f("ix_email_code_subject_id"), table_name="email_code")
    op.drop_index(op.f("ix_email_code_expires_at"), table_name="email_code")
    op.drop_index("ix_email_code_browser_purpose", table_name="email_code")
    op.drop_table("email_code")
    op.drop_index(op.f("ix_attempt_counter_expires_at"), table_name="attempt_counter")
    op.drop_table("attempt_counter")
