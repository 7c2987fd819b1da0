"""X12 envelopes: a file into its transaction sets (ST to SE), each whole by itself, and what is wrong around them.

The tokens and the counts of ISA, GS and ST come from pyx12's X12Reader; it stops at a stray trailer or an empty
segment, so it is started again behind it: one broken set does not lose the ones that follow. Positions count the
segments of the file, ISA is 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

from pyx12.errors import EngineError, X12Error
from pyx12.segment import Segment as RawSegment
from pyx12.x12file import X12Reader

_BLANK = " \t\r\n\x1a\0"
_TRAILERS = {"ISA": "IEA", "GS": "GE"}
_ENVELOPE = frozenset({"ISA", "GS", "ST", "GE", "IEA"})
_LOOSE = frozenset({"SEG1", "8"})
"""pyx12's segment errors that harm nobody: separators at the end, a segment without elements."""


Errors = list[tuple[str, str, str]]
"""What pyx12 says of a segment: kind, code, words."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """What parts segments, elements and components in one interchange (ISA 105, 4, 104)."""

    segment: str
    element: str
    component: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its position in the file, its tag and its elements as sent."""

    position: int
    tag: str
    elements: tuple[str, ...]
    component: str = ":"

    def get(self, place: int) -> str:
        """Element `place` (ISA01 is 1), without blanks around it; empty where it was not sent."""
        return self.elements[place - 1].strip() if len(self.elements) >= place else ""

    def parts(self, place: int) -> list[str]:
        """The components of an element."""
        return self.get(place).split(self.component)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong: at which segment, and what, in a sentence that quotes nobody's record."""

    position: int
    tag: str
    why: str

    def __str__(self) -> str:
        return (
            f"segment {self.position} ({self.tag}): {self.why}" if self.tag else f"segment {self.position}: {self.why}"
        )


@dataclass(slots=True)
class TransactionSet:
    """One ST to SE with the envelope it came in; `faults` forbid its use, `looseness` does not."""

    interchange: Segment
    group: Segment
    segments: list[Segment]
    delimiters: Delimiters
    faults: list[Fault] = field(default_factory=list)
    looseness: list[Fault] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """ST01: 835 is a remittance."""
        return self.segments[0].get(1)

    def as_interchange(self) -> str:
        """The set as an interchange of its own, a segment a line, in the delimiters it came in."""
        trailers = (
            Segment(0, "GE", ("1", self.group.get(6))), Segment(0, "IEA", ("1", self.interchange.get(13))),
        )  # fmt: skip
        marks = self.delimiters
        end = marks.segment if marks.segment in "\r\n" else f"{marks.segment}\n"
        whole = (self.interchange, self.group, *self.segments, *trailers)
        return "".join(f"{marks.element.join((one.tag, *one.elements))}{end}" for one in whole)

    def canonical(self) -> str:
        """The set's content without delimiters, dates of sending and control numbers: the same for the same payment."""
        inner = self.segments[1:-1]
        return "\x1e".join(
            "\x1f".join((one.tag, *one.elements)).rstrip("\x1f").replace(one.component, "\x1d") for one in inner
        )


class NotX12(Exception):
    """The text is no X12 interchange at all; the sentence says why."""


class _File:
    """The segments of a file with what pyx12 has against each, whatever its reader stumbles over."""

    def __init__(self, stream: TextIO) -> None:
        try:
            self._reader = X12Reader(stream)
        except (X12Error, EngineError) as refused:
            raise NotX12(_why_not(str(refused))) from None
        self._stream = stream
        raw = self._reader.raw
        self.delimiters = Delimiters(raw.seg_term, raw.ele_term, raw.subele_term)

    def __iter__(self) -> Iterator[tuple[Segment | None, Errors]]:
        position, segments = 0, iter(self._reader)
        while True:
            position += 1
            try:
                found = next(segments)
            except StopIteration:
                if not self._has_more():
                    break
                yield None, [("seg", "8", f"segment {position} is empty")]
                segments = iter(self._reader)
            except (X12Error, EngineError, IndexError):
                # pyx12 fails at a trailer without its head; the segment is gone, the rest is there.
                yield None, [("envelope", "", "it closes or opens nothing that is there")]
                segments = iter(self._reader)
            else:
                errors = [(kind, code, told) for kind, code, told, *_ in self._reader.pop_errors()]
                yield self._segment(found, position), errors

    def rest(self) -> str:
        """What stands behind the last segment terminator."""
        return str(self._reader.raw.buffer).strip(_BLANK)

    def open_envelopes(self) -> list[str]:
        """The heads whose trailers have not come: ISA, GS, ST."""
        return [name for name, _ in self._reader.loops]

    def _has_more(self) -> bool:
        raw = self._reader.raw
        if self.delimiters.segment not in raw.buffer:
            raw.buffer += self._stream.read(8192)
        return self.delimiters.segment in raw.buffer

    def _segment(self, found: RawSegment, position: int) -> Segment:
        mark = self.delimiters.component
        elements = tuple(
            one.elements[0].value if len(one.elements) == 1 else mark.join(part.value for part in one.elements)
            for one in found.elements
        )
        return Segment(position, found.seg_id or "", elements, mark)


