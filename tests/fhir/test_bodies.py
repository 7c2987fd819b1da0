"""Stored bodies: dictionaries that a transaction took back with it, and what threads share."""

import threading

import orjson
import zstandard
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from fhir.storage.bodies import FEWEST_SAMPLES, Unpackers, bodies_of
from service.db import make_sessions

TYPE = "Observation"


def _bodies(word: str) -> list[bytes]:
    texts = [
        {"resourceType": TYPE, "id": f"{word}-{number}", "note": f"{word} " * 20}
        for number in range(2 * FEWEST_SAMPLES)
    ]
    return [orjson.dumps(one) for one in texts]


def test_a_dictionary_that_was_rolled_back_packs_nothing_afterwards(engine: Engine) -> None:
    sessions, later = make_sessions(engine), _bodies("later")
    with sessions() as session:
        number, packed = bodies_of(session).pack(session, TYPE, _bodies("first"))
        bodies_of(session).unpack(session, number, packed[0])
        session.rollback()
        bodies_of(session).forget_dictionaries()
    with sessions.begin() as session:
        # SQLite gives the id of the one that is gone to the next one.
        number, packed = bodies_of(session).pack(session, TYPE, later)
        assert number

    found: list[bytes] = []

    def unpack_elsewhere() -> None:
        with sessions() as session:
            bodies_of(session).forget_dictionaries()
            found.extend(bodies_of(session).unpack(session, number, body) for body in packed)

    thread = threading.Thread(target=unpack_elsewhere)
    thread.start()
    thread.join()
    assert found == later


def test_threads_unpack_at_one_time(engine: Engine) -> None:
    sessions, bodies = make_sessions(engine), _bodies("shared")
    with sessions.begin() as session:
        number, packed = bodies_of(session).pack(session, TYPE, bodies)
    found: list[bool] = []

    def unpack() -> None:
        with sessions() as session:
            mine = bodies_of(session)
            for _ in range(20):
                found.append([mine.unpack(session, number, body) for body in packed] == bodies)

    threads = [threading.Thread(target=unpack) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [True] * 80


class _Interrupted(dict[int, zstandard.ZstdCompressionDict | None]):
    """After each look into it, another thread has a rollback."""

    unpackers: Unpackers

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        self.unpackers.forget()
        return found


def test_a_body_is_unpacked_while_another_thread_has_dictionaries_forgotten() -> None:
    unpackers = Unpackers()
    unpackers._dictionaries = known = _Interrupted({7: None})
    known.unpackers = unpackers

    with Session() as session:
        unpacker = unpackers.take(session, 7)

    assert unpacker.decompress(zstandard.compress(b"{}")) == b"{}"
