"""`make races`: eight callers race for each of nine kinds of single-use secrets, 1,000 times, on both databases (189).

Each caller is a thread with a transaction of its own, and all begin at a barrier. Codes and refresh tokens go
through the endpoint; the others by the function that the endpoint calls, past the limits that would stop most callers.
"""

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Barrier

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from consent import authorization_answers
from consent.authorization_answers import RequestOver
from consent.authorization_requests import digest_of
from consent.billing_models import AuthorizationRequest, AuthorizationStatus
from service import clock, single_use
from service.accounts import email_codes
from service.accounts.invited import InvitationOver
from service.accounts.models import Account, AttemptCounter, CodePurpose, EmailCode, EmailProof
from service.app import create_app
from service.clock import now
from service.databases.connections import PoolLimits
from service.db import Base, keyed_digest, make_engine, make_sessions, new_id
from service.plan.logins import invitations, portal_accounts
from service.plan.models import ActKind, MailedPin, PortalInvitation, ProviderStaff, StaffStatus
from service.plan.registering import mailed_pins
from service.plan.registering.mailed_pins import PinRefused
from service.plan.staff import second_looks
from service.plan.staff.second_looks import ActOver
from service.settings import Settings
from tests.attacks.offices import invitee
from tests.consent.firm import Firm
from tests.factories import make_account, make_group, make_organization, make_portal_staff
from tests.faults import figures
from tests.faults.figures import Figure
from tests.faults.run import database_of
from tests.oauth.desk import Desk

CALLERS, _PROMISED = 8, 1_000
Attempt = Callable[[Session], bool]
"""Try to use the secret up in a transaction of one's own; whether that worked."""


