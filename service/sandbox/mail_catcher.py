"""The sandbox's mail server: takes every mail by SMTP and keeps it as a file instead of sending it on."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from uuid import uuid4

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

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


class Catcher:
    """Writes each mail into `folder`: first aside, then renamed, so that no reader sees half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep the mail; 250 only after it is on disk (RFC 5321 §4.2.5)."""
        content = envelope.content
        octets = content if isinstance(content, bytes) else (content or "").encode()
        self._keep(_read(message_from_bytes(octets, policy=default), envelope))
        return "250 OK"

    def _keep(self, mail: CaughtMail) -> None:
        # The name sorts by arrival in real time, which tests do not move; the id keeps two from meeting.
        name = f"{time.time_ns():020}-{mail.id}"
        draft = self._folder / f"{name}.draft"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(asdict(mail), file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._folder / f"{name}.json")
        for old in sorted(self._folder.glob("*.json"))[:-_KEPT]:
            old.unlink(missing_ok=True)


def run(settings: Settings) -> None:
    """Catch mail until SIGTERM or SIGINT."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with catching(settings):
        stop.wait()


@contextmanager
def catching(settings: Settings) -> Iterator[None]:
    """Catch mail at the configured host and port within the block."""
    controller = Controller(Catcher(folder(settings)), hostname=settings.smtp_host, port=settings.smtp_port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def folder(settings: Settings) -> Path:
    """Where the caught mail lies."""
    return settings.var / "mail"


def read_all(settings: Settings, *, to: str = "") -> list[CaughtMail]:
    """The caught mail, the newest first; only mail to the address `to` if one is given."""
    files = sorted(folder(settings).glob("*.json"), reverse=True)
    mails = (CaughtMail(**json.loads(file.read_text("utf-8"))) for file in files)
    wanted = to.strip().casefold()
    return [mail for mail in mails if not wanted or wanted in (address.casefold() for address in mail.to)]


def _read(message: EmailMessage, envelope: Envelope) -> CaughtMail:
    body = message.get_body(("plain",))
    return CaughtMail(
        id=uuid4().hex,
        to=[str(address) for address in envelope.rcpt_tos],
        sender=str(message.get("From", "")),
        subject=str(message.get("Subject", "")),
        date=str(message.get("Date", "")),
        text=str(body.get_content()).replace("\r\n", "\n") if body is not None else "",
    )
