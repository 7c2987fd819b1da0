"""The house stands as docs/architecture.md says: names, entry point, import contracts, what the lock files may hold."""

import configparser
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
BANS = (Path(sys.executable).with_name("ruff"), "check", "--no-cache", "--select", "TID251")
LOCKS = ("requirements.lock", "requirements-tracing.lock", "requirements-dev.lock")


def test_our_fhir_package_and_the_library_of_the_same_name_both_import() -> None:
    ours = importlib.import_module("fhir")
    library = importlib.import_module("fhir.resources.R4B.patient")

    assert ours.__file__ == str(ROOT / "fhir" / "__init__.py")
    assert library.Patient(id="p1").get_resource_type() == "Patient"
    assert not (ROOT / "fhir" / "resources").exists()


def test_the_fhir_package_extends_its_path_and_does_nothing_else() -> None:
    lines = (ROOT / "fhir" / "__init__.py").read_text().splitlines()

    assert lines[0].startswith('"""') and lines[0].endswith('"""')
    assert [line for line in lines[1:] if line] == [
        "from pkgutil import extend_path",
        "__path__ = extend_path(__path__, __name__)",
    ]


def test_the_entry_point_is_two_lines() -> None:
    lines = (ROOT / "wsgi.py").read_text().splitlines()

    assert [line for line in lines if line] == ["from service.app import create_app", "app = create_app()"]


def test_imports_point_down() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", "setup.cfg", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip

    assert checked.returncode == 0, checked.stdout[-4000:]
    assert "4 kept, 0 broken" in checked.stdout


def test_only_one_module_opens_the_fhir_library() -> None:
    checked = subprocess.run([*BANS, "consent", "fhir", "oauth", "service"], cwd=ROOT, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout[-4000:]


def test_the_ban_on_the_fhir_library_and_on_authlib_jose_is_seen(tmp_path: Path) -> None:
    breach = "from authlib.jose import jwt\nfrom fhir.resources.R4B.patient import Patient\n"
    checked = subprocess.run(
        [*BANS, "--stdin-filename", "oauth/breach.py", "-"], cwd=ROOT, input=breach, capture_output=True, text=True
    )

    assert checked.stdout.count("TID251") == 2


def test_a_web_server_loads_nothing_that_only_others_need() -> None:
    others = "PIL", "aiosmtpd", "alembic", "fhir.resources", "service.sandbox.create"
    loaded = f"[name for name in {others} if name in sys.modules]"
    asked = f"import sys, wsgi; print('oauth.apps.logos' in sys.modules, {loaded})"
    told = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True)

    assert told.stdout == "True []\n", told.stdout + told.stderr[-2000:]


def test_every_test_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py") if "node_modules" not in path.parts}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("name", LOCKS)
def test_locks_pin_hashes_and_name_no_index(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    told = [line for line in lines if line and not line.startswith("#")]
    requirements = [line for line in told if not line.startswith(" ")]

    assert requirements and all("==" in line and line.endswith("\\") for line in requirements)
    assert all(
        line.startswith("    --hash=sha256:") or line.lstrip().startswith("#")
        for line in told
        if line not in requirements
    )


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("requirements.lock", ()),
        ("requirements-tracing.lock", ("tracing",)),
        ("requirements-dev.lock", ("test", "dev")),
    ],
)
def test_every_dependency_is_in_the_lock(name: str, extras: tuple[str, ...]) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    told = [config["options"]["install_requires"], *(config["options.extras_require"][extra] for extra in extras)]
    wanted = [line for text in told for line in text.split("\n") if line and not line.startswith("#")]
    locked = _versions(name)

    assert len(wanted) > 10
    assert [line for line in wanted if _name(line) not in locked] == []
    too_old = [line for line in wanted if not Requirement(line).specifier.contains(locked[_name(line)])]
    assert too_old == []


def test_a_package_has_one_version_in_all_locks() -> None:
    every = {name: _versions(name) for name in LOCKS}

    assert every["requirements.lock"].items() <= every["requirements-tracing.lock"].items()
    assert every["requirements.lock"].items() <= every["requirements-dev.lock"].items()
    both = every["requirements-tracing.lock"].keys() & every["requirements-dev.lock"].keys()
    assert {name for name in both if len({every[lock][name] for lock in LOCKS[1:]}) > 1} == set()


def test_migrations_import_nothing_of_ours() -> None:
    versions = list((ROOT / "migrations" / "versions").glob("*.py"))

    assert versions
    for version in versions:
        words = version.read_text()
        assert not any(
            f"{how} {ours}" in words for how in ("from", "import") for ours in ("service", "oauth", "fhir", "consent")
        )


def _versions(lock: str) -> dict[str, str]:
    pinned = (line.split() for line in (ROOT / lock).read_text().splitlines() if "==" in line)
    return {_name(line[0]): line[0].partition("==")[2] for line in pinned}


def _name(requirement: str) -> str:
    head = requirement.split("=")[0].split(">")[0].split("[")[0]
    return head.strip().lower().replace("_", "-").replace(".", "-")
