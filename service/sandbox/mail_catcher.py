"""The sandbox's mail server: takes every mail by SMTP and keeps it as a file instead of sending it on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from uuid import uuid4

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from service.sandbox import caught_mail
from service.sandbox.caught_mail import CaughtMail
from service.settings import Settings


class Catcher:
    """Keeps each mail in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep the mail; 250 only after it is on disk (RFC 5321 §4.2.5)."""
        content = envelope.content
        octets = content if isinstance(content, bytes) else (content or "").encode()
        caught_mail.keep(self._folder, _read(message_from_bytes(octets, policy=default), envelope))
        return "250 OK"


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
    place = Catcher(caught_mail.folder(settings))
    controller = Controller(place, hostname=settings.smtp_host, port=settings.smtp_port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


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
