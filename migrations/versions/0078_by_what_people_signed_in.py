"""By what a person signed in (`amr` of ID tokens), and keys that tokens of programs are bound to."""

import sqlalchemy as sa
from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

_WITH_METHODS = ("login_session", "authorization_code", "token_family")


def upgrade() -> None:
    for table in _WITH_METHODS:
        op.add_column(table, sa.Column("amr", sa.String(60)))
    op.add_column("system_token", sa.Column("dpop_jkt", sa.String(43)))


def downgrade() -> None:
    op.drop_column("system_token", "dpop_jkt")
    for table in reversed(_WITH_METHODS):
        op.drop_column(table, "amr")
