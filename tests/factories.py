"""Rows for tests, each complete by itself; give only what the test is about."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from consent.models import PersonalRepresentative
from oauth.apps import developers, own_apps, registration
from oauth.apps.clients import ClientView
from oauth.apps.models import Developer
from oauth.apps.registration import Registration
from service.accounts import second_factors
from service.accounts.models import Account
from service.accounts.passwords import make_hash
from service.clock import now
from service.plan.models import (
    AccessEntry,
    EntrySource,
    IdKind,
    Member,
    OrganizationKind,
    PaymentMethod,
    PlanStaff,
    PortalFunction,
    PortalOrganization,
    ProviderContact,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
    Remittance,
    RemittanceFile,
    StaffRole,
)
from service.plan.providers import numbers
from service.plan.registering import terms
from service.plan.staff import plan_staff
from service.plan_file import Plan
from service.settings import Settings

_numbers = count(1)
PASSWORD = "Harbor-lights-42!"


def make_member(session: Session, **given: Any) -> Member:
    """A member on the roster."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "patient_id": f"patient-{number}", "member_number": f"MEM{number:08}", "subscriber_number": f"MEM{number:08}",
        "given_name": "Maria", "family_name": f"Alvarez{number}", "birth_date": date(1956, 4, 30), "zip_code": "19104",
        "line_of_business": "Medicare", "loaded_at": now(),
    }  # fmt: skip
    made = Member(**values | given)
    session.add(made)
    session.flush()
    return made


def make_account(session: Session, *, member: Member | None = None, password: str = PASSWORD, **given: Any) -> Account:
    """An account with a verified e-mail address, joined to `member` if given."""
    number = next(_numbers)
    username = given.pop("username", f"person{number}")
    email = given.pop("email", f"{username}@example.org")
    values: dict[str, Any] = {
        "username": username, "username_key": username.casefold(), "email": email, "email_key": email.casefold(),
        "email_verified_at": datetime(2026, 1, 1, tzinfo=UTC),
        "given_name": member.given_name if member else "Dana", "family_name": member.family_name if member else "Reyes",
        "password_hash": _hash_once(password), "member_id": member.id if member else None,
    }  # fmt: skip
    made = Account(**values | given)
    session.add(made)
    session.flush()
    return made


@cache
def _hash_once(password: str) -> str:
    # A real hash, but not a fresh one for each of some thousand accounts.
    return make_hash(password)


def make_client(session: Session, settings: Settings, **given: Any) -> str:
    """An approved public app; returns its id."""
    values: dict[str, Any] = {
        "name": f"Health Diary {next(_numbers)}", "redirect_uris": ["https://app.example.org/callback"],
        "developer_name": "Example Apps Inc.",
    }  # fmt: skip
    view, _secret = registration.register(session, Registration(**values | given), settings=settings)
    return view.id


def make_developer(session: Session, account: Account | None = None, **given: Any) -> Developer:
    """A person of a developer organisation of their own."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "name": f"Lantern Apps {number} Inc.", "website": f"https://lantern{number}.example", "domain": None,
        "terms_version": "1",
    }  # fmt: skip
    return developers.found(session, account or make_account(session), **values | given)


def make_app(session: Session, developer: Developer, settings: Settings, **given: Any) -> tuple[ClientView, str | None]:
    """An app of a developer that a review could take: a draft, with everything said."""
    values: dict[str, Any] = {
        "name": f"Claim Lantern {next(_numbers)}", "redirect_uris": ["https://app.example.org/callback"],
        "developer_name": "", "description": "Shows what was paid for, in plain words.", "platforms": ["web"],
        "website": "https://lantern.example", "policy_uri": "https://lantern.example/privacy",
        "terms_uri": "https://lantern.example/terms", "contact": "help@lantern.example",
    } | given  # fmt: skip
    scopes = values.get("scopes", registration.DEFAULT_SCOPES)
    values.setdefault("scope_reasons", dict.fromkeys(scopes.split(), "The app shows it to its member."))
    return own_apps.register(session, developer, Registration(**values), settings=settings)


def make_representative(session: Session, account: Account | None = None, **given: Any) -> PersonalRepresentative:
    """A representative, joined to `account` if given."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "number": f"PR{number:06}", "given_name": "Dana", "family_name": "Reyes",
        "birth_date": date(1980, 2, 29), "account_id": account.id if account else None,
    }  # fmt: skip
    made = PersonalRepresentative(**values | given)
    session.add(made)
    session.flush()
    return made


