"""Registration for the portal: what is proven, which provider it is, who the person is (product.md PV 1 to 4, 7).

The steps live in one row of the browser until the account is opened (`registration_end`). What an office is told before
it has proven anything does not depend on whether somebody of it has registered (security.md 127).
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service import audit
from service.accounts import throttling
from service.accounts.models import Account
from service.clock import now
from service.plan.logins import reach
from service.plan.models import (
    IdKind,
    OrganizationKind,
    PortalRegistration,
    ProviderAddress,
    ProviderGroup,
    ProviderIdentifier,
    Remittance,
)
from service.plan.providers import numbers
from service.plan.registering import joining, mailed_pins, payment_proof, personal_names
from service.plan.registering.joining import AbsenceReason
from service.plan.registering.payment_proof import ShownPayment

LIFE = timedelta(minutes=30)
PER_NETWORK = 30
_HOUR = 3_600
_MOST_MATCHES = 50
_LONGEST_TYPED = 2_000


class Path(StrEnum):
    """How somebody registers: the three paths of a provider, and that of a billing organisation."""

    NPI = "npi"
    VENDOR_NUMBER = "vendor"
    MAIL = "mail"
    BILLING = "billing"


class NoMatch(Exception):
    """No provider is on file under this Tax ID."""


class UnknownChoice(Exception):
    """The provider chosen is not one of the matches."""


class ProvidersTaxId(Exception):
    """A billing organisation gave a provider's Tax ID in place of its own."""


class TooManyRegistrations(Exception):
    """Too many were begun from one network."""


@dataclass(frozen=True)
class Answers:
    """What the pages have gathered, checked; numbers are normalised, ids are ours."""

    path: Path
    tax_id: str
    npi: str = ""
    vendor_number: str = ""
    remittance_id: str = ""
    payee_id: str = ""
    group_id: str = ""
    organization_name: str = ""
    reason: str = ""
    reason_detail: str = ""
    given_name: str = ""
    family_name: str = ""
    phone: str = ""
    account_id: str = ""
    typed: dict[str, dict[str, str]] = field(default_factory=dict)
    """By page: what stood in its fields when the person went back; unchecked, and shown to them again only."""

    @property
    def numbers(self) -> list[tuple[IdKind, str]]:
        """The numbers by which the provider is matched."""
        given = (
            (IdKind.TAX_ID, self.tax_id), (IdKind.NPI, self.npi), (IdKind.VENDOR_NUMBER, self.vendor_number),
        )  # fmt: skip
        return [(kind, value) for kind, value in given if value]

    @property
    def organization_is_known(self) -> bool:
        """Whether the step about the organisation is done."""
        return bool(self.organization_name)


@dataclass(frozen=True)
class Match:
    """A provider that may be the registrant's: its address is a guide only and may be outdated."""

    group: ProviderGroup
    address: str
    npi_end: str


@dataclass(frozen=True)
class Contact:
    """The person who registers."""

    given_name: str
    family_name: str
    phone: str


def begin_with_payment(
    session: Session, shown: ShownPayment, *, browser_id: str, network: str, days: int
) -> PortalRegistration:
    """Begin with a check, EFT or notice; raises ProofRefused or TooManyTries."""
    assert shown.npi or shown.vendor_number, "a Tax ID alone may be shared"
    proof = payment_proof.verify(session, shown, network=network, days=days)
    answers = Answers(
        Path.NPI if proof.npi else Path.VENDOR_NUMBER, proof.tax_id, proof.npi, proof.vendor_number,
        proof.remittance.id, proof.group.id,
    )  # fmt: skip
    return _begin(session, OrganizationKind.PROVIDER, answers, browser_id)


def begin_with_mail(session: Session, tax_id: str, *, browser_id: str, network: str) -> PortalRegistration:
    """Begin without a payment, to get a PIN by post; raises NoMatch or TooManyRegistrations."""
    _count(session, network)
    if not reach.groups_with(session, [(IdKind.TAX_ID, tax_id)], limit=1):
        raise NoMatch
    return _begin(session, OrganizationKind.PROVIDER, Answers(Path.MAIL, tax_id), browser_id)


def begin_as_billing(
    session: Session, name: str, tax_id: str, *, browser_id: str, network: str
) -> PortalRegistration:  # fmt: skip
    """Begin as a billing organisation under its own Tax ID; raises ProvidersTaxId or TooManyRegistrations."""
    _count(session, network)
    if _is_providers(session, tax_id):
        raise ProvidersTaxId
    answers = Answers(Path.BILLING, tax_id, organization_name=name)
    return _begin(session, OrganizationKind.BILLING, answers, browser_id)


