"""Claims by the organisation that billed them (a column, filled for what is stored, and its index); members by birth."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# References are kept as `parameter=Type/id`. One statement a table: nothing of it passes through this process, so the
# size of the plan does not matter here.
_FILL = {
    "postgresql": (
        "UPDATE {table} SET provider_id = (SELECT substr(one, 23) FROM unnest(refs) AS one"
        " WHERE starts_with(one, 'provider=Organization/') LIMIT 1)"
        " WHERE type = 'ExplanationOfBenefit'"
    ),
    "sqlite": (
        "UPDATE {table} SET provider_id = substr(substr(refs, instr(refs, {lead}) + 23), 1,"
        " instr(substr(refs, instr(refs, {lead}) + 23), char(31)) - 1)"
        " WHERE type = 'ExplanationOfBenefit' AND instr(refs, {lead}) > 0"
    ),
}
_LEAD = "char(31) || 'provider=Organization/'"


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    for table in ("resource", "resource_version"):
        op.add_column(table, sa.Column("provider_id", sa.String(length=64), nullable=True))
        op.execute(_FILL[dialect].format(table=table, lead=_LEAD))
    op.create_index(
        "ix_resource_provider_type_date",
        "resource",
        ["provider_id", "type", sa.literal_column("sort_date DESC"), "id"],
        unique=False,
        sqlite_where=sa.text("provider_id IS NOT NULL"),
        postgresql_where=sa.text("provider_id IS NOT NULL"),
    )
    op.create_index("ix_member_birth_date", "member", ["birth_date"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_member_birth_date", table_name="member")
    op.drop_index("ix_resource_provider_type_date", table_name="resource")
    op.drop_column("resource_version", "provider_id")
    op.drop_column("resource", "provider_id")
