"""Is it the right password? One answer for unknown, wrong, locked and disabled, and limits on how often one may ask.

Counters (security.md cases 98, 99): per account, per address, for the whole service, and one for each known device,
which the others cannot exhaust. They hang on the account's id, so every spelling of its name shares one.
"""

from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from service import audit
from service.accounts import devices, notifications, passwords, throttling, usernames
from service.accounts.models import Account, AccountStatus
from service.accounts.passwords import HashingBusy
from service.accounts.session_rows import Owner
from service.accounts.statements import KEEP_HASH, KNOWN_HERE
from service.db import write_together
from service.web import end_transaction, reading_session

PER_ACCOUNT, PER_ADDRESS, PER_DEVICE, EVERYBODY = 10, 10, 10, 1_000
WINDOW = 300
CONSECUTIVE = 100
# Made once: making it costs more than asking it.
_BY_NAME = select(Account).where(Account.username_key == bindparam("key"))
_YEAR = 366 * 86_400
_DAY = 86_400
_EVERYBODY_KEY = "sign-in:all"
log = structlog.get_logger("service.accounts.authentication")


class WrongPassword(Exception):
    """Unknown, wrong, locked or disabled: nobody is told which."""

    status = 401


class TooManyTries(WrongPassword):
    """The limit was reached; the sentence is the same, whoever's account it is, if anyone's."""

    status = 429


@dataclass(frozen=True)
class _Limits:
    """The counters one attempt is measured by."""

    keys: tuple[tuple[str, int], ...]
    own: str
    consecutive: str | None

    def refuse(self, session: Session) -> bool:
        """Count the attempt everywhere; whether any limit was passed."""
        within = [throttling.hit(session, key, limit, WINDOW) for key, limit in self.keys]
        return not all(within)

    def forgive(self, session: Session) -> None:
        """The password was right: the own counter ends, the shared ones get their attempt back."""
        throttling.forget(session, self.own)
        for key, _ in self.keys:
            if key != self.own:
                throttling.give_back(session, key)
        if self.consecutive is not None:
            throttling.forget(session, self.consecutive)


@dataclass(frozen=True, slots=True)
class Recognised:
    """Who gave the right password on a browser that the account knows; their try is still counted."""

    owner: Owner
    device_id: str
    counter: str


def recognise(username: str, password: str) -> Recognised | None:
    """Whose user name and password these are, if the account knows this browser and asks no code of it.

    What most sign-ins are, by hand: the rest is `authenticate`'s, which is as good for these. Raises what it raises.
    """
    device = devices.given()
    if device is None or not _may_exist(username):
        return None
    with passwords.place_kept():
        session = reading_session()
        known = KNOWN_HERE.run(session, usernames.key(username), device).fetchall()
        if not known:
            # `authenticate` holds no connection while it hashes: not this one either.
            end_transaction()
            return None
        ((account_id, stored, version, device_id),) = known
        counter = _device_counter(account_id)
        if not throttling.hit(session, counter, PER_DEVICE, WINDOW):
            _tell_of_refusal(session, session.get_one(Account, account_id))
            raise TooManyTries
        # The count is committed, and the connection is lent to others meanwhile.
        end_transaction()
        fits = passwords.verify_hash(stored, password)
    session = reading_session()
    if not fits:
        _record(session, audit.Outcome.FAILED, account_id)
        raise WrongPassword
    _keep_hash_current(session, account_id, stored, password)
    return Recognised(Owner(account_id, version), device_id, counter)


def authenticate(session: Session, username: str, password: str, *, address: str | None) -> Account:
    """The account whose user name and password these are; raises WrongPassword or TooManyTries.

    Commits its counters before it hashes: they stand whatever follows, a burst cannot pass them, and the database is
    not held for the 35 ms of argon2. It must therefore be called before the request has changed anything else.
    """
    with passwords.place_kept():
        account = find_by_username(session, username)
        known = account is not None and devices.find(session, account) is not None
        limits = _limits_of(account, username, address, known=known)
        refused = limits.refuse(session)
        locked = _is_locked(session, limits)
        session.commit()
        if refused:
            _tell_of_refusal(session, account)
            raise TooManyTries
        fits = passwords.verify_hash(account.password_hash if account else None, password)
    if account is None or not fits or locked or account.status is not AccountStatus.ACTIVE:
        _record(session, audit.Outcome.FAILED, account.id if account else None)
        raise WrongPassword
    limits.forgive(session)
    _keep_hash_current(session, account.id, account.password_hash, password)
    return account


def find_by_username(session: Session, username: str) -> Account | None:
    """The account of that user name, in whatever case or normal form it was typed."""
    if not _may_exist(username):
        return None
    return session.scalar(_BY_NAME, {"key": usernames.key(username)})


def _may_exist(username: str) -> bool:
    return len(username) <= 4 * usernames.LONGEST and "\0" not in username


def is_locked(session: Session, account: Account) -> bool:
    """Whether a browser that the account does not know would be refused now, whatever it types."""
    limits = {f"sign-in:account:{account.id}": PER_ACCOUNT, f"sign-in:consecutive:{account.id}": CONSECUTIVE}
    return any(throttling.held(session, key) >= limit for key, limit in limits.items())


def forgive_account(session: Session, account: Account) -> None:
    """A new password was set: the account's counters end with the old one."""
    throttling.forget(session, f"sign-in:account:{account.id}")
    throttling.forget(session, f"sign-in:consecutive:{account.id}")


def _limits_of(account: Account | None, username: str, address: str | None, *, known: bool) -> _Limits:
    name = account.id if account else throttling.hidden("username", usernames.key(username[:256]))
    if known:
        device = _device_counter(name)
        return _Limits(((device, PER_DEVICE),), device, None)
    own = f"sign-in:account:{name}"
    network = f"sign-in:network:{throttling.network_of(address)}"
    keys = ((own, PER_ACCOUNT), (network, PER_ADDRESS), (_EVERYBODY_KEY, EVERYBODY))
    return _Limits(keys, own, f"sign-in:consecutive:{name}")


def _is_locked(session: Session, limits: _Limits) -> bool:
    """Whether strangers have failed a hundred times on end (63B §3.2.2): known devices and a reset still work."""
    return limits.consecutive is not None and not throttling.hit(session, limits.consecutive, CONSECUTIVE, _YEAR)


def _tell_of_refusal(session: Session, account: Account | None) -> None:
    """An audit row each time, a line for the operator's alarm, and at most one mail a day to the owner."""
    _begin(session)
    log.warning("sign_in_limit_reached", known_account=account is not None)
    _record(session, audit.Outcome.REFUSED, account.id if account else None)
    if account is not None and throttling.hit(session, f"sign-in:told:{account.id}", 1, _DAY):
        notifications.many_wrong_tries(session, account)


def _device_counter(account_id: str) -> str:
    return f"sign-in:device:{account_id}"


def _begin(session: Session) -> None:
    """What follows is one transaction, on a session too that only reads."""
    if not session.in_transaction():
        session.begin()


def _record(session: Session, outcome: audit.Outcome, account_id: str | None) -> None:
    audit.record(session, "accounts:account:authenticate", outcome=outcome, account_id=account_id)


def _keep_hash_current(session: Session, account_id: str, stored: str, password: str) -> None:
    """Make a hash of older parameters anew, unless the password was changed meanwhile."""
    if passwords.is_outdated(stored):
        # Where too many wait, the next sign-in does it.
        with suppress(HashingBusy):
            made = passwords.make_hash(password)
            write_together(session, ((KEEP_HASH, (made, account_id, stored)),))
