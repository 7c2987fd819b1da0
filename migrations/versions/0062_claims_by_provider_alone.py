"""The index of claims by provider without their type, which all of them share: a sixth less of it on the disk."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

_OLD, _NEW = "ix_resource_provider_type_date", "ix_resource_provider_date"
_OF_PROVIDERS = sa.text("provider_id IS NOT NULL")
_CUT = "SELECT relkind = 'p' FROM pg_class WHERE oid = CAST('resource' AS regclass)"


def upgrade() -> None:
    _replace(_OLD, _NEW, ["provider_id", sa.text("sort_date DESC"), "id"])


def downgrade() -> None:
    _replace(_NEW, _OLD, ["provider_id", "type", sa.text("sort_date DESC"), "id"])


def _replace(old: str, new: str, columns: "list[str | sa.TextClause]") -> None:
    """Claims are looked for by one of the two at any moment."""
    if _is_built_beside():
        with op.get_context().autocommit_block():
            # Half of one may be left by a process that was killed.
            op.drop_index(new, table_name="resource", if_exists=True, postgresql_concurrently=True)
            op.create_index(
                new, "resource", columns, postgresql_where=_OF_PROVIDERS, postgresql_concurrently=True
            )  # fmt: skip
            op.drop_index(old, table_name="resource", if_exists=True, postgresql_concurrently=True)
        return
    op.create_index(new, "resource", columns, sqlite_where=_OF_PROVIDERS, postgresql_where=_OF_PROVIDERS)
    op.drop_index(old, table_name="resource")


def _is_built_beside() -> bool:
    """Whether everybody goes on writing meanwhile: PostgreSQL can do that, but for a table that was cut."""
    if op.get_context().dialect.name != "postgresql":
        return False
    return op.get_context().as_sql or not op.get_bind().scalar(sa.text(_CUT))
