"""The logins of an organisation as its delegates see and maintain them: found, given functions and entries, confirmed.

A delegate gives at most what they have; taking away and ending is theirs without limit, but never for themselves.
"""

import unicodedata
from collections.abc import Collection

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.accounts.usernames import email_key
from service.clock import now
from service.plan.logins import delegates, reach
from service.plan.logins.delegates import UnknownLogin
from service.plan.models import AccessEntry, EntrySource, PortalFunction, ProviderStaff, StaffStatus

_MOST = 2_000
log = structlog.get_logger("service.plan.logins.portal_accounts")


class BeyondOwn(Exception):
    """Somebody tried to give a function or an entry that they do not have."""


class LoginElsewhere(Exception):
    """The person has another login of the portal that works; one person has one."""


def logins_of(session: Session, organization_id: str, query: str = "") -> list[ProviderStaff]:
    """The organisation's logins, those that work first, by name; with `query` those whose name or e-mail hold it."""
    statement = select(ProviderStaff).where(ProviderStaff.organization_id == organization_id).limit(_MOST)
    words = _plain(query).split()
    found = [staff for staff in session.scalars(statement) if all(word in _searched(staff) for word in words)]
    return sorted(found, key=lambda staff: (staff.status is StaffStatus.DEACTIVATED, _plain(_by_family(staff))))


def get_login(session: Session, actor: ProviderStaff, staff_id: str) -> ProviderStaff:
    """One login of the actor's organisation; raises UnknownLogin for every other."""
    found = session.get(ProviderStaff, staff_id)
    if found is None or found.organization_id != actor.organization_id:
        raise UnknownLogin
    return found


def find_person(session: Session, organization_id: str, *, email: str, full_name: str) -> list[ProviderStaff]:
    """Logins of the organisation, deactivated ones too, with this address or this name: perhaps the same person."""
    address, name = email_key(email), " ".join(_plain(full_name).split())
    return [
        staff
        for staff in logins_of(session, organization_id)
        if staff.account.email_key == address or " ".join(_plain(staff.account.full_name).split()) == name
    ]


def require_own(
    session: Session, actor: ProviderStaff, functions: Collection[str], entry_ids: Collection[str]
) -> list[AccessEntry]:
    """The actor's standing entries of these ids; raises BeyondOwn where an id or a function is not the actor's."""
    own = {entry.id: entry for entry in reach.entries_of(session, actor.id)}
    if not set(functions) <= set(actor.functions) or not set(entry_ids) <= own.keys():
        # Forms offer only what the delegate has: such a form was made by hand (security.md 137).
        log.warning("rights_beyond_own", login=actor.id)
        raise BeyondOwn
    return [own[entry_id] for entry_id in entry_ids]


def change_rights(
    session: Session,
    actor: ProviderStaff,
    staff: ProviderStaff,
    *,
    functions: Collection[PortalFunction],
    kept_entry_ids: Collection[str],
    given_entry_ids: Collection[str],
) -> None:
    """Set a colleague's functions and entries: `kept` of theirs stay, the others end, `given` are the actor's own.

    Raises BeyondOwn and what `delegates.require_authority` raises.
    """
    delegates.require_authority(session, actor, staff)
    if staff.status is StaffStatus.DEACTIVATED:
        raise UnknownLogin
    _set_rights(session, actor, staff, functions, kept_entry_ids, given_entry_ids)
    delegates.record(
        session, "change_rights", staff, by_account_id=actor.account_id, detail={"functions": staff.functions}
    )


def reactivate(
    session: Session,
    actor: ProviderStaff,
    staff: ProviderStaff,
    *,
    functions: Collection[PortalFunction],
    given_entry_ids: Collection[str],
) -> None:
    """Let a colleague who was deactivated work again, with functions and entries chosen anew.

    Raises LoginElsewhere, BeyondOwn and what `delegates.require_authority` raises.
    """
    delegates.require_authority(session, actor, staff)
    if staff.status is not StaffStatus.DEACTIVATED:
        raise UnknownLogin
    try:
        with session.begin_nested():
            staff.status = StaffStatus.ACTIVE
    except IntegrityError:
        raise LoginElsewhere from None
    staff.deactivated_at = staff.deactivated_by_account_id = None
    staff.functions = []
    _set_rights(session, actor, staff, functions, (), given_entry_ids)
    delegates.record(session, "reactivate", staff, by_account_id=actor.account_id)


def certify(session: Session, actor: ProviderStaff, staff: ProviderStaff) -> None:
    """Say that a colleague still needs the login; raises what `delegates.require_authority` raises."""
    delegates.require_authority(session, actor, staff)
    if staff.status is StaffStatus.DEACTIVATED:
        raise UnknownLogin
    _mark_certified(staff)
    delegates.record(session, "certify", staff, by_account_id=actor.account_id)


def copy_entry(entry: AccessEntry, staff: ProviderStaff, *, by_account_id: str) -> AccessEntry:
    """The same numbers for another login, by a delegate's word."""
    return AccessEntry(
        staff_id=staff.id, tax_id=entry.tax_id, npi=entry.npi, vendor_number=entry.vendor_number,
        office_id=entry.office_id, source=EntrySource.DELEGATE, created_by_account_id=by_account_id,
    )  # fmt: skip


def numbers(entry: AccessEntry) -> tuple[str | None, ...]:
    """What makes two entries the same."""
    return entry.tax_id, entry.npi, entry.vendor_number, entry.office_id


def _set_rights(
    session: Session,
    actor: ProviderStaff,
    staff: ProviderStaff,
    functions: Collection[PortalFunction],
    kept_entry_ids: Collection[str],
    given_entry_ids: Collection[str],
) -> None:
    wanted = sorted({function.value for function in functions})
    given = require_own(session, actor, set(wanted) - set(staff.functions), given_entry_ids)
    staff.functions = wanted
    _mark_certified(staff)
    standing = reach.entries_of(session, staff.id)
    for entry in standing:
        if entry.id not in kept_entry_ids:
            entry.ended_at, entry.ended_by_account_id = now(), actor.account_id
    held = {numbers(entry) for entry in standing if entry.ended_at is None}
    session.add_all(
        copy_entry(entry, staff, by_account_id=actor.account_id) for entry in given if numbers(entry) not in held
    )
    session.flush()


def _mark_certified(staff: ProviderStaff) -> None:
    # Who looks at a login and sets its rights has said that it is needed.
    staff.certified_at, staff.lapsed_at = now(), None


def _searched(staff: ProviderStaff) -> str:
    account = staff.account
    return _plain(f"{account.given_name} {account.family_name} {account.email} {account.username}")


def _by_family(staff: ProviderStaff) -> str:
    return f"{staff.account.family_name} {staff.account.given_name}"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
