"""`make mutants`: measure which tests reach which lines, then make each function wrong in turn and run those tests.

Everything is imported once; each mutant is a fork of that process in which one function has other code. A mutant is
killed where a test fails or time runs out. Without ARGS all of `targets.MUTATED` and `targets.AUTHORIZATION`.
"""

import argparse
import functools
import gc
import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from coverage import Coverage, CoverageData

from tests.mutation import targets
from tests.mutation.operators import PREDICATE, Mutant, mutants
from tests.mutation.report import Chosen, report

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "var" / "mutation"
_MOST_SECONDS = 45.0
"""Of tests that one mutant is given, as they took unchanged; a predicate that is promised is given all."""
_MOST_TESTS = 80
_QUIET = ("-q", "-s", "-p", "no:cacheprovider", "-p", "no:cov", "-p", "no:randomly", "--no-header", "--tb=no")
_OURS = frozenset({"consent", "fhir", "oauth", "service"})


@dataclass
class Known:
    """Which tests reach a line, and how long each takes."""

    by_line: dict[str, dict[int, set[str]]]
    seconds: dict[str, float]


class _Timed:
    """What each test takes, and which one is running."""

    def __init__(self, coverage: Coverage) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._coverage = coverage
        self._caches: list[Any] = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Measure under the test's name."""
        # What is remembered is worked out for the first test that asks, and would seem to be reached by that alone.
        if not self._caches:
            self._caches = caches()
            gc.freeze()
        forget(self._caches)
        started = time.monotonic()
        self._coverage.switch_context(item.nodeid)
        yield
        self.seconds[item.nodeid] = time.monotonic() - started

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails or is skipped as things are says nothing of mutants."""
        if not report.passed:
            self.failed.add(report.nodeid)


def measure(paths: Sequence[str], modules: Iterable[str], kept: Path, *, added: bool, both: bool) -> None:
    """Run the tests once and keep what they reach: anew, or `added` to what is kept of others.

    Then their SQLite half alone, unless `both`.
    """
    kept.mkdir(parents=True, exist_ok=True)
    coverage = Coverage(
        data_file=str(kept / "coverage"), include=[str(ROOT / one) for one in modules], config_file=False
    )
    told: dict[str, float] = {}
    if added and (kept / "seconds.json").exists():
        coverage.load()
        told = json.loads((kept / "seconds.json").read_text("utf-8"))
    else:
        coverage.erase()
    coverage.start()
    timed = _Timed(coverage)
    half = " or ".join(("not postgresql", *(() if added else targets.ON_BOTH)))
    pytest.main(
        [
            *paths,
            "-k",
            "" if both else half,
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:cov",
            "--no-header",
            "--tb=line",
        ],
        [timed],
    )
    coverage.stop()
    coverage.save()
    told |= {one: seconds for one, seconds in timed.seconds.items() if one not in timed.failed}
    (kept / "seconds.json").write_text(json.dumps(told), "utf-8")
    measured = len(timed.seconds) - len(timed.failed)
    print(f"{measured} tests measured, {len(timed.failed)} failed or were skipped", flush=True)


def known(kept: Path) -> Known:
    """What `measure` kept."""
    data = CoverageData(str(kept / "coverage"))
    data.read()
    seconds: dict[str, float] = json.loads((kept / "seconds.json").read_text("utf-8"))
    by_line: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name in data.measured_files():
        path = str(Path(name).relative_to(ROOT))
        for line, tests in data.contexts_by_lineno(name).items():
            by_line[path][line] = {one for one in tests if one in seconds}
    return Known(by_line, seconds)


def tests_for(mutant: Mutant, told: Known, preferred: Sequence[str], *, every: bool) -> list[str]:
    """The tests that reach the line: those of the module first, SQLite before PostgreSQL, quick ones before slow.

    Unless `every` one is wanted, some: whoever promises that all is noticed may leave no slow test out.
    """
    lines = told.by_line.get(mutant.path, {})
    reaching = set().union(*(lines.get(line, set()) for line in range(mutant.line, mutant.end + 1)))

    def place(test: str) -> tuple[bool, bool, float]:
        return not test.startswith(tuple(preferred)), "postgresql" in test, told.seconds[test]

    chosen: list[str] = []
    spent = 0.0
    for test in sorted(reaching, key=place):
        spent += told.seconds[test]
        if chosen and not every and (spent > _MOST_SECONDS or len(chosen) >= _MOST_TESTS):
            break
        chosen.append(test)
    return chosen


def functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """Every function there is, by file, name and first line."""
    found: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
    # Collecting the tests froze what was imported, and what is frozen is not listed.
    gc.unfreeze()
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(ROOT)):
            code = one.__code__
            found[code.co_filename, code.co_name, code.co_firstlineno].append(one)
    return found


def forget(made: Iterable[Any]) -> None:
    """Let nothing be remembered that right code has worked out, nor be reached for the first of all tests alone."""
    for one in made:
        one.cache_clear()


def caches() -> list[Any]:
    """Every function of ours that remembers what it gave."""
    gc.unfreeze()
    found = [one for one in gc.get_objects() if isinstance(one, functools._lru_cache_wrapper)]
    return [one for one in found if one.__wrapped__.__module__.partition(".")[0] in _OURS]


class Runner:
    """Runs one mutant after the other, some at once: a plugin that does so in the place of pytest's own loop."""

    def __init__(self, told: Known, every: Sequence[Chosen], asked: argparse.Namespace) -> None:
        self.told, self.every, self.asked = told, every, asked
        self.functions: dict[tuple[str, str, int], list[FunctionType]] = {}
        self.caches: list[Any] = []
        self.items: dict[str, pytest.Item] = {}
        self.running: dict[int, tuple[Mutant, float]] = {}
        self.results: dict[str, str] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """All that were asked for."""
        self.items = {one.nodeid: one for one in session.items}
        self._warm(session)
        self.functions, self.caches = functions(), caches()
        gc.freeze()
        started = time.monotonic()
        for number, (mutant, preferred) in enumerate(self.every, 1):
            if self.asked.minutes and time.monotonic() - started > 60 * self.asked.minutes:
                print(f"stopped after {number - 1} of {len(self.every)}", flush=True)
                break
            promised = self.asked.predicates and mutant.unlined not in targets.EQUIVALENT
            self._run(session, mutant, tests_for(mutant, self.told, preferred, every=promised))
        while self.running:
            self._reap()
        return True

    def _warm(self, session: pytest.Session) -> None:
        # What a process makes once (keys, templates, statements, an empty database) is made before the forks.
        quickest: dict[str, str] = {}
        for test in sorted(self.items, key=lambda one: self.told.seconds.get(one, _MOST_SECONDS)):
            if "postgresql" not in test and test in self.told.seconds:
                quickest.setdefault(test.partition("::")[0], test)
        if not self._do(session, list(quickest.values())):
            raise pytest.UsageError("A test fails as things are: every mutant would seem to be noticed.")

    def _do(self, session: pytest.Session, tests: Sequence[str]) -> bool:
        """Run tests until one fails; whether none did. What the session holds is kept for the next."""
        # A test that is gone since all were measured says nothing.
        items = [self.items[one] for one in tests if one in self.items]
        # Behind the last one all goes but what is of the session: fixtures of its package would reach into other tests.
        for item, following in zip(items, [*items[1:], session], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return False
        return True

    def _run(self, session: pytest.Session, mutant: Mutant, tests: Sequence[str]) -> None:
        """Begin one; waits while as many run as may."""
        while len(self.running) >= self.asked.workers:
            self._reap()
        if not tests:
            self.results[mutant.name] = "not reached"
            return
        expected = sum(self.told.seconds[one] for one in tests)
        child = os.fork()
        if child == 0:
            self._be(session, mutant, tests)
        self.running[child] = (mutant, time.monotonic() + 60 + 5 * expected)

    def _reap(self) -> None:
        """Wait for one of those that run to end."""
        while self.running:
            for child, (mutant, until) in list(self.running.items()):
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    del self.running[child]
                    self._note(mutant, os.waitstatus_to_exitcode(status))
                    return
                if time.monotonic() > until:
                    os.killpg(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    del self.running[child]
                    self.results[mutant.name] = "killed"
                    return
            time.sleep(0.05)

    def _note(self, mutant: Mutant, code: int) -> None:
        # 1: a test failed. 0: none did. Everything else: it could not even be tried, which is no kill.
        self.results[mutant.name] = {0: "survived", 1: "killed"}.get(code, f"not tried ({code})")
        if code != 1:
            print(f"{self.results[mutant.name]}  {mutant.name}", flush=True)

    def _be(self, session: pytest.Session, mutant: Mutant, tests: Sequence[str]) -> None:
        os.setpgid(0, 0)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = 3
        try:
            found = self.functions.get((str(ROOT / mutant.path), *mutant.outer), [])
            self._replace(mutant.code)
            forget(self.caches)
            code = (0 if self._do(session, tests) else 1) if found else 4
        finally:
            os._exit(code)

    def _replace(self, code: CodeType) -> None:
        """Give every function that came of this place its new code; a decorator's were made of it long ago."""
        for function in self.functions.get((code.co_filename, code.co_name, code.co_firstlineno), []):
            function.__code__ = code
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                self._replace(inner)


def chosen(paths: Sequence[str], predicates: bool) -> Iterator[Chosen]:
    """The mutants that are asked for, each with the tests of its module."""
    table = targets.AUTHORIZATION if predicates else targets.MUTATED
    for path, preferred in table.items():
        if paths and path not in paths:
            continue
        for mutant in mutants(path, ROOT):
            if not predicates or mutant.kind in PREDICATE:
                yield mutant, preferred


def drawn(every: list[Chosen], sample: int, each: int, seed: int) -> list[Chosen]:
    """At random so many of all, or so many of each module, in an order by which whoever stops has some of each."""
    at_random = random.Random(seed)
    if each:
        by_path: dict[str, list[Chosen]] = defaultdict(list)
        for one in every:
            by_path[one[0].path].append(one)
        every = [one for own in by_path.values() for one in at_random.sample(own, min(each, len(own)))]
        return at_random.sample(every, len(every))
    return at_random.sample(every, sample) if 0 < sample < len(every) else every


def main() -> int:
    """Run what is asked for; 1 where less was noticed than should be."""
    asked = _arguments()
    modules = dict.fromkeys([*targets.MUTATED, *targets.AUTHORIZATION])
    if asked.measure:
        measure(asked.tests or targets.TESTS, modules, asked.kept, added=bool(asked.tests), both=asked.both)
        return 0
    told = known(asked.kept)
    paths = sorted({one.partition("::")[0] for one in told.seconds})
    there = list(chosen(asked.paths, asked.predicates))
    every = drawn(there, asked.sample, asked.each, asked.seed)
    kept = asked.kept / "results.json"
    results: dict[str, str] = json.loads(kept.read_text("utf-8")) if asked.again else {}
    if asked.again:
        every = [one for one in there if one[0].name in results]
    runner = Runner(told, [one for one in every if results.get(one[0].name) != "killed"], asked)
    pytest.main([*paths, *_QUIET], [runner])
    results |= runner.results
    kept.write_text(json.dumps(results, indent=0), "utf-8")
    return report(results, every, Counter(one[0].path for one in there), predicates=asked.predicates)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", help="modules, such as consent/policy.py; none: all")
    parser.add_argument("--measure", action="store_true", help="run the tests once and keep what each reaches")
    parser.add_argument("--predicates", action="store_true", help="only what takes an authorization predicate away")
    parser.add_argument("--tests", nargs="+", help="with --measure: these alone, on SQLite, added to what is kept")
    parser.add_argument("--both", action="store_true", help="with --tests: on PostgreSQL too")
    parser.add_argument("--kept", type=Path, default=KEPT, help="the folder of what was measured and of the results")
    parser.add_argument("--again", action="store_true", help="those of the last run that were not noticed")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, chosen at random")
    parser.add_argument("--each", type=int, default=0, help="so many of each module, chosen at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0, help="stop after so many")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
