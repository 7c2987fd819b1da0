"""Why the next sign-in asks for an e-mailed code."""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("code_due_for", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("account", "code_due_for")
