"""A database as a release left it, row by row, kept beside the tests; taken at its tag by

    .venv/bin/python -m tests.upgrades.snapshots 0.1.0

on both databases. The rows are invented people's; the secrets beside them open nothing elsewhere.
"""

import base64
import gzip
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, inspect, text

from consent.policy import plan_system
from fhir.loading import ingest
from service.app import create_app
from service.audit_chain import sealer
from service.clock import now
from service.databases import schema
from service.db import make_engine, make_sessions, microseconds
from service.sandbox.schema import bring_up_to_date
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.conftest import ROOT, new_schema
from tests.fhir import records
from tests.oauth.desk import Desk

HERE = Path(__file__).parent
KEY = b"of the snapshots of releases, only"
"""The installation's key in every snapshot, by which its digests were made."""


@dataclass(frozen=True)
class Snapshot:
    """What was kept: the schema's number, when it was taken (microseconds since 1970), rows by table, secrets."""

    head: str
    at: int
    tables: dict[str, dict[str, Any]]
    told: dict[str, str]


def versions(dialect: str) -> list[str]:
    """The releases of which there is a snapshot."""
    return sorted(path.name.removesuffix(f".{dialect}.json.gz") for path in HERE.glob(f"*.{dialect}.json.gz"))


def read(version: str, dialect: str) -> Snapshot:
    """The snapshot of a release."""
    return Snapshot(**json.loads(gzip.decompress((HERE / f"{version}.{dialect}.json.gz").read_bytes())))


def restore(settings: Settings, kept: Snapshot) -> None:
    """Bring an empty database to the release's schema, with its rows."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["settings"] = settings
    command.upgrade(config, kept.head)
    engine = make_engine(settings.database_url)
    with engine.begin() as connection:
        put = _put_postgresql if connection.dialect.name == "postgresql" else _put_sqlite
        put(connection, kept.tables)
    engine.dispose()


def take(settings: Settings) -> Snapshot:
    """Make a small plan in an empty database of this release's schema, and read all of it."""
    settings = replace(settings, secret_key=KEY)
    bring_up_to_date(settings)
    engine = make_engine(settings.database_url)
    told = _live(settings, engine)
    with engine.begin() as connection:
        names = [one for one in inspect(connection).get_table_names() if one != "alembic_version"]
        get = _get_postgresql if connection.dialect.name == "postgresql" else _get_sqlite
        tables = {name: found for name in sorted(names) if (found := get(connection, name))}
    engine.dispose()
    return Snapshot(schema.newest(), microseconds(now()), tables, told)


def _live(settings: Settings, engine: Engine) -> dict[str, str]:
    """What people did with the release: a member signed in, with an app connected and a record read."""
    app = create_app(settings, engine)
    desk = Desk(app)
    own = desk.member.patient_id
    loaded = [*records.shared(), *records.record_of(own)]
    assert ingest.load_resources(engine, loaded, access=plan_system("tests")).rejected == 0
    visitor = Visitor(app)
    visitor.sign_in(desk.account)
    client = desk.register()
    tokens = desk.connect(client)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert app.test_client().get(f"/fhir/r4/Patient/{own}", headers=headers).status_code == 200
    sealer.seal_all(make_sessions(engine))
    return {
        "access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"], "client": client.id,
        "app": client.view.name, "sid": visitor.sid() or "", "username": desk.account.username, "patient": own,
    }  # fmt: skip


def _get_sqlite(connection: Connection, name: str) -> dict[str, Any] | None:
    cursor = connection.exec_driver_sql(f'SELECT * FROM "{name}"')
    columns = list(cursor.keys())
    rows = [[_to_json(value) for value in row] for row in cursor]
    return {"columns": columns, "rows": rows} if rows else None


def _put_sqlite(connection: Connection, tables: dict[str, dict[str, Any]]) -> None:
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    for name, kept in tables.items():
        columns = ", ".join(f'"{one}"' for one in kept["columns"])
        marks = ", ".join("?" * len(kept["columns"]))
        for row in kept["rows"]:
            values = tuple(_from_json(value) for value in row)
            connection.exec_driver_sql(f'INSERT INTO "{name}" ({columns}) VALUES ({marks})', values)


def _get_postgresql(connection: Connection, name: str) -> dict[str, Any] | None:
    columns = [one["name"] for one in inspect(connection).get_columns(name) if not one.get("computed")]
    listed = ", ".join(f'"{one}"' for one in columns)
    cursor = connection.connection.cursor()
    with cursor.copy(f'COPY "{name}" ({listed}) TO STDOUT') as copied:  # type: ignore[attr-defined]
        rows = b"".join(bytes(one) for one in copied).decode()
    return {"columns": columns, "rows": rows} if rows else None


def _put_postgresql(connection: Connection, tables: dict[str, dict[str, Any]]) -> None:
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    cursor = connection.connection.cursor()
    for name, kept in tables.items():
        listed = ", ".join(f'"{one}"' for one in kept["columns"])
        with cursor.copy(f'COPY "{name}" ({listed}) FROM STDIN') as copied:  # type: ignore[attr-defined]
            copied.write(kept["rows"])
        for column in kept["columns"]:
            counter = connection.scalar(text("SELECT pg_get_serial_sequence(:name, :column)"), {
                "name": name, "column": column,
            })  # fmt: skip
            if counter:
                connection.execute(text(f'SELECT setval(:counter, (SELECT max("{column}") FROM "{name}"))'), {
                    "counter": counter,
                })  # fmt: skip


def _to_json(value: Any) -> Any:
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _from_json(value: Any) -> Any:
    return base64.b64decode(value["bytes"]) if isinstance(value, dict) else value


def _settings(url: str, var: str) -> Settings:
    made = Settings.from_environment({"VAR": var, "DATABASE_URL": url, "BASE_URL": "http://localhost"})
    return replace(made, testing=True)


def main(version: str) -> None:
    """Take and keep the snapshots of this release on both databases."""
    with tempfile.TemporaryDirectory() as var, new_schema() as url:
        for dialect, address in (("sqlite", f"sqlite:///{var}/taken.db"), ("postgresql", url)):
            own = Path(var) / dialect
            own.mkdir()
            kept = take(_settings(address, str(own)))
            packed = gzip.compress(json.dumps(kept.__dict__, indent=0).encode(), mtime=0)
            (HERE / f"{version}.{dialect}.json.gz").write_bytes(packed)
            print(f"{version} on {dialect}: schema {kept.head}, {len(kept.tables)} tables, {len(packed)} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
