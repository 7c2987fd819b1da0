"""An index by which the look-ups of a portal login are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_audit_event_account_at",
        "audit_event",
        ["account_id", "at"],
        unique=False,
        sqlite_where=sa.text("grant_id IS NULL"),
        postgresql_where=sa.text("grant_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_audit_event_account_at",
        table_name="audit_event",
        sqlite_where=sa.text("grant_id IS NULL"),
        postgresql_where=sa.text("grant_id IS NULL"),
    )
