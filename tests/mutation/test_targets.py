"""What `make mutants` is told stays true as code moves: its tests are there, and what is excused can still be made."""

from collections.abc import Iterator
from types import CodeType

import pytest

from tests.mutation import targets
from tests.mutation.operators import PREDICATE, mutants
from tests.mutation.run import ROOT, functions


def test_every_test_it_runs_is_there() -> None:
    tables = (*targets.AUTHORIZATION.values(), *targets.MUTATED.values())
    named = {*targets.TESTS, *(one for each in tables for one in each)}

    assert [one for one in sorted(named) if not (ROOT / one).exists()] == []


def test_what_is_excused_can_still_be_made() -> None:
    made = {one.unlined for path in targets.AUTHORIZATION for one in mutants(path, ROOT) if one.kind in PREDICATE}
    made |= {one.unlined for path in targets.MUTATED for one in mutants(path, ROOT)}

    assert set(targets.EQUIVALENT) <= made


@pytest.mark.parametrize("path", ["service/provider/gate.py", "service/staff/gate.py"])
def test_pages_get_the_wrong_code_of_the_gate_that_was_put_around_them_at_import(path: str) -> None:
    existing, given = functions(), 0

    for mutant in mutants(path, ROOT):
        for code in _within(mutant.code):
            for page in existing.get((code.co_filename, code.co_name, code.co_firstlineno), []):
                right = page.__code__
                # Refused where the names that it takes from around it are others.
                page.__code__ = code
                page.__code__ = right
                given += code.co_name == "guarded"
    assert given >= 40, "the console and the portal have many more pages than one"


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _within(inner)
