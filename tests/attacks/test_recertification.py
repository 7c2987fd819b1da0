"""Delegates confirm their people's accounts again, in time."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.logins import delegates, portal_accounts, portal_staff, recertification
from service.plan.logins.recertification import Terms
from service.plan.models import PortalOrganization, ProviderStaff, StaffStatus
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.attacks.offices import delegate_of
from tests.factories import make_organization, make_portal_staff

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

TERMS = Terms(timedelta(days=180), timedelta(days=14))


@pytest.fixture
def office(session: Session) -> PortalOrganization:
    made = make_organization(session)
    session.commit()
    return made


def test_delegates_are_reminded_30_and_7_days_before_once_each(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head = delegate_of(session, office, certified_at=NOON)
    make_portal_staff(session, office, certified_at=NOON)
    make_portal_staff(session, office, certified_at=NOON)
    session.commit()
    sent = []
    for days in (149, 150, 151, 172, 173, 174, 180, 193):
        with time_machine.travel(NOON + timedelta(days=days), tick=False):
            sent.append(recertification.remind(session, TERMS))
    session.commit()
    assert sent == [0, 1, 0, 0, 1, 0, 0, 0]
    told = [letter for letter in letters(session, settings, head.account.email) if "Please confirm" in letter]
    assert len(told) == 2
    assert "for 2 of them" in told[0]


def test_a_login_nobody_confirmed_loses_its_functions_after_the_grace(
    engine: Engine, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head = delegate_of(session, office, certified_at=NOON)
    login = make_portal_staff(session, office, certified_at=NOON, functions=["claims"])
    confirmed = make_portal_staff(session, office, certified_at=NOON + timedelta(days=1))
    session.commit()
    sessions = make_sessions(engine)
    with time_machine.travel(NOON + timedelta(days=194, microseconds=-1), tick=False):
        recertification.run(sessions, settings)
    session.expire_all()
    assert session.get_one(ProviderStaff, login.id).functions == ["claims"]
    session.commit()
    with time_machine.travel(NOON + timedelta(days=194), tick=False):
        recertification.run(sessions, settings)
        recertification.run(sessions, settings)
    session.expire_all()
    lapsed = session.get_one(ProviderStaff, login.id)
    assert (lapsed.functions, lapsed.status, lapsed.lapsed_at) == ([], StaffStatus.ACTIVE, NOON + timedelta(days=194))
    assert session.get_one(ProviderStaff, confirmed.id).functions
    assert delegates.is_delegate(session.get_one(ProviderStaff, head.id)), "never the last delegate"
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:portal_staff:lapse")).one()
    assert event.detail and event.detail["functions"] == ["claims"]
    session.commit()
    for told in (login, head):
        assert "lost its applications" in letters(session, settings, told.account.email)[-1]


def test_of_two_unconfirmed_delegates_one_stays(
    engine: Engine, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    for _ in range(2):
        delegate_of(session, office, certified_at=NOON)
    with time_machine.travel(NOON + timedelta(days=400), tick=False):
        recertification.run(make_sessions(engine), settings)
    session.expire_all()
    assert len(portal_staff.delegates_of(session, office.id)) == 1


def test_a_confirmed_login_is_reminded_of_anew_after_the_next_term(
    session: Session, office: PortalOrganization
) -> None:
    head, login = delegate_of(session, office), make_portal_staff(session, office, certified_at=NOON)
    head.certified_at = NOON + timedelta(days=3_000)
    session.flush()
    with time_machine.travel(NOON + timedelta(days=150), tick=False):
        assert recertification.due_in(session, office.id, TERMS) == [login]
        assert recertification.remind(session, TERMS) == 1
        portal_accounts.certify(session, head, login)
        assert recertification.due_in(session, office.id, TERMS) == []
    with time_machine.travel(NOON + timedelta(days=300), tick=False):
        assert recertification.remind(session, TERMS) == 1
