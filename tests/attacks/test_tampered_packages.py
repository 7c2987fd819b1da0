"""security.md, case 197: a package that is not the one of the lock is not installed."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

INSTALLED = ["requirements.lock", "requirements-tracing.lock"]
LOCKS = [*INSTALLED, "requirements-dev.lock", "tests/clients/requirements.txt"]


@pytest.mark.parametrize("lock", LOCKS)
def test_case_197_every_package_is_pinned_to_one_version_and_its_hashes(lock: str) -> None:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) > 20
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,_-]+\])?==[^\s;]+", line), line
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line), line


def test_case_197_the_makefile_installs_nothing_without_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text()
    installs = [line for line in makefile.replace("\\\n", " ").splitlines() if "pip install" in line]
    assert installs and all("--require-hashes" in line and "--no-deps" in line for line in installs)


def test_case_197_a_tampered_package_fails_the_installation(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "VALUE = 1")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"lantern==1.0 --hash=sha256:{digest}\n")
    assert _install(lock, tmp_path / "right").returncode == 0
    assert (tmp_path / "right" / "lantern.py").read_text() == "VALUE = 1"

    _wheel(tmp_path, "VALUE = 2")
    tampered = _install(lock, tmp_path / "tampered")
    assert tampered.returncode != 0 and "DO NOT MATCH THE HASHES" in tampered.stderr
    assert not (tmp_path / "tampered").exists()


def _wheel(folder: Path, source: str) -> Path:
    path = folder / "lantern-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: lantern\nVersion: 1.0\n"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("lantern.py", source)
        wheel.writestr("lantern-1.0.dist-info/METADATA", about)
        wheel.writestr("lantern-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("lantern-1.0.dist-info/RECORD", "")
    return path


def _install(lock: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Install as the Makefile does, from a folder instead of the index."""
    return subprocess.run(
        [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "--require-hashes",
         "--no-deps", "--no-index", "--find-links", str(lock.parent), "--target", str(target), "-r", str(lock)],
        capture_output=True, text=True, env={"PIP_CONFIG_FILE": "/dev/null", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.mark.parametrize("lock", INSTALLED)
def test_case_197_the_bill_of_materials_names_every_package_of_the_lock_with_its_hashes(
    lock: str, tmp_path: Path
) -> None:
    made = tmp_path / "sbom.cdx.json"
    command = [
        sys.executable, "-m", "cyclonedx_py", "requirements", "--short-PURLs",
        "--output-reproducible", "--of", "JSON", "--output-file", str(made), lock,
    ]  # fmt: skip
    makefile = re.sub(r"\s*\\\n\s*", " ", (ROOT / "Makefile").read_text())
    assert re.search(rf"{re.escape(' '.join(command[3:9]))} dist/\S+ {re.escape(lock)}$", makefile, re.MULTILINE)
    subprocess.run(command, cwd=ROOT, check=True)
    told = json.loads(made.read_text())
    assert told["bomFormat"] == "CycloneDX"
    components = {one["name"]: one for one in told["components"]}
    locked = re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    assert len(locked) > 40 and set(components) == {name for name, _version in locked}
    for name, version in locked:
        assert components[name]["version"] == version
        assert components[name]["externalReferences"][0]["hashes"], name


def test_case_197_advisories_that_no_source_tells_are_said_to_be_unknown(tmp_path: Path) -> None:
    for lock in LOCKS:
        (tmp_path / lock).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / lock).write_text(f"lantern==1.0 --hash=sha256:{'0' * 64}\n")
    nowhere = os.environ | {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    told = subprocess.run(
        [sys.executable, str(ROOT / ".ci/advisories")], cwd=tmp_path, env=nowhere, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert told.returncode == 3, told.stderr
    assert "NOT LOOKED UP  no source answered for 1: lantern" in told.stdout
