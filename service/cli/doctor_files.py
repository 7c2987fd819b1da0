"""What `flask doctor` looks at on disks: room, the journal of revocations, folders that the worker writes to."""

import os
import shutil

from service.cli.findings import Finding, Findings, bad, doubtful, good
from service.databases import sqlite_file
from service.journal_files import Unreadable, can_write_to, find_barred
from service.revocations import Gap
from service.settings import Settings
from service.web import latchstring

_LEAST_FREE = 1 << 30
_LEAST_FREE_SHARE = 0.05


def disk(settings: Settings) -> Findings:
    """Whether there is room where the installation writes."""
    places = {"VAR": settings.var}
    if path := sqlite_file.named_by(settings.database_url):
        places["the database"] = path.parent
    for name, place in places.items():
        if not place.is_dir():
            yield bad(f"the folder of {name} is not there: mkdir -p {place}")
            continue
        if not os.access(place, os.W_OK | os.X_OK):
            yield bad(f"the folder of {name} cannot be written to: {place}")
        held = shutil.disk_usage(place)
        told = f"{held.free / 1e9:.1f} of {held.total / 1e9:.1f} GB are free for {name}"
        if held.free < min(_LEAST_FREE, _LEAST_FREE_SHARE * held.total):
            yield bad(f"{told}: make room before writes fail.")
        else:
            yield good(f"{told}.")


def journal(settings: Settings) -> Findings:
    """Whether a restore would find all that was ended, and what ends now is written."""
    folder, held = settings.journal_folder, latchstring()
    try:
        if held.journal.must_replay(held.sessions):
            yield bad("the database is older than the journal of revocations, nothing is served: flask backup replay")
            return
        with held.sessions() as session:
            found = held.journal.gaps(session)
    except Unreadable as shut:
        yield bad(f"{shut} Nothing is served while it is the folder, or the newest file of its host.")
        return
    barred = find_barred(folder)
    if barred:
        yield bad(
            f"nothing can be written to {barred} (REVOCATION_JOURNAL): chown it to the user of the servers, or whatever"
            " members end is answered by an error."
        )
    yield from (_of_gap(gap, settings) for gap in found)
    if not barred and all(gap.is_elsewhere for gap in found):
        yield good(f"revocations are kept in {folder}.")
    path = sqlite_file.named_by(settings.database_url)
    if path and folder.is_dir() and path.exists() and folder.stat().st_dev == path.stat().st_dev:
        yield doubtful(
            "REVOCATION_JOURNAL is on the disk of the database: put it on another, so that one outlives one."
        )


def _of_gap(gap: Gap, settings: Settings) -> Finding:
    whose = f" of host {gap.host}" if gap.host else ""
    told = f"the newest revocation{whose} ({gap.at:%Y-%m-%d %H:%M:%S} UTC) is in no file of {settings.journal_folder}"
    if gap.is_elsewhere:
        return doubtful(f"{told}: keep that host's journal too, a restore needs all of them.")
    return bad(
        f"{told}: a restore would revive what was ended. Name the folder that holds it in REVOCATION_JOURNAL, or put"
        " its files back; if they are lost, docs/backup.md says how they are written anew."
    )


def folders(settings: Settings) -> Findings:
    """Whether checkpoints and exports can be written."""
    for name, folder in (("AUDIT_CHECKPOINTS", settings.checkpoints_folder), ("EXPORT_FOLDER", settings.exports)):
        # What is not there yet is made by the worker, where it may.
        if can_write_to(folder):
            yield good(f"{name}: {folder} can be written to.")
        else:
            yield bad(f"nothing can be written to {folder} ({name}): make it a folder of the user of the servers.")
