"""Every setting, once: one frozen dataclass read from the environment, unsafe production values refused by name."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from service.databases import network, sqlite_file
from service.databases.connections import USUAL, PoolLimits
from service.domains import is_example, is_this_machine
from service.environment import (
    UnsafeSetting,
    choice,
    found_sandbox_key,
    key,
    keys,
    number,
    path,
    plan,
    pool,
    sandbox_key,
    seconds,
    secret,
    share,
    yes,
)
from service.plan_file import Plan
from service.sealing import SecretKey

_LEAST_AUDIT_YEARS = 6
_LEAST_DIFFERENT_BYTES = 16
"""32 random bytes hold some 30 different ones; fewer than 16 come from a pattern that somebody typed."""
_TERMS_NEEDED = frozenset({"provider_portal", "delegate"})


class Mode(StrEnum):
    """What this installation is for; only the sandbox allows plain http and the shifted clock."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class SmtpSecurity(StrEnum):
    """How the way to the mail server is closed to others."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class ProgramsRegister(StrEnum):
    """Whether programs register apps by themselves (RFC 7591)."""

    OPEN = "open"
    TOKEN = "token"
    OFF = "off"


@dataclass(frozen=True)
class Settings:
    """One installation's settings. Each field is one environment variable of the same name in upper case."""

    mode: Mode
    """`MODE`: sandbox or production."""
    base_url: str
    """`BASE_URL`: scheme, host and port people use, without a trailing slash."""
    database_url: str = field(repr=False)
    """`DATABASE_URL`: SQLAlchemy URL; SQLite under `var` when not given."""
    var: Path
    """`VAR`: folder for the database, keys and mail of this installation."""
    secret_key: bytes = field(repr=False)
    """`SECRET_KEY` (hex, 32 bytes or more), or better the file that `SECRET_KEY_FILE` names: keys of CSRF tokens, codes
    and page links; the sandbox makes its own. Held as a SecretKey, which knows those of SECRET_KEY_PREVIOUS."""
    plan: Plan
    """`PLAN_FILE`: TOML file that describes the plan; the sandbox has one of its own, of an invented plan."""
    smtp_host: str = "127.0.0.1"
    """`SMTP_HOST`: where the outbox delivers."""
    smtp_port: int = 8025
    """`SMTP_PORT`: its port."""
    smtp_security: SmtpSecurity = SmtpSecurity.NONE
    """`SMTP_SECURITY`: starttls (RFC 3207, often port 587), tls from the first byte (RFC 8314, 465), or none."""
    smtp_username: str = ""
    """`SMTP_USERNAME`: whom to sign in as; nobody when not given."""
    smtp_password: str = field(default="", repr=False)
    """`SMTP_PASSWORD`, or better the file that `SMTP_PASSWORD_FILE` names: the password of that user."""
    smtp_ca_file: Path | None = None
    """`SMTP_CA_FILE`: certificates (PEM) to trust for the mail server instead of the machine's own."""
    mail_from: str = "no-reply@latchstring.example"
    """`MAIL_FROM`: sender of every mail; in production of a domain that is somebody's, not an example's."""
    trusted_proxies: int = 0
    """`TRUSTED_PROXIES`: how many reverse proxies in front set X-Forwarded-* (0: those headers are ignored)."""
    refuse_common_passwords: bool = True
    """`REFUSE_COMMON_PASSWORDS`: yes or no; refuses common, leaked and own-name passwords besides the plan's rule."""
    pool: PoolLimits = USUAL
    """`POOL_SIZE` (10): database connections a process keeps; `POOL_OVERFLOW` (0): more at need; `POOL_SECONDS` (10):
    how long a request waits for one before it is told that we are busy."""
    database_read_url: str = field(default="", repr=False)
    """`DATABASE_READ_URL`: a streaming replica of DATABASE_URL that answers reads of FHIR data; none if not given."""
    database_private_network: bool = False
    """`DATABASE_PRIVATE_NETWORK`: yes or no; nobody else is on the network to DATABASE_URL and DATABASE_READ_URL, as on
    compose.yaml's own, so that they need no TLS there."""
    database_read_lag: float = 30
    """`DATABASE_READ_LAG`: seconds by which it may be behind; data that is older is read from DATABASE_URL."""
    lookup_norm_per_hour: int = 50
    """`LOOKUP_NORM_PER_HOUR`: look-ups of members by one login of the provider portal above which staff are told."""
    lookup_limit_per_hour: int = 200
    """`LOOKUP_LIMIT_PER_HOUR`: look-ups above which that login has to wait."""
    programs_register: ProgramsRegister = ProgramsRegister.OPEN
    """`PROGRAMS_REGISTER`: open, token (with REGISTRATION_TOKEN), or off: registration of apps by RFC 7591."""
    registration_token: str = field(default="", repr=False)
    """`REGISTRATION_TOKEN`, or `REGISTRATION_TOKEN_FILE`: the initial access token that is asked for then, of 32
    characters or more."""
    provider_access: bool = False
    """`PROVIDER_ACCESS`: yes or no; bulk export of attribution lists, for programs of the plan that serve providers."""
    payer_to_payer: bool = False
    """`PAYER_TO_PAYER`: yes or no; `Patient/$member-match`, for programs of the plan that serve other payers."""
    audit_checkpoints: Path | None = None
    """`AUDIT_CHECKPOINTS`: folder, best of another machine, for checkpoints of the audit; VAR/audit if not given."""
    audit_years: int = 6
    """`AUDIT_YEARS`: years for which no event of the audit may be purged; 6 or more in production (45 CFR 164.316)."""
    audit_hold: bool = False
    """`AUDIT_HOLD`: yes or no; a legal hold, under which nothing of the audit is purged."""
    password_peppers: tuple[bytes, ...] = field(default=(), repr=False)
    """`PASSWORD_PEPPER` (hex, 32 bytes or more, the newest first where commas part several), or better the file that
    `PASSWORD_PEPPER_FILE` names: keys of password hashes, kept apart from the database and its backups."""
    secret_key_previous: tuple[bytes, ...] = field(default=(), repr=False)
    """`SECRET_KEY_PREVIOUS` (hex, the newest first where commas part several), or better the file that
    `SECRET_KEY_PREVIOUS_FILE` names: earlier keys, under which what is there still opens, until `flask keys reseal`."""
    revocation_journal: Path | None = None
    """`REVOCATION_JOURNAL`: folder, best on another disk, of what was ended; `VAR/revocations` when not given."""
    otlp_endpoint: str = ""
    """`OTLP_ENDPOINT`: where traces go, like https://collector.example.org/v1/traces; nothing is traced without."""
    trace_share: float = 1.0
    """`TRACE_SHARE`: how many of the requests are traced, from 0 to 1."""
    trust_traceparent: bool = False
    """`TRUST_TRACEPARENT`: yes or no; go on with a trace that the caller names, where a proxy of ours sets it."""
    export_folder: Path | None = None
    """`EXPORT_FOLDER`: folder of the files of exports, which all hosts share; `VAR/exports` when not given."""
    metrics_token: str = field(default="", repr=False)
    """`METRICS_TOKEN` (32 characters or more), or `METRICS_TOKEN_FILE`: opens `/metrics`, not there without."""
    requests_at_once: int = 4
    """`REQUESTS_AT_ONCE`: requests that a process works on at once; what waits for a hash or a body is not counted."""
    requests_waiting: int = 8
    """`REQUESTS_WAITING`: requests that may wait for one of these places; more are told at once to come again (503)."""
    processes: int = 1
    """`PROCESSES`: web server processes of all hosts together, over which the limits below are shared out; the cores of
    this machine when not given."""
    app_requests_per_minute: int = 6_000
    """`APP_REQUESTS_PER_MINUTE`: requests to the FHIR API by one app, over all processes; 0 for no limit."""
    app_tokens_per_minute: int = 1_200
    """`APP_TOKENS_PER_MINUTE`: tokens that one app may ask for (a public app: from one address); 0 for no limit."""
    account_pages_per_minute: int = 600
    """`ACCOUNT_PAGES_PER_MINUTE`: pages that one signed-in account may open; 0 for no limit."""
    address_pages_per_minute: int = 3_000
    """`ADDRESS_PAGES_PER_MINUTE`: pages that one network address may open; 0 for no limit."""
    directory_requests_per_minute: int = 2_400
    """`DIRECTORY_REQUESTS_PER_MINUTE`: requests of one network address to the open directory; 0 for no limit."""
    debug: bool = False
    """`FLASK_DEBUG`: Flask's own switch; refused in production."""
    testing: bool = field(default=False, compare=False)
    """Set by tests only: allows the shifted clock in production mode and keeps errors visible."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret_key", SecretKey(self.secret_key, self.secret_key_previous))

    @property
    def fhir_base(self) -> str:
        """Base URL of the members' FHIR API, without a trailing slash."""
        return f"{self.base_url}/fhir/r4"

    @property
    def checkpoints_folder(self) -> Path:
        """Where signed checkpoints of the audit are added."""
        return self.audit_checkpoints or self.var / "audit"

    @property
    def sandbox_file(self) -> Path:
        """What a client or a tester needs to use this sandbox: accounts, apps, secrets."""
        return self.var / "sandbox.json"

    @property
    def journal_folder(self) -> Path:
        """Where revocations are kept outside the database."""
        return self.revocation_journal or self.var / "revocations"

    @property
    def exports(self) -> Path:
        """Where the worker puts the files of exports, and the web servers read them."""
        return self.export_folder or self.var / "exports"

    @property
    def https(self) -> bool:
        """Whether people reach us over https; decides the cookie's name and HSTS."""
        return self.base_url.startswith("https://")

    @property
    def passkey_host(self) -> str | None:
        """The host that passkeys belong to (WebAuthn's RP ID); None under a bare IP address, where there are none."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            ip_address(host)
        except ValueError:
            return host or None
        return None

    @property
    def sandbox(self) -> bool:
        """Whether the sandbox's own pages and the shifted clock exist."""
        return self.mode is Mode.SANDBOX

    @property
    def reaches_loopback(self) -> bool:
        """Whether other people's servers may be on this machine: in a sandbox that its own machine alone can open."""
        return self.sandbox and is_this_machine(urlsplit(self.base_url).hostname or "")

    @property
    def cookie_name(self) -> str:
        """`__Host-sid` under https; plain `sid` in the http sandbox, whose clients never return Secure cookies."""
        return "__Host-sid" if self.https else "sid"

    @property
    def clock_file(self) -> Path | None:
        """The file whose seconds shift the clock, in the sandbox and tests only."""
        return self.var / "clock" if self.sandbox or self.testing else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Settings from `environment`; raises UnsafeSetting naming what must be mended."""
        mode = choice(environment, "MODE", Mode.SANDBOX)
        var = Path(environment.get("VAR", "var")).resolve()
        port = environment.get("PORT", "8000")
        settings = cls(
            mode=mode,
            base_url=environment.get("BASE_URL", f"http://localhost:{port}").rstrip("/"),
            database_url=environment.get("DATABASE_URL") or f"sqlite:///{var}/latchstring.db",
            var=var,
            secret_key=_secret_key(environment, mode, var),
            plan=plan(environment, "PLAN_FILE"),
            smtp_host=environment.get("SMTP_HOST", "127.0.0.1"),
            smtp_port=number(environment, "SMTP_PORT", 8025, 1, 65_535),
            smtp_security=choice(environment, "SMTP_SECURITY", SmtpSecurity.NONE),
            smtp_username=environment.get("SMTP_USERNAME", ""),
            smtp_password=secret(environment, "SMTP_PASSWORD"),
            smtp_ca_file=path(environment, "SMTP_CA_FILE"),
            mail_from=environment.get("MAIL_FROM", "no-reply@latchstring.example"),
            trusted_proxies=number(environment, "TRUSTED_PROXIES", 0, 0, 10),
            refuse_common_passwords=yes(environment, "REFUSE_COMMON_PASSWORDS", usual="yes"),
            pool=pool(environment),
            database_read_url=environment.get("DATABASE_READ_URL", ""),
            database_private_network=yes(environment, "DATABASE_PRIVATE_NETWORK"),
            database_read_lag=seconds(environment, "DATABASE_READ_LAG", 30, 3600),
            programs_register=choice(environment, "PROGRAMS_REGISTER", ProgramsRegister.OPEN),
            registration_token=secret(environment, "REGISTRATION_TOKEN"),
            provider_access=yes(environment, "PROVIDER_ACCESS"),
            payer_to_payer=yes(environment, "PAYER_TO_PAYER"),
            audit_checkpoints=path(environment, "AUDIT_CHECKPOINTS"),
            audit_years=number(environment, "AUDIT_YEARS", 6, 0, 1_000),
            audit_hold=yes(environment, "AUDIT_HOLD"),
            lookup_norm_per_hour=number(environment, "LOOKUP_NORM_PER_HOUR", 50, 0, 1_000_000),
            lookup_limit_per_hour=number(environment, "LOOKUP_LIMIT_PER_HOUR", 200, 0, 1_000_000),
            password_peppers=keys(environment, "PASSWORD_PEPPER"),
            secret_key_previous=keys(environment, "SECRET_KEY_PREVIOUS"),
            revocation_journal=path(environment, "REVOCATION_JOURNAL"),
            otlp_endpoint=environment.get("OTLP_ENDPOINT", ""),
            trace_share=share(environment, "TRACE_SHARE"),
            trust_traceparent=yes(environment, "TRUST_TRACEPARENT"),
            export_folder=path(environment, "EXPORT_FOLDER"),
            metrics_token=secret(environment, "METRICS_TOKEN"),
            requests_at_once=number(environment, "REQUESTS_AT_ONCE", 4, 1, 1_000),
            requests_waiting=number(environment, "REQUESTS_WAITING", 8, 0, 10_000),
            processes=number(environment, "PROCESSES", len(os.sched_getaffinity(0)), 1, 10_000),
            app_requests_per_minute=number(environment, "APP_REQUESTS_PER_MINUTE", 6_000, 0, 1_000_000),
            app_tokens_per_minute=number(environment, "APP_TOKENS_PER_MINUTE", 1_200, 0, 1_000_000),
            account_pages_per_minute=number(environment, "ACCOUNT_PAGES_PER_MINUTE", 600, 0, 1_000_000),
            address_pages_per_minute=number(environment, "ADDRESS_PAGES_PER_MINUTE", 3_000, 0, 1_000_000),
            directory_requests_per_minute=number(environment, "DIRECTORY_REQUESTS_PER_MINUTE", 2_400, 0, 1_000_000_000),
            debug=environment.get("FLASK_DEBUG", "").lower() not in {"", "0", "false", "no"},
        )
        if settings.sandbox and settings.https and "MODE" not in environment:
            raise UnsafeSetting("MODE must be said where BASE_URL is https: production, or sandbox if that is meant")
        settings.require_safe()
        return settings

    def require_safe(self) -> None:
        """Raise UnsafeSetting for values that would be dangerous in this mode; it tells of all of them at once."""
        faults = [*self._faults()]
        if self.mode is Mode.PRODUCTION:
            faults += self._faults_in_production()
        if faults:
            raise UnsafeSetting("\n".join(faults))

    def _faults(self) -> Iterator[str]:
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment or parts.path:
            yield "BASE_URL must be scheme, host and port only, like https://health.example.org"
        if self.sandbox and parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            yield "BASE_URL may be plain http only on localhost; use https for any other host"
        if not _has_number_for_port(parts.netloc):
            yield "BASE_URL must have a number after the colon, from 1 to 65535"
        if not self.database_url.startswith("sqlite:///") and not network.is_postgresql(self.database_url):
            yield "DATABASE_URL must be a URL that begins with postgresql+psycopg:// or sqlite:///"
        if len(self.secret_key) < 32:
            yield "SECRET_KEY must hold at least 32 bytes (64 hex digits)"
        if any(len(one) < 32 for one in self.secret_key_previous):
            yield "SECRET_KEY_PREVIOUS must hold at least 32 bytes (64 hex digits) in each of its keys"
        if len({self.secret_key, *self.secret_key_previous}) <= len(self.secret_key_previous):
            yield "SECRET_KEY_PREVIOUS must name each key once, and not the one of SECRET_KEY"
        if self.programs_register is ProgramsRegister.TOKEN and len(self.registration_token) < 32:
            yield "REGISTRATION_TOKEN must have 32 characters or more where PROGRAMS_REGISTER is token"
        if self.audit_years < 1 or (self.mode is Mode.PRODUCTION and self.audit_years < _LEAST_AUDIT_YEARS):
            yield f"AUDIT_YEARS must be {_LEAST_AUDIT_YEARS} or more: the law asks for so many years"
        if self.metrics_token and not (len(self.metrics_token) >= 32 and self.metrics_token.isascii()):
            yield "METRICS_TOKEN must have 32 ASCII characters or more"
        if self.database_read_url and not all(map(network.is_postgresql, (self.database_url, self.database_read_url))):
            yield "DATABASE_READ_URL needs PostgreSQL, there and in DATABASE_URL: a streaming replica of it"
        if self.otlp_endpoint and not _is_closed_to_others(self.otlp_endpoint):
            yield "OTLP_ENDPOINT must be https, or http on this machine"
        yield from self._faults_of_mail()

    def _faults_of_mail(self) -> Iterator[str]:
        sender = parseaddr(self.mail_from)[1]
        if not all(sender.rpartition("@")) or not self.mail_from.isprintable():
            yield "MAIL_FROM must be an address like no-reply@health.example.org, with a name before it or without"
        if bool(self.smtp_username) != bool(self.smtp_password):
            yield "SMTP_USERNAME and SMTP_PASSWORD (or SMTP_PASSWORD_FILE) need each other"
        if not f"{self.smtp_username}{self.smtp_password}".isascii():
            yield "SMTP_USERNAME and SMTP_PASSWORD must be ASCII, as mail servers read them"
        if self.smtp_ca_file and not self.smtp_ca_file.is_file():
            yield "SMTP_CA_FILE is not there"
        if self.smtp_security is not SmtpSecurity.NONE or is_this_machine(self.smtp_host):
            return
        if self.mode is Mode.PRODUCTION or self.smtp_password:
            yield "SMTP_SECURITY must be starttls or tls, since SMTP_HOST is another machine"

    def _faults_in_production(self) -> Iterator[str]:
        if not self.https:
            yield "BASE_URL must be https in production"
        if _can_be_guessed(self.secret_key):
            yield "SECRET_KEY can be guessed: it repeats itself; make one with `openssl rand -hex 32`"
        if not self.password_peppers:
            yield "PASSWORD_PEPPER (or PASSWORD_PEPPER_FILE) must be set in production: `openssl rand -hex 32`"
        if any(_can_be_guessed(one) for one in self.secret_key_previous):
            yield "SECRET_KEY_PREVIOUS can be guessed: one of its keys repeats itself, so production never sealed by it"
        of_sealing = {self.secret_key, *self.secret_key_previous}
        if any(len(one) < 32 or _can_be_guessed(one) or one in of_sealing for one in self.password_peppers):
            yield "PASSWORD_PEPPER must be 32 random bytes of its own; make it with `openssl rand -hex 32`"
        if self.secret_key == found_sandbox_key(self.var):
            yield "SECRET_KEY is the sandbox's own (VAR/secret_key); make one with `openssl rand -hex 32`"
        if found_sandbox_key(self.var) in self.secret_key_previous:
            yield "SECRET_KEY_PREVIOUS is the sandbox's own (VAR/secret_key), which sealed nothing in production"
        if self.debug:
            yield "FLASK_DEBUG must not be set in production: its pages show what is in memory, and run code"
        missing = _TERMS_NEEDED - {given.document for given in self.plan.terms}
        if self.plan.is_invented:
            yield "PLAN_FILE must name the plan's own file in production: without, people read of an invented plan"
        elif missing:
            yield f"PLAN_FILE must name the texts of [[terms]] for {', '.join(sorted(missing))}"
        if (self.var / "clock").exists() and not self.testing:
            yield "VAR holds a file named clock, which shifts time: remove it before production starts"
        if is_example(parseaddr(self.mail_from)[1].rpartition("@")[2]):
            yield "MAIL_FROM must have a domain of the plan's own in production, not one of examples (RFC 2606)"
        yield from self._faults_of_databases()

    def _faults_of_databases(self) -> Iterator[str]:
        if self.database_url.startswith("sqlite:") and (path := sqlite_file.named_by(self.database_url)):
            yield from (f"DATABASE_URL {fault}" for fault in sqlite_file.faults(path))
        for name, url in (("DATABASE_URL", self.database_url), ("DATABASE_READ_URL", self.database_read_url)):
            if not self.database_private_network and network.is_in_clear(url):
                yield (
                    f"{name} names another machine: add sslmode=verify-full (or verify-ca) and sslrootcert, or say "
                    "DATABASE_PRIVATE_NETWORK=yes where nobody else is on the network to it"
                )


def _has_number_for_port(netloc: str) -> bool:
    try:
        return urlsplit(f"//{netloc}").port != 0
    except ValueError:
        return False


def _is_closed_to_others(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))


def _secret_key(environment: Mapping[str, str], mode: Mode, var: Path) -> bytes:
    if given := secret(environment, "SECRET_KEY"):
        return key("SECRET_KEY", given)
    if mode is Mode.PRODUCTION:
        raise UnsafeSetting("SECRET_KEY must be set in production; make one with `openssl rand -hex 32`")
    return sandbox_key(var)


def _can_be_guessed(key: bytes) -> bool:
    return len(set(key)) < _LEAST_DIFFERENT_BYTES
