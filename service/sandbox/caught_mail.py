"""The mail that the sandbox caught, one file each under `var/mail`; apart from the server that catches it."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from service.settings import Settings

_KEPT = 1_000


@dataclass(frozen=True)
class CaughtMail:
    """One mail as it arrived; `to` is whom the envelope named."""

    id: str
    to: list[str]
    sender: str
    subject: str
    date: str
    text: str


def folder(settings: Settings) -> Path:
    """Where the caught mail lies."""
    return settings.var / "mail"


def keep(place: Path, mail: CaughtMail) -> None:
    """Write a mail into the folder `place`: first aside, then renamed, so that no reader sees half of one."""
    # The name sorts by arrival in real time, which tests do not move; the id keeps two from meeting.
    name = f"{time.time_ns():020}-{mail.id}"
    draft = place / f"{name}.draft"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(asdict(mail), file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(place / f"{name}.json")
    for old in sorted(place.glob("*.json"))[:-_KEPT]:
        old.unlink(missing_ok=True)


def read_all(settings: Settings, *, to: str = "") -> list[CaughtMail]:
    """The caught mail, the newest first; only mail to the address `to` if one is given."""
    files = sorted(folder(settings).glob("*.json"), reverse=True)
    mails = (CaughtMail(**json.loads(file.read_text("utf-8"))) for file in files)
    wanted = to.strip().casefold()
    return [mail for mail in mails if not wanted or wanted in (address.casefold() for address in mail.to)]