def make_group(session: Session, **given: Any) -> ProviderGroup:
    """A provider group with a Tax ID, a type 2 NPI and a vendor number of its own, or those given (None: without)."""
    number = next(_numbers)
    numbers = {
        IdKind.TAX_ID: given.pop("tax_id", f"07{number:07}"), IdKind.NPI: given.pop("npi", make_npi(number)),
        IdKind.VENDOR_NUMBER: given.pop("vendor_number", f"V{number:06}"),
        IdKind.OFFICE_ID: given.pop("office_id", None),
    }  # fmt: skip
    values: dict[str, Any] = {
        "number": f"PG{number:05}", "legal_name": f"Alder Creek Medical {number} PC",
        "organization_id": f"org-{number}",
    }  # fmt: skip
    made = ProviderGroup(**values | given)
    session.add(made)
    session.flush()
    session.add_all(
        ProviderIdentifier(group_id=made.id, kind=kind, value=value, npi_type=2 if kind is IdKind.NPI else None)
        for kind, value in numbers.items()
        if value
    )
    session.flush()
    return made


def make_npi(number: int) -> str:
    """A ten-digit NPI with the right check digit (Luhn over 80840), from a range that is not issued."""
    body = f"29{number:07}"
    doubled = [int(digit) * (1 if place % 2 else 2) for place, digit in enumerate(reversed("80840" + body))]
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return f"{body}{-total % 10}"


def make_organization(session: Session, **given: Any) -> PortalOrganization:
    """An organisation of the provider portal; a provider unless `kind` says billing."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "kind": OrganizationKind.PROVIDER, "name": f"Alder Creek Medical {number} PC", "tax_id": f"07{number:07}",
    }  # fmt: skip
    made = PortalOrganization(**values | given)
    session.add(made)
    session.flush()
    return made


def make_portal_staff(
    session: Session, organization: PortalOrganization | None = None, *, account: Account | None = None, **given: Any
) -> ProviderStaff:
    """A login of the provider portal with every application, terms accepted unless `accepted` is False.

    No delegate and without entries unless given.
    """
    account = account or make_account(session)
    organization = organization or make_organization(session)
    values: dict[str, Any] = {"functions": [function.value for function in PortalFunction]}
    accepted = given.pop("accepted", True)
    made = ProviderStaff(account=account, organization=organization, **values | given)
    session.add(made)
    session.flush()
    if accepted:
        accept_terms(session, made)
    return made


def accept_terms(session: Session, staff: ProviderStaff) -> None:
    """Accept the sandbox plan's terms for a login, so that its first page is the one asked for."""
    for text in _sandbox_plan().terms:
        terms.accept(session, staff.account_id, text)


@cache
def _sandbox_plan() -> Plan:
    return Plan.read(None)


def make_entry(session: Session, staff: ProviderStaff, **numbers: str) -> AccessEntry:
    """What a login reaches: the groups with all of these numbers (tax_id, npi, vendor_number, office_id)."""
    made = AccessEntry(staff_id=staff.id, source=EntrySource.PROOF, **numbers)
    session.add(made)
    session.flush()
    return made


def make_plan_staff(session: Session, *roles: StaffRole, account: Account | None = None) -> PlanStaff:
    """A person of the plan with these roles."""
    return plan_staff.appoint(session, account or make_account(session), roles, by_account_id=None)


def make_totp(session: Session, settings: Settings, account: Account) -> str:
    """A confirmed authenticator app for the account; returns its secret."""
    secret = second_factors.new_secret()
    second_factors.install(session, settings.secret_key, account, secret)
    return secret


def make_payment(session: Session, group: ProviderGroup, number: str | None = None, **given: Any) -> Remittance:
    """A payment of yesterday to a group, by check unless given."""
    serial = next(_numbers)
    file = RemittanceFile(name=f"{serial}.835", content_hash=f"{serial:064}", control_number="1", sender="99901")
    session.add(file)
    session.flush()
    number = number or f"7{serial:07}"
    values: dict[str, Any] = {
        "content_hash": f"{serial:064}", "method": PaymentMethod.CHECK, "amount_cents": 12_345,
        "paid_on": now().date() - timedelta(days=1), "document": b"ISA*",
    }  # fmt: skip
    made = Remittance(
        file_id=file.id, group_id=group.id, number=number, number_key=numbers.payment_number(number), **values | given
    )
    session.add(made)
    session.flush()
    return made


def make_contact(session: Session, group: ProviderGroup, email: str, **given: Any) -> ProviderContact:
    """A person at the group's office on the plan's file, unchanged for a month."""
    values: dict[str, Any] = {"name": "Pat Moss", "changed_at": now() - timedelta(days=30)}
    made = ProviderContact(group_id=group.id, email=email, email_key=email.casefold(), **values | given)
    session.add(made)
    session.flush()
    return made
