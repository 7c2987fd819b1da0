"""The member's name of then in a notice to somebody who acts for them; notices from before keep none."""

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0072"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notice", sa.Column("member_name", sa.String(length=200), nullable=True))


def downgrade() -> None:
    op.drop_column("notice", "member_name")
