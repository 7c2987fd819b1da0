"""What was noticed, module by module, and between which rates that puts all that was not drawn."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tests.mutation import targets
from tests.mutation.operators import Mutant

Chosen = tuple[Mutant, tuple[str, ...]]
"""A mutant and the tests of its module."""


def report(results: dict[str, str], every: Sequence[Chosen], there: Mapping[str, int], *, predicates: bool) -> int:
    """Print the table by module; 1 where less was noticed than should be.

    Of a sample with the interval of 95 in 100 (Wilson's, with the share that was drawn); the rate of all is that of the
    modules by how many mutants each has.
    """
    by_path: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, _preferred in every:
        if mutant.name in results:
            excused = results[mutant.name] != "killed" and mutant.unlined in targets.EQUIVALENT
            by_path[mutant.path]["equivalent" if excused else results[mutant.name]] += 1
    for name, result in results.items():
        if result == "not reached":
            print(f"not reached  {name}")
    print(f"{'module':42}{'there':>7}{'run':>7}{'same':>7}{'killed':>7}{'of 100':>8}")
    weights: list[float] = []
    rates: list[float] = []
    for path, counts in by_path.items():
        run, killed = counts.total() - counts["equivalent"], counts["killed"]
        print(f"{path:42}{there[path]:7}{counts.total():7}{counts['equivalent']:7}{killed:7}", end="")
        print(f"{100 * killed / max(run, 1):8.1f}  {_interval(killed, run, counts.total() / there[path])}")
        if run:
            weights.append(there[path] * run / counts.total())
            rates.append(killed / run)
    whole = sum(weight * rate for weight, rate in zip(weights, rates, strict=True)) / max(sum(weights), 1)
    run = sum(one.total() for one in by_path.values())
    same = sum(one["equivalent"] for one in by_path.values())
    killed = sum(one["killed"] for one in by_path.values())
    share = run / max(sum(there[path] for path in by_path), 1)
    print(f"{'all':42}{sum(there[path] for path in by_path):7}{run:7}{same:7}{killed:7}{100 * whole:8.1f}", end="")
    print(f"  {_interval(whole * (run - same), run - same, share)}")
    return 0 if whole >= (1.0 if predicates else 0.9) else 1


def _interval(killed: float, run: int, share: float) -> str:
    """Between which rates of all there are that of a sample puts it; nothing to guess where all were run."""
    if not run or share >= 1:
        return ""
    square = 1.96**2 * (1 - share)
    middle = (killed + square / 2) / (run + square)
    half = math.sqrt(square * (killed * (run - killed) / run + square / 4)) / (run + square)
    return f"{100 * (middle - half):.1f} to {100 * (middle + half):.1f}"
