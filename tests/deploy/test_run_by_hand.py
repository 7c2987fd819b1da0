"""deploy/latchstring-run: what an operator runs by hand has the account, settings, secrets and fences of the units."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.deploy.test_files import CHANGED, DEPLOY, OURS, SECRETS, environment_of, unit, variables

SCRIPT = DEPLOY / "latchstring-run"
UNIT = DEPLOY / "latchstring-verify.service"
SHARED = (
    "User", "Group", "WorkingDirectory", "EnvironmentFile", "LoadCredential", "UMask", "StateDirectory",
    "StateDirectoryMode", "ProtectSystem", "ProtectHome", "PrivateTmp", "NoNewPrivileges", "CapabilityBoundingSet",
    "RestrictAddressFamilies", "SystemCallFilter", "LimitCORE",
)  # fmt: skip
_RUNS = """
import json, os, shlex, subprocess, sys
from pathlib import Path
argv = sys.argv[1:]
(Path(__file__).parent / "asked.json").write_text(json.dumps(argv))
at = argv.index("/usr/bin/env")
given = [one.removeprefix("--property=").split("=", 1) for one in argv[:at] if one.startswith("--property=")]
credentials = Path(__file__).parent / "credentials"
credentials.mkdir(exist_ok=True)
environment = {"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": str(credentials)}
for name, value in given:
    if name == "LoadCredential":
        credential, source = value.split(":", 1)
        (credentials / credential).write_bytes(Path(source).read_bytes())
    if name == "EnvironmentFile":
        lines = [line for line in Path(value).read_text().splitlines() if line and line[0] != "#"]
        environment |= dict(line.split("=", 1) for line in lines)
    if name == "Environment":
        environment |= dict(word.split("=", 1) for word in shlex.split(value))
