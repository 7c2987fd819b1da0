"""`var/sandbox.json`: everything that a client or a tester needs to use this sandbox, readable by its owner only.

This module imports little: the supervisor reads the hand-out before anything else is loaded.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from service.settings import Settings

HandOut = dict[str, Any]
_HERE = Path(__file__).parent
_MIGRATIONS = _HERE.parents[1] / "migrations" / "versions"
_SOURCES = (
    "app_developers.py", "backend_apps.py", "codes.py", "developer_apps.py", "fresh_payments.py", "gather.py",
    "gather_portal.py", "member_lists.py", "portal_people.py", "representative_requests.py", "sample_apps.py",
    "sample_keys.py", "sign_ins.py",
)  # fmt: skip
_SQLITE = "sqlite:///"


def read(settings: Settings) -> HandOut:
    """The hand-out as last written."""
    found: HandOut = json.loads(settings.sandbox_file.read_text(encoding="utf-8"))
    return found


def is_current(settings: Settings) -> bool:
    """Whether the hand-out was written for these settings, this schema and this code, so that nothing needs preparing.

    Only said of a SQLite file that is there; what became of another database since then is not known here.
    """
    url = settings.database_url
    if (
        not url.startswith(_SQLITE)
        or not Path(url.removeprefix(_SQLITE)).exists()
        or not settings.sandbox_file.exists()
    ):
        return False
    return read(settings).get("made_for") == _mark(settings)


def write(settings: Settings, content: HandOut) -> Path:
    """Write the hand-out: 0600 from the first byte, for it holds passwords, and never half a file."""
    path = settings.sandbox_file
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({**content, "made_for": _mark(settings)}, file, indent=2, ensure_ascii=False)
        file.write("\n")
    draft.replace(path)
    return path


def _mark(settings: Settings) -> str:
    versions = sorted(version.name for version in _MIGRATIONS.glob("*.py"))
    sources = [(_HERE / name).read_text(encoding="utf-8") for name in _SOURCES]
    told = json.dumps([settings.base_url, settings.database_url, versions, sources])
    return hashlib.sha256(told.encode()).hexdigest()
