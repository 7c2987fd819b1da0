"""Somebody at a shell of the server who lets programs in, and what the cases of that look at."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.models import Client
from service.audit import AuditEvent
from service.plan.models import PendingAct
from tests.oauth.desk import App, Desk
from tests.oauth.keyed import Program, ec, register_backend
from tests.staff.console import Clerk


@dataclass
class Operator:
    """Somebody at a shell of the server."""

    app: Flask
    folder: Path

    def run(self, *words: str) -> Result:
        """`flask apps`."""
        return self.app.test_cli_runner().invoke(args=["apps", *words])

    def keys(self, *kid: str) -> str:
        """A file with the public key of this name, or of the one that programs have here."""
        path = self.folder / f"{''.join(kid)}.json"
        path.write_text(json.dumps(ec(*kid).jwks), encoding="utf-8")
        return str(path)

    def register(self, *words: str, name: str = "Everything") -> Result:
        """Ask for a program of the plan's that may read all there is."""
        return self.run("register", name, "--developer", "Reporting", "--jwks", self.keys(), *words)


def program_of(app: Flask, told: Result) -> Program:
    """The program that a command told of, whether it is registered or not, with its key."""
    assert told.exit_code == 0, told.output
    desk = Desk(app)
    view = register_backend(desk).app.view
    return Program(desk, App(replace(view, id=told.stdout.split()[-1]), None), ec())


def client_of(session: Session, client_id: str) -> Client | None:
    """The row of a program, as it is now."""
    found = session.get(Client, client_id, populate_existing=True)
    session.commit()
    return found


def read_status(program: Program, token: str) -> int:
    """What a read with this token is answered."""
    headers = {"Authorization": f"Bearer {token}"}
    return program.desk.app.test_client().get("/fhir/r4/Patient", headers=headers).status_code


def refuse(clerk: Clerk, act: PendingAct) -> int:
    """The second person's no, from the page."""
    clerk.browser.get("/staff/second-looks/")
    return clerk.browser.post(f"/staff/second-looks/{act.id}/refuse", reason="Nobody told me").status_code


def events(session: Session, *tags: str) -> list[AuditEvent]:
    """The audit rows with these tags, in their order."""
    found = list(session.scalars(select(AuditEvent).where(AuditEvent.tag.in_(tags)).order_by(AuditEvent.id)))
    session.commit()
    return found
