"""The provider portal: organisations, logins and what they reach, proofs, mailed PINs, terms, plan staff."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "portal_organization",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("provider", "billing", name="organizationkind", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("tax_id", sa.String(length=9), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portal_organization")),
        sa.UniqueConstraint("kind", "tax_id", name=op.f("uq_portal_organization_kind_tax_id")),
    )
    op.create_table(
        "portal_registration",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("browser_id", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("provider", "billing", name="organizationkind", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portal_registration")),
    )
    op.create_index(op.f("ix_portal_registration_browser_id"), "portal_registration", ["browser_id"], unique=False)
    op.create_index(op.f("ix_portal_registration_expires_at"), "portal_registration", ["expires_at"], unique=False)
    op.create_table(
        "not_listed_request",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_name", sa.String(length=200), nullable=False),
        sa.Column("tax_id", sa.String(length=9), nullable=False),
        sa.Column("npi", sa.String(length=10), nullable=False),
        sa.Column("contact_name", sa.String(length=200), nullable=False),
        sa.Column("contact_email", sa.String(length=254), nullable=False),
        sa.Column("contact_phone", sa.String(length=40), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("open", "approved", "refused", name="requeststatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("handled_at", sa.BigInteger(), nullable=True),
        sa.Column("handled_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("resolution", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["handled_by_account_id"], ["account.id"], name=op.f("fk_not_listed_request_handled_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_not_listed_request")),
    )
    op.create_index(op.f("ix_not_listed_request_status"), "not_listed_request", ["status"], unique=False)
    op.create_table(
        "plan_staff",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_plan_staff_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_staff")),
        sa.UniqueConstraint("account_id", name=op.f("uq_plan_staff_account_id")),
    )
    op.create_table(
        "provider_staff",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("is_delegate", sa.Boolean(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("awaiting_pin", "active", "deactivated", name="staffstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("functions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("certified_at", sa.BigInteger(), nullable=False),
        sa.Column("lapsed_at", sa.BigInteger(), nullable=True),
        sa.Column("deactivated_at", sa.BigInteger(), nullable=True),
        sa.Column("deactivated_by_account_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_provider_staff_account_id")),
        sa.ForeignKeyConstraint(
            ["created_by_account_id"], ["account.id"], name=op.f("fk_provider_staff_created_by_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["deactivated_by_account_id"], ["account.id"], name=op.f("fk_provider_staff_deactivated_by_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["portal_organization.id"], name=op.f("fk_provider_staff_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_staff")),
    )
    op.create_index(op.f("ix_provider_staff_account_id"), "provider_staff", ["account_id"], unique=False)
    op.create_index(op.f("ix_provider_staff_organization_id"), "provider_staff", ["organization_id"], unique=False)
    op.create_index(
        "uq_provider_staff_standing",
        "provider_staff",
        ["account_id"],
        unique=True,
        sqlite_where=sa.text("status <> 'deactivated'"),
        postgresql_where=sa.text("status <> 'deactivated'"),
    )
    op.create_table(
        "registration_proof",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("remittance_id", sa.String(length=36), nullable=True),
        sa.Column("by_vendor_number", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("proven_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_registration_proof_account_id")),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_registration_proof_group_id")),
        sa.ForeignKeyConstraint(["remittance_id"], ["remittance.id"], name=op.f("fk_registration_proof_remittance_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_proof")),
    )
    op.create_index(op.f("ix_registration_proof_group_id"), "registration_proof", ["group_id"], unique=False)
    op.create_table(
        "terms_acceptance",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("document", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_terms_acceptance_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms_acceptance")),
    )
    op.create_index(
        "ix_terms_acceptance_account_id", "terms_acceptance", ["account_id", "document", "version"], unique=False
    )
    op.create_table(
        "access_entry",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.Column("tax_id", sa.String(length=9), nullable=True),
        sa.Column("npi", sa.String(length=10), nullable=True),
        sa.Column("vendor_number", sa.String(length=40), nullable=True),
        sa.Column("office_id", sa.String(length=40), nullable=True),
        sa.Column(
            "source",
            sa.Enum("proof", "mailed_pin", "delegate", "plan", name="entrysource", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("proof_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by_account_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_account_id"], ["account.id"], name=op.f("fk_access_entry_created_by_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["ended_by_account_id"], ["account.id"], name=op.f("fk_access_entry_ended_by_account_id")
        ),
        sa.ForeignKeyConstraint(["proof_id"], ["registration_proof.id"], name=op.f("fk_access_entry_proof_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["provider_staff.id"], name=op.f("fk_access_entry_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_entry")),
    )
    op.create_index(op.f("ix_access_entry_staff_id"), "access_entry", ["staff_id"], unique=False)
    op.create_table(
        "delegate_request",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column(
            "status",
            sa.Enum("open", "approved", "refused", name="requeststatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("decision_reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["decided_by_account_id"], ["account.id"], name=op.f("fk_delegate_request_decided_by_account_id")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["provider_staff.id"], name=op.f("fk_delegate_request_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegate_request")),
    )
    op.create_index(op.f("ix_delegate_request_staff_id"), "delegate_request", ["staff_id"], unique=False)
    op.create_index(op.f("ix_delegate_request_status"), "delegate_request", ["status"], unique=False)
    op.create_table(
        "mailed_pin",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("pin_hash", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("address", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("voided_at", sa.BigInteger(), nullable=True),
        sa.Column("printed_at", sa.BigInteger(), nullable=True),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_mailed_pin_group_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["provider_staff.id"], name=op.f("fk_mailed_pin_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailed_pin")),
    )
    op.create_index(op.f("ix_mailed_pin_group_id"), "mailed_pin", ["group_id"], unique=False)
    op.create_index(op.f("ix_mailed_pin_staff_id"), "mailed_pin", ["staff_id"], unique=False)
    _append_only("registration_proof")
    _append_only("terms_acceptance")


def downgrade() -> None:
    op.drop_index(op.f("ix_mailed_pin_staff_id"), table_name="mailed_pin")
    op.drop_index(op.f("ix_mailed_pin_group_id"), table_name="mailed_pin")
    op.drop_table("mailed_pin")
    op.drop_index(op.f("ix_delegate_request_status"), table_name="delegate_request")
    op.drop_index(op.f("ix_delegate_request_staff_id"), table_name="delegate_request")
    op.drop_table("delegate_request")
    op.drop_index(op.f("ix_access_entry_staff_id"), table_name="access_entry")
    op.drop_table("access_entry")
    op.drop_index("ix_terms_acceptance_account_id", table_name="terms_acceptance")
    op.drop_table("terms_acceptance")
    op.drop_index(op.f("ix_registration_proof_group_id"), table_name="registration_proof")
    op.drop_table("registration_proof")
    op.drop_index("uq_provider_staff_standing", table_name="provider_staff")
    op.drop_index(op.f("ix_provider_staff_organization_id"), table_name="provider_staff")
    op.drop_index(op.f("ix_provider_staff_account_id"), table_name="provider_staff")
    op.drop_table("provider_staff")
    op.drop_table("plan_staff")
    op.drop_index(op.f("ix_not_listed_request_status"), table_name="not_listed_request")
    op.drop_table("not_listed_request")
    op.drop_index(op.f("ix_portal_registration_expires_at"), table_name="portal_registration")
    op.drop_index(op.f("ix_portal_registration_browser_id"), table_name="portal_registration")
    op.drop_table("portal_registration")
    op.drop_table("portal_organization")


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
