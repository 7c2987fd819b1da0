"""Dates as spans, and what the search prefixes ask."""

import pytest

from fhir.search.dates import DAWN, DUSK, BadDate, Prefix, Span, prefixed, span, span_of

_DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "start", "length"),
    [
        ("1970", 0, 365 * _DAY),
        ("1970-02", 31 * _DAY, 28 * _DAY),
        ("1970-12", 334 * _DAY, 31 * _DAY),
        ("1970-01-02", _DAY, _DAY),
        ("1970-01-01T00:01Z", 60_000_000, 60_000_000),
        ("1970-01-01T00:00:01Z", 1_000_000, 1_000_000),
        ("1970-01-01T00:00:00.5Z", 500_000, 100_000),
        ("1970-01-01T00:00:00.123Z", 123_000, 1_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456, 1),
        ("1970-01-01T01:00:00+01:00", 0, 1_000_000),
        ("1969-12-31T19:00:00-05:00", 0, 1_000_000),
        ("1970-01-01T00:00:60Z", 59_000_000, 1_000_000),
    ],
)
def test_a_date_spans_what_it_leaves_open(text: str, start: int, length: int) -> None:
    assert span(text) == Span(start, start + length)


@pytest.mark.parametrize(
    "text",
    ["", "70", "1970-13", "1970-02-30", "1970-01-01T10", "1970-01-01T25:00Z", "1970-1-1", "now", "19700101",
     "1970-01-01T00:00:00+99:99", "\uff11\uff19\uff17\uff10", "1970-01-01T00:00:00.0000000000Z", "1970-01-01 ", "0000"],
)  # fmt: skip
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(BadDate):
        span(text)


def test_periods_may_be_open() -> None:
    assert span_of({"start": "1970-01-02"}) == Span(_DAY, DUSK)
    assert span_of({"end": "1970-01-02"}) == Span(DAWN, 2 * _DAY)
    assert span_of({}) is None
    assert span_of(7) is None


def test_prefixes_are_read() -> None:
    assert prefixed("ge1970-01-02") == (Prefix.GE, Span(_DAY, 2 * _DAY))
    assert prefixed("1970-01-02")[0] is Prefix.EQ
    with pytest.raises(BadDate):
        prefixed("zz1970")
