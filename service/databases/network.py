"""Whether the way to a PostgreSQL server is closed: it runs on this machine, or TLS makes sure that it is that server.

Without `sslmode=verify-full` or `verify-ca` whoever is on the way may read records, or answer in the server's place:
`require` and less take any certificate (PostgreSQL, 34.19.1).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from service.domains import is_this_machine

_VERIFIED = frozenset({"verify-full", "verify-ca"})


def is_postgresql(database_url: str) -> bool:
    """Whether it is a URL of PostgreSQL by the driver that we use."""
    try:
        return make_url(database_url).drivername in {"postgresql", "postgresql+psycopg"}
    except (ArgumentError, ValueError):
        return False


def is_in_clear(database_url: str) -> bool:
    """Whether it names a PostgreSQL server on another machine, of which TLS is not told to make sure.

    What the URL leaves open libpq takes from its own variables (PGHOST, PGSSLMODE …): so does this.
    """
    if not is_postgresql(database_url):
        return False
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    asked: Mapping[str, Any] = url.get_dialect()().create_connect_args(url)[1]
    usual = _of_environment()
    if "service" in asked:
        # A file says the rest, which only libpq reads: what the URL itself does not say may be anything.
        usual = {"host": "a service"}
    if (asked.get("sslmode") or usual.get("sslmode")) in _VERIFIED:
        return False
    if (asked.get("sslrootcert") or usual.get("sslrootcert")) == "system":
        # libpq goes by verify-full then, and takes nothing weaker.
        return False
    named = [asked.get(one) or usual.get(one) for one in ("hostaddr", "host")]
    hosts = str(next(filter(None, named), "")).split(",")
    return not all(_is_here(host) for host in hosts)


def _is_here(host: str) -> bool:
    # Nothing, a path or a name with @ is a Unix socket.
    return not host or host[0] in "/@" or is_this_machine(host)


def _of_environment() -> dict[str, str]:
    # The driver is loaded where PostgreSQL is used, and nowhere else.
    from psycopg.pq import Conninfo  # noqa: PLC0415

    wanted = {"host", "hostaddr", "sslmode", "sslrootcert"}
    found = {one.keyword.decode(): one.val for one in Conninfo.get_defaults() if one.keyword.decode() in wanted}
    return {name: value.decode() for name, value in found.items() if value}