def read(stream: TextIO) -> Iterator[TransactionSet | Fault]:
    """The transaction sets of a file in order, and every fault of the envelope around them; raises NotX12."""
    file = _File(stream)
    return _Assembly(file.delimiters).of(file)


class _Assembly:
    """Puts segments together to transaction sets; each starts at its ST, whatever became of the one before."""

    def __init__(self, delimiters: Delimiters) -> None:
        self._delimiters = delimiters
        self._interchange = self._group = Segment(0, "", ())
        self._open: TransactionSet | None = None
        self._outside = False
        self._position = 0

    def of(self, file: _File) -> Iterator[TransactionSet | Fault]:
        """Everything there is in the file."""
        for segment, errors in file:
            self._position += 1
            yield from self._without_form(errors) if segment is None else self._take(segment, errors)
        yield from self._endings(file)

    def _take(self, segment: Segment, errors: Errors) -> Iterator[TransactionSet | Fault]:
        if segment.tag in _ENVELOPE:
            yield from self._close("the set before it has no SE", segment)
        if segment.tag == "ISA":
            self._interchange = segment
        elif segment.tag == "GS":
            self._group = segment
        elif segment.tag == "ST":
            self._open = TransactionSet(self._interchange, self._group, [], self._delimiters)
        if self._open is None:
            yield from self._around(segment, errors)
            return
        self._open.segments.append(segment)
        for kind, code, told in errors:
            loose = kind == "seg" and (code in _LOOSE or "leading space" in told)
            (self._open.looseness if loose else self._open.faults).append(Fault(segment.position, segment.tag, told))
        if segment.tag == "SE":
            yield self._open
            self._open = None

    def _around(self, segment: Segment, errors: Errors) -> Iterator[Fault]:
        for _, _, told in errors:
            yield Fault(segment.position, segment.tag, told)
        known = segment.tag in _ENVELOPE
        if not known and not self._outside:
            yield Fault(segment.position, segment.tag, "stands outside of any transaction set")
        self._outside = not known

    def _without_form(self, errors: Errors) -> Iterator[Fault]:
        _, code, told = errors[0]
        fault = Fault(self._position, "", told)
        if self._open is None:
            yield fault
        else:
            (self._open.looseness if code in _LOOSE else self._open.faults).append(fault)

    def _close(self, why: str, at: Segment) -> Iterator[TransactionSet]:
        if self._open is not None:
            self._open.faults.append(Fault(at.position, at.tag, why))
            yield self._open
            self._open = None

    def _endings(self, file: _File) -> Iterator[TransactionSet | Fault]:
        cut_off = "the file ends here, before the set's SE: it is cut off"
        yield from self._close(cut_off, Segment(self._position, self._open.segments[-1].tag if self._open else "", ()))
        if file.rest():
            why = f"no {self._delimiters.segment!r} ends it: the file is cut off, or this is no X12"
            yield Fault(self._position + 1, "", why)
        elif missing := [_TRAILERS[name] for name in reversed(file.open_envelopes()) if name in _TRAILERS]:
            yield Fault(self._position, "", f"the file ends without {' and '.join(missing)}: it is cut off")


def _why_not(told: str) -> str:
    if "begin with" in told:
        return "it does not begin with ISA"
    if "characters" in told:
        return "its ISA segment is cut off"
    return "its ISA segment has no version we read (00501)"
