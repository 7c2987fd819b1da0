"""Cases 185 and 196: an installation that is set up weakly does not start, and says which setting to mend."""

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service import sealing
from service.databases import sqlite_file
from service.environment import UnsafeSetting
from service.plan_file import SANDBOX_PLAN
from service.settings import Settings
from tests.conftest import ROOT

KEY, PEPPER, OLDER = (secrets.token_hex(32) for _ in range(3))
PARTNERS = str(ROOT / "tests" / "plan" / "partners.toml")
SOUND = {
    "MODE": "production", "SECRET_KEY": KEY, "PASSWORD_PEPPER": PEPPER, "BASE_URL": "https://plan.example",
    "PLAN_FILE": PARTNERS, "MAIL_FROM": "no-reply@latchstring-plan.com",
}  # fmt: skip
ELSEWHERE = "postgresql+psycopg://u:hush-hush@db.latchstring-plan.com/plan"
MOUNTS = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw shared:3 - nfs4 files:/srv rw
31 30 8:2 / /srv/local\\040disk rw - xfs /dev/sdb1 rw
"""


def start(tmp_path: Path, **given: str) -> Settings:
    return Settings.from_environment({"VAR": str(tmp_path), **SOUND, **given})


def database(tmp_path: Path, mode: int = 0o600) -> Path:
    path = tmp_path / "latchstring.db"
    path.touch()
    path.chmod(mode)
    return path


def test_case_196_a_sound_installation_starts(tmp_path: Path) -> None:
    database(tmp_path)
    assert start(tmp_path).https


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "00" * 32}, "SECRET_KEY"),
        ({"SECRET_KEY": "deadbeef" * 8}, "SECRET_KEY"),
        ({"SECRET_KEY": secrets.token_hex(16)}, "SECRET_KEY"),
        ({"BASE_URL": "http://plan.example"}, "BASE_URL"),
        ({"FLASK_DEBUG": "1"}, "FLASK_DEBUG"),
        ({"PASSWORD_PEPPER": ""}, "PASSWORD_PEPPER"),
        ({"PASSWORD_PEPPER": KEY}, "PASSWORD_PEPPER"),
        ({"PASSWORD_PEPPER": f"{PEPPER},{'ab' * 32}"}, "PASSWORD_PEPPER"),
        ({"PASSWORD_PEPPER": "salt"}, "PASSWORD_PEPPER"),
        ({"SECRET_KEY_PREVIOUS": KEY}, "SECRET_KEY_PREVIOUS"),
        ({"SECRET_KEY_PREVIOUS": f"{OLDER},{OLDER}"}, "SECRET_KEY_PREVIOUS"),
        ({"SECRET_KEY_PREVIOUS": f"{OLDER},{secrets.token_hex(16)}"}, "SECRET_KEY_PREVIOUS"),
        ({"SECRET_KEY_PREVIOUS": "deadbeef" * 8}, "SECRET_KEY_PREVIOUS"),
        ({"SECRET_KEY_PREVIOUS": "older"}, "SECRET_KEY_PREVIOUS"),
        ({"SECRET_KEY_PREVIOUS": OLDER, "SECRET_KEY_PREVIOUS_FILE": "/dev/null"}, "SECRET_KEY_PREVIOUS"),
        ({"SECRET_KEY_PREVIOUS": OLDER, "PASSWORD_PEPPER": OLDER}, "PASSWORD_PEPPER"),
        ({"PLAN_FILE": ""}, "PLAN_FILE"),
        ({"PLAN_FILE": str(SANDBOX_PLAN)}, "PLAN_FILE"),
        ({"MAIL_FROM": "no-reply@latchstring.example"}, "MAIL_FROM"),
        ({"MAIL_FROM": "The plan <no-reply@Health.Example.ORG>"}, "MAIL_FROM"),
        ({"MAIL_FROM": "no-reply@example.com"}, "MAIL_FROM"),
        ({"MAIL_FROM": "no-reply@plan.test"}, "MAIL_FROM"),
    ],
)
def test_case_196_a_weak_setting_is_refused_by_name(tmp_path: Path, given: dict[str, str], named: str) -> None:
    with pytest.raises(UnsafeSetting, match=f"(?m)^{named} "):
        start(tmp_path, **given)


def test_case_196_a_copy_of_the_sandboxs_plan_is_no_plan_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_bytes(SANDBOX_PLAN.read_bytes())
    shutil.copytree(SANDBOX_PLAN.parent / "terms", tmp_path / "terms")
    with pytest.raises(UnsafeSetting, match=r"(?m)^PLAN_FILE must name the plan's own file"):
        start(tmp_path, PLAN_FILE=str(tmp_path / "plan.toml"))
    (tmp_path / "plan.toml").write_bytes(SANDBOX_PLAN.read_bytes().replace(b"Meridian Health Plan", b"Elm Health"))
    assert start(tmp_path, PLAN_FILE=str(tmp_path / "plan.toml")).plan.name == "Elm Health"


@pytest.mark.parametrize("sender", ["no-reply@examples.org", "a@testing.plan-of-ours.org", "a@example.com.plan.org"])
def test_case_196_a_domain_that_only_looks_like_an_example_is_somebodys(tmp_path: Path, sender: str) -> None:
    assert start(tmp_path, MAIL_FROM=sender).mail_from == sender


@pytest.mark.parametrize(
    "asked",
    [
        "", "?sslmode=disable", "?sslmode=prefer", "?sslmode=require", "?host=db.latchstring-plan.com",
        "?host=/run/postgresql&hostaddr=192.0.2.7", "?host=127.0.0.1&host=192.0.2.7", "?service=plan",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_READ_URL"])
def test_case_196_records_in_clear_to_another_machine_are_refused_by_name(
    tmp_path: Path, asked: str, name: str
) -> None:
    here = {"DATABASE_URL": "postgresql+psycopg:///plan", "DATABASE_READ_URL": ""}
    url = ELSEWHERE if not asked or "sslmode" in asked else "postgresql+psycopg://u:hush-hush@/plan"
    given = here | {name: url + asked}
    with pytest.raises(UnsafeSetting, match=f"^{name} names another machine: add sslmode=verify-full") as refused:
        start(tmp_path, **given)
    assert "hush-hush" not in str(refused.value) and len(str(refused.value).splitlines()) == 1
    assert start(tmp_path, **given, DATABASE_PRIVATE_NETWORK="yes").database_private_network


@pytest.mark.parametrize(
    "url",
    [
        f"{ELSEWHERE}?sslmode=verify-full&sslrootcert=/etc/ca.pem", f"{ELSEWHERE}?sslmode=verify-ca",
        f"{ELSEWHERE}?sslrootcert=system", "postgresql+psycopg://u@LOCALHOST./plan",
        "postgresql+psycopg://u@[::ffff:127.0.0.1]/plan",
        "postgresql+psycopg:///plan", "postgresql:///plan?host=/run/postgresql", "postgresql+psycopg://u@localhost/plan",
        "postgresql+psycopg://u@127.0.0.9/plan?sslmode=disable", "postgresql+psycopg://u@[::1]:5433/plan",
        "postgresql+psycopg://u@/plan?host=localhost:5432&host=127.0.0.1:5433",
    ],
)  # fmt: skip
def test_case_196_a_database_on_this_machine_or_by_tls_that_knows_it_is_taken(tmp_path: Path, url: str) -> None:
    assert start(tmp_path, DATABASE_URL=url, DATABASE_READ_URL=url).database_read_url == url


def test_case_196_what_libpq_takes_from_its_own_variables_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "db.latchstring-plan.com")
    with pytest.raises(UnsafeSetting, match=r"^DATABASE_URL names another machine"):
        start(tmp_path, DATABASE_URL="postgresql+psycopg:///plan")
    assert start(tmp_path, DATABASE_URL="postgresql+psycopg://localhost/plan").https
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert start(tmp_path, DATABASE_URL="postgresql+psycopg:///plan").https
    with pytest.raises(UnsafeSetting, match=r"^DATABASE_URL names another machine"):
        start(tmp_path, DATABASE_URL="postgresql+psycopg:///plan?sslmode=require")


def test_case_196_the_key_of_a_sandbox_is_refused(tmp_path: Path) -> None:
    sandbox = Settings.from_environment({"VAR": str(tmp_path)})
    with pytest.raises(UnsafeSetting, match=r"^SECRET_KEY is the sandbox's own"):
        start(tmp_path, SECRET_KEY=sandbox.secret_key.hex())
    with pytest.raises(UnsafeSetting, match=r"^SECRET_KEY_PREVIOUS is the sandbox's own"):
        start(tmp_path, SECRET_KEY_PREVIOUS=sandbox.secret_key.hex())


def test_case_196_keys_come_from_files(tmp_path: Path) -> None:
    for name, key in (("key", KEY), ("pepper", f"{PEPPER},{KEY[::-1]}"), ("older", f"{OLDER}, {OLDER[::-1]}")):
        (tmp_path / name).write_text(f"{key}\n")
    files = {"SECRET_KEY_FILE": str(tmp_path / "key"), "PASSWORD_PEPPER_FILE": str(tmp_path / "pepper")}
    files |= {"SECRET_KEY_PREVIOUS_FILE": str(tmp_path / "older")}
    settings = start(tmp_path, SECRET_KEY="", PASSWORD_PEPPER="", **files)

    assert settings.secret_key.hex() == KEY
    assert [one.hex() for one in settings.password_peppers] == [PEPPER, KEY[::-1]]
    assert [one.hex() for one in settings.secret_key_previous] == [OLDER, OLDER[::-1]]
    assert sealing.each(settings.secret_key) == (settings.secret_key, *settings.secret_key_previous)
    assert "password_peppers" not in repr(settings) and "secret_key" not in repr(settings)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
@pytest.mark.parametrize("ending", ["", "-wal"])
def test_case_196_a_database_that_others_read_is_refused(tmp_path: Path, mode: int, ending: str) -> None:
    database(tmp_path)
    other = tmp_path / f"latchstring.db{ending}"
    other.touch()
    other.chmod(mode)
    with pytest.raises(UnsafeSetting, match=f"^DATABASE_URL .*chmod 600 {other}$"):
        start(tmp_path)


def test_case_196_a_folder_that_all_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(UnsafeSetting, match=f"^DATABASE_URL .*chmod o-w {tmp_path}$"):
        start(tmp_path)


def test_case_196_everything_that_is_weak_is_told_at_once(tmp_path: Path) -> None:
    database(tmp_path, 0o644)
    with pytest.raises(UnsafeSetting) as refused:
        start(tmp_path, BASE_URL="http://plan.example", FLASK_DEBUG="true", SMTP_HOST="mail.plan.example")
    named = [line.partition(" ")[0] for line in str(refused.value).splitlines()]
    assert named == ["SMTP_SECURITY", "BASE_URL", "FLASK_DEBUG", "DATABASE_URL"]


def test_case_196_the_server_itself_ends_with_the_settings_name(tmp_path: Path) -> None:
    database(tmp_path, 0o644)
    environment = {"PATH": os.environ["PATH"], "VAR": str(tmp_path), **SOUND}
    command = [sys.executable, "-m", "flask", "--app", "wsgi:app", "worker", "run", "--once"]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert told.returncode == 1
    assert "Error: DATABASE_URL names a file that others" in told.stderr and "Traceback" not in told.stderr
    assert KEY not in told.stderr + told.stdout


@pytest.mark.parametrize("kind", sorted(sqlite_file.SHARED))
def test_case_185_sqlite_on_what_several_hosts_share_is_refused(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.replace("nfs4", kind))
    told = list(sqlite_file.faults(Path("/srv/plan/latchstring.db"), mounts))
    assert len(told) == 1 and f"network share ({kind})" in told[0]


def test_case_185_the_innermost_mount_decides(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert sqlite_file.file_system(Path("/srv/local disk/a.db"), mounts) == "xfs"
    assert sqlite_file.file_system(Path("/srvother/a.db"), mounts) == "ext4"
    assert sqlite_file.file_system(Path("/srv/a.db"), mounts) == "nfs4"
    assert list(sqlite_file.faults(Path("/srv/local disk/a.db"), mounts)) == []


def test_case_185_start_up_asks_for_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where this machine tells of its mounts, the disk of this test is found in them: nothing is refused unseen.
    assert sqlite_file.file_system(tmp_path) not in sqlite_file.SHARED
    monkeypatch.setattr(sqlite_file, "file_system", lambda *_: "nfs4")
    with pytest.raises(UnsafeSetting, match=r"^DATABASE_URL names a file on a network share"):
        start(tmp_path)


def test_case_185_a_database_of_another_owner_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = database(tmp_path)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(UnsafeSetting, match=f"^DATABASE_URL names a file of another user .{path} is of uid {mine}"):
        start(tmp_path)


def test_case_185_postgresql_has_no_file_to_look_at(tmp_path: Path) -> None:
    database(tmp_path, 0o666)
    assert start(tmp_path, DATABASE_URL="postgresql+psycopg:///plan").https
