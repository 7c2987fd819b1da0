"""Provider groups with their numbers, addresses, contacts and people, and changes asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practitioner",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("npi", sa.String(length=10), nullable=False),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("family_name", sa.String(length=100), nullable=False),
        sa.Column("gender", sa.String(length=20), nullable=False),
        sa.Column("taxonomy", sa.String(length=10), nullable=False),
        sa.Column("taxonomy_name", sa.String(length=120), nullable=False),
        sa.Column("practitioner_id", sa.String(length=64), nullable=False),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_practitioner")),
        sa.UniqueConstraint("npi", name=op.f("uq_practitioner_npi")),
        sa.UniqueConstraint("practitioner_id", name=op.f("uq_practitioner_practitioner_id")),
    )
    op.create_table(
        "provider_group",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("legal_name", sa.String(length=200), nullable=False),
        sa.Column("dba_name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("taxonomy", sa.String(length=10), nullable=False),
        sa.Column("taxonomy_name", sa.String(length=120), nullable=False),
        sa.Column(
            "status", sa.Enum("active", "terminated", name="groupstatus", native_enum=False, length=32), nullable=False
        ),
        sa.Column("contracted", sa.Boolean(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=True),
        sa.Column("terminated_on", sa.Date(), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("fax", sa.String(length=40), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=True),
        sa.Column("service_specialist", sa.String(length=200), nullable=False),
        sa.Column("contract_manager", sa.String(length=200), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_group")),
        sa.UniqueConstraint("number", name=op.f("uq_provider_group_number")),
        sa.UniqueConstraint("organization_id", name=op.f("uq_provider_group_organization_id")),
    )
    op.create_table(
        "practitioner_affiliation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("practitioner_id", sa.String(length=36), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_practitioner_affiliation_group_id")),
        sa.ForeignKeyConstraint(
            ["practitioner_id"], ["practitioner.id"], name=op.f("fk_practitioner_affiliation_practitioner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_practitioner_affiliation")),
        sa.UniqueConstraint(
            "group_id",
            "practitioner_id",
            "starts_on",
            name=op.f("uq_practitioner_affiliation_group_id_practitioner_id_starts_on"),
        ),
    )
    op.create_index(
        op.f("ix_practitioner_affiliation_practitioner_id"),
        "practitioner_affiliation",
        ["practitioner_id"],
        unique=False,
    )
    op.create_table(
        "provider_address",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("use", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("line", sa.String(length=200), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("zip_code", sa.String(length=10), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("location_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_provider_address_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_address")),
        sa.UniqueConstraint("location_id", name=op.f("uq_provider_address_location_id")),
    )
    op.create_index(op.f("ix_provider_address_group_id"), "provider_address", ["group_id"], unique=False)
    op.create_table(
        "provider_contact",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_provider_contact_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_contact")),
    )
    op.create_index(op.f("ix_provider_contact_email_key"), "provider_contact", ["email_key"], unique=False)
    op.create_index(op.f("ix_provider_contact_group_id"), "provider_contact", ["group_id"], unique=False)
    op.create_table(
        "provider_group_version",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_provider_group_version_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_group_version")),
    )
    op.create_index(op.f("ix_provider_group_version_group_id"), "provider_group_version", ["group_id"], unique=False)
    op.create_table(
        "provider_identifier",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("tax_id", "npi", "vendor_number", "office_id", name="idkind", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("value", sa.String(length=40), nullable=False),
        sa.Column("npi_type", sa.Integer(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_provider_identifier_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_identifier")),
        sa.UniqueConstraint("group_id", "kind", "value", name=op.f("uq_provider_identifier_group_id_kind_value")),
    )
    op.create_index("ix_provider_identifier_kind_value", "provider_identifier", ["kind", "value"], unique=False)
    op.create_table(
        "profile_change",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "add_practitioner",
                "change_practitioner",
                "remove_practitioner",
                "add_location",
                "change_location",
                "remove_location",
                "out_of_network",
                name="profilechangekind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("subject_id", sa.String(length=36), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "submitted",
                "in_review",
                "approved",
                "declined",
                "withdrawn",
                name="profilechangestatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("asked_by_account_id", sa.String(length=36), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by_account_id", sa.String(length=36), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asked_by_account_id"], ["account.id"], name=op.f("fk_profile_change_asked_by_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_account_id"], ["account.id"], name=op.f("fk_profile_change_decided_by_account_id")
        ),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_profile_change_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile_change")),
    )
    op.create_index(op.f("ix_profile_change_group_id"), "profile_change", ["group_id"], unique=False)
    op.create_index(op.f("ix_profile_change_status"), "profile_change", ["status"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_profile_change_status"), table_name="profile_change")
    op.drop_index(op.f("ix_profile_change_group_id"), table_name="profile_change")
    op.drop_table("profile_change")
    op.drop_index("ix_provider_identifier_kind_value", table_name="provider_identifier")
    op.drop_table("provider_identifier")
    op.drop_index(op.f("ix_provider_group_version_group_id"), table_name="provider_group_version")
    op.drop_table("provider_group_version")
    op.drop_index(op.f("ix_provider_contact_group_id"), table_name="provider_contact")
    op.drop_index(op.f("ix_provider_contact_email_key"), table_name="provider_contact")
    op.drop_table("provider_contact")
    op.drop_index(op.f("ix_provider_address_group_id"), table_name="provider_address")
    op.drop_table("provider_address")
    op.drop_index(op.f("ix_practitioner_affiliation_practitioner_id"), table_name="practitioner_affiliation")
    op.drop_table("practitioner_affiliation")
    op.drop_table("provider_group")
    op.drop_table("practitioner")
