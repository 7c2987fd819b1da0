"""A JSON file as a stream of entries: a Bundle of any size, or one resource.

The text is scanned, not parsed: an entry is what stands between two braces inside of the Bundle's `entry`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import msgspec

from fhir.loading.faults import Finding
from fhir.loading.lines import LONGEST, Line, fault

_CHUNK = 1024 * 1024
_MARK = b"\xef\xbb\xbf"
_BRACES = frozenset((b"{", b"}", b"[", b"]"))
_BUNDLE = frozenset((b"", b'"Bundle"'))
# A string that ends beyond the buffer matches without its last quote.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[{}\[\]:,]', re.DOTALL)
_URN = re.compile(rb'"(urn:(?:uuid|oid):[0-9A-Za-z.\-]{1,64})"')
_TOO_LONG = Finding("too-long", "Send resources of at most 16 MB.")
_BROKEN = Finding(
    "json",
    "The file is not one JSON object: it ends in the middle, or something follows it. "
    "The name of a file with one resource a line ends in .ndjson.",
)
_NO_ENTRY = Finding(
    "bundle", "The entries of a Bundle are a list of objects; this one is another value.", "Bundle.entry"
)
_HISTORY = Finding("bundle", "A history is not loaded: send the current versions, as a collection or transaction.")


class _Named(msgspec.Struct):
    resourceType: str = ""
    id: str = ""


class _Entry(msgspec.Struct):
    fullUrl: str = ""
    resource: _Named | None = None


class _Bundle(msgspec.Struct):
    entry: list[msgspec.Raw] = []


_entries = msgspec.json.Decoder(_Entry)
_bundles = msgspec.json.Decoder(_Bundle)


def lines(reopen: Callable[[], BinaryIO], file: BinaryIO) -> Iterator[Line]:
    """The entries of a Bundle, its references by urn: made literal; or the one resource of the file."""
    names: dict[bytes, bytes] | None = None
    for line in _scan(file):
        if line.is_entry and names is None and _URN.search(line.raw):
            with reopen() as again:
                names = _names(other.raw for other in _scan(again))
        yield Line(line.number, _literal(line.raw, names), line.is_entry, line.fault) if names else line


def with_literal_references(raw: bytes) -> bytes:
    """The JSON of a whole Bundle, its references by urn: made literal."""
    if not _URN.search(raw):
        return raw
    try:
        entries = _bundles.decode(raw).entry
    except msgspec.DecodeError:
        return raw
    return _literal(raw, _names(bytes(entry) for entry in entries))


def _literal(raw: bytes, names: Mapping[bytes, bytes]) -> bytes:
    return _URN.sub(lambda found: b'"' + names.get(found[1], found[1]) + b'"', raw)


def _names(entries: Iterable[bytes]) -> dict[bytes, bytes]:
    """The literal references of the resources of these entries, by their urn:."""
    found: dict[bytes, bytes] = {}
    for raw in entries:
        try:
            entry = _entries.decode(raw)
        except msgspec.DecodeError:
            continue
        if entry.resource and entry.resource.id and entry.fullUrl.startswith("urn:"):
            found[entry.fullUrl.encode()] = f"{entry.resource.resourceType}/{entry.resource.id}".encode()
    return found


class _Scan:
    """Where the scan of a text stands: how deep, at which key of the outermost object, since when an entry is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self.depth = 0
        self.kind = self.bundle_type = b""
        self.is_too_long = False
        self.is_list = self.is_between = False
        """Whether the scan is in a list of entries, and between two of them."""
        self.stray = b""
        """The beginning of what stands there and is no entry."""
        self._file = file
        self._buffer = bytearray()
        self._at = 0
        self._start: int | None = 0
        self._key = self._last = b""
        self._fill()
        if self._buffer.startswith(_MARK):
            del self._buffer[: len(_MARK)]

    @property
    def is_in_entries(self) -> bool:
        """Whether the scan is inside of the list of a Bundle's entries."""
        return self._key == b'"entry"' and self.kind in _BUNDLE

    def begin(self) -> None:
        """Keep what stands from the last token on."""
        self._start, self.is_too_long = self._at - 1, False

    def drop(self) -> bytes:
        """What was kept, up to the last token; nothing is kept from here on."""
        kept = b"" if self._start is None else bytes(self._buffer[self._start : self._at])
        self._start = None
        return kept

    def step(self) -> bytes:
        """The next brace or bracket, or the comma behind what is no entry; empty at the end."""
        while token := self._next():
            if token in _BRACES or (self.stray and token == b","):
                return token
            if self.is_between and token[:1] == b'"':
                self.stray = token[:200]
            if self.depth == 1:
                self._note(token)
        return b""

    def has_more(self) -> bool:
        """Whether anything but blanks follows."""
        rest = bytes(self._buffer[self._at :]).strip()
        return bool(rest or self._file.read(_CHUNK).strip())

    def _next(self) -> bytes:
        while True:
            token = _TOKEN.search(self._buffer, self._at)
            if token is not None and (token[1] or token[0][:1] != b'"'):
                self._note_stray(token.start())
                self._at = token.end()
                return token[0]
            end = token.start() if token else len(self._buffer)
            self._note_stray(end)
            self._at = end
            if not self._fill():
                return b""

    def _fill(self) -> bool:
        """Read on, dropping what need not be kept; whether there was more and it may be kept."""
        if self._start is not None and len(self._buffer) - self._start > LONGEST + _CHUNK:
            self._start, self.is_too_long = None, True
        cut = self._at if self._start is None else self._start
        del self._buffer[:cut]
        self._at -= cut
        self._start = None if self._start is None else 0
        if len(self._buffer) > LONGEST + 2 * _CHUNK:
            # One string alone is longer than any resource.
            self.is_too_long = True
            return False
        chunk = self._file.read(_CHUNK)
        self._buffer += chunk
        return bool(chunk)

    def _note_stray(self, end: int) -> None:
        # A number, true, false or null: no token of its own.
        if self.is_between and end > self._at and (skipped := bytes(self._buffer[self._at : end]).strip()):
            self.stray = skipped[:200]

    def _note(self, token: bytes) -> None:
        if token == b":":
            self._key, self._last = self._last, b""
        elif token != b",":
            self._last = token
            self.kind = token if self._key == b'"resourceType"' else self.kind
            self.bundle_type = token if self._key == b'"type"' else self.bundle_type
        else:
            self._key = self._last = b""


