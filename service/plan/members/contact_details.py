"""Contact details that a roster's file does not hold, taken over from the members' own Patient resources."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.models import Member


@dataclass(frozen=True)
class ContactDetails:
    """Where a member lives and is reached; empty where nobody knows. The fields are columns of the roster."""

    zip_code: str = ""
    address_line: str = ""
    city: str = ""
    state: str = ""
    phone: str = ""
    email_on_file: str = ""


def list_lacking(session: Session, *, after: str = "", limit: int = 500) -> list[str]:
    """FHIR ids, past `after`, of members without a ZIP code, which registration asks for."""
    lacking = select(Member.patient_id).where(Member.zip_code == "", Member.patient_id > after)
    return list(session.scalars(lacking.order_by(Member.patient_id).limit(limit)))


def fill_in(session: Session, patient_id: str, details: ContactDetails) -> bool:
    """Take over what the roster's row lacks; what it has stays. Whether anything was new."""
    member = session.scalars(select(Member).where(Member.patient_id == patient_id)).one()
    new = {name: value for name, value in asdict(details).items() if value and not getattr(member, name)}
    for name, value in new.items():
        setattr(member, name, value)
    return bool(new)


def of_patient(patient: Mapping[str, Any]) -> ContactDetails:
    """The details of a FHIR Patient: the first address and contact points that have not ended."""
    address = next(_current(patient.get("address")), {})
    points = list(_current(patient.get("telecom")))
    return ContactDetails(
        zip_code=str(address.get("postalCode", ""))[:10],
        address_line=", ".join(address.get("line", ()))[:200],
        city=str(address.get("city", ""))[:100],
        state=str(address.get("state", ""))[:40],
        phone=_first(points, "phone")[:40],
        email_on_file=_first(points, "email")[:254],
    )


def _current(entries: Iterable[Mapping[str, Any]] | None) -> Iterator[Mapping[str, Any]]:
    ended = {"old", "temp"}
    return (entry for entry in entries or () if "end" not in entry.get("period", {}) and entry.get("use") not in ended)


def _first(points: Iterable[Mapping[str, Any]], system: str) -> str:
    return next((str(point.get("value", "")) for point in points if point.get("system") == system), "")
