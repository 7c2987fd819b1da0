"""Apps that programs registered (RFC 7591), and the tokens that manage them."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dynamic_registration",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_dynamic_registration_client_id_client")),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_dynamic_registration")),
    )


def downgrade() -> None:
    op.drop_table("dynamic_registration")
