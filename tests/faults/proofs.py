"""`make proofs`: promises in figures that tests hold, a row each: how many ran, and whether all of them passed."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.faults import figures
from tests.faults.figures import Figure

_ROOT = Path(__file__).parents[2]
_LONG = {"FUZZ_LONG": "1"}


@dataclass(frozen=True)
class Proof:
    """A promise, its figure, and the tests that count it, as pytest takes them."""

    name: str
    promise: str
    figure: str
    tests: tuple[str, ...]


PROOFS = (
    Proof(
        "revocation", "revocation: requests begun after the answer that succeed, any worker", "0",
        ("tests/attacks/test_revocation_under_load.py", "-k", "case_076"),
    ),
    Proof(
        "answers", "a token answer that is lost: the app authorizes again", "1 connection for each answer",
        ("tests/attacks/test_refresh_and_revocation.py", "-k", "case_050"),
    ),
    Proof(
        "codes", "guessing a code", "5 tries, 5 codes an hour, 10 a day",
        ("tests/attacks/test_codes.py", "tests/accounts/test_factor_codes.py", "-k", "case_106"),
    ),
    Proof("pins", "guessing a PIN", "5 tries of 2^40", ("tests/attacks/test_mailed_pins.py", "-k", "case_124")),
    Proof(
        "routes", "isolation: every route of the API, asked about others", "0 of another's record",
        ("tests/attacks/test_every_route.py",),
    ),
    Proof(
        "roles", "isolation: every page of the console, by every role", "0 pages of another role",
        ("tests/attacks/test_staff_roles.py", "-k", "case_143"),
    ),
    Proof("fuzz", "fuzz: answers by a fault", "0 of 10,000 cases in CI", ("tests/fuzz",)),
    Proof(
        "disclosures", "audit: every route and page that tells of a member leaves its row", "all of them",
        ("tests/attacks/test_audit_rows.py", "tests/attacks/test_audit_of_pages.py", "-k", "case_166"),
    ),
    Proof(
        "mutations", "audit: single changes of the chain that are named", "1,000 of 1,000",
        ("tests/attacks/test_audit_chain.py", "-k", "case_170"),
    ),
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make proofs", description=__doc__)
    asked.add_argument("--only", choices=[proof.name for proof in PROOFS], action="append", help="some of them")
    asked.add_argument("--long", action="store_true", help="ten times the cases of the fuzz, other ones each time")
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run as asked; 1 where a figure is missed."""
    given = parser().parse_args()
    chosen = [proof for proof in PROOFS if not given.only or proof.name in given.only]
    return figures.end([shown(proof, long=given.long) for proof in chosen], given)


def shown(proof: Proof, *, long: bool = False) -> Figure:
    """Run its tests and tell what came of them; without any that ran nothing is shown."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--timeout=0" if long else "--timeout=300",
                   f"--junit-xml={told}", *proof.tests]  # fmt: skip
        done = subprocess.run(command, cwd=_ROOT, env=os.environ | (_LONG if long else {}), check=False)
        cases = list(ElementTree.parse(told).iter("testcase")) if told.exists() else []
    passed, failed, skipped = _outcomes(cases)
    measured = ", ".join(f"{number} {word}" for number, word in
                         ((passed, "tests passed"), (failed, "failed"), (skipped, "skipped")) if number)  # fmt: skip
    is_kept = done.returncode == 0 and passed > 0
    return Figure(proof.promise, proof.figure, measured or f"no test ran (pytest ended with {done.returncode})",
                  is_kept, short=skipped > 0)  # fmt: skip


def _outcomes(cases: Sequence[ElementTree.Element]) -> tuple[int, int, int]:
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return len(cases) - failed - skipped, failed, skipped


if __name__ == "__main__":
    sys.exit(main())
