"""An index of identifiers (PostgreSQL) for the types that are looked for by them whoever's they are."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TYPES = "type IN ('Location', 'Organization', 'Patient', 'Practitioner', 'PractitionerRole')"


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.create_index(
            "ix_resource_identifier", "resource", ["identifier"], unique=False, postgresql_using="gin",
            postgresql_where=sa.text(_TYPES),
        )  # fmt: skip


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.drop_index("ix_resource_identifier", table_name="resource")