@dataclass
class World:
    """One installation in which is raced."""

    settings: Settings
    engine: Engine
    desk: Desk = field(init=False)
    sessions: sessionmaker[Session] = field(init=False)

    def __post_init__(self) -> None:
        self.desk, self.sessions = Desk(create_app(self.settings, self.engine)), make_sessions(self.engine)
        self.app = self.desk.register()
        with self.sessions() as session:
            office = make_organization(session)
            self.head = make_portal_staff(session, office, is_delegate=True).id
            waiting = make_portal_staff(session, make_organization(session), status=StaffStatus.AWAITING_PIN)
            self.waiting, self.group = waiting.id, make_group(session).id
            self.clerks = [make_account(session).id for _ in range(2)]
            session.commit()
            self.link = Firm(session, self.settings).ask().id

    def code(self, _number: int) -> Attempt:
        form = self.desk.agree(self.app).form()
        return lambda _own: self._ask("/oauth/token", form) == 200

    def refresh_token(self, _number: int) -> Attempt:
        token = self.desk.connect(self.app)["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.app.id}
        return lambda _own: self._ask("/oauth/token", form) == 200

    def email_code(self, number: int) -> Attempt:
        flow, row_id = email_codes.Flow(CodePurpose.SIGN_IN, f"browser{number}", self.settings.secret_key), new_id()
        with self.sessions.begin() as session:
            session.add(EmailCode(
                id=row_id, purpose=flow.purpose, subject_id=self.clerks[0], browser_id=flow.browser_id,
                email_key="a@example.org", code_hash=keyed_digest(flow.key, email_codes._bound(flow, row_id), "123456"),
                sent_at=now(), expires_at=now() + timedelta(minutes=5),
            ))  # fmt: skip
        return lambda own: email_codes.verify(own, flow, "a@example.org", "123456") is not None

    def pin(self, _number: int) -> Attempt:
        key, row_id, pin = self.settings.secret_key, new_id(), "ABCD2345"
        with self.sessions.begin() as session:
            session.add(MailedPin(
                id=row_id, staff_id=self.waiting, group_id=self.group,
                pin_hash=keyed_digest(key, mailed_pins._bound(row_id), pin), sealed="",
                address={}, created_at=now(), expires_at=now() + timedelta(days=1),
            ))  # fmt: skip

        def enter(own: Session) -> bool:
            try:
                mailed_pins.verify(own, own.get_one(ProviderStaff, self.waiting), pin, key=key)
            except PinRefused:
                return False
            return True

        return enter

    def approval_link(self, _number: int) -> Attempt:
        secret = secrets.token_urlsafe(32)
        anew = {"secret_hash": digest_of(secret), "spent_at": None, "status": AuthorizationStatus.ASKED}
        with self.sessions.begin() as session:
            session.execute(update(AuthorizationRequest).where(AuthorizationRequest.id == self.link).values(anew))

        def refuse(own: Session) -> bool:
            try:
                authorization_answers.refuse(own, secret, "no", account_id=None)
            except RequestOver:
                return False
            return True

        return refuse

    def reset_proof(self, number: int) -> Attempt:
        with self.sessions.begin() as session:
            proof = EmailProof(
                purpose=CodePurpose.PASSWORD_RESET, subject_id=self.clerks[0], browser_token=f"browser{number}",
                email_key="a@example.org", expires_at=now() + timedelta(minutes=5),
            )  # fmt: skip
            session.add(proof)
        return lambda own: email_codes.spend_proof(own, proof)

    def jti(self, _number: int) -> Attempt:
        value, until = new_id(), now() + timedelta(minutes=5)
        return lambda own: single_use.claim(own, "race", value, expires_at=until)

    def second_look(self, number: int) -> Attempt:
        with self.sessions.begin() as session:
            kind, asker = next(iter(ActKind)), self.clerks[0]
            act = second_looks.ask(session, kind, f"subject{number}", [], by_account_id=asker, reason="race")

        def approve(own: Session) -> bool:
            try:
                second_looks.approve(own, own.merge(act, load=False), by_account_id=self.clerks[1])
            except ActOver:
                return False
            return True

        return approve

    def invitation(self, number: int) -> Attempt:
        address = f"robin{number}@clinic.example"
        with self.sessions.begin() as session:
            session.execute(delete(AttemptCounter))
            account_id = make_account(session, email=address).id
            invitations.invite(
                session, session.get_one(ProviderStaff, self.head), invitee(address), key=self.settings.secret_key,
                name_is_another=True,
            )  # fmt: skip

        def accept(own: Session) -> bool:
            account = own.get_one(Account, account_id)
            row = own.scalars(select(PortalInvitation).where(PortalInvitation.email_key == account.email_key)).one()
            try:
                invitations.accept_as_owner(own, row, account)
            except (InvitationOver, portal_accounts.LoginElsewhere):
                return False
            return True

        return accept

    def _ask(self, path: str, form: dict[str, str]) -> int:
        return self.desk.app.test_client().post(path, data=form).status_code


KINDS: dict[str, Callable[[World, int], Attempt]] = {
    "authorization code": World.code, "refresh token": World.refresh_token, "verification code": World.email_code,
    "mailed PIN": World.pin, "approval link": World.approval_link, "proof of a password reset": World.reset_proof,
    "jti": World.jti, "four-eyes approval": World.second_look, "invitation": World.invitation,
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make races", description=__doc__)
    asked.add_argument("--rounds", type=int, default=int(os.environ.get("RACE_ROUNDS", _PROMISED)))
    asked.add_argument("--database", choices=["sqlite", "postgresql"], action="append", help="one of them only")
    asked.add_argument("--kind", choices=KINDS, action="append", help="one kind only")
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run as asked; 1 where any secret had not exactly one winner."""
    given, rows = parser().parse_args(), []
    for name in given.database or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory() as folder, database_of(name, Path(folder)) as settings:
            engine = make_engine(settings.database_url, PoolLimits(size=CALLERS + 4))
            Base.metadata.create_all(engine)
            world = World(settings, engine)
            rows += [_race(world, name, kind, given.rounds) for kind in given.kind or KINDS]
            engine.dispose()
            clock.obey(None)
    return figures.end(rows, given)


def _race(world: World, database: str, kind: str, rounds: int) -> Figure:
    began, wrong = time.monotonic(), 0
    with ThreadPoolExecutor(CALLERS) as pool:
        for number in range(rounds):
            attempt, barrier = KINDS[kind](world, number), Barrier(CALLERS)

            def call(_caller: int, attempt: Attempt = attempt, barrier: Barrier = barrier) -> bool:
                barrier.wait(60)
                with world.sessions.begin() as own:
                    return attempt(own)

            wrong += sum(pool.map(call, range(CALLERS))) != 1
    took = time.monotonic() - began
    print(f"{database}: {kind}, {rounds} rounds in {took:.0f} s, {wrong} wrong", flush=True)
    promise, told = f"one winner of {CALLERS}: {kind}, {database}", f"{wrong} in {rounds} rounds"
    return Figure(promise, "0 others", told, wrong == 0, short=rounds < _PROMISED)


if __name__ == "__main__":
    sys.exit(main())
