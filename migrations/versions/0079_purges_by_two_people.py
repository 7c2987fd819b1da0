"""Purges of the audit wait for an administrator: acts that the release before cannot read."""

from alembic import op

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Kinds of acts are words in a column that takes any."""


def downgrade() -> None:
    op.execute("DELETE FROM pending_act WHERE kind = 'audit_purge'")
