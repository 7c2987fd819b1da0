"""An installation with something of every kind sealed under its key."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta

from click.testing import Result
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from oauth import keys
from oauth.webhooks import endpoints, signing
from oauth.webhooks.models import WebhookEndpoint
from service import mail, resealing, sealing
from service.accounts import email_codes, second_factors
from service.accounts.email_codes import Flow, Recipient
from service.accounts.models import Account, CodePurpose, Totp
from service.app import create_app
from service.cli.keys import SEALED
from service.clock import now
from service.db import keyed_digest, make_sessions, new_id
from service.mail import OutboxMail
from service.plan.models import MailedPin, StaffStatus
from service.plan.registering import mailed_pins
from service.resealing import Tally
from service.settings import Settings
from tests.accounts.factors import code_of
from tests.factories import (
    make_account,
    make_client,
    make_group,
    make_organization,
    make_portal_staff,
    make_totp,
)

NEW, OTHER = bytes(range(7, 39)), bytes(range(100, 132))
PIN, MAILBOX = "ABCDE23456", "rosa@example.org"


@dataclass
class Installation:
    """An installation with something of every kind under its key, and its settings in each step of the change."""

    old: Settings
    engine: Engine
    totp: str = ""
    codes: tuple[str, ...] = ()
    webhook: str = ""
    mailed: str = ""

    @property
    def prepared(self) -> Settings:
        """Step 1: both keys are known, the old one seals."""
        return replace(self.old, secret_key_previous=(NEW,))

    @property
    def turned(self) -> Settings:
        """Step 2: the new one seals."""
        return replace(self.old, secret_key=NEW, secret_key_previous=(self.old.secret_key,))

    @property
    def done(self) -> Settings:
        """Step 4: the old one is gone."""
        return replace(self.old, secret_key=NEW)

    @property
    def sessions(self) -> sessionmaker[Session]:
        return make_sessions(self.engine)

    def run(self, settings: Settings, *words: str) -> Result:
        return create_app(settings, self.engine).test_cli_runner().invoke(args=list(words))

    def doctor(self, settings: Settings) -> list[str]:
        """What doctor says of the keys."""
        told = self.run(settings, "doctor").stdout
        return [re.sub(r" +keys: ", ": ", line) for line in told.splitlines() if " keys: " in line]

    def tallies(self, settings: Settings) -> dict[str, Tally]:
        return {one.name: resealing.survey(self.sessions, settings.secret_key, one) for one in SEALED}

    def fill(self) -> None:
        key = self.old.secret_key
        with self.sessions.begin() as session:
            rosa = make_account(session, username="rosa", email=MAILBOX)
            self.totp = make_totp(session, self.old, rosa)
            self.codes = tuple(second_factors.new_recovery_codes(session, key, rosa))
            for _ in range(4):
                make_totp(session, self.old, make_account(session))
            keys.public_keys(session, key)
            self._add_webhook(session)
            self._add_pin(session)
            flow = Flow(CodePurpose.PASSWORD_RESET, "browser", key)
            assert email_codes.send(session, flow, Recipient(rosa.id, MAILBOX, rosa.id))
        with self.sessions() as session:
            sent = session.scalars(select(OutboxMail).where(OutboxMail.template == "password_code")).one()
            self.mailed = mail.unseal(key, sent.context["sealed_code"])

    def _add_webhook(self, session: Session) -> None:
        self.webhook = signing.new_secret()
        one, before = (
            sealing.seal(self.old.secret_key, endpoints.PURPOSE, given) for given in (self.webhook, "old-secret")
        )
        session.add(WebhookEndpoint(
            client_id=make_client(session, self.old), url="https://app.example.org/hook", sealed_secret=one,
            sealed_previous_secret=before, previous_until=now() + timedelta(days=900), listens_from=now(),
            pulled_until=now(), rests_until=now(),
        ))  # fmt: skip

    def _add_pin(self, session: Session) -> None:
        staff = make_portal_staff(session, make_organization(session), status=StaffStatus.AWAITING_PIN)
        row_id, key = new_id(), self.old.secret_key
        session.add(MailedPin(
            id=row_id, staff_id=staff.id, group_id=make_group(session).id,
            pin_hash=keyed_digest(key, f"mailed-pin:{row_id}", PIN), sealed=sealing.seal(key, "mailed-pin", PIN),
            address={}, created_at=now(), expires_at=now() + mailed_pins.LIFE,
        ))  # fmt: skip

    def shown(self, settings: Settings, given: str) -> bool:
        """Whether rosa's second factor is taken."""
        with self.sessions.begin() as session:
            rosa = session.scalars(select(Account).where(Account.username == "rosa")).one()
            session.get_one(Totp, rosa.id).last_step = 0
            try:
                second_factors.show(session, settings.secret_key, rosa, given)
            except second_factors.WrongFactor:
                return False
        return True

    def require_readable(self, settings: Settings) -> None:
        """Require that everything sealed reads as it was written."""
        keys._parsed.clear()
        with self.sessions() as session:
            assert keys.signing_key(session, settings.secret_key).is_private
            webhook = session.scalars(select(WebhookEndpoint)).one()
            assert endpoints.secrets_of(webhook, settings) == (self.webhook, "old-secret")
            waiting = session.scalars(select(OutboxMail).where(OutboxMail.template == "password_code")).one()
            assert self.mailed in mail.compose(waiting, settings, settings.plan).get_content()
            pin = session.scalars(select(MailedPin)).one()
            assert sealing.unseal(settings.secret_key, "mailed-pin", pin.sealed) == PIN
        assert self.shown(settings, code_of(self.totp))
