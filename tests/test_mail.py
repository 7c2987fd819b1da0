"""Delivery to a plan's own mail server: over TLS, signed in, never with less than the settings ask for."""

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from service.db import make_sessions
from service.mail import MailState, OutboxMail, enqueue
from service.mail_delivery import ServerUnreachable
from service.settings import Settings, SmtpSecurity
from service.watching import logs
from tests.conftest import deliver_due, free_port

PASSWORD = "canary-Door-Chain-31"
STARTTLS, TLS = SmtpSecurity.STARTTLS, SmtpSecurity.TLS


class PlanServer:
    """A mail server that takes mail from `latchstring` alone, and keeps how it came."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bool]] = []
        self.heard: list[bytes] = []

    def authenticate(
        self, _server: SMTP, _session: SmtpSession, _envelope: Envelope, _how: str, said: Any
    ) -> AuthResult:
        assert isinstance(said, LoginPassword)
        self.heard.append(said.password)
        return AuthResult(success=said == LoginPassword(b"latchstring", PASSWORD.encode()), handled=False)

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        assert server.transport is not None
        closed = server.transport.get_extra_info("cipher") is not None
        self.taken.append((envelope.rcpt_tos[0], closed and session.authenticated))
        return "250 OK"


def write_certificate(folder: Path, *, host: str = "127.0.0.1", valid: timedelta = timedelta(days=1)) -> Path:
    """A certificate of its own for `host`, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    end = datetime.now(UTC) + valid
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{x509.random_serial_number()}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def serving(server: PlanServer, port: int, certificate: Path | None, security: SmtpSecurity) -> Iterator[None]:
    """The server on `port`, offering TLS in this way."""
    given: dict[str, Any] = {"authenticator": server.authenticate}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # The library does not see TLS that was there from the first byte, and would forbid signing in.
        given |= (
            {"tls_context": context} if security is STARTTLS else {"ssl_context": context, "auth_require_tls": False}
        )
    controller = Controller(server, hostname="127.0.0.1", port=port, **given)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path)


@pytest.fixture
def settings(settings: Settings, certificate: Path) -> Settings:
    return replace(
        settings, smtp_port=free_port(), smtp_username="latchstring", smtp_password=PASSWORD, smtp_ca_file=certificate
    )


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return make_sessions(engine)


@pytest.fixture
def waiting(sessions: sessionmaker[Session]) -> Callable[[], bool]:
    """A mail in the outbox; whether it still waits there."""
    with sessions.begin() as session:
        enqueue(session, to="maria@example.org", template="welcome", given_name="Maria", at="today")

    def waits() -> bool:
        with sessions() as session:
            return session.scalars(select(OutboxMail.state)).one() is MailState.WAITING

    return waits


@pytest.mark.parametrize("security", [STARTTLS, TLS])
def test_mail_goes_over_tls_and_signed_in(
    sessions: sessionmaker[Session], settings: Settings, certificate: Path, waiting: Callable[[], bool],
    security: SmtpSecurity, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    logs.configure(logging.DEBUG)
    server = PlanServer()
    with serving(server, settings.smtp_port, certificate, security):
        assert deliver_due(sessions, replace(settings, smtp_security=security)) == 1

    assert server.taken == [("maria@example.org", True)] and not waiting()
    assert PASSWORD not in "".join(capfd.readouterr())


def test_a_domain_with_letters_of_its_own_goes_out_in_ascii(
    sessions: sessionmaker[Session], settings: Settings, certificate: Path
) -> None:
    with sessions.begin() as session:
        enqueue(session, to="ana@bücher.example", template="welcome", given_name="Ana", at="today")
    server = PlanServer()
    with serving(server, settings.smtp_port, certificate, TLS):
        assert deliver_due(sessions, replace(settings, smtp_security=TLS)) == 1
    assert server.taken == [("ana@xn--bcher-kva.example", True)]


def test_a_server_that_offers_no_starttls_gets_neither_mail_nor_password(
    sessions: sessionmaker[Session], settings: Settings, waiting: Callable[[], bool]
) -> None:
    server = PlanServer()
    with (
        serving(server, settings.smtp_port, None, SmtpSecurity.NONE),
        pytest.raises(ServerUnreachable),
    ):
        deliver_due(sessions, replace(settings, smtp_security=STARTTLS))

    assert server.taken == [] and server.heard == [] and waiting()


@pytest.mark.parametrize("security", [STARTTLS, TLS])
@pytest.mark.parametrize("wrong", ["another authority", "another host", "over"])
def test_a_certificate_that_is_not_the_servers_ends_it(
    sessions: sessionmaker[Session], settings: Settings, tmp_path: Path, waiting: Callable[[], bool],
    security: SmtpSecurity, wrong: str,
) -> None:  # fmt: skip
    host = "127.0.0.2" if wrong == "another host" else "127.0.0.1"
    shown = write_certificate(tmp_path, host=host, valid=timedelta(days=-1 if wrong == "over" else 1))
    trusted = settings.smtp_ca_file if wrong == "another authority" else shown
    server = PlanServer()
    with serving(server, settings.smtp_port, shown, security), pytest.raises(ServerUnreachable):
        deliver_due(sessions, replace(settings, smtp_security=security, smtp_ca_file=trusted))

    assert server.taken == [] and server.heard == [] and waiting()


def test_a_wrong_password_is_told_by_its_kind_only_and_loses_nothing(
    sessions: sessionmaker[Session], settings: Settings, certificate: Path, waiting: Callable[[], bool],
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    logs.configure(logging.DEBUG)
    server, wrong = PlanServer(), replace(settings, smtp_security=TLS, smtp_password="canary-wrong")
    with serving(server, settings.smtp_port, certificate, TLS):
        with pytest.raises(ServerUnreachable):
            deliver_due(sessions, wrong)
        assert server.taken == [] and waiting()
        assert deliver_due(sessions, replace(wrong, smtp_password=PASSWORD)) == 1

    told = "".join(capfd.readouterr())
    assert "mail_server_unusable" in told and "SMTPAuthenticationError" in told
    assert "canary" not in told


def test_the_password_is_not_in_what_settings_say_of_themselves(settings: Settings) -> None:
    assert PASSWORD not in repr(settings) and PASSWORD not in str(settings)
