"""Cases 185 and 196: an installation that is set up weakly does not start, and says which setting to mend."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from service.databases import sqlite_file
from service.environment import UnsafeSetting
from service.settings import Settings
from tests.conftest import ROOT

KEY, PEPPER = secrets.token_hex(32), secrets.token_hex(32)
SOUND = {"MODE": "production", "SECRET_KEY": KEY, "PASSWORD_PEPPER": PEPPER, "BASE_URL": "https://plan.example"}
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
    ],
)
def test_case_196_a_weak_setting_is_refused_by_name(tmp_path: Path, given: dict[str, str], named: str) -> None:
    with pytest.raises(UnsafeSetting, match=f"(?m)^{named} "):
        start(tmp_path, **given)


def test_case_196_the_key_of_a_sandbox_is_refused(tmp_path: Path) -> None:
    sandbox = Settings.from_environment({"VAR": str(tmp_path)})
    with pytest.raises(UnsafeSetting, match=r"^SECRET_KEY is the sandbox's own"):
        start(tmp_path, SECRET_KEY=sandbox.secret_key.hex())


def test_case_196_keys_come_from_files(tmp_path: Path) -> None:
    for name, key in (("key", KEY), ("pepper", f"{PEPPER},{KEY[::-1]}")):
        (tmp_path / name).write_text(f"{key}\n")
    files = {"SECRET_KEY_FILE": str(tmp_path / "key"), "PASSWORD_PEPPER_FILE": str(tmp_path / "pepper")}
    settings = start(tmp_path, SECRET_KEY="", PASSWORD_PEPPER="", **files)

    assert settings.secret_key.hex() == KEY
    assert [one.hex() for one in settings.password_peppers] == [PEPPER, KEY[::-1]]
    assert "password_peppers" not in repr(settings)


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
