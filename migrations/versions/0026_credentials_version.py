"""Tokens of programs carry the version of what their app proved itself by; those in use live five minutes at most."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("client", "system_token"):
        op.add_column(table, sa.Column("credentials_version", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    for table in ("system_token", "client"):
        op.drop_column(table, "credentials_version")
