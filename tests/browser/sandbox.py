"""The sandbox as people get it from `make run`: web server, worker and mail catcher under the supervisor."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import representatives
from consent.birthdays import majority
from oauth.apps import clients, registration
from oauth.apps.registration import Registration
from oauth.authorization import launching
from service import clock, web
from service.accounts.models import Account, LoginSession
from service.accounts.sessions import Login
from service.app import create_app
from service.db import digest, make_engine, make_sessions
from service.plan.models import Member
from service.settings import Settings
from tests.conftest import ROOT, answers, free_port, wait_until
from tests.sandboxes import copy_sandbox

_OURS = {"DATABASE_URL", "BASE_URL", "MODE", "SECRET_KEY", "SMTP_HOST", "PLAN_FILE"}
_START_SECONDS = 120


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: where it is, and its hand-out `sandbox.json`."""

    url: str
    handout: dict[str, Any]
    environment: dict[str, str]

    @property
    def fhir_base(self) -> str:
        """Where apps read."""
        return str(self.handout["fhir_base"])

    def account(self, username: str) -> dict[str, Any]:
        """What the hand-out says of an account."""
        found: dict[str, Any] = next(one for one in self.handout["accounts"] if one["username"] == username)
        return found

    def flask(self, *arguments: str, status: int = 0) -> str:
        """Run a `flask` command against this sandbox, to end with `status`; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi:app", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def app_credentials(self, name: str, redirect_uri: str) -> tuple[str, str]:
        """Id and secret of a confidential app with this name and address, registered at the first call."""
        settings = Settings.from_environment(self.environment)
        engine = make_engine(settings.database_url)
        identity = digest(redirect_uri)[:32]
        secret = digest(identity)
        with make_sessions(engine).begin() as session, suppress(clients.ClientRefused):
            app = Registration(
                name=name, redirect_uris=[redirect_uri], developer_name="Kitchen Table Tools",
                kind=clients.ClientKind.CONFIDENTIAL, client_id=identity, client_secret=secret,
            )  # fmt: skip
            registration.register(session, app, settings=settings)
        engine.dispose()
        return identity, secret

    def launch_address(self, origin: str, username: str, scope: str) -> str:
        """Where the portal sends the browser of this account, signed in, to launch the SMART app at `origin`."""
        settings = Settings.from_environment(self.environment)
        engine = make_engine(settings.database_url)
        identity = digest(origin)[:32]
        app = create_app(settings, engine)
        with app.app_context():
            session = web.db_session()
            registration.register(session, Registration(
                name="Launched Lens", redirect_uris=[f"{origin}/callback"], developer_name="Kitchen Table Tools",
                launch_uris=[f"{origin}/launch?{urlencode({'client': identity, 'scope': scope})}"], client_id=identity,
            ), settings=settings)  # fmt: skip
            login = _newest_login(session, username)
            choice = representatives.right_for(session, login.account, str(login.account.member_id))
            assert choice is not None
            address = launching.begin(session, identity, login.account, choice, login)
            session.commit()
        engine.dispose()
        clock.obey(None)
        return address

    def roster(self, given_name: str, family_name: str) -> dict[str, str]:
        """What a member of this name registers with; and when they turn 18, in seconds since 1970."""
        settings = Settings.from_environment(self.environment)
        engine = make_engine(settings.database_url)
        with make_sessions(engine)() as session:
            named = (Member.given_name == given_name, Member.family_name == family_name)
            found = session.scalars(select(Member).where(*named)).one()
        engine.dispose()
        return {
            "member_number": found.member_number, "family_name": family_name, "zip_code": found.zip_code,
            "birth_date": found.birth_date.isoformat(),
            "of_age": str(majority(found.birth_date, settings.plan.timezone).timestamp()),
        }  # fmt: skip

    def now(self) -> float:
        """What the sandbox's clock says, in seconds."""
        return time.time() + self._offset()

    def _offset(self) -> float:
        path = Path(self.environment["VAR"]) / "clock"
        return float(path.read_text("ascii")) if path.exists() else 0.0

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward, for all its processes."""
        path, before = Path(self.environment["VAR"]) / "clock", self._offset()
        draft = path.with_suffix(".draft")
        draft.write_text(f"{before + seconds:.6f}", encoding="ascii")
        draft.replace(path)

    def mails_to(self, address: str) -> list[dict[str, Any]]:
        """The mails that were caught for an address."""
        with urllib.request.urlopen(f"{self.url}/sandbox/mail.json?to={address}", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


def _newest_login(session: Session, username: str) -> Login:
    account = session.scalars(select(Account).where(Account.username == username)).one()
    mine = select(LoginSession).where(LoginSession.account_id == account.id)
    return Login(account, session.scalars(mine.order_by(LoginSession.created_at.desc()).limit(1)).one())


class running_sandbox:
    """Context manager: `flask sandbox serve` on a free port, with a copy of the template's plan under `var`."""

    def __init__(self, template: Path, var: Path) -> None:
        self._template, self._var, self._port = template, var, free_port()
        kept = {name: value for name, value in os.environ.items() if name not in _OURS}
        self._environment = kept | {
            "VAR": str(var), "PORT": str(self._port), "HOST": "127.0.0.1", "SMTP_PORT": str(free_port())
        }  # fmt: skip

    def __enter__(self) -> Sandbox:
        copy_sandbox(self._template, self._environment)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi:app", "sandbox", "serve"],
            cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_until(self._is_up, _START_SECONDS, "the sandbox did not start")
        except BaseException:
            self.__exit__()
            raise
        handout = json.loads((self._var / "sandbox.json").read_text(encoding="utf-8"))
        return Sandbox(handout["base_url"], handout, self._environment)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_up(self) -> bool:
        assert self._process.poll() is None, "the sandbox ended at once: its messages are above"
        return answers(self._port)
