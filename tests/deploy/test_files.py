"""The files in deploy/: they name settings that there are, all that production needs, and give little."""

import configparser
import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.environment import UnsafeSetting
from service.settings import Mode, Settings
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
OURS = [unit for unit in UNITS if unit.name != "latchstring-backup.service"]
OTHERS = {"FLASK_APP", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PATH"}
SECRETS = ("SECRET_KEY", "PASSWORD_PEPPER", "SMTP_PASSWORD", "METRICS_TOKEN")
HARDENED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "PrivateDevices": "yes", "CapabilityBoundingSet": "", "LimitCORE": "0", "UMask": "0077",
}  # fmt: skip


def known_settings() -> set[str]:
    """Every name that service/settings.py tells of, and the files that hold secrets."""
    text = (ROOT / "service" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r"`([A-Z][A-Z_]+)`", text)) | {f"{name}_FILE" for name in SECRETS}


def variables(path: Path) -> dict[str, str]:
    """The lines of an environment file."""
    lines = (line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def unit(path: Path) -> ConfigParser:
    """A unit of systemd; of a name that comes again the values, one a line."""

    class Repeated(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            if isinstance(value, list) and key in self:
                self[key].extend(value)
                return
            super().__setitem__(key, value)

    made = configparser.RawConfigParser(strict=False, dict_type=Repeated, comment_prefixes="#", delimiters="=")
    made.optionxform = str  # type: ignore[assignment,method-assign]
    made.read_string(path.read_text("utf-8"))
    return made


def environment_of(path: Path) -> dict[str, str]:
    """What the unit itself sets."""
    words = shlex.split(unit(path)["Service"].get("Environment", "").replace("\n", " "))
    return dict(word.split("=", 1) for word in words)


def production(given: dict[str, str], tmp_path: Path) -> Settings:
    """The settings of a start in production; secrets and the plan's file are there, under tmp_path."""
    secrets = {f"{name}_FILE": tmp_path / name for name in SECRETS}
    for number, path in enumerate(secrets.values()):
        path.write_text("".join(f"{(37 * place + number) % 256:02x}" for place in range(32)), encoding="ascii")
    found = given | {name: str(path) for name, path in secrets.items() if name in given}
    return Settings.from_environment(found | {
        "PLAN_FILE": str(ROOT / "service/sandbox/meridian.toml"), "VAR": str(tmp_path / "var"),
    })  # fmt: skip


def test_every_setting_that_is_named_is_one() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    named = set(variables(DEPLOY / "latchstring.env"))
    for path in OURS:
        named |= set(environment_of(path)) - OTHERS
    for service in compose["services"].values():
        if "latchstring" in service["image"]:
            named |= set(service["environment"])
    container = (DEPLOY / "Containerfile").read_text("utf-8")
    for line in re.findall(r"^ENV (.+)$", container, re.MULTILINE):
        named |= {word.partition("=")[0] for word in shlex.split(line)} - OTHERS
    assert named - known_settings() == set()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_production_starts_under_each_unit_with_nothing_missing(path: Path, tmp_path: Path) -> None:
    given = variables(DEPLOY / "latchstring.env") | environment_of(path)
    made = production(given, tmp_path)
    assert made.mode is Mode.PRODUCTION and made.https and made.trusted_proxies == 1
    assert made.revocation_journal and made.audit_checkpoints and made.metrics_token and made.password_peppers
    for name in ("SECRET_KEY_FILE", "PASSWORD_PEPPER_FILE", "BASE_URL", "SMTP_SECURITY"):
        with pytest.raises(UnsafeSetting, match=name.removesuffix("_FILE")):
            production({one: value for one, value in given.items() if one != name}, tmp_path)


def test_production_starts_under_compose_with_nothing_missing(tmp_path: Path) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for name in ("web", "worker"):
        service = compose["services"][name]
        given = variables(DEPLOY / service["env_file"]) | service["environment"]
        made = production(given, tmp_path)
        assert made.revocation_journal and made.audit_checkpoints and made.password_peppers
        mounted = {volume.split(":")[1] for volume in service["volumes"]}
        assert {given["VAR"], given["REVOCATION_JOURNAL"], given["AUDIT_CHECKPOINTS"], given["PLAN_FILE"]} <= mounted


def test_compose_gives_its_services_little() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    services = compose["services"]
    assert set(services) == {"web", "worker", "database", "proxy"}
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service and set(service.get("secrets", [])) <= set(compose["secrets"])
        assert ("ports" in service) is (name == "proxy"), "the proxy alone is reached from outside"
    for name in ("web", "worker"):
        assert services[name]["read_only"] is True and services[name]["cap_drop"] == ["ALL"]
    assert services["database"]["networks"] == ["inside"] and compose["networks"]["inside"]["internal"]
    assert "PASSWORD" not in {word.partition("=")[0] for word in services["database"]["environment"]}


def test_compose_heeds_what_podman_does() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    web, worker, database = (compose["services"][name] for name in ("web", "worker", "database"))
    subnet = ip_network(compose["networks"]["outside"]["ipam"]["config"][0]["subnet"])
    assert ip_address(web["networks"]["outside"]["ipv4_address"]) in subnet, "nginx asks once for its address"
    assert web["healthcheck"]["test"][0] == "CMD", "an image in OCI's format keeps none"
    assert "healthcheck" not in worker and worker["networks"] == compose["x-latchstring"]["networks"], (
        "commands run in it"
    )
    # A chain of them fails where the one in the middle has ended (podman-compose).
    assert {one for service in (web, worker) for one in service["depends_on"]} == {"database"}
    assert "127.0.0.1" in database["healthcheck"]["test"], "its socket answers before it is set up"
    for service, name in ((web, "latchstring.service"), (worker, "latchstring-worker.service")):
        assert service["stop_grace_period"] == unit(DEPLOY / name)["Service"]["TimeoutStopSec"] + "s"


def test_builders_are_sent_what_the_image_is_made_of_alone() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    copied = {
        source for rest in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for source in rest.split()[:-1]
    }
    assert lines[1] == "*" and {line[1:] for line in lines if line.startswith("!")} == copied
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    assert {"deploy/secrets/", "deploy/*.key", "deploy/*.pem"} <= set(ignored)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_units_are_hardened_and_name_an_account(path: Path) -> None:
    service = unit(path)["Service"]
    assert {name: service.get(name) for name in HARDENED} == HARDENED
    assert service["User"] not in {"", "root"}
    assert not re.search(r"(?:KEY|PEPPER|PASSWORD|TOKEN)=(?!\$)", path.read_text("utf-8")), "secrets come from files"


def test_systemd_understands_the_units() -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    every = [str(path) for path in (*UNITS, *sorted(DEPLOY.glob("*.timer")))]
    done = subprocess.run([program, "verify", *every], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "is not executable: No such file" not in line]
    # Of units of this machine nothing is ours to say.
    assert [line for line in said if "latchstring" in line] == []


def test_every_timer_has_its_service() -> None:
    for path in DEPLOY.glob("*.timer"):
        assert path.with_suffix(".service").exists() and unit(path)["Timer"]["OnCalendar"]


def test_the_image_holds_what_runs_is_nobodys_and_installs_by_hash() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    assert {word for word, _ in lines} <= {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "CMD",
    }
    copied = {source for word, rest in lines if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    config = unit(ROOT / "setup.cfg")
    packages = {one.rstrip("*") for one in config["options.packages.find"]["include"].split()}
    assert packages | {"migrations", "wsgi.py", "alembic.ini", "requirements.lock", "setup.cfg"} == copied
    installs = [rest for word, rest in lines if word == "RUN" and "pip install" in rest]
    assert installs and all("--require-hashes" in one and "--no-deps" in one for one in installs)
    assert any("chmod -R a+rX" in rest for word, rest in lines if word == "RUN"), "a checkout under umask 077 runs too"
    last_user = [rest for word, rest in lines if word == "USER"][-1]
    assert last_user not in {"root", "0"}
    assert not re.search(r"^(?:ADD|.*curl|.*wget)", text, re.MULTILINE)
