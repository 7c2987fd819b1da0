"""The end of a registration for the portal: the account, its login, the evidence, and what it reaches."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import enrolling
from service.accounts.enrolling import Credentials
from service.accounts.models import Account, EmailProof
from service.accounts.opening import NewPerson
from service.accounts.passwords import Rule
from service.clock import now
from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    EntrySource,
    IdKind,
    OrganizationKind,
    PortalOrganization,
    PortalRegistration,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
    RegistrationProof,
)
from service.plan.registering import joining, mailed_pins
from service.plan.registering.joining import AbsenceReason
from service.plan.registering.registration import Answers, Path, answers_of, current_tax_id, require_personal
from service.single_use import spend

_MOST_NUMBERS = 50


class RegistrationOver(Exception):
    """The registration has run out, was finished, or another request was faster."""


class OrganizationRegistered(Exception):
    """The billing organisation registered before: its delegate opens accounts, nobody joins it unasked."""


class NotToldApart(Exception):
    """No number of the group's names it alone: plan staff open the access, lest the PIN opened others too."""


def finish(
    session: Session,
    registration: PortalRegistration,
    proof: EmailProof,
    *,
    username: str,
    password: str,
    rule: Rule,
    key: bytes,
) -> ProviderStaff:
    """Open the account and its login.

    Raises UnusableUsername, WeakPassword, ProofOver, RegistrationOver, OrganizationRegistered, NoAddress or
    LettersUsedUp; whoever catches the last five rolls back. Ends the running transaction before it hashes.
    """
    answers, address = answers_of(registration), registration.email
    _require_open(session, registration.kind, answers)
    own_rule = rule.also(*own_names(registration, username))
    made = enrolling.hash_password(session, Credentials(username, password, own_rule))
    person = NewPerson(answers.given_name, answers.family_name, address)
    # A taken user name is told without a rollback, and leaves no organisation behind.
    with session.begin_nested():
        # Before the address: an invitation takes both in this order, and each would wait for the other.
        organization = _lock_organization(session, answers)
        account = enrolling.open_account(session, person, proof, username=username, password_hash=made)
    return _join(session, registration, account, organization, answers.phone, key)


def finish_with_account(
    session: Session, registration: PortalRegistration, account: Account, *, phone: str, key: bytes
) -> ProviderStaff:
    """Give a person who has an account their login in the portal.

    Raises NotYourName, HasLogin, RegistrationOver, OrganizationRegistered, NoAddress or LettersUsedUp; whoever catches
    one rolls back. That the password was given just now was asked before.
    """
    answers = answers_of(registration)
    require_personal(session, answers, account.given_name, account.family_name)
    _require_open(session, registration.kind, answers)
    return _join(session, registration, account, _lock_organization(session, answers), phone, key)


def enter_pin(session: Session, staff: ProviderStaff, given: str, *, key: bytes) -> None:
    """Open what the mailed PIN stands for. The first of the organisation becomes its delegate.

    Raises PinRefused, and NotToldApart for a right PIN of a group whose numbers reach others too; whoever catches the
    latter rolls back, and the PIN stays good.
    """
    joining.lock_with_organization(session, staff)
    pin = mailed_pins.verify(session, staff, given, key=key)
    group, organization = session.get_one(ProviderGroup, pin.group_id), staff.organization
    joining.activate(session, staff)
    proof = _keep_proof(session, staff, group.id, remittance_id=None, by_vendor_number=False)
    _add_entry(session, staff, _numbers_of(session, group, organization.tax_id), EntrySource.MAILED_PIN, proof)


def own_names(registration: PortalRegistration, username: str) -> list[str]:
    """The names that this person's password must not hold."""
    answers = answers_of(registration)
    return [
        username, registration.email.partition("@")[0], answers.given_name, answers.family_name,
        answers.organization_name,
    ]  # fmt: skip


def _require_open(session: Session, kind: OrganizationKind, answers: Answers) -> None:
    # A firm's Tax ID is no secret, and its clients have said yes to the firm: a second person needs its delegate.
    if kind is not OrganizationKind.BILLING:
        return
    if not joining.is_open(session, joining.find_organization(session, kind, answers.tax_id)):
        raise OrganizationRegistered


def _lock_organization(session: Session, answers: Answers) -> PortalOrganization:
    if answers.path is Path.BILLING:
        return joining.lock_organization(
            session, OrganizationKind.BILLING, answers.tax_id, answers.organization_name
        )  # fmt: skip
    group = session.get_one(ProviderGroup, answers.group_id)
    tax_id = current_tax_id(session, group.id) or answers.tax_id
    return joining.lock_organization(session, OrganizationKind.PROVIDER, tax_id, group.legal_name)


