"""What the hand-out says of the portal: its sign-ins with what they reach, and numbers that prove who registers."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.billing_models import BillingAuthorization
from oauth.apps import developers
from service.accounts.authentication import find_by_username
from service.accounts.models import Account
from service.plan.logins import portal_staff, reach
from service.plan.members import roster
from service.plan.models import AccessEntry, Colleague, OrganizationKind, PlanStaff, ProviderStaff
from service.plan.providers.numbers import shown_tax_id
from service.plan.staff import plan_staff, record_guards
from service.sandbox import codes, fresh_payments
from service.sandbox.handout import HandOut
from service.sandbox.portal_offices import REGISTERED
from service.sandbox.portal_people import PORTAL_PEOPLE, PortalPerson
from service.sandbox.provider_groups import CONTACTS, Payee, payees
from service.sandbox.sign_ins import PASSWORD
from service.settings import Settings


def accounts(session: Session, settings: Settings) -> list[HandOut]:
    """Everybody of the portal and the console who has an account."""
    found = ((person, find_by_username(session, person.username)) for person in PORTAL_PEOPLE)
    return [_account(session, person, account, settings) for person, account in found if account is not None]


def protected_records(session: Session) -> list[HandOut]:
    """The members whose page opens for member services with a second reason only."""
    return [
        {"name": marked.member.full_name, "member_number": marked.member.member_number, "reason": marked.reason}
        for marked in record_guards.list_protected(session)
    ]


def proofs(session: Session) -> list[HandOut]:
    """Numbers of every group; `registered` says whether somebody has begun there, so that one is not the first."""
    return [
        {**fresh_payments.proof(session, payee), "registered": payee.name in REGISTERED, **_contact(payee)}
        for payee in payees()
    ]


def _contact(payee: Payee) -> HandOut:
    name, email = CONTACTS.get(payee.name, ("", ""))
    return {"contact_name": name, "contact_email": email} if email else {}


def _account(session: Session, person: PortalPerson, account: Account, settings: Settings) -> HandOut:
    return {
        "kind": person.kind.value,
        "username": account.username,
        "password": PASSWORD,
        **({"totp_secret": codes.secret_of(settings, person.username)} if person.has_factor else {}),
        "email": account.email,
        "name": account.full_name,
        "good_for": person.good_for,
        "members": [],
        **_place(session, account, settings),
    }


def _place(session: Session, account: Account, settings: Settings) -> HandOut:
    staff = portal_staff.find_staff(session, account)
    if staff is not None:
        return {
            "organization": staff.organization.name,
            "tax_id": shown_tax_id(staff.organization.tax_id),
            "status": staff.status.value,
            "functions": staff.functions,
            "entries": _entries(session, staff),
        }
    if (developer := developers.find(session, account.id)) is not None:
        return {"organization": developer.organization.name, "entries": []}
    clerk = plan_staff.find(session, account)
    return {
        "organization": settings.plan.name, "roles": clerk.roles if clerk else [], "entries": [],
        **_own_record(session, clerk),
    }  # fmt: skip


def _own_record(session: Session, clerk: PlanStaff | None) -> HandOut:
    """Which member a person of the plan is: a colleague's record, for whoever else looks."""
    held = session.get(Colleague, clerk.id) if clerk else None
    return {"own_member_number": roster.get(session, held.member_id).member_number} if held else {}


def _entries(session: Session, staff: ProviderStaff) -> list[HandOut]:
    if staff.organization.kind is OrganizationKind.BILLING:
        return [_client(one) for one in _clients(session, staff.organization_id)]
    return [_entry(session, entry) for entry in reach.entries_of(session, staff.id)]


def _entry(session: Session, entry: AccessEntry) -> HandOut:
    given = reach.numbers_of(entry)
    return {
        **{kind.value: value for kind, value in given},
        "groups": [group.name for group in reach.groups_with(session, given)],
    }


def _clients(session: Session, organization_id: str) -> list[BillingAuthorization]:
    standing = (BillingAuthorization.organization_id == organization_id, BillingAuthorization.ended_at.is_(None))
    statement = select(BillingAuthorization).where(*standing).order_by(BillingAuthorization.given_at).limit(200)
    return list(session.scalars(statement))


def _client(given: BillingAuthorization) -> HandOut:
    days = {"covers_from": given.covers_from, "covers_until": given.covers_until}
    return {
        "groups": [given.group.name],
        "functions": given.functions,
        **{name: day.isoformat() for name, day in days.items() if day is not None},
    }
