"""What every registration ends with, whoever registers: the address is proven by a code, then the account is opened."""

from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlalchemy.orm import Session

from service.accounts import email_codes, opening, passwords, sessions, throttling, usernames
from service.accounts.email_codes import Flow, Recipient
from service.accounts.models import Account, CodePurpose, EmailProof
from service.accounts.opening import AccountExists, NewPerson
from service.accounts.password_reset import ProofOver, WeakPassword
from service.accounts.passwords import Rule
from service.accounts.usernames import email_key
from service.web import browser_token

PER_CODES = 100
_HOUR = 3_600


class UnderWay(Protocol):
    """A registration under way in one browser: the row whose id codes and proofs are bound to."""

    id: str
    email: str


@dataclass(frozen=True)
class Letter:
    """The mail that brings the code, the language it is written in, and the purpose its limits are counted by."""

    template: str
    language: str
    counted_as: str


@dataclass(frozen=True)
class Credentials:
    """The user name and password chosen, and the rule the password is held against."""

    username: str
    password: str = field(repr=False)
    rule: Rule

    def also(self, *names: str) -> "Credentials":
        """The same, with a password that must not hold these names either."""
        return replace(self, rule=self.rule.also(*names))


def send_code(
    session: Session, under_way: UnderWay, address: str, flow: Flow, letter: Letter, *, network: str
) -> Account | None:
    """Send a code to the address, and return the account it belongs to, for the caller to tell its owner.

    For an address that has an account the page is the same: a row is written, but no code is sent.
    """
    if address != under_way.email:
        # What was sent to another mailbox, and what it proved, says nothing about this one.
        email_codes.void_all(session, under_way.id)
        under_way.email = address
    owner = opening.find_by_email(session, address)
    recipient = Recipient(
        under_way.id if owner is None else None, address, throttling.hidden(letter.counted_as, email_key(address)),
        letter.language, letter.template,
    )  # fmt: skip
    if throttling.hit(session, f"code:network:{network}", PER_CODES, _HOUR):
        email_codes.send(session, flow, recipient)
    return owner


def verify_code(session: Session, under_way: UnderWay, flow: Flow, given: str) -> EmailProof | None:
    """The half-way state if `given` is the code sent for this registration."""
    row = email_codes.verify(session, flow, under_way.email, given)
    if row is None or row.subject_id != under_way.id:
        return None
    return email_codes.open_proof(session, row, browser_token=sessions.rotate_for_proof(session))


def find_proof(session: Session, under_way: UnderWay, purpose: CodePurpose) -> EmailProof | None:
    """The open proof of this registration in this browser."""
    proof = email_codes.find_proof(session, purpose, browser_token=browser_token())
    if proof is None or proof.subject_id != under_way.id or proof.email_key != email_key(under_way.email):
        return None
    return proof


def hash_password(session: Session, credentials: Credentials) -> str:
    """The hash of the password chosen; raises UnusableUsername or WeakPassword.

    Ends the running transaction before it hashes, so that the database is not held meanwhile (decision 14): called
    before anything of the request is changed.
    """
    usernames.require_usable(session, credentials.username)
    verdict = passwords.judge(credentials.password, credentials.rule)
    if not verdict.good:
        raise WeakPassword(verdict)
    session.commit()
    return passwords.make_hash(credentials.password)


def open_account(
    session: Session, person: NewPerson, proof: EmailProof, *, username: str, password_hash: str
) -> Account:
    """Open the account and use the proof up; raises UnusableUsername, or ProofOver where somebody was faster."""
    if opening.find_by_email(session, person.email) is not None:
        raise ProofOver
    try:
        account = opening.open_account(session, person, username=username, password_hash=password_hash)
    except AccountExists:
        raise ProofOver from None
    if not email_codes.spend_proof(session, proof):
        raise ProofOver
    return account
