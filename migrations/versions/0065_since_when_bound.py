"""Since when the refresh tokens of a connection are bound to a key: those of before are anybody's who shows them."""

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("token_family", sa.Column("dpop_bound_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("token_family", "dpop_bound_at")
