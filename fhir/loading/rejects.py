"""Files of what was found: NDJSON, readable by the owner only, each line a reject that can be corrected and loaded."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from fhir.loading.faults import Finding, Rejected
from fhir.loading.json_texts import parse
from fhir.loading.summary import Reject

_MOST_KEPT = 16 * 1024 * 1024
# Such a text is not one resource yet: it is kept as it came.
_TEXTUAL = frozenset({"json", "utf-8", "control-character", "duplicate-key", "too-long", "gzip", "reject", "bundle"})
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n\r"}
"""Control characters as they are written: a line that held them would be refused before it is known as a reject."""


class IsBeingRead(Exception):
    """What is found would be written over a file that this load reads."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is one of the files to load: name another one for what is rejected or warned of.")


def require_apart(path: Path | None, files: Sequence[Path]) -> None:
    """Refuse a file of findings that is among those to be read: its first line would empty it; raises IsBeingRead."""
    if path is not None and path.resolve() in {one.resolve() for one in files}:
        raise IsBeingRead(path)


class FindingsFile:
    """A file of findings, made when the first one comes; what stands behind `keep` bytes of an older run is cut off."""

    def __init__(self, path: Path | None, keep: int) -> None:
        self.path = path
        # Shorter or none, where it was removed meanwhile or the first run wrote to another one.
        self.length = min(keep, path.stat().st_size if path is not None and path.is_file() else 0)
        self._file: IO[bytes] | None = None

    def write(self, told: Reject, raw: bytes, further: Sequence[Finding] = ()) -> None:
        """Add one finding with the text it is about, and what else was found in that."""
        if self.path is None:
            return
        opened = self._file or self._open(self.path)
        head: dict[str, Any] = {"file": told.file}
        head |= {name: number for name, number in (("line", told.line), ("entry", told.entry)) if number}
        head |= {"path": told.path, "rule": told.rule, "hint": told.hint}
        if further:
            head["also"] = [{"path": one.path, "rule": one.rule, "hint": one.hint} for one in further]
        text = json.dumps(head).encode()[:-1] + b", " + _content(told.rule, raw) + b"}\n"
        opened.write(text)
        self.length += len(text)

    def settle(self) -> int:
        """Put on disk what was written; the length of the file."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
        return self.length

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _open(self, path: Path) -> IO[bytes]:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        os.truncate(descriptor, self.length)
        os.lseek(descriptor, 0, os.SEEK_END)
        self._file = os.fdopen(descriptor, "wb")
        return self._file


def _content(rule: str, raw: bytes) -> bytes:
    if rule not in _TEXTUAL and _is_object(raw):
        # As it came, digits and all: whoever corrects it edits the resource itself.
        return b'"resource": ' + raw.replace(b"\n", b" ")
    # What is no UTF-8 or a control character stays visible, and wrong, until somebody corrects it.
    text = raw[:_MOST_KEPT].decode("utf-8", "backslashreplace").translate(_VISIBLE)
    return b'"content": ' + json.dumps(text).encode()


def _is_object(raw: bytes) -> bool:
    try:
        parse(raw)
    except Rejected:
        return False
    return True
