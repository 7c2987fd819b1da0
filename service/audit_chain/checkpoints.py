"""Checkpoints: where the chain stood, each minute at most, signed and kept outside the database.

A folder with a file of lines a month, only ever added to. Each line names the digest of the one before, so that the
last one, with its signature, vouches for all. What was sealed after the last checkpoint could be rewritten by whoever
owns the database: the loss window is one period.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy.orm import Session, sessionmaker

from service.audit_chain import links
from service.audit_chain.keys import AuditKey, is_signed
from service.audit_chain.links import Head
from service.clock import now
from service.db import Statement
from service.settings import Settings

EVERY_SECONDS = 30.0
"""Half of the period that is promised, since a job may come late."""
_TAIL = 16_384
_AT = Statement("SELECT hash, event_id FROM audit_seal WHERE position = %s")
log = structlog.get_logger("service.audit_chain")


class Kind(StrEnum):
    """What a line says."""

    CHECKPOINT = "checkpoint"
    KEY = "key"
    """Another key signs from here on; it vouches for what the earlier ones signed."""
    LOSS = "loss"
    """The database was restored from a backup: what the lines before say of later positions is lost."""


class Untrustworthy(Exception):
    """The lines are not what was written: `place` is file and line, `sentence` what is wrong."""

    def __init__(self, place: str, sentence: str) -> None:
        super().__init__(f"{place}: {sentence}")
        self.place, self.sentence = place, sentence


class KeyChanged(Exception):
    """The last line was signed by another key than the installation's."""

    sentence = (
        "The last checkpoint was signed by another key. If SECRET_KEY was changed, run: flask audit rotate-key. "
        "If it was not, somebody else wrote there."
    )


class Disagrees(Exception):
    """The chain in the database is not the one that the last checkpoint saw."""

    sentence = (
        "The database does not hold what the last checkpoint saw: run flask audit verify. If the database was restored "
        "from a backup, run flask audit accept-loss with the reason."
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it says of the chain, and where it stands."""

    kind: Kind
    at: str
    position: int
    hash: bytes
    key_id: str
    digest: str
    place: str
    reason: str = ""


class CheckpointLog:
    """The folder of checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, key: AuditKey, kind: Kind, at: Head, *, reason: str = "") -> None:
        """Add a line and wait until it is on the disk; only a KEY line may follow one of a key that is not known.

        Raises KeyChanged, Untrustworthy, OSError.
        """
        with self._held():
            last = self.last()
            if last is not None and kind is not Kind.KEY and last.key_id not in key.known:
                raise KeyChanged
            moment = now()
            told = {
                "kind": kind, "at": moment.isoformat(timespec="milliseconds"), "position": at.position,
                "hash": at.hash.hex(), "previous": last.digest if last else None, "key": key.id,
            } | ({"reason": reason} if reason else {})  # fmt: skip
            line = orjson.dumps(told | {"signature": key.sign(_signed(told)).hex()})
            self._append(self.folder / f"audit-{moment:%Y-%m}.ndjson", line)

    def last(self) -> Line | None:
        """The last whole line, with its signature checked against the key it names; raises Untrustworthy."""
        for path in reversed(self._files()):
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL))
                for text in reversed(file.read().split(b"\n")):
                    found = _parse(text, path.name)
                    if found is not None:
                        _require_signed(found[0], found[1])
                        return found[0]
        return None

    def read(self, key: AuditKey, *, signed_by: str = "") -> list[Line]:
        """Every line in order, each vouched for by the last one, which a known `key` signed; raises Untrustworthy.

        `signed_by` is another key to trust instead, by its id.
        """
        found: list[Line] = []
        told: dict[str, Any] = {}
        for line, told in self._lines():
            if told["previous"] != (found[-1].digest if found else None):
                raise Untrustworthy(line.place, "this line does not follow the one before it.")
            found.append(line)
        if found:
            _require_signed(found[-1], told)
            if found[-1].key_id not in ({signed_by} if signed_by else key.known):
                raise Untrustworthy(found[-1].place, KeyChanged.sentence)
        return found

    def counting(self, key: AuditKey) -> tuple[list[Line], list[Line]]:
        """The lines that still say something of the chain, and those that tell of losses; raises Untrustworthy."""
        lines: list[Line] = []
        losses: list[Line] = []
        for line in self.read(key):
            if line.kind is Kind.LOSS:
                losses.append(line)
                lines = [one for one in lines if one.position <= line.position]
            elif lines and line.position < lines[-1].position:
                raise Untrustworthy(line.place, "this line sees less than the one before it.")
            else:
                lines.append(line)
        return lines, losses

    def _lines(self) -> Iterator[tuple[Line, dict[str, Any]]]:
        for path in self._files():
            with path.open("rb") as file:
                for number, text in enumerate(file, 1):
                    # What was torn when the machine stopped is no line; a line that was spoilt later breaks the links.
                    found = _parse(text.rstrip(b"\n"), f"{path.name}:{number}")
                    if found is not None:
                        yield found

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("audit-*.ndjson"))

    @contextmanager
    def _held(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _append(self, path: Path, line: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # A torn line may stand before: this one begins anew.
            start = b"" if os.fstat(descriptor).st_size == 0 else b"\n"
            os.write(descriptor, start + line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Add a checkpoint if the chain grew; raises what `take` does.

    The job is told to be failing then: nobody is stopped by it, but what is sealed meanwhile is vouched for by nothing.
    """
    with sessions() as session:
        take(session, CheckpointLog(settings.checkpoints_folder), AuditKey(settings.secret_key))


def take(session: Session, folder: CheckpointLog, key: AuditKey) -> Head | None:
    """Add a checkpoint; None where nothing was sealed since the last.

    Raises KeyChanged, Disagrees, Untrustworthy, OSError.
    """
    at, last = links.head(session), folder.last()
    if last is not None and last.position == at.position and last.hash == at.hash:
        return None
    if at.position == 0 and last is None:
        return None
    if last is not None and not agrees(session, last, at):
        raise Disagrees
    folder.add(key, Kind.CHECKPOINT, at)
    # A third place that holds it: where the logs go.
    log.info("audit_checkpoint", position=at.position, hash=at.hash.hex())
    return at


def agrees(session: Session, line: Line, at: Head) -> bool:
    """Whether the chain that ends with `at` holds what a line saw; what was purged since cannot be compared."""
    if line.position > at.position:
        return False
    if line.position in {0, at.position}:
        return line.position == 0 or line.hash == at.hash
    found = _AT.run(session, line.position).fetchall()
    return not found or bytes(found[0][0]) == line.hash


def _parse(text: bytes, place: str) -> tuple[Line, dict[str, Any]] | None:
    try:
        told = orjson.loads(text)
        line = Line(
            Kind(told["kind"]), told["at"], int(told["position"]), bytes.fromhex(told["hash"]), told["key"],
            hashlib.sha256(text).hexdigest(), place, told.get("reason", ""),
        )  # fmt: skip
        return line, told | {"previous": told["previous"], "signature": told["signature"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _signed(told: dict[str, Any]) -> bytes:
    return orjson.dumps({name: value for name, value in told.items() if name != "signature"})


def _require_signed(line: Line, told: dict[str, Any]) -> None:
    try:
        signature = bytes.fromhex(told["signature"])
    except (TypeError, ValueError):
        signature = b""
    if not is_signed(line.key_id, _signed(told), signature):
        raise Untrustworthy(line.place, "the signature is not of what the line says.")
