"""When a representative's link changed last: what its RelatedPerson says in `meta.lastUpdated`."""

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of what changed before nobody knows when: its RelatedPerson goes on to say since when the right has been.
    op.add_column("representative_link", sa.Column("changed_at", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("representative_link", "changed_at")
