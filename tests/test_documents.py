"""Documents name files that there are: where one moved, they say where it went."""

import re

import pytest

from tests.conftest import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if path.name != "CHANGELOG.md"
)
_NAMED = re.compile(
    r"`((?:bench|consent|deploy|docs|fhir|oauth|service|tests)/[\w./-]+\.(?:py|md|conf|yaml|service|timer))`"
)
_LINKED = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_a_document_names_are_there(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    named = [ROOT / one for one in _NAMED.findall(text)]
    linked = [(ROOT / name).parent / one for one in _LINKED.findall(text)]
    assert [str(path) for path in (*named, *linked) if not path.exists()] == []
