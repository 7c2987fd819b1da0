"""Of which patients there are records at all, for who names some to be exported."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.search import clauses
from fhir.storage import statements


def unknown(session: Session, access: Access, patients: Iterable[str]) -> int:
    """How many of these patients have no record, not even a deleted one, that the access may know of."""
    wanted = set(patients)
    if not wanted:
        return 0
    dialect = statements.dialect_of(session)
    named = clauses.any_equal(dialect, "patient_id", sorted(wanted))
    seen = clauses.all_of((named, clauses.visible(dialect, access, "Patient")))
    return len(wanted.difference(statements.patients(session, seen)))
