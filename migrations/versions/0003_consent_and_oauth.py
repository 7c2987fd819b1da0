"""Apps, representatives, decisions (append-only), grants, and the tokens that hang from them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "client",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_skeleton", sa.String(length=400), nullable=False),
        sa.Column(
            "kind", sa.Enum("public", "confidential", name="clientkind", native_enum=False, length=32), nullable=False
        ),
        sa.Column(
            "token_endpoint_auth_method",
            sa.Enum(
                "none", "client_secret_basic", "client_secret_post", name="authmethod", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("secret_hash", sa.String(length=64), nullable=True),
        sa.Column("secret_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("previous_secret_hash", sa.String(length=64), nullable=True),
        sa.Column("previous_secret_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("launch_uris", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("may_introspect", sa.Boolean(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("approved", "suspended", "retired", name="clientstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("developer_name", sa.String(length=200), nullable=False),
        sa.Column("developer_domain", sa.String(length=253), nullable=True),
        sa.Column("website", sa.String(length=2000), nullable=True),
        sa.Column("policy_uri", sa.String(length=2000), nullable=True),
        sa.Column("terms_uri", sa.String(length=2000), nullable=True),
        sa.Column("contact", sa.String(length=320), nullable=True),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column(
            "attestation",
            sa.Enum("attested", "declined", "unanswered", name="attestation", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("attested_on", sa.BigInteger(), nullable=True),
        sa.Column("attestation_version", sa.String(length=40), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client")),
        sa.UniqueConstraint("name_skeleton", name=op.f("uq_client_name_skeleton")),
    )
    op.create_table(
        "signing_key",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("sealed_private_key", sa.LargeBinary(), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("signs_from", sa.BigInteger(), nullable=False),
        sa.Column("published_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_signing_key")),
        sa.UniqueConstraint("kid", name=op.f("uq_signing_key_kid")),
    )
    op.create_table(
        "pending_authorization",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=True),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("code_challenge", sa.String(length=43), nullable=False),
        sa.Column("prompt", sa.String(length=60), nullable=False),
        sa.Column("login_hint", sa.Text(), nullable=True),
        sa.Column("ui_locales", sa.Text(), nullable=True),
        sa.Column("authenticate_after", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_pending_authorization_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_authorization")),
    )
    op.create_index(op.f("ix_pending_authorization_expires_at"), "pending_authorization", ["expires_at"], unique=False)
    op.create_table(
        "personal_representative",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=True),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_personal_representative_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_personal_representative")),
        sa.UniqueConstraint("account_id", name=op.f("uq_personal_representative_account_id")),
        sa.UniqueConstraint("number", name=op.f("uq_personal_representative_number")),
    )
    op.create_table(
        "subject",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_subject_account_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_subject_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject")),
        sa.UniqueConstraint("account_id", "member_id", name=op.f("uq_subject_account_id_member_id")),
    )
    op.create_table(
        "representative_link",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("representative_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("related_person_id", sa.String(length=36), nullable=False),
        sa.Column(
            "basis",
            sa.Enum(
                "parent",
                "guardian",
                "power_of_attorney",
                "conservator",
                "executor",
                name="basis",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "scope",
            sa.Enum("all", "claims_only", "without_sensitive", name="linkscope", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("evidence", sa.String(length=200), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("safety_block", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "ended_by",
            sa.Enum("member", "representative", "plan", "app", "time", name="endedby", native_enum=False, length=32),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_representative_link_member_id")),
        sa.ForeignKeyConstraint(
            ["representative_id"], ["personal_representative.id"], name=op.f("fk_representative_link_representative_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_representative_link")),
        sa.UniqueConstraint("related_person_id", name=op.f("uq_representative_link_related_person_id")),
    )
    op.create_index("ix_representative_link_member", "representative_link", ["member_id"], unique=False)
    op.create_index(
        op.f("ix_representative_link_representative_id"), "representative_link", ["representative_id"], unique=False
    )
    op.create_table(
        "consent_decision",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.Enum("allow", "deny", name="answer", native_enum=False, length=32), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("link_id", sa.String(length=36), nullable=True),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("client_version", sa.Integer(), nullable=False),
        sa.Column("asked_scopes", sa.Text(), nullable=False),
        sa.Column("granted_scopes", sa.Text(), nullable=False),
        sa.Column("sensitive_classes", sa.JSON(), nullable=False),
        sa.Column(
            "duration",
            sa.Enum("once", "three_months", "thirteen_months", name="duration", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("text_version", sa.String(length=40), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_consent_decision_account_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_consent_decision_client_id")),
        sa.ForeignKeyConstraint(["link_id"], ["representative_link.id"], name=op.f("fk_consent_decision_link_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_consent_decision_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_decision")),
    )
    op.create_index("ix_consent_decision_member_at", "consent_decision", ["member_id", "at"], unique=False)
    op.create_table(
        "consent_grant",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("link_id", sa.String(length=36), nullable=True),
        sa.Column("link_version", sa.Integer(), nullable=True),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("decision_id", sa.String(length=36), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("sensitive_classes", sa.JSON(), nullable=False),
        sa.Column(
            "duration",
            sa.Enum("once", "three_months", "thirteen_months", name="duration", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("active", "paused", "revoked", "expired", name="grantstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "ended_by",
            sa.Enum("member", "representative", "plan", "app", "time", name="endedby", native_enum=False, length=32),
            nullable=True,
        ),
        sa.Column("ended_by_account_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_consent_grant_account_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_consent_grant_client_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["consent_decision.id"], name=op.f("fk_consent_grant_decision_id")),
        sa.ForeignKeyConstraint(
            ["ended_by_account_id"], ["account.id"], name=op.f("fk_consent_grant_ended_by_account_id")
        ),
        sa.ForeignKeyConstraint(["link_id"], ["representative_link.id"], name=op.f("fk_consent_grant_link_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_consent_grant_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_grant")),
    )
    op.create_index(op.f("ix_consent_grant_client_id"), "consent_grant", ["client_id"], unique=False)
    op.create_index(op.f("ix_consent_grant_expires_at"), "consent_grant", ["expires_at"], unique=False)
    op.create_index("ix_consent_grant_member", "consent_grant", ["member_id"], unique=False)
    op.create_index(
        "uq_consent_grant_standing",
        "consent_grant",
        ["account_id", "member_id", "client_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "authorization_code",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("grant_version", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("credentials_version", sa.Integer(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("code_challenge", sa.String(length=43), nullable=False),
        sa.Column("authenticated_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("family_id", sa.String(length=36), nullable=True),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_authorization_code_account_id")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_authorization_code_client_id")),
        sa.ForeignKeyConstraint(["grant_id"], ["consent_grant.id"], name=op.f("fk_authorization_code_grant_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_authorization_code")),
    )
    op.create_index(
        "ix_authorization_code_client_challenge", "authorization_code", ["client_id", "code_challenge"], unique=False
    )
    op.create_index(op.f("ix_authorization_code_expires_at"), "authorization_code", ["expires_at"], unique=False)
    op.create_index(op.f("ix_authorization_code_grant_id"), "authorization_code", ["grant_id"], unique=False)
    op.create_table(
        "token_family",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("authenticated_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "end_reason",
            sa.Enum(
                "code_replayed", "refresh_reused", "revoked_by_app", name="familyend", native_enum=False, length=32
            ),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_token_family_client_id")),
        sa.ForeignKeyConstraint(["grant_id"], ["consent_grant.id"], name=op.f("fk_token_family_grant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_family")),
    )
    op.create_index(op.f("ix_token_family_grant_id"), "token_family", ["grant_id"], unique=False)
    op.create_table(
        "access_token",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("family_id", sa.String(length=36), nullable=False),
        sa.Column("grant_version", sa.Integer(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["family_id"], ["token_family.id"], name=op.f("fk_access_token_family_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_access_token")),
    )
    op.create_index(op.f("ix_access_token_expires_at"), "access_token", ["expires_at"], unique=False)
    op.create_index(op.f("ix_access_token_family_id"), "access_token", ["family_id"], unique=False)
    op.create_table(
        "refresh_token",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("family_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["family_id"], ["token_family.id"], name=op.f("fk_refresh_token_family_id")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_refresh_token")),
    )
    op.create_index(op.f("ix_refresh_token_expires_at"), "refresh_token", ["expires_at"], unique=False)
    op.create_index(op.f("ix_refresh_token_family_id"), "refresh_token", ["family_id"], unique=False)
    _append_only("consent_decision")


def downgrade() -> None:
    op.drop_index(op.f("ix_refresh_token_family_id"), table_name="refresh_token")
    op.drop_index(op.f("ix_refresh_token_expires_at"), table_name="refresh_token")
    op.drop_table("refresh_token")
    op.drop_index(op.f("ix_access_token_family_id"), table_name="access_token")
    op.drop_index(op.f("ix_access_token_expires_at"), table_name="access_token")
    op.drop_table("access_token")
    op.drop_index(op.f("ix_token_family_grant_id"), table_name="token_family")
    op.drop_table("token_family")
    op.drop_index(op.f("ix_authorization_code_grant_id"), table_name="authorization_code")
    op.drop_index(op.f("ix_authorization_code_expires_at"), table_name="authorization_code")
    op.drop_index("ix_authorization_code_client_challenge", table_name="authorization_code")
    op.drop_table("authorization_code")
    op.drop_index(
        "uq_consent_grant_standing",
        table_name="consent_grant",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index("ix_consent_grant_member", table_name="consent_grant")
    op.drop_index(op.f("ix_consent_grant_expires_at"), table_name="consent_grant")
    op.drop_index(op.f("ix_consent_grant_client_id"), table_name="consent_grant")
    op.drop_table("consent_grant")
    op.drop_index("ix_consent_decision_member_at", table_name="consent_decision")
    op.drop_table("consent_decision")
    op.drop_index(op.f("ix_representative_link_representative_id"), table_name="representative_link")
    op.drop_index("ix_representative_link_member", table_name="representative_link")
    op.drop_table("representative_link")
    op.drop_table("subject")
    op.drop_table("personal_representative")
    op.drop_index(op.f("ix_pending_authorization_expires_at"), table_name="pending_authorization")
    op.drop_table("pending_authorization")
    op.drop_table("signing_key")
    op.drop_table("client")


def _append_only(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
