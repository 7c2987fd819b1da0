"""The indexes of identifiers and references (PostgreSQL) for networks, products and endpoints of the directory too."""

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

_COLUMNS = ("identifier", "refs")
_BEFORE = ("HealthcareService", "Location", "Organization", "Patient", "Practitioner", "PractitionerRole")
_AFTER = tuple(sorted((*_BEFORE, "Endpoint", "InsurancePlan", "OrganizationAffiliation")))
_CUT = "SELECT relkind = 'p' FROM pg_class WHERE oid = CAST('resource' AS regclass)"


def upgrade() -> None:
    _build(_AFTER)


def downgrade() -> None:
    _build(_BEFORE)


def _build(types: tuple[str, ...]) -> None:
    """A wider or narrower index takes the name of the one there is, which answers until then."""
    if op.get_context().dialect.name != "postgresql":
        return
    if op.get_context().as_sql or not op.get_bind().scalar(sa.text(_CUT)):
        with op.get_context().autocommit_block():
            for column in _COLUMNS:
                # Half of one may be left by a process that was killed.
                _drop(f"ix_resource_{column}_new", beside=True)
                _create(f"ix_resource_{column}_new", column, types, beside=True)
                _drop(f"ix_resource_{column}", beside=True)
                op.execute(f"ALTER INDEX ix_resource_{column}_new RENAME TO ix_resource_{column}")
        return
    for column in _COLUMNS:
        # A table that was cut cannot be indexed beside its use.
        _drop(f"ix_resource_{column}", beside=False)
        _create(f"ix_resource_{column}", column, types, beside=False)


def _create(name: str, column: str, types: tuple[str, ...], *, beside: bool) -> None:
    listed = ", ".join(f"'{one}'" for one in types)
    op.create_index(
        name, "resource", [column], unique=False, postgresql_using="gin",
        postgresql_where=sa.text(f"type IN ({listed})"), postgresql_concurrently=beside,
    )  # fmt: skip


def _drop(name: str, *, beside: bool) -> None:
    op.drop_index(name, table_name="resource", if_exists=True, postgresql_concurrently=beside)
