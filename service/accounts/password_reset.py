"""A new password for somebody who holds the account's mailbox: the only way to change a password (product.md ID 3)."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit
from service.accounts import (
    authentication,
    devices,
    email_codes,
    notifications,
    passwords,
    sessions,
    throttling,
    usernames,
)
from service.accounts.email_codes import Flow, Recipient
from service.accounts.models import Account, AccountStatus, EmailProof
from service.accounts.passwords import Rule

_SENDS_PER_ADDRESS, _HOUR = 100, 3_600


class WeakPassword(Exception):
    """The password does not meet the rule; `verdict` says in which parts."""

    def __init__(self, verdict: passwords.Verdict) -> None:
        super().__init__("the password does not meet the rule")
        self.verdict = verdict


class ProofOver(Exception):
    """The half-way state has run out, was used, or is another browser's."""


@dataclass(frozen=True)
class Claim:
    """Who somebody says they are: user name and the account's verified sign-in address."""

    username: str
    email: str


def request_code(session: Session, flow: Flow, claim: Claim, *, network: str) -> None:
    """Send a code if user name and address belong together. The caller learns nothing about it."""
    account = _find(session, claim)
    recipient = _stranger(claim) if account is None else _owner(account)
    if throttling.hit(session, f"code:network:{network}", _SENDS_PER_ADDRESS, _HOUR):
        email_codes.send(session, flow, recipient)


def verify_code(session: Session, flow: Flow, claim: Claim, given: str) -> EmailProof | None:
    """The half-way state if `given` is the code for this claim; the caller then has made a new cookie for it."""
    account = _find(session, claim)
    row = email_codes.verify(session, flow, claim.email, given)
    if row is None or account is None or row.subject_id != account.id:
        return None
    audit.record(session, "accounts:email_code:verify", account_id=account.id)
    return email_codes.open_proof(session, row, browser_token=sessions.rotate_for_proof(session))


def set_password(session: Session, proof: EmailProof, password: str, *, rule: Rule) -> Account:
    """Set the new password, end every session, tell the owner. Raises WeakPassword or ProofOver.

    Ends the running transaction before it hashes, so that the database is not held meanwhile; nothing was changed yet.
    """
    account = _owner_of(session, proof)
    verdict = passwords.judge(password, rule.also(*own_names(account)))
    if not verdict.good:
        raise WeakPassword(verdict)
    session.commit()
    made = passwords.make_hash(password)
    if not email_codes.spend_proof(session, proof):
        raise ProofOver
    replace_password(session, account, made)
    notifications.password_changed(session, account)
    return account


def replace_password(session: Session, account: Account, made: str) -> None:
    """Write the hash of a new password and end what hung on the old one, on all workers from the next request on."""
    # Counters, sessions, account: a sign-in takes them in this order (decisions 121, 124).
    authentication.forgive_account(session, account)
    sessions.hold_all(session, account)
    account.password_hash = made
    account.credentials_version += 1
    session.flush()
    sessions.end_all(session, account)
    devices.forget_all(session, account)
    email_codes.void_all(session, account.id)
    audit.record(session, "accounts:password:change", account_id=account.id)


def own_names(account: Account) -> list[str]:
    """The names that this person's password must not hold."""
    return [account.username, account.email.partition("@")[0], account.given_name, account.family_name]


def _owner_of(session: Session, proof: EmailProof) -> Account:
    account = session.get(Account, proof.subject_id)
    if account is None or account.status is not AccountStatus.ACTIVE or account.email_key != proof.email_key:
        raise ProofOver
    return account


def _find(session: Session, claim: Claim) -> Account | None:
    if "\0" in claim.username or "\0" in claim.email:
        return None
    return session.scalar(
        select(Account).where(
            Account.username_key == usernames.key(claim.username),
            Account.email_key == usernames.email_key(claim.email),
            Account.status == AccountStatus.ACTIVE,
            Account.email_verified_at.is_not(None),
        )
    )


def _owner(account: Account) -> Recipient:
    return Recipient(account.id, account.email, account.id, account.language)


def _stranger(claim: Claim) -> Recipient:
    counted_as = throttling.hidden("reset", usernames.key(claim.username), usernames.email_key(claim.email))
    return Recipient(None, claim.email, counted_as)
