"""After a load: roster rows without an address get it from the member's own FHIR Patient."""

import click
import orjson

from consent.policy import plan_system
from fhir import store
from fhir.outcomes import Gone, NotFound
from service.plan.members import contact_details
from service.plan.members.contact_details import ContactDetails
from service.web import latchstring


def complete_roster() -> None:
    """Fill in what the roster lacks and the records have, in small transactions; say for how many members."""
    completed, last = 0, ""
    while batch := _list_lacking(last):
        found = {patient_id: details for patient_id in batch if (details := _find_details(patient_id))}
        with latchstring().sessions.begin() as session:
            completed += sum(contact_details.fill_in(session, *one) for one in found.items())
        last = batch[-1]
    if completed:
        click.echo(f"{completed} members' contact details taken from their FHIR records.")


def _list_lacking(last: str) -> list[str]:
    with latchstring().sessions() as session:
        return contact_details.list_lacking(session, after=last)


def _find_details(patient_id: str) -> ContactDetails | None:
    with latchstring().sessions() as session:
        try:
            patient = store.read(session, plan_system("complete the roster"), "Patient", patient_id)
        except (NotFound, Gone):
            return None
    return contact_details.of_patient(orjson.loads(patient.body))
