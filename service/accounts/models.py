"""Tables of accounts: the login, its sessions and devices, e-mailed codes, and the counters that limit guessing."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.clock import now
from service.db import Base, Instant, new_id, words
from service.single_use import SpentOnce

if TYPE_CHECKING:
    from service.plan.models import Member


class AccountStatus(StrEnum):
    """Whether the account may sign in. Strangers are never told which it is."""

    ACTIVE = "active"
    DISABLED = "disabled"


class CodePurpose(StrEnum):
    """What an e-mailed code proves; a code of one purpose fails for every other."""

    REGISTRATION = "registration"
    PASSWORD_RESET = "password_reset"
    PORTAL_REGISTRATION = "portal_registration"
    SIGN_IN = "sign_in"
    DEVELOPER_REGISTRATION = "developer_registration"
    EMAIL_CHANGE = "email_change"
    NEW_EMAIL = "new_email"


class CodeReason(StrEnum):
    """Why the next sign-in asks for an e-mailed code where there is no second factor."""

    SHARING = "sharing"
    FACTORS_RESET = "factors_reset"
    ADDRESS_UNDONE = "address_undone"


class Account(Base):
    """One person's login. What it may reach (member, representative, provider staff) hangs on it elsewhere."""

    __tablename__ = "account"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(64))
    username_key: Mapped[str] = mapped_column(String(256), unique=True)
    username_skeleton: Mapped[str | None] = mapped_column(String(256), index=True, default=None)
    email: Mapped[str] = mapped_column(String(254))
    # One address, one account, whatever hangs on it and whether it may sign in (decision 112).
    email_key: Mapped[str] = mapped_column(String(320), unique=True, index=True)
    email_verified_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    language: Mapped[str] = mapped_column(String(8), default="en")
    password_hash: Mapped[str] = mapped_column(String(255))
    # Raised by whatever must end sessions and tokens of this account: they are compared with it on use.
    credentials_version: Mapped[int] = mapped_column(Integer, default=1)
    status: Mapped[AccountStatus] = mapped_column(words(AccountStatus), default=AccountStatus.ACTIVE)
    member_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"), unique=True, default=None)
    # Set where the next sign-in shows the factor or an e-mailed code, because something looked odd (security.md 140).
    code_due_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    code_due_for: Mapped[CodeReason | None] = mapped_column(words(CodeReason), default=None)
    last_signed_in_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    # Topics of notices (service.accounts.notices.Topic) of which the owner wants no mail; they are kept all the same.
    unmailed: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), default=None)

    member: Mapped["Member | None"] = relationship()

    @property
    def full_name(self) -> str:
        """Given and family name, as shown in the page's upper right corner."""
        return f"{self.given_name} {self.family_name}"


class LoginSession(Base):
    """A signed-in browser. The cookie holds the token; the row holds only its digest."""

    __tablename__ = "login_session"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_seen_at: Mapped[datetime] = mapped_column(Instant)
    # When the password or a passkey was last given: OIDC auth_time, and the measure of every step up.
    authenticated_at: Mapped[datetime] = mapped_column(Instant)
    # By what the person signed in (amr.py); None of a session of before that was kept.
    amr: Mapped[str | None] = mapped_column(String(60), default=None)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    acting_member_id: Mapped[str | None] = mapped_column(String(36), default=None)
    credentials_version: Mapped[int] = mapped_column(Integer)
    # When a second factor was shown in this session; None where none was.
    factor_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    # An e-mailed code is asked for before this session opens anything; null once it was given, or where none is due.
    code_due_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    # The KnownDevice it was begun on; no foreign key, since devices are forgotten when a password is reset.
    device_id: Mapped[str | None] = mapped_column(String(36), default=None)
    ip: Mapped[str | None] = mapped_column(String(45), default=None)
    user_agent: Mapped[str | None] = mapped_column(String(300), default=None)


