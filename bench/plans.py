"""The plans of the statements that a search or a read runs, as the server runs them."""

from collections.abc import Callable
from typing import Any

from service.databases.reading import ReadingSession


def explained(session: ReadingSession, deed: Callable[[], object]) -> list[str]:
    """What the database says of each statement about resources that `deed` runs on the session."""
    cursor = session.driver_cursor()
    assert session._connection is not None
    driver: Any = session._connection.driver_connection
    if session.get_bind().dialect.name == "sqlite":
        said: list[str] = []
        driver.set_trace_callback(said.append)
        deed()
        driver.set_trace_callback(None)
        run = dict.fromkeys(one for one in said if "FROM resource" in one)
        return ["\n".join(row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {one}")) for one in run]
    cursor._names.clear()
    driver.execute("DEALLOCATE ALL", prepare=False)
    deed()
    prepared = driver.execute(
        "SELECT name, cardinality(parameter_types) FROM pg_prepared_statements"
        " WHERE name LIKE 'hot%' AND statement LIKE '%FROM resource%' ORDER BY name",
        prepare=False,
    ).fetchall()
    return [
        "\n".join(line for (line,) in driver.execute(_explain(name, number), prepare=False))
        for name, number in prepared
    ]


def _explain(name: str, number: int) -> str:
    # The plan is made whatever the values are: none are as good as any.
    return f"EXPLAIN EXECUTE {name}" + (f"({', '.join(['NULL'] * number)})" if number else "")
