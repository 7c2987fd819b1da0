"""The journal of revocations: a line that a crash or a full disk cut short spoils itself alone."""

from pathlib import Path

import orjson
import pytest

from service.revocations import Journal

TORN = b'{"id":"b","at":2,"table":"consent_gr'


def line(name: str) -> str:
    """A line as a revocation writes it."""
    return orjson.dumps({"id": name, "at": 1, "table": "consent_grant", "key": name, "values": {}}).decode()


def ids(journal: Journal) -> list[str]:
    """What is read back."""
    return [one["id"] for one in journal.lines()]


@pytest.mark.parametrize("before", [(), ("a",)])
def test_what_comes_after_a_torn_line_is_read(tmp_path: Path, before: tuple[str, ...]) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append([line("first")])
    (file,) = journal.folder.glob("*.jsonl")
    if before:
        journal.append([line(one) for one in before])
    with file.open("ab") as torn:
        torn.write(TORN)
    journal.append([line("c"), line("d")])
    journal.append([line("e")])
    assert ids(journal) == ["first", *before, "c", "d", "e"]
    assert [one["id"] for one in journal._ends()] == ids(journal), "what a start compares with the database, too"
