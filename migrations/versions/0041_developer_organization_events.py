"""When the plan shut a developer organisation out or let it in again, who did, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "developer_organization_event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column(
            "step", sa.Enum("disable", "enable", name="organizationstep", native_enum=False, length=32), nullable=False
        ),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["developer_organization.id"],
            name=op.f("fk_developer_organization_event_organization_id_developer_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_developer_organization_event_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_developer_organization_event")),
    )  # fmt: skip
    op.create_index(
        op.f("ix_developer_organization_event_organization_id"), "developer_organization_event", ["organization_id"]
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_developer_organization_event_organization_id"), table_name="developer_organization_event")
    op.drop_table("developer_organization_event")
