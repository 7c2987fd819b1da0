"""What the tests of an office's accounts share."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.models import AccessEntry, ProviderStaff
from tests.factories import make_account, make_portal_staff

NEWCOMER = {"given_name": "Robin", "family_name": "Vale", "email": "robin.vale@clinic.example"}


def colleague_of(session: Session, delegate: ProviderStaff, **given: object) -> ProviderStaff:
    """Another login of the delegate's organisation. Commits."""
    person = {name: given.pop(name) for name in ("given_name", "family_name", "email") if name in given}
    made = make_portal_staff(
        session, session.merge(delegate.organization), account=make_account(session, **person), **given
    )  # fmt: skip
    session.commit()
    return made


def entry_of(session: Session, staff: ProviderStaff) -> AccessEntry:
    """The login's only entry."""
    return session.scalars(select(AccessEntry).where(AccessEntry.staff_id == staff.id)).one()
