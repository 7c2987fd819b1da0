"""Logins that several people seem to use (security.md, case 140)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.models import Account, KnownDevice, LoginSession
from service.audit import AuditEvent
from service.clock import now
from service.db import digest, new_id
from service.plan.logins import sharing
from service.plan.models import PortalOrganization, ProviderStaff, SharingKind, SharingSign
from service.settings import Settings
from tests.accounts.visitor import Visitor, another, letters, newest_code
from tests.attacks.offices import delegate_of, signed_in
from tests.factories import make_account, make_organization, make_portal_staff

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def office(session: Session) -> PortalOrganization:
    made = make_organization(session)
    session.commit()
    return made


def _device(session: Session, account: Account, at: datetime) -> KnownDevice:
    made = KnownDevice(token_hash=digest(new_id()), account_id=account.id, created_at=at)
    session.add(made)
    session.flush()
    return made


def _used(session: Session, account: Account, begun: datetime, until: datetime, device: KnownDevice | None) -> None:
    session.add(
        LoginSession(
            token_hash=digest(new_id()), account_id=account.id, created_at=begun, last_seen_at=until,
            authenticated_at=begun, expires_at=begun + timedelta(hours=12), device_id=device.id if device else None,
            credentials_version=account.credentials_version,
        )
    )  # fmt: skip
    session.flush()


def _kinds(session: Session) -> list[SharingKind]:
    return [sign.kind for sign in session.scalars(select(SharingSign))]


def test_case_140_two_devices_in_use_at_one_time_are_flagged_to_delegates_and_plan(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, login = delegate_of(session, office), make_portal_staff(session, office)
    with time_machine.travel(NOON, tick=False):
        one, two = _device(session, login.account, NOON), _device(session, login.account, NOON)
        _used(session, login.account, NOON - timedelta(hours=2), NOON - timedelta(minutes=5), one)
        _used(session, login.account, NOON - timedelta(hours=1), NOON, two)
        assert sharing.look(session, settings.plan) == 1
        assert sharing.look(session, settings.plan) == 0, "once a week is enough"
        assert _kinds(session) == [SharingKind.TWO_DEVICES]
        assert [staff.id for _sign, staff in sharing.open_signs(session)] == [login.id]
        assert [staff.id for _sign, staff in sharing.open_signs(session, office.id)] == [login.id]
        assert sharing.open_signs(session, new_id()) == []
    session.commit()
    assert "may be shared" in letters(session, settings, head.account.email)[-1]
    assert "plan:portal_staff:flag_sharing" in session.scalars(select(AuditEvent.tag)).all()


def test_case_140_one_device_after_the_other_is_no_sign(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    login = make_portal_staff(session, office)
    with time_machine.travel(NOON, tick=False):
        one, two = _device(session, login.account, NOON), _device(session, login.account, NOON)
        _used(session, login.account, NOON - timedelta(hours=2), NOON - timedelta(hours=1), one)
        _used(session, login.account, NOON - timedelta(minutes=60, seconds=59), NOON, two)
        _used(session, login.account, NOON - timedelta(minutes=30), NOON, two)
        assert sharing.look(session, settings.plan) == 0


def test_case_140_more_than_so_many_new_devices_in_a_week_are_a_sign(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    login, member = make_portal_staff(session, office), make_account(session)
    most = settings.plan.sharing_new_devices_a_week
    with time_machine.travel(NOON, tick=False):
        _device(session, login.account, NOON - timedelta(days=7))
        for _ in range(most):
            _device(session, login.account, NOON - timedelta(days=1))
            _device(session, member, NOON)
        _device(session, member, NOON)
        assert sharing.look(session, settings.plan) == 0
        _device(session, login.account, NOON)
        assert sharing.look(session, settings.plan) == 1
        assert _kinds(session) == [SharingKind.MANY_DEVICES]


@pytest.mark.parametrize(("hours", "flagged"), [(18, 0), (20, 1), (24, 1)])
def test_case_140_work_around_the_clock_is_a_sign(
    session: Session, office: PortalOrganization, settings: Settings, hours: int, flagged: int
) -> None:
    login = make_portal_staff(session, office)
    with time_machine.travel(NOON, tick=False):
        begun = NOON - timedelta(hours=hours)
        _used(session, login.account, begun, begun + timedelta(hours=10), None)
        _used(session, login.account, begun + timedelta(hours=10, minutes=5), NOON, None)
        assert sharing.look(session, settings.plan) == flagged


def test_case_140_nobody_is_blocked_at_work_and_the_next_sign_in_asks_for_a_code(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    login = make_portal_staff(session, office)
    session.commit()
    at_work = signed_in(app, login)
    _flag(session, settings, login)
    assert at_work.get("/provider/home").status_code == 200
    person = Visitor(app)
    assert person.sign_in(login.account, following="/provider/home").location == "/sign-in/code?next=/provider/home"
    assert person.get("/provider/home").location == "/sign-in/code?next=/provider/home"
    person.get("/sign-in/code?next=/provider/home")
    code = newest_code(session, settings, login.account.email)
    half = person.sid()
    assert person.post("/sign-in/code", code=another(code)).status_code == 400
    assert person.post("/sign-in/code?next=/provider/home", code=code).location == "/provider/home"
    assert person.sid() != half
    assert person.get("/provider/home").status_code == 200
    assert Visitor(app).sign_in(login.account).location == "/start", "once is enough"


def test_case_140_who_has_a_factor_shows_that_instead(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    login = delegate_of(session, office)
    signed_in(app, login)
    _flag(session, settings, login)
    person = Visitor(app)
    assert person.sign_in(login.account).location == "/sign-in/factor?next=/start"
    person.sign_in_with_factor(login.account)
    assert person.get("/provider/home").status_code == 200


def test_case_140_the_code_is_sent_anew_within_the_limits_of_codes(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    login = make_portal_staff(session, office)
    session.commit()
    _flag(session, settings, login)
    person = Visitor(app)
    person.sign_in(login.account)
    person.get("/sign-in/code")
    before = len(letters(session, settings, login.account.email))
    assert person.post("/sign-in/code/send").location == "/sign-in/code"
    assert len(letters(session, settings, login.account.email)) == before, "60 seconds have not passed"
    stranger = Visitor(app)
    stranger.get("/sign-in")
    assert stranger.post("/sign-in/code/send").status_code == 401
    assert stranger.post("/sign-in/code", code="123456").status_code == 401
    assert stranger.get("/sign-in/code").location == "/sign-in"


def test_case_140_a_delegate_settles_the_signs_but_not_their_own(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, login = delegate_of(session, office), make_portal_staff(session, office)
    session.commit()
    _flag(session, settings, login)
    _flag(session, settings, head)
    page = signed_in(app, head)
    assert "Accounts that may be shared" in page.get("/provider/accounts/").text
    page.get(f"/provider/accounts/{login.id}")
    assert page.post(f"/provider/accounts/{login.id}/talked").status_code == 303
    page.get("/provider/accounts/new")
    assert page.post(f"/provider/accounts/{head.id}/talked").status_code == 409
    assert [staff.id for _sign, staff in sharing.open_signs(session)] == [head.id]


def _flag(session: Session, settings: Settings, login: ProviderStaff) -> None:
    account = session.merge(login.account)
    for _ in range(settings.plan.sharing_new_devices_a_week + 1):
        _device(session, account, now())
    assert sharing.look(session, settings.plan) == 1
    session.commit()