class KnownDevice(Base):
    """A browser that has signed in to this account before: its wrong tries are counted apart from a stranger's."""

    __tablename__ = "known_device"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), index=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class EmailCode(SpentOnce, Base):
    """A six-digit code sent to an address, bound to its purpose, account, browser and address.

    A row also stands for people we do not know, so that their pages behave alike; such a row has no code that fits.
    """

    __tablename__ = "email_code"
    __table_args__ = (Index("ix_email_code_browser_purpose", "browser_id", "purpose"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    purpose: Mapped[CodePurpose] = mapped_column(words(CodePurpose))
    # The account for a reset, the pending registration for a registration; None for people we do not know.
    subject_id: Mapped[str | None] = mapped_column(String(36), index=True, default=None)
    browser_id: Mapped[str] = mapped_column(String(64))
    email_key: Mapped[str] = mapped_column(String(320))
    code_hash: Mapped[str] = mapped_column(String(64))
    sent_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    voided_at: Mapped[datetime | None] = mapped_column(Instant, default=None)


class EmailProof(SpentOnce, Base):
    """The half-way state after a right code: it opens the next page of that one flow and nothing else, once.

    Bound to the whole cookie as it was made anew at that moment, so that nobody who knew the older cookie has it.
    """

    __tablename__ = "email_proof"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    purpose: Mapped[CodePurpose] = mapped_column(words(CodePurpose))
    subject_id: Mapped[str] = mapped_column(String(36), index=True)
    browser_token: Mapped[str] = mapped_column(String(64), index=True)
    email_key: Mapped[str] = mapped_column(String(320))
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class PendingRegistration(SpentOnce, Base):
    """Somebody whom the roster (or the representatives' list) knows, on the way to an account."""

    __tablename__ = "pending_registration"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    browser_id: Mapped[str] = mapped_column(String(64), index=True)
    member_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"), default=None)
    representative_id: Mapped[str | None] = mapped_column(String(36), default=None)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254), default="")
    language: Mapped[str] = mapped_column(String(8), default="en")
    next_path: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class AttemptCounter(Base):
    """How often something was tried within a window; shared by all workers, kept through restarts."""

    __tablename__ = "attempt_counter"

    key: Mapped[str] = mapped_column(String(160), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class Totp(Base):
    """An authenticator app of an account (RFC 6238). `last_step` is the newest 30-second step whose code was taken."""

    __tablename__ = "totp"

    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), primary_key=True)
    sealed_secret: Mapped[str] = mapped_column(Text)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class RecoveryCode(SpentOnce, Base):
    """One of the codes shown once when a second factor was set up, for whoever lost it."""

    __tablename__ = "recovery_code"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class Passkey(Base):
    """A passkey of an account (WebAuthn Level 2 §4): the half of a key pair that proves the other half.

    `sign_count` is the highest count its device has told; passkeys that live on several devices always tell 0.
    """

    __tablename__ = "passkey"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    # A COSE_Key (RFC 9052 §7) as the device gave it.
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    # How the browser reaches the device ("internal", "usb", …), for the next time it looks for it; words, with spaces.
    transports: Mapped[str] = mapped_column(String(100), default="")
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    last_used_at: Mapped[datetime | None] = mapped_column(Instant, default=None)


class EmailChange(SpentOnce, Base):
    """A change of the sign-in address under way or done; spent when it was undone by the link sent to the old one."""

    __tablename__ = "email_change"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    login_session_id: Mapped[str] = mapped_column(String(36), index=True)
    old_email: Mapped[str] = mapped_column(String(254))
    # Nobody else opens an account with the old address while it can be taken back.
    old_email_key: Mapped[str | None] = mapped_column(String(320), index=True, default=None)
    new_email: Mapped[str] = mapped_column(String(254))
    begun_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    # The code sent to the old address was entered: only then is anything sent to the new one.
    old_confirmed_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    changed_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    undo_hash: Mapped[str | None] = mapped_column(String(64), unique=True, default=None)
    undo_until: Mapped[datetime | None] = mapped_column(Instant, default=None)
