"""Hand-kept statements of PostgreSQL, prepared once a connection and run by libpq itself.

A cursor of the driver waits for each answer in Python; one blocking call without the interpreter's lock costs half.
"""

from typing import Any

from psycopg import Connection, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format

from service.databases.connections import keeps_state

_MOST = 200
_SUCCESS = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})


class PreparedStatements:
    """The statements of one connection in autocommit, behind the two methods of a cursor that they need.

    Behind a pooler they run without names.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._libpq: Any = connection.pgconn
        self._keeps_names = keeps_state(connection)
        if self._keeps_names:
            # Each is written for one index: to plan a search of a page anew costs more than to fetch it, and a table
            # that was small when the plan was made is not read from end to end.
            connection.execute("SET plan_cache_mode = force_generic_plan")
            connection.execute("SET enable_seqscan = off")
            # What has to be read so after all (a table of one row) looks dear then, and would be compiled each time.
            connection.execute("SET jit = off")
        self._values = Transformer(connection)
        self._names: dict[str, bytes] = {}
        self._readers: dict[str, Any] = {}
        self._text = ""
        self._answer: Any = None

    def execute(self, text: str, values: tuple[Any, ...] = ()) -> "PreparedStatements":
        """Run the statement; raises the driver's errors. `text` marks its values by %s and has no other percent."""
        # On a connection that is gone libpq makes no answer at all.
        if self._libpq.status != ConnStatus.OK:
            raise OperationalError("the connection is lost")
        # Sent as texts without a type: the server takes each for what the statement needs.
        given = self._values.dump_sequence(values, [PyFormat.TEXT] * len(values))
        self._text, name = text, self._names.get(text) or self._prepare(text)
        if name:
            self._answer = _good(self._libpq.exec_prepared(name, given, None, Format.BINARY))
        else:
            self._answer = _good(self._libpq.exec_params(_numbered(text), given, None, None, Format.BINARY))
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Every row of the last statement."""
        # A prepared statement always gives the same columns: how each is read is looked up at its first answer.
        reader = self._readers.get(self._text)
        if reader is None:
            reader = self._values
            if self._text in self._names:
                reader = self._readers[self._text] = Transformer(self._connection)
            reader.set_pgresult(self._answer, set_loaders=True, format=Format.BINARY)
        else:
            reader.set_pgresult(self._answer, set_loaders=False)
        return reader.load_rows(0, self._answer.ntuples, tuple)

    def _prepare(self, text: str) -> bytes:
        # Searches come in more shapes than the server should remember: the first ones are the usual ones.
        if not self._keeps_names or len(self._names) >= _MOST:
            return b""
        name = f"hot_{len(self._names)}".encode()
        _good(self._libpq.prepare(name, _numbered(text)))
        self._names[text] = name
        return name


def _good(answer: Any) -> Any:
    if answer.status not in _SUCCESS:
        # An answer without a code is libpq's own: the server ended, or the line is cut.
        if not answer.error_field(DiagnosticField.SQLSTATE):
            raise OperationalError(answer.error_message.decode("utf-8", "replace"))
        raise error_from_result(answer)
    return answer


def _numbered(text: str) -> bytes:
    first, *others = text.split("%s")
    return (first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))).encode()
