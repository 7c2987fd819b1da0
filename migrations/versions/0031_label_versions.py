"""By which version of the code tables a resource is labelled."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_TABLES = ("resource", "resource_version")


def upgrade() -> None:
    # What is stored is labelled by no known version: `flask fhir relabel` looks at all of it.
    for table in _TABLES:
        with op.batch_alter_table(table) as altered:
            altered.add_column(sa.Column("labelled_by", sa.String(length=20), nullable=False, server_default=""))
    # With the default gone, the table is as a new one.
    for table in _TABLES:
        with op.batch_alter_table(table) as altered:
            altered.alter_column("labelled_by", existing_type=sa.String(length=20), server_default=None)


def downgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table) as altered:
            altered.drop_column("labelled_by")
