"""Whom an app means that asks for an answer without a page: the subject of the ID token that it sends along."""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pending_authorization", sa.Column("hinted_subject", sa.String(length=36), nullable=True))


def downgrade() -> None:
    op.drop_column("pending_authorization", "hinted_subject")