def find(session: Session, browser_id: str) -> PortalRegistration | None:
    """The registration under way in this browser."""
    mine = (PortalRegistration.browser_id == browser_id, PortalRegistration.expires_at > now())
    statement = select(PortalRegistration).where(*mine, PortalRegistration.spent_at.is_(None))
    return session.scalar(statement.order_by(PortalRegistration.created_at.desc()).limit(1))


def continue_as(session: Session, registration: PortalRegistration, account: Account | None) -> bool:
    """Whether this person may go on: a proof begun or continued by a signed-in account is nobody else's from then on.

    None is somebody who is not signed in.
    """
    owner = answers_of(registration).account_id
    if not owner and account is not None:
        _write(session, registration, account_id=account.id)
        return True
    return owner == (account.id if account else "")


def keep_typed(session: Session, registration: PortalRegistration, page: str, typed: dict[str, str]) -> None:
    """Keep what stands in the fields of a page that is left by *Back*."""
    kept = {name: text[:_LONGEST_TYPED] for name, text in typed.items()}
    _write(session, registration, typed=answers_of(registration).typed | {page: kept})


def payment_number(session: Session, answers: Answers) -> str:
    """The number of the payment that was shown, as on the plan's file; empty where it was none."""
    paid = session.get(Remittance, answers.remittance_id) if answers.remittance_id else None
    return paid.number if paid else ""


def end_open(session: Session, browser_id: str) -> None:
    """End what is under way in this browser, at sign-out: whoever sits there next has proven nothing."""
    session.execute(
        update(PortalRegistration)
        .where(
            PortalRegistration.browser_id == browser_id, PortalRegistration.spent_at.is_(None),
            PortalRegistration.expires_at > now(),
        )
        .values(expires_at=now())
    )  # fmt: skip


def find_finished(session: Session, browser_id: str) -> PortalRegistration | None:
    """The registration that was finished last in this browser, for its confirmation page."""
    mine = (PortalRegistration.browser_id == browser_id, PortalRegistration.expires_at > now())
    statement = select(PortalRegistration).where(*mine, PortalRegistration.spent_at.is_not(None))
    return session.scalar(statement.order_by(PortalRegistration.spent_at.desc()).limit(1))


def answers_of(registration: PortalRegistration) -> Answers:
    """What the registration holds so far."""
    given: dict[str, Any] = registration.answers
    return Answers(**given | {"path": Path(given["path"])})


def matches(session: Session, answers: Answers) -> list[Match]:
    """The providers that carry all the numbers given, by name; names play no part in it (security.md 128)."""
    groups = reach.groups_with(session, answers.numbers, limit=_MOST_MATCHES)
    return [Match(group, _guide(session, group), _npi_end(session, group)) for group in groups]


def choose(session: Session, registration: PortalRegistration, group_id: str) -> None:
    """Settle which provider it is. Raises UnknownChoice; by mail also NoAddress or LettersUsedUp."""
    answers = answers_of(registration)
    chosen = next((match.group for match in matches(session, answers) if match.group.id == group_id), None)
    if chosen is None:
        raise UnknownChoice
    if answers.path is Path.MAIL:
        mailed_pins.require_sendable(session, chosen.id)
    # Chosen anew after *Back*: a reason given is about the delegate of the same organisation still.
    same = answers.group_id == chosen.id
    _write(
        session, registration, group_id=chosen.id, organization_name=chosen.legal_name,
        reason=answers.reason if same else "", reason_detail=answers.reason_detail if same else "",
        typed=_without(answers.typed, "choose"),
    )  # fmt: skip


def asks_for_reason(session: Session, answers: Answers) -> bool:
    """Whether to ask why the delegate there cannot assist: only somebody with proof learns that there is one."""
    if answers.path not in {Path.NPI, Path.VENDOR_NUMBER} or answers.reason or not answers.group_id:
        return False
    tax_id = current_tax_id(session, answers.group_id) or answers.tax_id
    return not joining.is_open(session, joining.find_organization(session, OrganizationKind.PROVIDER, tax_id))


def give_reason(session: Session, registration: PortalRegistration, reason: AbsenceReason, detail: str) -> None:
    """Keep why the delegate cannot assist."""
    _write(
        session, registration, reason=reason.value, reason_detail=detail.strip()[:500],
        typed=_without(answers_of(registration).typed, "reason"),
    )  # fmt: skip


