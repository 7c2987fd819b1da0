"""Whether what is read while an answer is sent is read in a place of the door."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import event

from service.door.overload import Door


@contextmanager
def in_a_place_each(app: Flask) -> Iterator[list[int]]:
    """The places taken at each statement in the block, where nobody else asks: one each, and none is left."""
    door, engine = app.wsgi_app, app.extensions["latchstring"].engine
    assert isinstance(door, Door) and door._places._working == 0, "the request has given its place back"
    taken: list[int] = []

    def look(*_: object) -> None:
        taken.append(door._places._working)

    event.listen(engine, "before_cursor_execute", look)
    try:
        yield taken
    finally:
        event.remove(engine, "before_cursor_execute", look)
    assert set(taken) <= {1}, taken
    assert door._places._working == 0
