"""`make post`: 10,000 mails, an outage of ten minutes, and 50 kills of the sender, on the test clock (case 187)."""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from service import clock, mail
from service.clock import now
from service.db import Base, make_engine, make_sessions
from service.mail import MailState, OutboxMail
from service.mail_delivery import Delivery, ServerUnreachable
from service.settings import Settings
from tests.conftest import ROOT, MovableClock, free_port
from tests.faults import figures
from tests.faults.figures import Figure
from tests.faults.run import database_of

_MAILS, _KILLS, _OUTAGE = 10_000, 50, 600
_CODES = 10
"""Each tenth mail holds a code, which is worth nothing after five minutes."""
_SENDER = (
    "import sys; from tests.faults.post import send; from pathlib import Path;"
    "send(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])"
)


class Mailbox:
    """Takes every mail, and when that was by the test clock."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, datetime]] = []

    async def handle_DATA(self, _server: SMTP, _session: SmtpSession, envelope: Envelope) -> str:
        self.taken.append((envelope.rcpt_tos[0], now()))
        return "250 OK"


def send(database_url: str, var: Path, port: int, key: str) -> None:
    """Deliver what is due for ever, as the worker does; for a process of its own."""
    given = {"VAR": str(var), "DATABASE_URL": database_url, "BASE_URL": "http://localhost", "SECRET_KEY": key}
    settings = replace(Settings.from_environment(given), smtp_port=port)
    clock.obey(settings.clock_file)
    sessions, delivery = make_sessions(make_engine(database_url)), Delivery()
    while True:
        try:
            sent = sum(delivery.run(sessions, settings))
        except ServerUnreachable:
            sent = 0
        time.sleep(0 if sent else 0.05)


class Post:
    """An installation with its mail server and its sender."""

    def __init__(self, settings: Settings, sessions: sessionmaker[Session], chance: random.Random) -> None:
        self.settings = replace(settings, smtp_port=free_port())
        self.mailbox, self.sessions, self._chance = Mailbox(), sessions, chance
        assert settings.clock_file
        self.clock = MovableClock(settings.clock_file)
        self._codes: dict[str, datetime] = {}
        self._sender: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def enqueue(self, many: int, name: str) -> None:
        """Put so many mails into the outbox."""
        for start in range(0, many, 500):
            with self.sessions.begin() as session:
                for number in range(start, min(start + 500, many)):
                    self._enqueue(session, f"{name}{number}@example.org", has_code=number % _CODES == 0)

    def run(self, most_kills: int, while_left_above: int) -> None:
        """Let the sender work until so few are left, killed at random moments on the way."""
        begun = before = self.left()
        while (left := self.left()) > while_left_above:
            if left == before:
                # What a dead sender held is free a minute later.
                self.clock.advance(10)
            before = left
            if self._sender is None:
                self.start()
            time.sleep(self._chance.uniform(0.05, 0.4) if self.kills < most_kills else 0.2)
            # As many kills as belong to what is done by now.
            due = most_kills * (begun - left) / max(1, begun - while_left_above)
            if self.kills < most_kills and self.kills <= due:
                self.kill()
                self.kills += 1

    def start(self) -> None:
        """Start the sender."""
        command = [sys.executable, "-c", _SENDER, self.settings.database_url, str(self.settings.var),
                   str(self.settings.smtp_port), self.settings.secret_key.hex()]  # fmt: skip
        self._sender = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """SIGKILL."""
        if self._sender is not None:
            self._sender.send_signal(signal.SIGKILL)
            self._sender.wait()
            self._sender = None

    def left(self) -> int:
        """How many wait."""
        with self.sessions() as session:
            waiting = OutboxMail.state == MailState.WAITING
            return session.scalar(select(func.count()).select_from(OutboxMail).where(waiting)) or 0

    def figures(self, database: str, many: int) -> list[Figure]:
        """What came of it."""
        taken = Counter(to for to, _ in self.mailbox.taken)
        with self.sessions() as session:
            rows = session.execute(select(OutboxMail.recipient, OutboxMail.state)).all()
        ended = {row.recipient: row.state for row in rows}
        lost = [to for to, state in ended.items() if state is not MailState.DROPPED and not taken[to]]
        lost += [to for to, state in ended.items() if state is MailState.DROPPED and to not in self._codes]
        twice = sum(taken.values()) - len(taken)
        late = [to for to, at in self.mailbox.taken if to in self._codes and at > self._codes[to]]
        dropped = sum(state is MailState.DROPPED for state in ended.values())
        told = f"{many} mails, {self.kills} kills, {_OUTAGE // 60} min outage, {database}"
        were = f"{len(lost)} ({dropped} codes were too old to send)"
        short = many < _MAILS or self.kills < _KILLS
        return [
            Figure(f"mail lost: {told}", "0", were, not lost, short=short),
            Figure(
                f"mail sent twice, {database}", f"{self.kills} at most", f"{twice}", twice <= self.kills, short=short
            ),
            Figure(f"codes sent after their end, {database}", "0", f"{len(late)}", not late, short=short),
        ]

    def _enqueue(self, session: Session, to: str, *, has_code: bool) -> None:
        if not has_code:
            mail.enqueue(session, to=to, template="welcome", given_name="Dana", at=now())
            return
        ends = self._codes[to] = now() + timedelta(minutes=5)
        sealed = mail.seal(self.settings.secret_key, "123456")
        mail.enqueue(session, to=to, template="sign_in_code", expires_at=ends, sealed_code=sealed)


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make post", description=__doc__)
    asked.add_argument("--mails", type=int, default=_MAILS)
    asked.add_argument("--kills", type=int, default=_KILLS)
    asked.add_argument("--database", choices=["sqlite", "postgresql"], action="append", help="one of them only")
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run as asked; 1 where a figure is missed."""
    given, rows = parser().parse_args(), []
    for name in given.database or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory() as folder, database_of(name, Path(folder)) as settings:
            settings.var.mkdir(parents=True, exist_ok=True)
            engine = make_engine(settings.database_url)
            Base.metadata.create_all(engine)
            rows += _post(name, Post(settings, make_sessions(engine), random.Random(1)), given.mails, given.kills)
            engine.dispose()
            clock.obey(None)
    return figures.end(rows, given)


def _post(name: str, post: Post, mails: int, kills: int) -> list[Figure]:
    began, half = time.monotonic(), mails // 2
    server = Controller(post.mailbox, hostname="127.0.0.1", port=post.settings.smtp_port)
    server.start()
    try:
        post.enqueue(half, "first")
        post.run(kills // 2, while_left_above=half // 4)
        server.stop()
        post.enqueue(mails - half, "second")
        for _ in range(_OUTAGE // 30):
            post.clock.advance(30)
            time.sleep(0.05)
        server = Controller(post.mailbox, hostname="127.0.0.1", port=post.settings.smtp_port)
        server.start()
        post.run(kills, while_left_above=0)
    finally:
        post.kill()
        server.stop()
    print(f"{name}: {mails} mails in {time.monotonic() - began:.0f} s", flush=True)
    return post.figures(name, mails)


if __name__ == "__main__":
    sys.exit(main())