def give_contact(session: Session, registration: PortalRegistration, contact: Contact) -> None:
    """Keep who the person is; raises NotYourName."""
    answers = answers_of(registration)
    require_personal(session, answers, contact.given_name, contact.family_name)
    _write(session, registration, **asdict(contact), typed=_without(answers.typed, "contact"))


def require_personal(session: Session, answers: Answers, given_name: str, family_name: str) -> None:
    """Raise NotYourName where a facility or a doctor of it is named in place of the person."""
    billing = answers.path is Path.BILLING
    groups = [] if billing else [group.id for group in reach.groups_with(session, [(IdKind.TAX_ID, answers.tax_id)])]
    personal_names.require_personal(
        session, given_name, family_name, groups=groups, organizations=[answers.organization_name]
    )


def current_tax_id(session: Session, group_id: str) -> str | None:
    """The Tax ID a group has today: whoever proves an older one still joins the same organisation."""
    today = now().date()
    statement = (
        select(ProviderIdentifier.value)
        .where(
            ProviderIdentifier.group_id == group_id, ProviderIdentifier.kind == IdKind.TAX_ID,
            ProviderIdentifier.valid_from.is_(None) | (ProviderIdentifier.valid_from <= today),
            ProviderIdentifier.valid_until.is_(None) | (ProviderIdentifier.valid_until > today),
        )
        .order_by(ProviderIdentifier.valid_from.desc(), ProviderIdentifier.value)
        .limit(1)
    )  # fmt: skip
    return session.scalar(statement)


def _begin(
    session: Session, kind: OrganizationKind, answers: Answers, browser_id: str
) -> PortalRegistration:  # fmt: skip
    moment = now()
    before = find(session, browser_id)
    if before is not None:
        answers = replace(answers, typed=_typed_so_far(before))
    made = PortalRegistration(
        browser_id=browser_id, kind=kind, answers=asdict(answers), created_at=moment, expires_at=moment + LIFE
    )
    session.add(made)
    session.flush()
    audit.record(session, "plan:portal_registration:begin", detail={"registration": made.id, "path": answers.path})
    return made


def _typed_so_far(registration: PortalRegistration) -> dict[str, dict[str, str]]:
    """What the next registration of this browser shows again, after *Back*: nothing that belongs to an account."""
    answers = answers_of(registration)
    if answers.account_id:
        return {}
    person = {"given_name": answers.given_name, "family_name": answers.family_name, "phone": answers.phone}
    held = {name: text for name, text in {**person, "email": registration.email}.items() if text}
    return answers.typed | ({"contact": held | answers.typed.get("contact", {})} if held else {})


def _without(typed: dict[str, dict[str, str]], page: str) -> dict[str, dict[str, str]]:
    """What is kept of the other pages, once a page was sent on."""
    return {name: fields for name, fields in typed.items() if name != page}


def _count(session: Session, network: str) -> None:
    if not throttling.hit(session, f"portal_registration:network:{network}", PER_NETWORK, _HOUR):
        audit.record(session, "plan:portal_registration:begin", outcome=audit.Outcome.REFUSED)
        raise TooManyRegistrations


def _is_providers(session: Session, tax_id: str) -> bool:
    # Any number a provider has or had, begun or not: it is nobody else's.
    known = (ProviderIdentifier.kind == IdKind.TAX_ID, ProviderIdentifier.value == tax_id)
    if session.scalar(select(ProviderIdentifier.id).where(*known).limit(1)) is not None:
        return True
    return joining.find_organization(session, OrganizationKind.PROVIDER, tax_id) is not None


def _guide(session: Session, group: ProviderGroup) -> str:
    """The address that helps to tell this provider from another: where patients are seen now, else any on file."""
    every = list(session.scalars(select(ProviderAddress).where(ProviderAddress.group_id == group.id).limit(200)))
    ordered = sorted(every, key=lambda one: (not one.current, one.use != "practice", one.line))
    return ordered[0].one_line if ordered else ""


def _npi_end(session: Session, group: ProviderGroup) -> str:
    own = (ProviderIdentifier.group_id == group.id, ProviderIdentifier.kind == IdKind.NPI)
    found = session.scalar(
        select(ProviderIdentifier.value).where(*own).order_by(ProviderIdentifier.value).limit(1)
    )  # fmt: skip
    return numbers.last_four(found) if found else ""


def _write(session: Session, registration: PortalRegistration, **changed: Any) -> None:
    registration.answers = asdict(replace(answers_of(registration), **changed))
    session.flush()
