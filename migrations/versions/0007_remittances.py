"""Remittances (X12 835): files, transactions, claims, lines."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "remittance_file",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("control_number", sa.String(length=9), nullable=False),
        sa.Column("sender", sa.String(length=40), nullable=False),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remittance_file")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_remittance_file_content_hash")),
    )
    op.create_table(
        "remittance",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=50), nullable=False),
        sa.Column("number_key", sa.String(length=50), nullable=False),
        sa.Column(
            "method",
            sa.Enum("check", "eft", "non_payment", name="paymentmethod", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("payer_name", sa.String(length=80), nullable=False),
        sa.Column("payer_id", sa.String(length=80), nullable=False),
        sa.Column("payee_name", sa.String(length=80), nullable=False),
        sa.Column("payee_tax_id", sa.String(length=9), nullable=True),
        sa.Column("payee_npi", sa.String(length=10), nullable=True),
        sa.Column("payee_vendor_number", sa.String(length=40), nullable=True),
        sa.Column("provider_adjustments", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["remittance_file.id"], name=op.f("fk_remittance_file_id")),
        sa.ForeignKeyConstraint(["group_id"], ["provider_group.id"], name=op.f("fk_remittance_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remittance")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_remittance_content_hash")),
    )
    op.create_index(op.f("ix_remittance_file_id"), "remittance", ["file_id"], unique=False)
    op.create_index("ix_remittance_group_id_paid_on", "remittance", ["group_id", "paid_on"], unique=False)
    op.create_index("ix_remittance_number_key", "remittance", ["number_key"], unique=False)
    op.create_index(op.f("ix_remittance_payee_tax_id"), "remittance", ["payee_tax_id"], unique=False)
    op.create_table(
        "remittance_claim",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("remittance_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("claim_number", sa.String(length=50), nullable=False),
        sa.Column("patient_control_number", sa.String(length=50), nullable=False),
        sa.Column("status", sa.String(length=2), nullable=False),
        sa.Column("reversal", sa.Boolean(), nullable=False),
        sa.Column("charge_cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_cents", sa.BigInteger(), nullable=False),
        sa.Column("patient_cents", sa.BigInteger(), nullable=False),
        sa.Column("member_number", sa.String(length=80), nullable=False),
        sa.Column("patient_given_name", sa.String(length=60), nullable=False),
        sa.Column("patient_family_name", sa.String(length=60), nullable=False),
        sa.Column("service_from", sa.Date(), nullable=True),
        sa.Column("service_to", sa.Date(), nullable=True),
        sa.Column("rendering_npi", sa.String(length=10), nullable=True),
        sa.Column("adjustments", sa.JSON(), nullable=False),
        sa.Column("remarks", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["remittance_id"], ["remittance.id"], name=op.f("fk_remittance_claim_remittance_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remittance_claim")),
    )
    op.create_index(op.f("ix_remittance_claim_claim_number"), "remittance_claim", ["claim_number"], unique=False)
    op.create_index(op.f("ix_remittance_claim_member_number"), "remittance_claim", ["member_number"], unique=False)
    op.create_index(
        op.f("ix_remittance_claim_patient_control_number"), "remittance_claim", ["patient_control_number"], unique=False
    )
    op.create_index(
        "ix_remittance_claim_remittance_id_position", "remittance_claim", ["remittance_id", "position"], unique=False
    )
    op.create_table(
        "remittance_line",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("claim_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("procedure", sa.String(length=60), nullable=False),
        sa.Column("revenue_code", sa.String(length=10), nullable=False),
        sa.Column("units", sa.String(length=20), nullable=False),
        sa.Column("service_from", sa.Date(), nullable=True),
        sa.Column("service_to", sa.Date(), nullable=True),
        sa.Column("charge_cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_cents", sa.BigInteger(), nullable=False),
        sa.Column("allowed_cents", sa.BigInteger(), nullable=True),
        sa.Column("adjustments", sa.JSON(), nullable=False),
        sa.Column("remarks", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["remittance_claim.id"], name=op.f("fk_remittance_line_claim_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remittance_line")),
    )
    op.create_index("ix_remittance_line_claim_id_position", "remittance_line", ["claim_id", "position"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_remittance_line_claim_id_position", table_name="remittance_line")
    op.drop_table("remittance_line")
    op.drop_index("ix_remittance_claim_remittance_id_position", table_name="remittance_claim")
    op.drop_index(op.f("ix_remittance_claim_patient_control_number"), table_name="remittance_claim")
    op.drop_index(op.f("ix_remittance_claim_member_number"), table_name="remittance_claim")
    op.drop_index(op.f("ix_remittance_claim_claim_number"), table_name="remittance_claim")
    op.drop_table("remittance_claim")
    op.drop_index(op.f("ix_remittance_payee_tax_id"), table_name="remittance")
    op.drop_index("ix_remittance_number_key", table_name="remittance")
    op.drop_index("ix_remittance_group_id_paid_on", table_name="remittance")
    op.drop_index(op.f("ix_remittance_file_id"), table_name="remittance")
    op.drop_table("remittance")
    op.drop_table("remittance_file")