def _scan(file: BinaryIO) -> Iterator[Line]:
    scan, number = _Scan(file), 0
    while mark := scan.step():
        if scan.stray:
            number += 1
            yield fault(number, scan.stray, _NO_ENTRY, is_entry=True)
            scan.stray = b""
        if mark == b",":
            continue
        if mark in b"{[":
            if scan.depth == 1 and mark == b"[" and scan.is_in_entries:
                scan.drop()
                scan.is_list = True
            elif scan.depth == 2 and scan.is_in_entries:
                scan.begin()
            scan.depth += 1
            scan.is_between = scan.is_list and scan.depth == 2
            continue
        scan.depth -= 1
        scan.is_list = scan.is_list and scan.depth > 1
        scan.is_between = scan.is_list and scan.depth == 2
        if scan.depth == 2 and scan.is_in_entries:
            number += 1
            yield _entry(scan, number)
            if scan.bundle_type == b'"history"':
                return
        elif scan.depth <= 0:
            break
    yield from _rest(scan, number)


def _entry(scan: _Scan, number: int) -> Line:
    raw = scan.drop()
    if scan.is_too_long:
        scan.is_too_long = False
        return fault(number, b"", _TOO_LONG, is_entry=True)
    if scan.bundle_type == b'"history"':
        return fault(number, raw[:200], _HISTORY, is_entry=True)
    return Line(number, raw, is_entry=True)


def _rest(scan: _Scan, number: int) -> Iterator[Line]:
    """What is left at the end: a resource that is no Bundle, or a text that is broken."""
    ended, raw = scan.depth == 0, scan.drop()
    if scan.is_too_long:
        yield fault(number + 1, raw[:200], _TOO_LONG)
    elif not ended or not (raw or number or scan.kind == b'"Bundle"') or scan.has_more():
        yield fault(number + 1, raw[:200], _BROKEN)
    elif raw and scan.kind != b'"Bundle"':
        yield Line(1, raw)
