"""Indexes of identifiers and references (PostgreSQL) for the types that are looked for whoever's they are."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TYPES = "type IN ('HealthcareService', 'Location', 'Organization', 'Patient', 'Practitioner', 'PractitionerRole')"
_COLUMNS = ("identifier", "refs")


def upgrade() -> None:
    for column in _COLUMNS if op.get_context().dialect.name == "postgresql" else ():
        op.create_index(
            f"ix_resource_{column}", "resource", [column], unique=False, postgresql_using="gin",
            postgresql_where=sa.text(_TYPES),
        )  # fmt: skip


def downgrade() -> None:
    for column in _COLUMNS if op.get_context().dialect.name == "postgresql" else ():
        op.drop_index(f"ix_resource_{column}", table_name="resource")
