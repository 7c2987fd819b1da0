"""What must hold of a SQLite database's file before records lie in it: whose it is, who reads it, on what disk.

SQLite's write-ahead log needs memory that every process shares: over a network it loses commits without a word
(https://sqlite.org/wal.html, https://sqlite.org/useovernet.html).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import URL, make_url

MOUNTS = Path("/proc/self/mountinfo")
SHARED = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.cephfs",
    "fuse.s3fs", "fuse.rclone", "lustre", "gfs2", "ocfs2", "beegfs", "gpfs", "ncpfs",
})  # fmt: skip
"""File systems that several hosts may hold at once."""
_OF_THE_DATABASE = ("", "-wal", "-shm", "-turns")


def named_by(database_url: str | URL) -> Path | None:
    """The file that a URL names; None for PostgreSQL and for a database in memory."""
    url = make_url(database_url)
    is_file = url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:"
    return Path(str(url.database)).resolve() if is_file else None


def faults(path: Path, mounts: Path = MOUNTS) -> Iterator[str]:
    """What is wrong with it, as ends of sentences that begin with the setting's name; it need not be there yet."""
    kind = file_system(path, mounts)
    if kind in SHARED:
        yield (
            f"names a file on a network share ({kind}), where SQLite loses commits and several hosts may open it: "
            "put it on a disk of this machine, or use PostgreSQL"
        )
    for each in (path.with_name(path.name + ending) for ending in _OF_THE_DATABASE):
        yield from _faults_of_file(each)
    folder = path.parent
    if folder.is_dir() and folder.stat().st_mode & 0o002 and not folder.stat().st_mode & 0o1000:
        yield f"names a file in a folder that everybody may write to: chmod o-w {folder}"


def file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of file system under a path (`ext4`, `nfs4`), of the innermost mount; None where nobody tells."""
    try:
        lines = mounts.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found: tuple[int, str | None] = (-1, None)
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        if path.is_relative_to(point) and len(point.parts) >= found[0]:
            found = (len(point.parts), after.split(" ")[0])
    return found[1]


def _faults_of_file(path: Path) -> Iterator[str]:
    try:
        held = path.stat()
    except FileNotFoundError:
        return
    if held.st_uid != os.geteuid():
        yield (
            f"names a file of another user ({path} is of uid {held.st_uid}, this process runs as {os.geteuid()}): "
            "chown it, or run as its owner"
        )
    if held.st_mode & 0o077:
        yield f"names a file that others on this machine may read: chmod 600 {path}"
