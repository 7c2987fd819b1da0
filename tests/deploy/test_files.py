"""The files in deploy/: they name settings that there are, all that production needs, and give little."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
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
OTHERS_PROGRAMS = {"latchstring-backup.service", "latchstring-failed@.service"}
"""What they run is no program of ours, and is given none of our settings: pg_basebackup, and a line for the journal."""
OURS = [unit for unit in UNITS if unit.name not in OTHERS_PROGRAMS]
OTHERS = {"FLASK_APP", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PATH"}
CHANGED = {"PLAN_FILE": str(ROOT / "tests/plan/partners.toml"), "MAIL_FROM": "no-reply@latchstring-plan.com"}
"""What a plan has to change before anything starts."""
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


def production(given: dict[str, str], tmp_path: Path, changed: dict[str, str] = CHANGED) -> Settings:
    """The settings of a start in production; secrets and the plan's file are there, under tmp_path."""
    secrets = {f"{name}_FILE": tmp_path / name for name in SECRETS}
    for number, path in enumerate(secrets.values()):
        path.write_text("".join(f"{(37 * place + number) % 256:02x}" for place in range(32)), encoding="ascii")
    found = given | {name: str(path) for name, path in secrets.items() if name in given}
    return Settings.from_environment(found | changed | {"VAR": str(tmp_path / "var")})


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


def test_the_examples_as_they_are_do_not_start(tmp_path: Path) -> None:
    given = variables(DEPLOY / "latchstring.env")
    assert Path(given["PLAN_FILE"]).is_relative_to("/etc/latchstring"), "the plan's own, which is not there yet"
    for name in CHANGED:
        with pytest.raises(UnsafeSetting, match=f"(?m)^{name} "):
            production(
                given | environment_of(OURS[0]), tmp_path, changed={one: CHANGED[one] for one in CHANGED if one != name}
            )


def test_production_starts_under_compose_with_nothing_missing(tmp_path: Path) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for name in ("web", "worker"):
        service = compose["services"][name]
        given = variables(DEPLOY / service["env_file"]) | service["environment"]
        made = production(given, tmp_path)
        assert made.revocation_journal and made.audit_checkpoints and made.password_peppers
        with pytest.raises(UnsafeSetting, match=r"^DATABASE_URL names another machine"):
            production({one: value for one, value in given.items() if one != "DATABASE_PRIVATE_NETWORK"}, tmp_path)
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


def test_every_timer_has_its_service_whose_failure_is_told() -> None:
    timers = {path.stem for path in DEPLOY.glob("*.timer")}
    assert timers == {f"latchstring-{one}" for one in ("audit-export", "backup", "backup-sqlite", "verify")}
    for name in timers:
        assert unit(DEPLOY / f"{name}.timer")["Timer"]["OnCalendar"]
        told = unit(DEPLOY / f"{name}.service")["Unit"]["OnFailure"]
        assert told == "latchstring-failed@%n.service" and (DEPLOY / told.replace("%n", "")).exists()


def test_sqlite_is_copied_every_quarter_of_an_hour() -> None:
    assert unit(DEPLOY / "latchstring-backup-sqlite.timer")["Timer"]["OnCalendar"] == "*:0/15"


def test_what_runs_no_program_of_ours_is_given_none_of_our_secrets() -> None:
    for name in OTHERS_PROGRAMS:
        service = unit(DEPLOY / name)["Service"]
        assert "LoadCredential" not in service and "/opt/latchstring" not in service["ExecStart"], name
        assert service.get("EnvironmentFile") in {None, "/etc/latchstring/backup.env"}


def test_the_image_holds_what_runs_is_nobodys_and_installs_by_hash() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    assert {word for word, _ in lines} <= {
        "ARG",
        "LABEL",
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
    locks = {"requirements.lock", "requirements-tracing.lock"}
    assert packages | locks | {"migrations", "wsgi.py", "alembic.ini", "setup.cfg"} == copied
    given = dict(rest.split("=", 1) for word, rest in lines if word == "ARG" and "=" in rest)
    assert given["LOCK"] == "requirements.lock" and any('-r "${LOCK}"' in rest for word, rest in lines if word == "RUN")
    installs = [rest for word, rest in lines if word == "RUN" and "pip install" in rest]
    assert installs and all("--require-hashes" in one and "--no-deps" in one for one in installs)
    assert any("chmod -R a+rX" in rest for word, rest in lines if word == "RUN"), "a checkout under umask 077 runs too"
    last_user = [rest for word, rest in lines if word == "USER"][-1]
    assert last_user not in {"root", "0"}
    assert not re.search(r"^(?:ADD|.*curl|.*wget)", text, re.MULTILINE)


def images(place: Path) -> subprocess.CompletedProcess[str]:
    """What `make images` says of the files in a folder."""
    command = [sys.executable, str(ROOT / ".ci/images")]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


def test_images_named_by_a_tag_alone_fail_the_look_at_them(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    for path in (tmp_path / "deploy/Containerfile", tmp_path / "deploy/compose.yaml"):
        path.write_text(re.sub(r"@sha256:[0-9a-f]{64}", "", path.read_text("utf-8")), "utf-8")
    by_tag = images(tmp_path)
    assert by_tag.returncode == 1 and "docs/container.md" in by_tag.stderr
    names = re.findall(r"^BY TAG  docker\.io/library/(\w+):\S+$", by_tag.stdout, re.MULTILINE)
    assert names == ["python", "postgres", "nginx"]

    for path in (tmp_path / "deploy/Containerfile", tmp_path / "deploy/compose.yaml"):
        pinned = re.sub(r"(docker\.io/library/[\w:.-]+)", rf"\1@sha256:{'5a' * 32}", path.read_text("utf-8"))
        path.write_text(pinned, "utf-8")
    assert images(tmp_path).returncode == 0
    compose = tmp_path / "deploy/compose.yaml"
    compose.write_text(compose.read_text("utf-8").replace("5a}", "5}"), "utf-8")
    assert images(tmp_path).returncode == 1, "a digest that is cut short is none"


def test_a_release_names_its_images_by_digest() -> None:
    version = unit(ROOT / "setup.cfg")["metadata"]["version"]
    is_released = re.search(rf"^## \[?{re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert not is_released or images(ROOT).returncode == 0, "docs/container.md says where a digest is found"


def test_both_ways_to_build_stand_on_the_same_image_and_lock() -> None:
    container = (DEPLOY / "Containerfile").read_text("utf-8")
    given = dict(re.findall(r"^ARG (\w+)=(\S+)$", container, re.MULTILINE))
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    asked = compose["services"]["web"]["build"]["args"]
    assert asked == {name: f"${{{name}:-{usual}}}" for name, usual in given.items()}
    assert {"PYTHON_IMAGE", "LOCK"} == set(given)
    assert re.findall(r"^FROM (\S+)", container, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
