"""Bodies as stored: zstd, with a dictionary trained on bodies of the same type (four times smaller than without).

Dictionaries are kept for ever in `body_dictionary`; each body names the one it needs. What a process has read of them
it keeps for as long as the engine lives.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
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
_LEVEL = 3
_NO_DICTIONARY = 0


class Bodies:
    """Packs and unpacks bodies of one thread; the (de)compressors of zstandard must not be shared by threads."""

    def __init__(self) -> None:
        self._unpackers: dict[int, zstandard.ZstdDecompressor] = {_NO_DICTIONARY: zstandard.ZstdDecompressor()}
        self._packers: dict[int, zstandard.ZstdCompressor] = {_NO_DICTIONARY: zstandard.ZstdCompressor(level=_LEVEL)}
        self._newest: dict[str, int] = {}

    def unpack(self, session: Session, dictionary_id: int, body: bytes) -> bytes:
        """The JSON of a stored body."""
        return self.unpacker(session, dictionary_id).decompress(body)

    def unpacker(self, session: Session, dictionary_id: int) -> zstandard.ZstdDecompressor:
        """What unpacks the bodies of one dictionary, for the thread at hand."""
        unpacker = self._unpackers.get(dictionary_id)
        if unpacker is None:
            unpacker = zstandard.ZstdDecompressor(dict_data=_load(session, dictionary_id))
            self._unpackers[dictionary_id] = unpacker
        return unpacker

    def pack(self, session: Session, resource_type: str, bodies: Sequence[bytes]) -> tuple[int, list[bytes]]:
        """The bodies (of one type) packed, and the id of the dictionary used. Trains one when it is time."""
        number = self._dictionary_for(session, resource_type, bodies)
        packer = self._packers.get(number)
        if packer is None:
            packer = zstandard.ZstdCompressor(level=_LEVEL, dict_data=_load(session, number))
            self._packers[number] = packer
        return number, [packer.compress(body) for body in bodies]

    def _dictionary_for(self, session: Session, resource_type: str, bodies: Sequence[bytes]) -> int:
        number = self._newest.get(resource_type, _NO_DICTIONARY)
        if number == _NO_DICTIONARY:
            newest = select(func.max(BodyDictionary.id)).where(BodyDictionary.type == resource_type)
            number = session.scalar(newest) or _train(session, resource_type, bodies)
        if number != _NO_DICTIONARY:
            self._newest[resource_type] = number
        return number

    def forget_newest(self) -> None:
        """Forget which dictionaries are newest: a transaction that made one was rolled back."""
        self._newest.clear()


_local = threading.local()


def bodies_of(session: Session) -> Bodies:
    """The packer of this thread for the session's database."""
    held: WeakKeyDictionary[Engine, Bodies] | None = getattr(_local, "held", None)
    if held is None:
        held = _local.held = WeakKeyDictionary()
    engine = session.get_bind().engine
    found = held.get(engine)
    if found is None:
        found = held[engine] = Bodies()
    return found


def resources_of(session: Session, rows: Iterable[Row]) -> tuple[Resource, ...]:
    """Stored versions as they are given out, with their bodies; a deleted one has none."""
    unpack = bodies_of(session).unpack
    return tuple([
        Resource(
            row.type, row.id, row.version, row.last_updated,
            b"" if row.deleted else unpack(session, row.dictionary_id, row.body), row.deleted,
        )
        for row in rows
    ])  # fmt: skip


def texts_of(session: Session, packed: Iterable[tuple[str, int, bytes]]) -> Iterator[bytes]:
    """The JSON of stored bodies, each with its id and dictionary, one after the other: never more than one is held."""
    for number, some in groupby(packed, itemgetter(1)):
        unpack = bodies_of(session).unpacker(session, number).decompress
        for _id, _number, body in some:
            yield unpack(body)


def _train(session: Session, resource_type: str, bodies: Sequence[bytes]) -> int:
    if len(bodies) < FEWEST_SAMPLES:
        return _NO_DICTIONARY
    samples: list[bytes | bytearray | memoryview[int]] = []
    room = _SAMPLE_BYTES
    for body in bodies[:: max(1, len(bodies) // _MOST_SAMPLES)]:
        room -= len(body)
        if room < 0:
            break
        samples.append(body)
    try:
        trained = zstandard.train_dictionary(min(DICTIONARY_SIZE, sum(map(len, samples)) // 4), samples)
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
