"""Four eyes (security.md, case 145)."""

from datetime import timedelta
from threading import Barrier, Thread

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.clock import now
from service.plan.logins import hand_overs
from service.plan.models import PendingAct, ProviderStaff, RequestStatus, StaffRole
from tests.accounts.visitor import Visitor
from tests.conftest import MovableClock
from tests.factories import make_plan_staff, make_portal_staff
from tests.staff.console import ask_for, make_clerk
from tests.staff.test_queues import hand_over


def test_case_145_who_asks_does_not_approve_and_who_approves_sees_what_changes(app: Flask, session: Session) -> None:
    wish = hand_over(session)
    asker, other = make_clerk(app, session, given_name="Ada"), make_clerk(app, session, StaffRole.ADMINISTRATOR)
    [before] = hand_overs.get_open(session, wish.id).delegates
    staff = session.get_one(ProviderStaff, wish.staff_id)
    session.commit()
    asker.browser.get("/staff/hand-overs/")
    assert asker.browser.post(f"/staff/hand-overs/{wish.id}/approve", reason="Called 1-555").status_code == 303
    act = session.scalars(select(PendingAct)).one()
    session.commit()

    asker.browser.get("/staff/second-looks/")
    own = asker.browser.post(f"/staff/second-looks/{act.id}/approve")
    assert own.status_code == 409 and "a colleague must look" in own.text
    page = other.browser.get("/staff/second-looks/")
    for words in (staff.organization.name, before.account.full_name, staff.account.full_name, "Called 1-555", "Ada"):
        assert words in page.text
    assert other.browser.post(f"/staff/second-looks/{act.id}/approve").status_code == 303

    session.refresh(wish)
    session.refresh(staff)
    assert (wish.status, staff.is_delegate) == (RequestStatus.APPROVED, True)
    assert wish.decided_by_account_id == other.account.id


def test_case_145_a_second_look_lasts_48_hours(app: Flask, session: Session, clock: MovableClock) -> None:
    wishes = [hand_over(session) for _ in range(2)]
    asker = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    acts = [ask_for(session, wish, asker) for wish in wishes]
    acts[1].expires_at = acts[0].expires_at
    assert acts[0].expires_at - acts[0].asked_at == timedelta(hours=48)
    session.commit()

    def approve(act: PendingAct, before_the_end: float) -> int:
        clock.advance((act.expires_at - now()).total_seconds() - before_the_end)
        other = make_clerk(app, session)
        other.browser.get("/staff/second-looks/")
        clock.advance((act.expires_at - now()).total_seconds() - before_the_end)
        return other.browser.post(f"/staff/second-looks/{act.id}/approve").status_code

    assert approve(acts[0], 5) == 303
    assert approve(acts[1], 0) == 409
    for wish, status in zip(wishes, (RequestStatus.APPROVED, RequestStatus.OPEN), strict=True):
        session.refresh(wish)
        assert wish.status is status


def test_case_145_what_changed_since_it_was_asked_is_not_approved(app: Flask, session: Session) -> None:
    wish = hand_over(session)
    asker, other = make_plan_staff(session, StaffRole.PROVIDER_SERVICES), make_clerk(app, session)
    act = ask_for(session, wish, asker)
    staff = session.get_one(ProviderStaff, wish.staff_id)
    make_portal_staff(session, staff.organization, is_delegate=True)
    session.commit()
    other.browser.get("/staff/second-looks/")

    answer = other.browser.post(f"/staff/second-looks/{act.id}/approve")

    assert answer.status_code == 409 and "have changed since" in answer.text
    session.refresh(act)
    session.refresh(staff)
    assert act.spent_at is None and not staff.is_delegate


def test_case_145_eight_approvers_at_once_give_one_effect(app: Flask, session: Session) -> None:
    wish = hand_over(session)
    asker = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    act = ask_for(session, wish, asker)
    act_id = act.id
    clerks = [make_clerk(app, session) for _ in range(8)]
    for clerk in clerks:
        clerk.browser.get("/staff/second-looks/")
    barrier, answers = Barrier(len(clerks)), []

    def approve(browser: Visitor) -> None:
        barrier.wait()
        answers.append(browser.post(f"/staff/second-looks/{act_id}/approve").status_code)

    every = [Thread(target=approve, args=(clerk.browser,)) for clerk in clerks]
    for each in every:
        each.start()
    for each in every:
        each.join()

    assert sorted(answers) == [303] + [409] * 7
    for tag in ("staff:pending_act:approve", "plan:portal_staff:promote"):
        assert session.scalar(select(func.count()).where(AuditEvent.tag == tag)) == 1
