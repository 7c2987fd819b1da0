"""The plan's own people in the sandbox, and what lies in their queues: messages and a form of a provider not listed."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.authentication import find_by_username
from service.audit import AuditEvent
from service.plan.logins import portal_staff
from service.plan.mailbox import messages
from service.plan.members import roster
from service.plan.models import Member, PlanStaff, ProviderStaff, StaffRole, ThreadTopic
from service.plan.registering import not_listed
from service.plan.registering.not_listed import NotListed
from service.plan.staff import plan_staff, record_guards
from service.sandbox import portal_accounts
from service.sandbox.plan import cast, stream
from service.sandbox.portal_offices import HOSPITAL, NETWORK
from service.sandbox.portal_people import (
    ABEL,
    DAVID,
    FELIX,
    GWEN,
    HUGO,
    MARGE,
    NORA,
    OLIVIA,
    RUTH,
    PortalPerson,
)  # fmt: skip
from service.sandbox.provider_groups import HOME_HEALTH, payees
from service.settings import Settings

_ROLES = {
    RUTH: (StaffRole.PROVIDER_SERVICES,),
    FELIX: (StaffRole.PROVIDER_SERVICES, StaffRole.ADMINISTRATOR),
    OLIVIA: (StaffRole.PRIVACY_OFFICER, StaffRole.ADMINISTRATOR, StaffRole.APP_REVIEWER),
    NORA: (StaffRole.MEMBER_SERVICES,),
    DAVID: (StaffRole.MEMBER_SERVICES,),
    GWEN: (StaffRole.APP_REVIEWER,),
    ABEL: (StaffRole.APP_REVIEWER,),
}
_COLLEAGUES = {DAVID: ("David", "Young")}
"""Who of the plan is which member of the cast."""
_PROTECTED = ("Carmen", "Rivera")


def appoint_missing(session: Session, settings: Settings) -> None:
    """Give everybody of the plan their account and roles who has none yet."""
    for person, roles in _ROLES.items():
        if not portal_accounts.is_open(session, person):
            account = portal_accounts.open_account(session, person, settings)
            staff = plan_staff.appoint(session, account, roles, by_account_id=None)
            member = _member(session, _COLLEAGUES[person]) if person in _COLLEAGUES else None
            if member is not None:
                record_guards.know_colleague(session, staff, member)
    _protect(session)


def _protect(session: Session) -> None:
    member = _member(session, _PROTECTED)
    # Once: a mark that somebody took away is not made again.
    if member is not None and not _was_protected(session, member):
        reason = "A singer whom the whole state knows."
        record_guards.protect(session, member, by=_clerk(session, OLIVIA), reason=reason)


def _was_protected(session: Session, member: Member) -> bool:
    event = AuditEvent
    marked = (event.member_id == member.id, event.tag == "staff:protected_record:mark")
    return session.scalar(select(event.id).where(*marked).limit(1)) is not None


def _member(session: Session, name: tuple[str, str]) -> Member | None:
    people = (cast.person(index, stream.AS_OF) for index in range(cast.SIZE))
    number = next(person.number for person in people if (person.given_name, person.family_name) == name)
    return roster.find_by_number(session, number)


def fill_queues(session: Session, settings: Settings) -> None:
    """What offices have written: an *Add Facility* message that waits, one that was answered, a form."""
    by_name = {payee.name: payee for payee in payees()}
    _ask_and_answer(session, settings)
    messages.open_thread(
        session, _office(session, HUGO), ThreadTopic.ADD_FACILITY, "Add facility",
        f"Please add {HOME_HEALTH} to my account, we bill for them since October. Vendor number "
        f"{by_name[HOME_HEALTH].vendor_number}, same Tax ID as {HOSPITAL}.",
        plan=settings.plan,
    )  # fmt: skip
    form = NotListed(
        "Juniper Lane Podiatry", "Iris Calloway", "iris.calloway@juniperlane.example", "555-240-0133",
        message="We joined the network this month and cannot find ourselves in the list.",
    )  # fmt: skip
    not_listed.ask(session, form, network=NETWORK)


def _ask_and_answer(session: Session, settings: Settings) -> None:
    manager, clerk = _office(session, MARGE), _clerk(session, RUTH)
    thread = messages.open_thread(
        session, manager, ThreadTopic.QUESTION, "Payments by EFT",
        "How do we change from paper checks to EFT? Do all payments move at once?", plan=settings.plan,
    )  # fmt: skip
    answer = (
        "Hello Marge,\n\nthe enrollment form is under Help, Electronic services. All payments move with the first "
        "run after we have your bank's confirmation, usually within ten days.\n\nRuth Mercer\nProvider e-Services"
    )
    messages.answer(session, thread, clerk, answer)
    messages.close(session, thread, by=clerk)


def _office(session: Session, person: PortalPerson) -> ProviderStaff:
    account = find_by_username(session, person.username)
    staff = portal_staff.find_active(session, account) if account else None
    assert staff is not None, "offices are opened before the queues are filled"
    return staff


def _clerk(session: Session, person: PortalPerson) -> PlanStaff:
    account = find_by_username(session, person.username)
    staff = plan_staff.find(session, account) if account else None
    assert staff is not None, "the plan's people are appointed before the queues are filled"
    return staff
