"""What the tests of provider access share."""

from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from consent.policy import plan_system
from fhir.loading import ingest
from service.plan.models import ProviderGroup, ProviderStaff
from tests.factories import make_entry, make_portal_staff
from tests.fhir import records

CLAIM = "ExplanationOfBenefit"


def load(session: Session, *resources: dict[str, Any]) -> None:
    """Store resources as the plan does."""
    session.commit()
    bound = session.get_bind()
    assert isinstance(bound, Engine)
    summary = ingest.load_resources(bound, resources, access=plan_system("tests"))
    assert summary.rejected == 0, summary.problems


def staff_of(session: Session, group: ProviderGroup, **numbers: str) -> ProviderStaff:
    """A login that reaches the group by its Tax ID, or by the numbers given."""
    staff = make_portal_staff(session)
    make_entry(session, staff, **numbers or {"tax_id": tax_id_of(session, group)})
    return staff


def tax_id_of(session: Session, group: ProviderGroup) -> str:
    """The group's Tax ID."""
    found = session.scalar(
        text("SELECT value FROM provider_identifier WHERE group_id = :group AND kind = 'tax_id'").bindparams(
            group=group.id
        )
    )
    return str(found)


def of(group: ProviderGroup) -> dict[str, Any]:
    """The provider of a claim that the group billed."""
    return {"provider": records.to(f"Organization/{group.organization_id}")}
