"""How fresh each source is: when its last delivery was received, and when it became visible to apps."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir.loading.tables import FhirSource
from service.clock import now

_MOST = 500


def note(session: Session, source: str, *, received_at: datetime, written: int) -> None:
    """Keep that a delivery of a source is visible from now on."""
    name = source[:64]
    found = session.get(FhirSource, name)
    if found is None:
        found = FhirSource(name=name)
        session.add(found)
    found.received_at, found.visible_at, found.written = received_at, now(), written


def sources(session: Session) -> Sequence[FhirSource]:
    """Every source, the freshest first."""
    return session.scalars(
        select(FhirSource).order_by(FhirSource.visible_at.desc(), FhirSource.name).limit(_MOST)
    ).all()
