"""The sandbox plan's provider groups in the plan's own records: those of its FHIR Organizations, with their numbers.

One group more has no claims: a home health agency under the hospital's Tax ID, so that a Tax ID alone may be shared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache

from sqlalchemy.orm import Session

from service.plan.providers import numbers, provider_groups
from service.plan.providers.provider_groups import AddressRow, AffiliationRow, GroupRow, PractitionerRow
from service.sandbox.plan import identifiers
from service.sandbox.plan.people import STATE
from service.sandbox.plan.providers import Practice, clinician_npis, practices

_SINCE = date(2020, 1, 1)
_MOVED = date(2024, 7, 1)
HOME_HEALTH = "Rivermont Home Health"
SHARED_WITH = "Rivermont General Hospital"
_PLACE_OF_HOME_HEALTH = 50
"""Beyond the numbers of the plan's other groups, before those of its practitioners."""
_ANY_SEED = 1
CONTACTS = {
    "Maple Bend Family Medicine": ("Dolores Finch", "billing@maplebend.example"),
    "Rivermont Community Clinic": ("Harold Pruitt", "billing@rivermontclinic.example"),
    "Stonebrook Pediatrics": ("Janet Moss", "billing@stonebrookpediatrics.example"),
    "Rivermont General Hospital": ("Eugene Ward", "patient.accounts@rivermontgeneral.example"),
    "Ashford Heart Associates": ("Lorraine Petty", "office@ashfordheart.example"),
    "Larkspur Women's Health": ("Connie Albright", "office@larkspurwomen.example"),
    "Cedar Point Behavioral Health": ("Stuart Klein", "billing@cedarpoint.example"),
    "Fairhollow Dental": ("Wilma Grady", "frontdesk@fairhollowdental.example"),
    "Clearview Eye Care": ("Rosa Timmons", "office@clearvieweye.example"),
    "Old Ferry Rehabilitation": ("Gene Abbott", "office@oldferryrehab.example"),
    "Harbor Walk-In Clinic": ("Pearl Simmons", "office@harborwalkin.example"),
}
"""Whom the plan may ask at an office."""
_MAILING = {
    "Rivermont Community Clinic": ("PO Box 80", "Rivermont", "41902"),
    "Rivermont General Hospital": ("PO Box 2200", "Rivermont", "41902"),
    "Old Ferry Rehabilitation": ("PO Box 66", "Old Ferry", "41908"),
}
_BEFORE = {
    "Stonebrook Pediatrics": ("11 Old Mill Road", "Stonebrook", "41903"),
    "Rivermont Community Clinic": ("4 Bridge Street", "Rivermont", "41902"),
}
"""Where an office was until it moved; nothing is sent there any more."""


@dataclass(frozen=True)
class Payee:
    """A group as the 835 names it. `number` is the plan's own key of it."""

    number: str
    name: str
    tax_id: str
    npi: str
    vendor_number: str
    address: tuple[str, str, str]
    """Line, city and ZIP code; the state is the plan's."""


def ensure_groups(session: Session, seed: int) -> None:
    """Store every group of the plan of `seed` with its addresses and people, or bring it in step."""
    for practice in practices(seed):
        payee = _payee(practice)
        provider_groups.store_group(session, _group_row(practice, payee))
        for address in _addresses(payee, practice.group.location.partition("/")[2]):
            provider_groups.store_address(session, address)
        _ensure_people(session, practice, payee.number, seed)
    payee = _home_health()
    provider_groups.store_group(session, _row(payee, {"phone": "555-210-0150", "contracted": True}))
    for address in _addresses(payee, ""):
        provider_groups.store_address(session, address)


@cache
def payees() -> tuple[Payee, ...]:
    """Every group that the plan pays, in the plan's order; names and numbers are the same for every seed."""
    return (*map(_payee, practices(_ANY_SEED)), _home_health())


def _payee(practice: Practice) -> Payee:
    return Payee(
        f"PG{practice.group.number + 1:03}", practice.group.name, numbers.tax_id(practice.tax_id), practice.npi,
        practice.vendor_number, practice.address,
    )  # fmt: skip


def _home_health() -> Payee:
    every = practices(_ANY_SEED)
    hospital = next(practice for practice in every if practice.group.name == SHARED_WITH)
    number = len(every) + 1
    return Payee(
        f"PG{number:03}", HOME_HEALTH, numbers.tax_id(hospital.tax_id), identifiers.npi(_PLACE_OF_HOME_HEALTH),
        f"V{200_000 + number}", ("202 Hill Road", "Rivermont", "41902"),
    )  # fmt: skip


def _group_row(practice: Practice, payee: Payee) -> GroupRow:
    organization = practice.group.reference.partition("/")[2]
    values = {"phone": practice.phone, "contracted": practice.contracted, "organization_id": organization}
    return _row(payee, values)


def _row(payee: Payee, values: dict[str, object]) -> GroupRow:
    name, email = CONTACTS.get(payee.name, ("", ""))
    return GroupRow(
        number=payee.number,
        tax_id=payee.tax_id,
        npi=payee.npi,
        vendor_number=payee.vendor_number,
        contact_name=name,
        contact_email=email,
        values={"legal_name": payee.name, "effective_on": _SINCE, **values},
    )


def _addresses(payee: Payee, location_id: str) -> Iterator[AddressRow]:
    since = _MOVED if payee.name in _BEFORE else _SINCE
    line, city, zip_code = payee.address
    yield AddressRow(
        payee.number, "practice", line, city, STATE, zip_code, valid_from=since, location_id=location_id
    )  # fmt: skip
    if payee.name in _MAILING:
        line, city, zip_code = _MAILING[payee.name]
        yield AddressRow(payee.number, "mailing", line, city, STATE, zip_code, valid_from=_SINCE)
    if payee.name in _BEFORE:
        line, city, zip_code = _BEFORE[payee.name]
        yield AddressRow(
            payee.number, "practice", line, city, STATE, zip_code, valid_from=_SINCE, valid_until=_MOVED, current=False
        )  # fmt: skip


def _ensure_people(session: Session, practice: Practice, group_number: str, seed: int) -> None:
    npis = clinician_npis(seed)
    for who in practice.group.clinicians:
        given, _, family = who.name.partition(" ")
        person = PractitionerRow(
            npis[who.reference], given, family, who.reference.partition("/")[2], who.gender, who.taxonomy
        )
        provider_groups.store_practitioner(session, person)
        provider_groups.store_affiliation(session, AffiliationRow(group_number, person.npi, _SINCE))
