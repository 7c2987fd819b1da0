"""The sandbox plan's provider groups in the plan's own records: those of its FHIR Organizations, with their numbers."""

from datetime import date

from sqlalchemy.orm import Session

from service.plan import numbers, provider_groups
from service.plan.provider_groups import AddressRow, GroupRow
from service.sandbox.plan.people import STATE
from service.sandbox.plan.providers import Practice, practices

_SINCE = date(2020, 1, 1)


def ensure_groups(session: Session, seed: int) -> None:
    """Store every group of the plan of `seed`, or bring it in step."""
    for practice in practices(seed):
        number = f"PG{practice.group.number + 1:03}"
        provider_groups.store_group(session, _group_row(practice, number))
        line, city, zip_code = practice.address
        provider_groups.store_address(
            session, AddressRow(number, "practice", line, city, STATE, zip_code, valid_from=_SINCE)
        )


def _group_row(practice: Practice, number: str) -> GroupRow:
    return GroupRow(
        number=number,
        tax_id=numbers.tax_id(practice.tax_id),
        npi=practice.npi,
        vendor_number=practice.vendor_number,
        values={
            "legal_name": practice.group.name, "phone": practice.phone, "effective_on": _SINCE,
            "contracted": practice.contracted, "organization_id": practice.group.reference.partition("/")[2],
        },
    )  # fmt: skip