def _join(
    session: Session, registration: PortalRegistration, account: Account, organization: PortalOrganization, phone: str,
    key: bytes,
) -> ProviderStaff:  # fmt: skip
    alive = PortalRegistration.expires_at > now()
    if not spend(session, PortalRegistration, PortalRegistration.id == registration.id, alive):
        raise RegistrationOver
    answers = answers_of(registration)
    if answers.path is Path.BILLING:
        if not joining.is_open(session, organization):
            raise OrganizationRegistered
        staff = joining.enlist(session, account, organization, phone=phone)
    else:
        staff = _join_as_provider(session, account, organization, answers, phone, key)
    _welcome(session, staff)
    audit.record(
        session, "plan:portal_registration:finish", account_id=account.id,
        detail={"path": answers.path, "organization": staff.organization_id, "group": answers.group_id or None},
    )  # fmt: skip
    return staff


def _join_as_provider(
    session: Session, account: Account, organization: PortalOrganization, answers: Answers, phone: str, key: bytes
) -> ProviderStaff:  # fmt: skip
    if answers.path is Path.MAIL:
        staff = joining.enlist(session, account, organization, phone=phone, awaiting_pin=True)
        mailed_pins.send(session, staff, answers.group_id, key=key)
        return staff
    staff = joining.enlist(session, account, organization, phone=phone)
    mailed_pins.void_all(session, staff)
    by_vendor_number = answers.path is Path.VENDOR_NUMBER
    proof = _keep_proof(
        session, staff, answers.payee_id, remittance_id=answers.remittance_id, by_vendor_number=by_vendor_number
    )
    _add_entry(session, staff, dict(answers.numbers), EntrySource.PROOF, proof)
    if answers.reason and not staff.is_delegate:
        joining.ask_to_be_delegate(session, staff, AbsenceReason(answers.reason), answers.reason_detail)
    return staff


def _keep_proof(
    session: Session, staff: ProviderStaff, group_id: str, *, remittance_id: str | None, by_vendor_number: bool
) -> RegistrationProof:
    proof = RegistrationProof(
        group_id=group_id, remittance_id=remittance_id, by_vendor_number=by_vendor_number, account_id=staff.account_id
    )
    session.add(proof)
    session.flush()
    return proof


def _add_entry(
    session: Session, staff: ProviderStaff, numbers: dict[IdKind, str], source: EntrySource, proof: RegistrationProof
) -> None:
    session.add(
        AccessEntry(
            staff_id=staff.id, tax_id=numbers.get(IdKind.TAX_ID), npi=numbers.get(IdKind.NPI),
            vendor_number=numbers.get(IdKind.VENDOR_NUMBER), office_id=numbers.get(IdKind.OFFICE_ID), source=source,
            proof_id=proof.id, created_by_account_id=staff.account_id,
        )
    )  # fmt: skip
    session.flush()


def _numbers_of(session: Session, group: ProviderGroup, tax_id: str) -> dict[IdKind, str]:
    """The Tax ID and as many numbers of the group as it takes to name it alone: the letter went to no other.

    One number beside the Tax ID is always taken where there is one: a group that comes under the same Tax ID later
    stays closed. Raises NotToldApart.
    """
    numbers = {IdKind.TAX_ID: tax_id}
    for kind in (IdKind.NPI, IdKind.VENDOR_NUMBER, IdKind.OFFICE_ID):
        found = _own_numbers(session, group, kind)
        if not found:
            continue
        # Of several NPIs, the one that the fewest groups share.
        numbers = min(
            ({**numbers, kind: value} for value in found),
            key=lambda these: len(reach.groups_with(session, these.items())),
        )
        if _names_alone(session, numbers, group):
            return numbers
    if not _names_alone(session, numbers, group):
        raise NotToldApart
    return numbers


def _names_alone(session: Session, numbers: dict[IdKind, str], group: ProviderGroup) -> bool:
    return [one.id for one in reach.groups_with(session, numbers.items())] == [group.id]


def _own_numbers(session: Session, group: ProviderGroup, kind: IdKind) -> list[str]:
    """The group's numbers of this kind that are valid now; of NPIs those of an organisation."""
    today, number = now().date(), ProviderIdentifier
    own = (
        number.group_id == group.id, number.kind == kind, number.npi_type.is_(None) | (number.npi_type == 2),
        number.valid_from.is_(None) | (number.valid_from <= today),
        number.valid_until.is_(None) | (number.valid_until > today),
    )  # fmt: skip
    return list(session.scalars(select(number.value).where(*own).order_by(number.value).limit(_MOST_NUMBERS)))


def _welcome(session: Session, staff: ProviderStaff) -> None:
    mail.enqueue(
        session, to=staff.account.email, template="portal_welcome", language=staff.account.language,
        given_name=staff.account.given_name, organization=staff.organization.name,
        at=now(),
    )  # fmt: skip
