"""Every setting, once: one frozen dataclass read from the environment, unsafe production values refused by name."""

import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

SANDBOX_PLAN = Path(__file__).with_name("sandbox") / "meridian.toml"


class Mode(StrEnum):
    """What this installation is for; only the sandbox allows plain http and the shifted clock."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class UnsafeSetting(Exception):
    """A setting that must not be used in this mode; the message names it and says what to set."""


@dataclass(frozen=True)
class PhoneLine:
    """A line of business and the number its members call."""

    line_of_business: str
    number: str


@dataclass(frozen=True)
class CannedReply:
    """An answer that plan staff send often. `{name}` stands for the reader's given name, `{staff}` for the writer's."""

    title: str
    text: str


@dataclass(frozen=True)
class Plan:
    """The health plan that runs this installation: every name and number a member reads comes from here."""

    name: str
    payer_id: str
    timezone: ZoneInfo
    phone_lines: tuple[PhoneLine, ...]
    tty: str
    website: str
    privacy_policy_version: str
    privacy_policy_url: str
    out_of_scope_lines: tuple[str, ...] = ()
    mailbox_address: str = ""
    """A shared address that is told, without content, of every message from a provider's office; none if empty."""
    canned_replies: tuple[CannedReply, ...] = ()

    @classmethod
    def read(cls, path: Path | None) -> "Plan":
        """The plan described by a TOML file; the sandbox plan (Meridian Health Plan) when none is given."""
        raw: dict[str, Any] = tomllib.loads((path or SANDBOX_PLAN).read_text(encoding="utf-8"))
        lines = tuple(PhoneLine(line["line_of_business"], line["number"]) for line in raw.pop("phone_lines"))
        return cls(
            timezone=ZoneInfo(raw.pop("timezone")),
            phone_lines=lines,
            out_of_scope_lines=tuple(raw.pop("out_of_scope_lines", ())),
            canned_replies=tuple(CannedReply(each["title"], each["text"]) for each in raw.pop("canned_replies", ())),
            **raw,
        )


@dataclass(frozen=True)
class Settings:
    """One installation's settings. Each field is one environment variable of the same name in upper case."""

    mode: Mode
    """`MODE`: sandbox or production."""
    base_url: str
    """`BASE_URL`: scheme, host and port people use, without a trailing slash."""
    database_url: str
    """`DATABASE_URL`: SQLAlchemy URL; SQLite under `var` when not given."""
    var: Path
    """`VAR`: folder for the database, keys and mail of this installation."""
    secret_key: bytes
    """`SECRET_KEY` (hex, 32 bytes or more): keys of CSRF tokens, codes and page links; the sandbox makes its own."""
    plan: Plan
    """`PLAN_FILE`: TOML file that describes the plan."""
    smtp_host: str = "127.0.0.1"
    """`SMTP_HOST`: where the outbox delivers."""
    smtp_port: int = 8025
    """`SMTP_PORT`: its port."""
    mail_from: str = "no-reply@latchstring.example"
    """`MAIL_FROM`: sender of every mail."""
    trusted_proxies: int = 0
    """`TRUSTED_PROXIES`: how many reverse proxies in front set X-Forwarded-* (0: those headers are ignored)."""
    refuse_common_passwords: bool = True
    """`REFUSE_COMMON_PASSWORDS`: yes or no; refuses common, leaked and own-name passwords besides the plan's rule."""
    pool_size: int = 10
    """`POOL_SIZE`: database connections a process keeps at most."""
    testing: bool = field(default=False, compare=False)
    """Set by tests only: allows the shifted clock in production mode and keeps errors visible."""

    @property
    def fhir_base(self) -> str:
        """Base URL of the members' FHIR API, without a trailing slash."""
        return f"{self.base_url}/fhir/r4"

    @property
    def https(self) -> bool:
        """Whether people reach us over https; decides the cookie's name and HSTS."""
        return self.base_url.startswith("https://")

    @property
    def sandbox(self) -> bool:
        """Whether the sandbox's own pages and the shifted clock exist."""
        return self.mode is Mode.SANDBOX

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
        mode = Mode(environment.get("MODE", Mode.SANDBOX))
        var = Path(environment.get("VAR", "var")).resolve()
        port = environment.get("PORT", "8000")
        settings = cls(
            mode=mode,
            base_url=environment.get("BASE_URL", f"http://localhost:{port}").rstrip("/"),
            database_url=environment.get("DATABASE_URL") or f"sqlite:///{var}/latchstring.db",
            var=var,
            secret_key=_secret_key(environment, mode, var),
            plan=Plan.read(Path(environment["PLAN_FILE"]) if environment.get("PLAN_FILE") else None),
            smtp_host=environment.get("SMTP_HOST", "127.0.0.1"),
            smtp_port=int(environment.get("SMTP_PORT", "8025")),
            mail_from=environment.get("MAIL_FROM", "no-reply@latchstring.example"),
            trusted_proxies=int(environment.get("TRUSTED_PROXIES", "0")),
            refuse_common_passwords=environment.get("REFUSE_COMMON_PASSWORDS", "yes").lower() != "no",
            pool_size=int(environment.get("POOL_SIZE", "10")),
        )
        if settings.sandbox and settings.https and "MODE" not in environment:
            raise UnsafeSetting("MODE must be said where BASE_URL is https: production, or sandbox if that is meant")
        settings.require_safe()
        return settings

    def require_safe(self) -> None:
        """Raise UnsafeSetting for a value that would be dangerous in this mode."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment or parts.path:
            raise UnsafeSetting("BASE_URL must be scheme, host and port only, like https://health.example.org")
        if self.mode is Mode.PRODUCTION and parts.scheme != "https":
            raise UnsafeSetting("BASE_URL must be https in production")
        if self.sandbox and parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise UnsafeSetting("BASE_URL may be plain http only on localhost; use https for any other host")
        if len(self.secret_key) < 32:
            raise UnsafeSetting("SECRET_KEY must hold at least 32 bytes (64 hex digits)")
        if self.mode is Mode.PRODUCTION and (self.var / "clock").exists() and not self.testing:
            raise UnsafeSetting("VAR holds a file named clock, which shifts time: remove it before production starts")


def _secret_key(environment: Mapping[str, str], mode: Mode, var: Path) -> bytes:
    given = environment.get("SECRET_KEY", "")
    if given:
        try:
            return bytes.fromhex(given)
        except ValueError:
            raise UnsafeSetting("SECRET_KEY must be hexadecimal; make one with `openssl rand -hex 32`") from None
    if mode is Mode.PRODUCTION:
        raise UnsafeSetting("SECRET_KEY must be set in production; make one with `openssl rand -hex 32`")
    return _sandbox_key(var)


def _sandbox_key(var: Path) -> bytes:
    path = var / "secret_key"
    if not path.exists():
        _write_once(path, secrets.token_hex(32))
    return bytes.fromhex(path.read_text("ascii").strip())


def _write_once(path: Path, text: str) -> None:
    # Several processes may start at once: link() lets exactly one key in, and never half of one.
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
