"""One's own record, which nobody opens in the staff console: that somebody tried is kept, and others hear of it.

Looks of member services keep such a try with its reasons (`support_looks`); these are the pages that ask for none.
"""

from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import throttling
from service.audit import Outcome
from service.clock import now
from service.plan.models import Guard, Member, PlanStaff
from service.plan.staff import record_guards, support_looks

_HOUR = 3_600.0


def is_own(session: Session, by: PlanStaff, member: Member) -> bool:
    """Whether the record is of this person of the plan; that of their household is not."""
    return record_guards.find_guard(session, by, member) is Guard.OWN


def keep_try(session: Session, by: PlanStaff, member: Member, tag: str, *, reference: str) -> bool:
    """Keep that somebody tried to open their own record, as a refused event of the page's `tag`.

    The other privacy officers are told of it by mail with the request's `reference`, by which they find it in the
    audit; of the first try in an hour, so that nobody fills their mailboxes. False where there is no other officer.
    """
    audit.record(session, tag, outcome=Outcome.REFUSED, account_id=by.account_id, member_id=member.id, count=0)
    officers = support_looks.other_officers(session, by)
    if throttling.hit(session, f"own-record:{by.account_id}", 1, _HOUR):
        for officer in officers:
            mail.enqueue(
                session, to=officer.email, template="own_record_tried", language=officer.language,
                given_name=officer.given_name, reference=reference, at=now(),
            )  # fmt: skip
    return bool(officers)
