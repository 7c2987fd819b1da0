"""Runs a script of tests/clients: tells it who it is, walks its addresses as a person would, reads what it got."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from tests.conftest import ROOT, require

_FOLDER = ROOT / "tests" / "clients"


def run(script: str, told: Mapping[str, Any], walk: Callable[[str], str], *, path: str = "") -> dict[str, Any]:
    """What the script told at its end. `walk` takes an address of its own to where a person's browser ends.

    `path` goes before PATH: programs that the client shall find there.
    """
    node = shutil.which("node")
    require(node, "node is not installed")
    require((_FOLDER / "node_modules" / "oauth4webapi").is_dir(), "npm packages are missing: run `make browser`")
    assert node
    with subprocess.Popen(
        [node, script, json.dumps(told)], cwd=_FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"},
    ) as process:  # fmt: skip
        try:
            end = _converse(process, walk)
            _, problem = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0 and end, problem
    got: dict[str, Any] = json.loads(end)
    return got


def _converse(process: "subprocess.Popen[str]", walk: Callable[[str], str]) -> str:
    """The last line; those before it are addresses."""
    assert process.stdin and process.stdout
    while (line := process.stdout.readline().strip()).startswith("http"):
        process.stdin.write(walk(line) + "\n")
        process.stdin.flush()
    return line
