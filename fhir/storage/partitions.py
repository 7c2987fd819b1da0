"""The tables of FHIR resources cut into hash partitions by member, on PostgreSQL (docs/scaling.md).

The same columns, indexes and triggers; the primary keys take the member in, as each unique key of a partitioned or
sharded table must. That an id of a type stands once is then kept by whoever writes: one at a time, behind its lock,
after it has looked the key up in every partition.
"""

from sqlalchemy import Connection, Table, inspect, text
from sqlalchemy.schema import CreateIndex

from fhir.models import VISIBILITY_TRIGGERS, StoredResource, StoredVersion
from service.db import Base

KEY = "patient_id"
TABLES: tuple[Table, ...] = tuple(Base.metadata.tables[one.__tablename__] for one in (StoredResource, StoredVersion))
"""What is cut; everything else is looked up by other things than the member, and small (docs/scaling.md)."""
# A row that goes to another partition is deleted there and inserted here: no trigger of updates sees it.
_MOVED = (
    "CREATE TRIGGER resource_version_moved AFTER INSERT ON resource_version FOR EACH ROW"
    " WHEN (NEW.patient_id = '~') EXECUTE FUNCTION narrow_visibility()"
)


class AlreadyCut(Exception):
    """The tables are partitioned; to cut them anew is for PostgreSQL's own tools."""


def cut(connection: Connection, parts: int) -> None:
    """Cut the tables into `parts` in the connection's transaction; nobody writes meanwhile. Raises AlreadyCut."""
    kind = connection.scalar(text("SELECT relkind::text FROM pg_class WHERE oid = CAST('resource' AS regclass)"))
    if kind == "p":
        raise AlreadyCut
    for table in TABLES:
        _cut(connection, table, parts)
    for statement in (*VISIBILITY_TRIGGERS, _MOVED):
        connection.exec_driver_sql(statement)
    for table in TABLES:
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def _cut(connection: Connection, table: Table, parts: int) -> None:
    name = table.name
    key = ", ".join((*(column.name for column in table.primary_key), KEY))
    columns = ", ".join(column.name for column in table.columns)
    standing = [one["name"] for one in inspect(connection).get_indexes(name)]
    statements = [
        f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE",
        f"ALTER TABLE {name} RENAME TO {name}_whole",
        f"CREATE TABLE {name} (LIKE {name}_whole INCLUDING ALL EXCLUDING INDEXES) PARTITION BY HASH ({KEY})",
        *(
            f"CREATE TABLE {name}_{part} PARTITION OF {name} FOR VALUES WITH (MODULUS {parts}, REMAINDER {part})"
            for part in range(parts)
        ),
        # A member's rows lie side by side, as a page of them is read.
        f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {name}_whole"  # noqa: S608 (names of ours)
        " ORDER BY patient_id, type, sort_date DESC, id",
        f"DROP TABLE {name}_whole",
        f"ALTER TABLE {name} ADD CONSTRAINT pk_{name} PRIMARY KEY ({key})",
    ]
    for statement in statements:
        connection.exec_driver_sql(statement)
    for index in table.indexes:
        if index.name in standing:
            connection.execute(CreateIndex(index))
