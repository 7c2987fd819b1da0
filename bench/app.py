"""The product's own application, with three routes beside it that only the benchmark has."""

import os
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response
from sqlalchemy import event

# First, as a worker loads it.
from wsgi import app as product  # isort: skip

from bench import BARE, EMPTY_FLASK, TELLING_WAITS, TOKEN_CHECK, WITHOUT_FSYNC, waits
from oauth.tokens.protector import access_for_request
from service.web import csrf, reading_session


def bare() -> Response:
    """The measure of all ratios: a route of the product's app that does nothing."""
    return Response(b'{"status":"ok"}', content_type="application/json")


def check_token() -> Response:
    """What the gate alone costs: the token with all that it hangs from, read as the API reads it."""
    access_for_request(reading_session())
    return bare()


def spare_fsync(connection: Any, _record: object) -> None:
    """Commit without waiting for the disk: never in the product; here it tells apart what fsync costs."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")
    else:
        connection.execute("SET synchronous_commit = off")
        connection.commit()


def make_app() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """The product with the bare routes; beside it an empty Flask app, which has none of the product's hooks."""
    if os.environ.get(WITHOUT_FSYNC):
        event.listen(product.extensions["latchstring"].engine, "connect", spare_fsync)
    product.add_url_rule(BARE, view_func=csrf.exempt(bare))
    product.add_url_rule(TOKEN_CHECK, view_func=check_token)
    empty = Flask("empty")
    empty.add_url_rule(EMPTY_FLASK, view_func=bare)

    def choose(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chosen = empty if environ["PATH_INFO"] == EMPTY_FLASK else product
        return chosen(environ, start_response)

    return waits.told(choose) if os.environ.get(TELLING_WAITS) else choose


app = make_app()
