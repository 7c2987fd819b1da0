"""When a load last wrote, and when it was given up: nobody waits for that one any more."""

import sqlalchemy as sa
from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fhir_load", sa.Column("written_at", sa.BigInteger(), nullable=True))
    op.add_column("fhir_load", sa.Column("given_up_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("fhir_load", "given_up_at")
    op.drop_column("fhir_load", "written_at")
