"""`make mutants`: measure which tests reach which lines, then make each function wrong in turn and run those tests.

Everything is imported once; each mutant is a fork of that process in which one function has other code. A mutant is
killed where a test fails or time runs out. Without ARGS all of `targets.MUTATED` and `targets.AUTHORIZATION`.
"""

import argparse
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

import pytest
from coverage import Coverage, CoverageData

from tests.mutation import targets
from tests.mutation.operators import PREDICATE, Mutant, mutants

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "var" / "mutation"
_MOST_SECONDS = 45.0
"""Of tests that one mutant is given, as they took unchanged; a predicate that is promised is given all."""
_MOST_TESTS = 80
_QUIET = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:cov", "-p", "no:randomly", "--no-header", "--tb=no")


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

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Measure under the test's name."""
        started = time.monotonic()
        self._coverage.switch_context(item.nodeid)
        yield
        self.seconds[item.nodeid] = time.monotonic() - started

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails or is skipped as things are says nothing of mutants."""
        if not report.passed:
            self.failed.add(report.nodeid)


def measure(paths: Sequence[str], modules: Iterable[str]) -> None:
    """Run the tests once and keep what they reach (`var/mutation`)."""
    KEPT.mkdir(parents=True, exist_ok=True)
    coverage = Coverage(
        data_file=str(KEPT / "coverage"), include=[str(ROOT / one) for one in modules], config_file=False
    )
    coverage.erase()
    coverage.start()
    timed = _Timed(coverage)
    half = " or ".join(("not postgresql", *targets.ON_BOTH))
    pytest.main(
        [*paths, "-k", half, "-q", "-p", "no:cacheprovider", "-p", "no:cov", "--no-header", "--tb=line"], [timed]
    )
    coverage.stop()
    coverage.save()
    told = {one: seconds for one, seconds in timed.seconds.items() if one not in timed.failed}
    (KEPT / "seconds.json").write_text(json.dumps(told), "utf-8")
    print(f"{len(told)} tests measured, {len(timed.failed)} failed or were skipped", flush=True)


def known() -> Known:
    """What `measure` kept."""
    data = CoverageData(str(KEPT / "coverage"))
    data.read()
    seconds: dict[str, float] = json.loads((KEPT / "seconds.json").read_text("utf-8"))
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


class _Runner:
    """Runs one mutant after the other, some at once."""

    def __init__(self, told: Known, workers: int) -> None:
        self.told, self.workers = told, workers
        self.functions = functions()
        self.running: dict[int, tuple[Mutant, float]] = {}
        self.results: dict[str, str] = {}

    def run(self, mutant: Mutant, tests: Sequence[str]) -> None:
        """Begin one; waits while as many run as may."""
        while len(self.running) >= self.workers:
            self.reap()
        if not tests:
            self.results[mutant.name] = "not reached"
            return
        expected = sum(self.told.seconds[one] for one in tests)
        child = os.fork()
        if child == 0:
            self._be(mutant, tests)
        self.running[child] = (mutant, time.monotonic() + 60 + 5 * expected)

    def reap(self) -> None:
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

    def _be(self, mutant: Mutant, tests: Sequence[str]) -> None:
        os.setpgid(0, 0)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = 3
        try:
            found = self.functions.get((str(ROOT / mutant.path), *mutant.outer), [])
            self._replace(mutant.code)
            code = int(pytest.main([*tests, *_QUIET])) if found else 4
        finally:
            os._exit(code)

    def _replace(self, code: CodeType) -> None:
        """Give every function that came of this place its new code; a decorator's were made of it long ago."""
        for function in self.functions.get((code.co_filename, code.co_name, code.co_firstlineno), []):
            function.__code__ = code
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                self._replace(inner)


def chosen(paths: Sequence[str], predicates: bool) -> Iterator[tuple[Mutant, tuple[str, ...]]]:
    """The mutants that are asked for, each with the tests of its module."""
    table = targets.AUTHORIZATION if predicates else targets.MUTATED
    for path, preferred in table.items():
        if paths and path not in paths:
            continue
        for mutant in mutants(path, ROOT):
            if not predicates or mutant.kind in PREDICATE:
                yield mutant, preferred


def main() -> int:
    """Run what is asked for; 1 where less was noticed than should be."""
    asked = _arguments()
    modules = dict.fromkeys([*targets.MUTATED, *targets.AUTHORIZATION])
    if asked.measure:
        measure(targets.TESTS, modules)
        return 0
    told = known()
    paths = sorted({one.partition("::")[0] for one in told.seconds})
    pytest.main([*paths, "--collect-only", "-qq", "-p", "no:cacheprovider", "-p", "no:cov", "--no-header"])
    every = list(chosen(asked.paths, asked.predicates))
    if asked.sample and asked.sample < len(every):
        every = random.Random(asked.seed).sample(every, asked.sample)
    runner = _Runner(told, asked.workers)
    gc.freeze()
    started = time.monotonic()
    for number, (mutant, preferred) in enumerate(every, 1):
        if asked.minutes and time.monotonic() - started > 60 * asked.minutes:
            print(f"stopped after {number - 1} of {len(every)}", flush=True)
            break
        promised = asked.predicates and mutant.unlined not in targets.EQUIVALENT
        runner.run(mutant, tests_for(mutant, told, preferred, every=promised))
    while runner.running:
        runner.reap()
    return report(runner.results, every, predicates=asked.predicates)


def report(results: dict[str, str], every: Sequence[tuple[Mutant, tuple[str, ...]]], *, predicates: bool) -> int:
    """Print the table by module; 1 where less was noticed than should be."""
    by_path: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, _preferred in every:
        if mutant.name in results:
            same = results[mutant.name] != "killed" and mutant.unlined in targets.EQUIVALENT
            by_path[mutant.path]["equivalent" if same else results[mutant.name]] += 1
    for name, result in results.items():
        if result == "not reached":
            print(f"not reached  {name}")
    print(f"{'module':42}{'mutants':>9}{'killed':>9}{'of 100':>9}")
    whole: Counter[str] = Counter()
    for path, counts in by_path.items():
        whole += counts
        _line(path, counts)
    _line("all", whole)
    wanted = 1.0 if predicates else 0.9
    counted = whole.total() - whole["equivalent"]
    return 0 if counted and whole["killed"] / counted >= wanted else 1


def _line(name: str, counts: Counter[str]) -> None:
    total = counts.total() - counts["equivalent"]
    print(f"{name:42}{total:9}{counts['killed']:9}{100 * counts['killed'] / max(total, 1):9.1f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", help="modules, such as consent/policy.py; none: all")
    parser.add_argument("--measure", action="store_true", help="run the tests once and keep what each reaches")
    parser.add_argument("--predicates", action="store_true", help="only what takes an authorization predicate away")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0, help="stop after so many")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
