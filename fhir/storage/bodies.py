"""Bodies as stored: zstd, with a dictionary trained on bodies of the same type (four times smaller than without).

Dictionaries are kept for ever in `body_dictionary`; each body names the one it needs. What a process has read of them
it keeps for as long as the engine lives.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from weakref import WeakKeyDictionary

import zstandard
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from fhir.models import BodyDictionary
from fhir.storage.results import Resource
from fhir.storage.statements import Row

DICTIONARY_SIZE = 64 * 1024
FEWEST_SAMPLES = 100
_MOST_SAMPLES = 2_000
_SAMPLE_BYTES = 4 * 1024 * 1024
_SEGMENT, _COUNTED, _FREQUENCIES = 3_000, 8, 18
"""How a dictionary is put together: of segments so long, whose strings of so many bytes come often, as a table of
2 ** 18 counts them. Resources of one type are alike for lines on end; to have zstd try four lengths of segment, the
longest of 2,000, took eight times as long and made no shorter bodies."""
_LEVEL = 3
_NO_DICTIONARY = 0


class Unpackers:
    """What unpacks the bodies of one database, lent to one thread at a time: as many as are at work at once.

    Each thread with its own would keep 120 kB for each type, of which a server has 64 threads and some twenty types.
    """

    def __init__(self) -> None:
        self._idle: dict[int, list[zstandard.ZstdDecompressor]] = {}
        self._dictionaries: dict[int, zstandard.ZstdCompressionDict | None] = {_NO_DICTIONARY: None}

    def take(self, session: Session, dictionary_id: int) -> zstandard.ZstdDecompressor:
        """One for the bodies of this dictionary, to be given back."""
        try:
            return self._idle[dictionary_id].pop()
        except (KeyError, IndexError):
            return zstandard.ZstdDecompressor(dict_data=self._dictionary(session, dictionary_id))

    def give_back(self, dictionary_id: int, unpacker: zstandard.ZstdDecompressor) -> None:
        """Let another thread have it."""
        self._idle.setdefault(dictionary_id, []).append(unpacker)

    def forget(self) -> None:
        """Load every dictionary anew."""
        self._idle, self._dictionaries = {}, {_NO_DICTIONARY: None}

    def _dictionary(self, session: Session, dictionary_id: int) -> zstandard.ZstdCompressionDict | None:
        known = self._dictionaries
        if dictionary_id not in known:
            known[dictionary_id] = _load(session, dictionary_id)
        # Not asked of self: another thread may have forgotten them all meanwhile.
        return known[dictionary_id]


class Bodies:
    """Packs bodies of one thread, and unpacks them."""

    def __init__(self, unpackers: Unpackers) -> None:
        self._unpackers = unpackers
        self._packers: dict[int, zstandard.ZstdCompressor] = {}
        self._newest: dict[str, int] = {}

    def unpack(self, session: Session, dictionary_id: int, body: bytes) -> bytes:
        """The JSON of a stored body."""
        unpacker = self._unpackers.take(session, dictionary_id)
        found = unpacker.decompress(body)
        self._unpackers.give_back(dictionary_id, unpacker)
        return found

    @contextmanager
    def unpacking(self, session: Session, dictionary_id: int) -> Iterator[Callable[[bytes], bytes]]:
        """What unpacks many bodies of one dictionary."""
        unpacker = self._unpackers.take(session, dictionary_id)
        try:
            yield unpacker.decompress
        finally:
            self._unpackers.give_back(dictionary_id, unpacker)

    def pack(self, session: Session, resource_type: str, bodies: Sequence[bytes]) -> tuple[int, list[bytes]]:
        """The bodies (of one type) packed, and the id of the dictionary used. Trains one when it is time."""
        number = self._dictionary_for(session, resource_type, bodies)
        packer = self._packers.get(number)
        if packer is None:
            dictionary = None if number == _NO_DICTIONARY else _load(session, number)
            packer = self._packers[number] = zstandard.ZstdCompressor(
                # The row says which dictionary, in a column of its own.
                level=_LEVEL, dict_data=dictionary, write_dict_id=False,
            )  # fmt: skip
        return number, [packer.compress(body) for body in bodies]

    def _dictionary_for(self, session: Session, resource_type: str, bodies: Sequence[bytes]) -> int:
        number = self._newest.get(resource_type, _NO_DICTIONARY)
        if number == _NO_DICTIONARY:
            newest = select(func.max(BodyDictionary.id)).where(BodyDictionary.type == resource_type)
            number = session.scalar(newest) or _train(session, resource_type, bodies)
        if number != _NO_DICTIONARY:
            self._newest[resource_type] = number
        return number

    def forget_dictionaries(self) -> None:
        """Forget every dictionary: a transaction that made one was rolled back, and its id may be another's next."""
        self._newest.clear()
        self._packers.clear()
        self._unpackers.forget()


class _Held(threading.local):
    def __init__(self) -> None:
        self.of: WeakKeyDictionary[Engine, Bodies] = WeakKeyDictionary()


_held = _Held()
_unpackers: WeakKeyDictionary[Engine, Unpackers] = WeakKeyDictionary()
_making = threading.Lock()


def bodies_of(session: Session) -> Bodies:
    """The packer of this thread for the session's database."""
    engine = session.get_bind().engine
    found = _held.of.get(engine)
    if found is None:
        with _making:
            found = _held.of[engine] = Bodies(_unpackers.setdefault(engine, Unpackers()))
    return found


def resources_of(session: Session, rows: Iterable[Row]) -> tuple[Resource, ...]:
    """Stored versions as they are given out, with their bodies; a deleted one has none."""
    unpack = bodies_of(session).unpack
    return tuple([
        Resource(
            row.type, row.id, row.version, row.last_updated,
            b"" if row.deleted else unpack(session, row.dictionary_id, row.body), row.deleted, row.patient_id,
        )
        for row in rows
    ])  # fmt: skip


def texts_of(session: Session, packed: Iterable[tuple[str, int, bytes, str]]) -> Iterator[bytes]:
    """The JSON of stored bodies, each with its id, dictionary and patient, one by one: never more than one is held."""
    for number, some in groupby(packed, itemgetter(1)):
        with bodies_of(session).unpacking(session, number) as unpack:
            for _id, _number, body, _patient in some:
                yield unpack(body)


def _train(session: Session, resource_type: str, bodies: Sequence[bytes]) -> int:
    if len(bodies) < FEWEST_SAMPLES:
        return _NO_DICTIONARY
    # Some from everywhere: the first ones are of few members.
    step = max(1, len(bodies) // _MOST_SAMPLES, -(-sum(map(len, bodies)) // _SAMPLE_BYTES))
    samples: list[bytes | bytearray | memoryview[int]] = list(bodies[::step])
    size = min(DICTIONARY_SIZE, sum(map(len, samples)) // 4)
    try:
        trained = zstandard.train_dictionary(
            size, samples, k=min(_SEGMENT, size), d=_COUNTED, f=_FREQUENCIES, accel=1
        )  # fmt: skip
    except zstandard.ZstdError:
        # Too little in common to learn from; plain zstd then.
        return _NO_DICTIONARY
    made = BodyDictionary(type=resource_type, content=trained.as_bytes())
    session.add(made)
    session.flush()
    return made.id


def _load(session: Session, dictionary_id: int) -> zstandard.ZstdCompressionDict:
    content = session.scalars(select(BodyDictionary.content).where(BodyDictionary.id == dictionary_id)).one()
    return zstandard.ZstdCompressionDict(content)
