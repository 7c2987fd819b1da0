"""835 files into remittances: each transaction set for itself, so that one bad set does not lose the good ones.

A payment is known again by its content, whatever file, delimiters or control numbers it comes in.
"""

import codecs
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import islice
from pathlib import Path

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import audit
from service.plan.models import Remittance, RemittanceFile
from service.plan.remittances import payees, remittance_rows, x12
from service.plan.remittances.remittance_balance import imbalances
from service.plan.remittances.remittance_content import Payee, ReadRemittance
from service.plan.remittances.remittance_elements import Unreadable
from service.plan.remittances.remittance_reading import read
from service.plan.remittances.remittance_rows import Origin
from service.plan.remittances.x12 import Fault, TransactionSet

SUFFIXES = frozenset({".835", ".edi", ".era", ".txt", ".x12"})
"""How 835 files end; a folder is searched for these, a file that is named is read whatever its name."""
_CHUNK = 1 << 20
_OF_CONTENT = select(Remittance.id).where(Remittance.content_hash == bindparam("content_hash"))
_OF_NUMBER = (
    select(Remittance.id)
    .where(Remittance.number_key == bindparam("number_key"), Remittance.payer_id == bindparam("payer_id"))
    .limit(1)
)
Progress = Callable[[int], None]
"""Told how many bytes of the file are read."""
_MOST_TOLD = 20
"""Of what does not come out in one set."""


class NothingToLoad(Exception):
    """None of the paths holds a file that may be an 835."""


@dataclass
class FileSummary:
    """What came of one file. `refused` are transaction sets or envelopes, each at its segment."""

    name: str
    loaded: int = 0
    claims: int = 0
    duplicates: int = 0
    unknown_payees: int = 0
    refused: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    seen_before: bool = False
    """Whether the very same bytes were loaded before."""


class _Duplicate(Exception):
    pass


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files to load: those named, and of each folder those that end like an 835; raises NothingToLoad."""
    found: list[Path] = []
    for path in paths:
        found += sorted(_within(path)) if path.is_dir() else [path]
    if not found:
        raise NothingToLoad
    return found


def load_file(session: Session, path: Path, *, progress: Progress = lambda _read: None) -> FileSummary:
    """Load one file in the caller's transaction, a savepoint for each set; what is wrong stands in the summary."""
    summary = FileSummary(path.name)
    if not path.is_file():
        summary.refused.append(Fault(0, "", "this is no regular file"))
        return summary
    content_hash, encoding = _survey(path)
    loading = _Loading(session, summary, content_hash)
    with path.open("rb") as raw, TextIOWrapper(raw, encoding, newline="") as text:
        try:
            for found in x12.read(text):
                loading.take(found)
                progress(raw.tell())
        except x12.NotX12 as refused:
            summary.refused.append(Fault(1, "", str(refused)))
    loading.leave_a_trace()
    return summary


class _Loading:
    """One file on its way into the database; its row is made with the first set that is new."""

    def __init__(self, session: Session, summary: FileSummary, content_hash: str) -> None:
        self._session = session
        self._summary = summary
        self._content_hash = content_hash
        self._file_id = session.scalar(select(RemittanceFile.id).where(RemittanceFile.content_hash == content_hash))
        self._groups: dict[tuple[str | None, ...], str | None] = {}
        summary.seen_before = self._file_id is not None

    def take(self, found: TransactionSet | Fault) -> None:
        """Take a set if it is whole and new."""
        summary = self._summary
        if isinstance(found, Fault):
            summary.refused.append(found)
            return
        try:
            made = read(found)
            if wrong := list(islice(imbalances(made), _MOST_TOLD)):
                summary.refused += wrong
                return
            self._store(found, made)
        except Unreadable as unreadable:
            summary.refused.append(Fault(unreadable.position, unreadable.tag, unreadable.why))
        except _Duplicate:
            summary.duplicates += 1
        else:
            summary.loaded += 1
            summary.claims += len(made.claims)
            summary.warnings += made.warnings

    def leave_a_trace(self) -> None:
        """The audit row of the load."""
        summary = self._summary
        audit.record(
            self._session, "plan:remittance:load", resource_type="Remittance", count=summary.loaded,
            detail={"file": self._content_hash, "claims": summary.claims, "duplicates": summary.duplicates,
                    "refused": len(summary.refused), "unknown_payees": summary.unknown_payees},
        )  # fmt: skip

    def _store(self, found: TransactionSet, made: ReadRemittance) -> None:
        session, content_hash = self._session, _hash(found)
        if session.execute(_OF_CONTENT, {"content_hash": content_hash}).first() is not None:
            raise _Duplicate
        same_number = {"number_key": made.number_key, "payer_id": made.payer_id}
        if session.execute(_OF_NUMBER, same_number).first() is not None:
            why = "another remittance of this payer bears the same number, with other content"
            made.warnings.append(Fault(made.at, "BPR", why))
        group_id = self._group_of(made.payee)
        try:
            with session.begin_nested():
                file_id = self._file_id or _new_file(session, self._summary.name, self._content_hash, found)
                remittance_rows.write(session, made, Origin(file_id, group_id, content_hash, found.as_interchange()))
        except IntegrityError:
            # Somebody loads the same file at the same moment.
            raise _Duplicate from None
        self._file_id = file_id
        self._summary.unknown_payees += group_id is None

    def _group_of(self, payee: Payee) -> str | None:
        key = (payee.tax_id, payee.npi, payee.vendor_number, "unread" if payee.unread else None)
        if key not in self._groups:
            found = payees.find_group(self._session, payee)
            self._groups[key] = found.id if found else None
        return self._groups[key]


def _new_file(session: Session, name: str, content_hash: str, found: TransactionSet) -> str:
    made = RemittanceFile(
        name=_clean(name)[:255], content_hash=content_hash, control_number=_clean(found.interchange.get(13))[:9],
        sender=_clean(found.interchange.get(6))[:40],
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made.id


def _hash(found: TransactionSet) -> str:
    return hashlib.sha256(found.canonical().encode()).hexdigest()


def _clean(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _within(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for path in folder.rglob("*"):
        # A link that leads out of the folder, and what is no file, is left alone (security.md 155).
        if path.suffix.lower() in SUFFIXES and path.is_file() and path.resolve().is_relative_to(root):
            yield path


def _survey(path: Path) -> tuple[str, str]:
    """The hash of a file and its encoding: UTF-8 where it is that, else Latin-1, which takes every byte."""
    found, decoder, encoding = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), "utf-8-sig"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            if encoding != "latin-1":
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    encoding = "latin-1"
        with suppress(UnicodeDecodeError):
            decoder.decode(b"", final=True)
            return found.hexdigest(), encoding
    return found.hexdigest(), "latin-1"
