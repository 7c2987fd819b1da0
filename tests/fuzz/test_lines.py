"""Lines of a load as nobody would write them: each is taken or told of by rule, at every level, never a fault."""

import gzip
import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir.loading import bundles, examining, reading
from fhir.loading.definitions import ELEMENTS
from fhir.loading.examining import Checks, Level
from fhir.loading.lines import Line
from tests.conftest import ROOT
from tests.fhir import records
from tests.fuzz.conftest import VALUES, trying
from tests.fuzz.test_parsers import JSON

CHECKS = (Checks(), Checks(Level.PROFILES), Checks(Level.PROFILES, strict=True))
_ELEMENTS = json.loads((ROOT / "fhir" / "loading" / ELEMENTS).read_text())
_C4BB = "http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit-Pharmacy"
_BASES = (
    records.patient("p"), records.observation("o", "p"), records.provenance("v", "Observation/o"),
    records.claim("c", "p", meta={"profile": [_C4BB]}, item=[{"sequence": 1, "adjudication": [{}]}]),
)  # fmt: skip


@st.composite
def _resources(draw: st.DrawFn) -> dict[str, Any]:
    """A good resource of which some elements, of its type or of none, hold anything."""
    base = json.loads(json.dumps(draw(st.sampled_from(_BASES))))
    names = st.sampled_from([*_ELEMENTS[base["resourceType"]], "resourceType", "_id", "extra"])
    node = base
    if draw(st.booleans()):
        below = [one for one in base.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
        node = draw(st.sampled_from(below))[0]
    for name in draw(st.lists(names, max_size=3)):
        node[name] = draw(JSON | st.sampled_from(["2026-04-30", "Patient/q", 7, {"reference": "Patient/q"}, [{}]]))
    return dict(base)


@trying(VALUES)
@given(_resources(), st.sampled_from(CHECKS), st.booleans())
def test_a_resource_is_taken_or_told_of(resource: dict[str, Any], checks: Checks, is_entry: bool) -> None:
    whole = {"resource": resource, "request": {"method": "PUT", "url": "x"}} if is_entry else resource
    for outcome in examining.examine([Line(1, json.dumps(whole).encode("utf-8", "surrogatepass"), is_entry)], checks):
        assert (outcome.prepared is None) != (outcome.fault is None)


@trying(VALUES)
@given(st.data())
def test_a_damaged_line_is_taken_or_told_of(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(data.draw(st.sampled_from(_BASES))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for outcome in examining.examine([Line(1, bytes(raw))], CHECKS[1]):
        assert outcome.prepared or outcome.fault or outcome.removed


@trying(VALUES)
@given(st.binary(max_size=60), st.lists(st.sampled_from([
    b'{"resourceType":"Bundle",', b'"entry":[', b'{"resource":{', b'"id":"a"}', b"}", b"]", b",", b'"', b"\\",
    b"{", b"[", b'"type":"history"', b"urn:uuid:1", b'"fullUrl":"urn:uuid:1"', b":", b" ",
]), max_size=14))  # fmt: skip
def test_a_bundle_s_text_ends_in_lines(noise: bytes, pieces: list[bytes]) -> None:
    for raw in (b"".join(pieces) + noise, noise):
        for line in bundles.lines(lambda raw=raw: io.BytesIO(raw), io.BytesIO(raw)):
            assert line.fault or examining.examine([line], CHECKS[0]) is not None


def test_every_cut_of_a_packed_file_is_told(tmp_path: Any) -> None:
    whole = gzip.compress(json.dumps(_BASES[0]).encode() + b"\n")
    path = tmp_path / "Patient.ndjson.gz"
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        lines = [line for piece in reading.pieces(path) for line in piece.lines]
        assert cut == 0 or any(line.fault and line.fault.rule == "gzip" for line in lines), cut
