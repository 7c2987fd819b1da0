"""Claims by their number (a column, filled for what is stored, and its index); who assigned a remittance, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# The first word that is kept of the identifiers is the first one's value. One statement: nothing of it passes through
# this process.
_FILL = {
    "postgresql": "UPDATE resource SET claim_number = identifier[1] WHERE type = 'ExplanationOfBenefit'",
    "sqlite": (
        "UPDATE resource SET claim_number = substr(identifier, 2, instr(substr(identifier, 2), char(31)) - 1)"
        " WHERE type = 'ExplanationOfBenefit' AND identifier <> ''"
    ),
}


def upgrade() -> None:
    op.add_column("resource", sa.Column("claim_number", sa.Text(), nullable=True))
    op.execute(_FILL[op.get_context().dialect.name])
    op.create_index(
        "ix_resource_claim_number",
        "resource",
        ["claim_number"],
        unique=False,
        sqlite_where=sa.text("claim_number IS NOT NULL"),
        postgresql_where=sa.text("claim_number IS NOT NULL"),
    )

    op.add_column("remittance", sa.Column("assigned_at", sa.BigInteger(), nullable=True))
    op.add_column("remittance", sa.Column("assigned_by_account_id", sa.String(length=36), nullable=True))
    op.create_index(
        "ix_remittance_assigned_at",
        "remittance",
        ["assigned_at"],
        unique=False,
        sqlite_where=sa.text("assigned_at IS NOT NULL"),
        postgresql_where=sa.text("assigned_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_remittance_assigned_at", table_name="remittance")
    op.drop_column("remittance", "assigned_by_account_id")
    op.drop_column("remittance", "assigned_at")
    op.drop_index("ix_resource_claim_number", table_name="resource")
    op.drop_column("resource", "claim_number")