folder = next(value for name, value in given if name == "WorkingDirectory")
command = [word.replace("${CREDENTIALS_DIRECTORY}", str(credentials)).replace("$$", "$") for word in argv[at:]]
sys.exit(subprocess.run(command, env=environment, cwd=folder).returncode)
"""
"""As much of systemd-run as tells whether the program finds what it needs."""


class Host:
    """A machine on which the units are installed; systemd's two programs are stand-ins, all else is real."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.units = UNIT.read_text("utf-8")
        for name in ("etc", "bin", "state"):
            (folder / name).mkdir()
        (folder / "opt").symlink_to(ROOT)
        self._program("systemd-run", f"#!{sys.executable}\n{_RUNS}")

    def install(self, *, dropped_in: str = "") -> None:
        """Install the unit, below this host's own folders, and what `systemctl edit` added."""
        text = f"# /etc/systemd/system/{UNIT.name}\n{self.units}\n{dropped_in}"
        for theirs, ours in (("/opt/latchstring", "opt"), ("/etc/latchstring", "etc")):
            text = text.replace(theirs, str(self.folder / ours))
        (self.folder / "unit").write_text(text, "utf-8")
        self._program(
            "systemctl", f'#!/bin/sh\n[ "$1 $2" = "cat {UNIT.name}" ] && exec cat {self.folder}/unit\nexit 1\n'
        )

    def settle(self) -> None:
        """Write settings and secrets, of an installation on SQLite."""
        settings = variables(DEPLOY / "latchstring.env") | {
            **CHANGED, "VAR": str(self.folder / "state"),
            "DATABASE_URL": f"sqlite:///{self.folder}/state/latchstring.db", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": "9",
            "REVOCATION_JOURNAL": str(self.folder / "state/journal"),
            "AUDIT_CHECKPOINTS": str(self.folder / "state/checkpoints"),
        }  # fmt: skip
        (self.folder / "etc/latchstring.env").write_text("".join(f"{a}={b}\n" for a, b in settings.items()), "utf-8")
        for number, name in enumerate(SECRETS):
            secret = "".join(f"{(37 * place + number) % 256:02x}" for place in range(32))
            (self.folder / "etc" / name.lower()).write_text(secret, "ascii")

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run the script."""
        path = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin"}
        return subprocess.run(
            [sys.executable, "-I", str(SCRIPT), *words], env=path, capture_output=True, text=True, check=False
        )

    @property
    def asked(self) -> list[str]:
        """What systemd-run was asked."""
        found: list[str] = json.loads((self.folder / "bin/asked.json").read_text("utf-8"))
        return found

    def properties(self) -> dict[str, str]:
        """Of those the properties; of one that comes again the values, one a line."""
        found: dict[str, str] = {}
        for one in self.asked:
            if one.startswith("--property="):
                name, _, value = one.removeprefix("--property=").partition("=")
                found[name] = f"{found[name]}\n{value}" if name in found else value
        return found

    def _program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text, "utf-8")
        path.chmod(0o755)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _as_installed(host: Host, text: str) -> str:
    return text.replace("/opt/latchstring", str(host.folder / "opt")).replace(
        "/etc/latchstring", str(host.folder / "etc")
    )


def test_the_installations_programs_start_with_its_settings_and_secrets_and_give_their_status(host: Host) -> None:
    host.install()
    host.settle()
    migrated = host.run("alembic", "upgrade", "head")
    assert migrated.returncode == 0, migrated.stderr
    done = host.run("flask", "doctor")
    assert "production at https://health.example.org." in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1 and "to mend" in done.stderr, "no mail server answers there"
    (host.folder / "etc/secret_key").unlink()
    assert host.run("flask", "doctor").returncode != 0


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_it_names_what_each_unit_names(host: Host, path: Path) -> None:
    host.install()
    host.settle()
    host.run("flask", "--version")
    service, given = unit(path)["Service"], host.properties()
    assert {name: given.get(name) for name in SHARED} == {
        name: _as_installed(host, service[name]) for name in SHARED if name in service
    }
    words = shlex.split(given["Environment"].replace("\n", " ")) + host.asked[host.asked.index("/usr/bin/env") + 1 :]
    named = dict(word.split("=", 1) for word in words if "=" in word)
    assert named == {
        name: value.replace("%d", "${CREDENTIALS_DIRECTORY}") for name, value in environment_of(path).items()
    }


def test_what_an_operator_added_to_the_unit_counts_too(host: Host) -> None:
    dropped_in = (
        '[Unit]\nAfter=x.service\n[Service]\n# their own\nEnvironment="PLAN_NAME=Two words"\nTimeoutStartSec=1h\n'
    )
    host.install(dropped_in=dropped_in)
    host.settle()
    host.run("flask", "--version")
    assert "--property=Environment='PLAN_NAME=Two words'" in host.asked
    assert not [one for one in host.asked if "TimeoutStartSec" in one or "ExecStart" in one or "x.service" in one]


def test_values_arrive_as_the_units_read_them(host: Host) -> None:
    host.install(dropped_in="[Service]\nEnvironment=LINK=a%%40b$$ NEAR=%d/a%%b$$ BOTH=100%%d\nReadOnlyPaths=/srv/%%1\n")
    host.settle()
    program = "import json, os, sys; print(json.dumps([os.environ[one] for one in sys.argv[1:]]))"
    done = host.run("python", "-c", program, "LINK", "NEAR", "BOTH")
    assert json.loads(done.stdout) == ["a%40b$$", f"{host.folder}/bin/credentials/a%b$$", "100%d"], done.stderr
    assert host.properties()["ReadOnlyPaths"] == "/srv/%1"


@pytest.mark.parametrize("line", ["Environment=VAR=%S/hidden", "ReadOnlyPaths=%h/hidden", "Environment=VAR=hidden%"])
def test_what_only_systemd_could_expand_is_told(host: Host, line: str) -> None:
    host.install(dropped_in=f"[Service]\n{line}\n")
    host.settle()
    refused = host.run("flask", "--version")
    assert refused.returncode == 1 and "write out what it stands for" in refused.stderr
    assert "hidden" not in refused.stderr


def test_arguments_arrive_as_typed(host: Host) -> None:
    host.install()
    host.settle()
    words = ["cost $5, ${HOME} and %d", "--reason", "two words", ""]
    program = "import json, sys; print(json.dumps(sys.argv[1:]))"
    done = host.run("python", "-c", program, *words)
    assert json.loads(done.stdout) == words, done.stderr


def test_it_writes_into_the_folder_that_is_named(host: Host) -> None:
    host.install()
    host.settle()
    host.run("--write", "/var/backups/latchstring", "flask", "--version")
    assert host.properties()["ReadWritePaths"] == "/var/backups/latchstring"
    host.run("--write", "/var/my backups/100%done", "flask", "--version")
    assert shlex.split(host.properties()["ReadWritePaths"]) == ["/var/my backups/100%done"], (
        "one folder, as it is named"
    )
    refused = host.run("--write", "backups", "flask", "--version")
    assert refused.returncode == 1 and "a path from the root" in refused.stderr


def test_a_host_without_the_units_and_a_program_that_is_not_there_are_told(host: Host) -> None:
    (host.folder / "bin/systemctl").write_text("#!/bin/sh\nexit 1\n")
    (host.folder / "bin/systemctl").chmod(0o755)
    refused = host.run("flask", "doctor")
    assert refused.returncode == 1 and "copy deploy/*.service" in refused.stderr
    host.install()
    for program in ("flaks", "../../bin/sh", ".", ".."):
        refused = host.run(program)
        assert refused.returncode == 1 and "say flask or alembic" in refused.stderr


@pytest.mark.parametrize(
    ("name", "folder", "made"),
    [
        ("latchstring-backup-sqlite", "/var/backups/latchstring", r"latchstring-\d{8}T\d{12}Z\.db"),
        ("latchstring-audit-export", "/var/backups/latchstring-audit", r"\d{4}-\d\d-\d\d\.ndjson"),
    ],
)
def test_what_timers_write_is_written_by_the_command_of_their_unit(
    host: Host, name: str, folder: str, made: str
) -> None:
    host.install()
    host.settle()
    assert host.run("alembic", "upgrade", "head").returncode == 0
    service, there = unit(DEPLOY / f"{name}.service")["Service"], host.folder / "written"
    assert service["ReadWritePaths"] == folder
    there.mkdir()
    command = _as_installed(host, service["ExecStart"]).replace(folder, str(there)).replace("%%", "%")
    # As systemd runs it: the unit's account and settings are those of the unit that is installed, see above.
    done = host.run("python", "-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", *shlex.split(command))
    assert done.returncode == 0, done.stderr
    (written,) = there.iterdir()
    assert re.fullmatch(made, written.name)


def test_systemd_understands_what_it_is_told(host: Host) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    host.install()
    host.settle()
    host.run("--write", "/var/backups/latchstring", "flask", "--version")
    given = [one.removeprefix("--property=") for one in host.asked if one.startswith("--property=")]
    path = host.folder / "latchstring-by-hand.service"
    path.write_text("\n".join(["[Service]", "ExecStart=/bin/true", *given]), "utf-8")
    done = subprocess.run([program, "verify", str(path)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "latchstring" in line] == []


def test_it_is_a_program() -> None:
    assert os.access(SCRIPT, os.X_OK)
