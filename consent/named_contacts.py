"""Whom a billing organisation may name to answer its request: somebody at the provider's office, never its own people.

Nobody approves their own request (security.md 131): not the same person or mailbox, not a co-worker (same registered
domain), and not through a contact that was changed on the plan's file within the last week.
"""

import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.accounts.usernames import email_key
from service.clock import now
from service.plan.models import ProviderContact, ProviderGroup, ProviderStaff

HOLD = timedelta(days=7)
_MOST = 2_000
# Hosts at which anybody may have a mailbox: there only the address tells who is who.
_PUBLIC_HOSTS = frozenset({
    "aim.com", "aol.com", "att.net", "bellsouth.net", "centurylink.net", "charter.net", "comcast.net", "cox.net",
    "earthlink.net", "fastmail.com", "frontier.com", "gmail.com", "gmx.com", "gmx.net", "gmx.us", "googlemail.com",
    "hotmail.com", "hushmail.com", "icloud.com", "inbox.com", "juno.com", "live.com", "mac.com", "mail.com", "me.com",
    "msn.com", "netzero.net", "optonline.net", "outlook.com", "pm.me", "proton.me", "protonmail.com", "q.com",
    "rocketmail.com", "rr.com", "sbcglobal.net", "spectrum.net", "tuta.com", "tuta.io", "tutanota.com", "verizon.net",
    "windstream.net", "xfinity.com", "yahoo.com", "yandex.com", "ymail.com", "zoho.com", "zohomail.com",
})  # fmt: skip
_SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "gob", "gov", "k12", "ne", "net", "or", "org"})
_GOOGLE = frozenset({"gmail.com", "googlemail.com"})


@dataclass(frozen=True, slots=True)
class NamedContact:
    """The person who shall answer, as the firm named them."""

    name: str
    email: str
    phone: str

    @property
    def key(self) -> str:
        """The address in the form in which addresses are compared."""
        return email_key(self.email)


class ContactRefused(Exception):
    """This person cannot answer the request; the subclass says why."""


class ContactIsAsker(ContactRefused):
    """The firm named one of its own people: the asker, or anybody who signs in for the firm."""


class ContactIsColleague(ContactRefused):
    """The address belongs to the organisation of one of the firm's people."""


class ContactIsClerk(ContactRefused):
    """The member of staff who would verify the contact is the contact."""


def require_other_mailbox(session: Session, address: str, account_id: str) -> None:
    """Raise ContactIsClerk where the address is this account's own mailbox."""
    if mailbox(address) == mailbox(session.get_one(Account, account_id).email_key):
        raise ContactIsClerk


def require_someone_else(session: Session, organization_id: str, address: str) -> None:
    """Raise ContactIsAsker or ContactIsColleague where the address is the firm's own, whoever of it signs in or did."""
    own = [account.email_key for account in _people(session, organization_id)]
    if mailbox(address) in {mailbox(mine) for mine in own}:
        raise ContactIsAsker
    domain = registered_domain(address)
    if domain not in _PUBLIC_HOSTS and domain in {registered_domain(mine) for mine in own}:
        raise ContactIsColleague


def needs_verification(
    session: Session, organization_id: str, group: ProviderGroup, contact: NamedContact, *, proven: bool
) -> bool:
    """Whether plan staff must look at the contact before anything is sent.

    A payment number proves that the client handed its papers over; without one only a contact on the plan's file is
    written to. In both cases a contact changed within a week waits, and so does one with the name of the firm's own.
    """
    on_file = find_on_file(session, group.id, contact.key)
    if on_file is not None and now() - on_file.changed_at < HOLD:
        return True
    if _plain(contact.name) in {_plain(account.full_name) for account in _people(session, organization_id)}:
        return True
    return on_file is None and not proven


def find_on_file(session: Session, group_id: str, key: str) -> ProviderContact | None:
    """The group's contact with this address on the plan's file; the latest changed where there are several."""
    statement = (
        select(ProviderContact)
        .where(
            ProviderContact.group_id == group_id, ProviderContact.email_key == key, ProviderContact.ended_at.is_(None)
        )
        .order_by(ProviderContact.changed_at.desc())
        .limit(1)
    )
    return session.scalar(statement)


def contacts_on_file(session: Session, group_id: str) -> list[ProviderContact]:
    """Everybody at the group whom the plan may ask, by name."""
    standing = (ProviderContact.group_id == group_id, ProviderContact.ended_at.is_(None))
    return list(session.scalars(select(ProviderContact).where(*standing).order_by(ProviderContact.name).limit(50)))


def works_for(session: Session, organization_id: str, account_id: str) -> bool:
    """Whether the account signs in for the organisation, or did."""
    statement = select(ProviderStaff.id).where(
        ProviderStaff.organization_id == organization_id, ProviderStaff.account_id == account_id
    )
    return session.scalar(statement) is not None


def registered_domain(address: str) -> str:
    """The part of an address's domain that somebody registered: two labels, three under `co.uk`, `ny.us` and so on."""
    labels = email_key(address).rpartition("@")[2].rstrip(".").split(".")
    if labels[-1] == "us":
        below = len(labels[-2:][0]) == 2
    else:
        below = len(labels[-1]) == 2 and labels[-2:][0] in _SECOND_LEVELS
    return ".".join(labels[-3:] if below else labels[-2:])


def mailbox(address: str) -> str:
    """One text for all the ways to write to one mailbox: what follows a plus does not count, nor Google's dots."""
    local, _, domain = email_key(address).rpartition("@")
    local = local.partition("+")[0]
    if domain in _GOOGLE:
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{domain}"


def _people(session: Session, organization_id: str) -> list[Account]:
    statement = (
        select(Account)
        .join(ProviderStaff, ProviderStaff.account_id == Account.id)
        .where(ProviderStaff.organization_id == organization_id)
        .limit(_MOST)
    )
    return list(session.scalars(statement))


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in decomposed if letter.isalnum())
