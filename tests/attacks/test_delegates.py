"""Delegates and the logins they maintain under attack (security.md, cases 111, 129, 137 to 140, 189)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.accounts.models import Account, KnownDevice, LoginSession, Totp
from service.audit import AuditEvent
from service.clock import now
from service.db import digest, make_sessions, new_id
from service.plan.logins import delegates, invitations, portal_accounts, portal_staff, recertification, sharing
from service.plan.logins.delegates import LastDelegate, NotADelegate, NotYetActive, OwnLogin, UnknownLogin
from service.plan.logins.invitations import InvitationOver, Invitee
from service.plan.logins.portal_accounts import BeyondOwn
from service.plan.logins.recertification import Terms
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    PortalFunction,
    PortalInvitation,
    PortalOrganization,
    ProviderStaff,
    RequestStatus,
    SharingKind,
    SharingSign,
    StaffStatus,
)
from service.settings import Settings
from tests.accounts.visitor import Visitor, another, letters, newest_code
from tests.factories import PASSWORD, make_account, make_entry, make_organization, make_portal_staff

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROUNDS, CALLERS = 20, 8
TERMS = Terms(timedelta(days=180), timedelta(days=14))
_LINK = re.compile(r"http://localhost(/provider/invitation/[\w-]{43})")


@pytest.fixture
def office(session: Session) -> PortalOrganization:
    made = make_organization(session)
    session.commit()
    return made


def _delegate(session: Session, office: PortalOrganization, **given: object) -> ProviderStaff:
    made = make_portal_staff(session, office, is_delegate=True, **given)
    session.commit()
    return made


def _invitee(email: str = "robin@clinic.example", **given: object) -> Invitee:
    values = {"given_name": "Robin", "family_name": "Vale", "email": email, "phone": "5550100199", "functions": ()}
    return Invitee(**values | given)  # type: ignore[arg-type]


def _secret(session: Session, settings: Settings, to: str = "robin@clinic.example") -> str:
    found = _LINK.findall(letters(session, settings, to)[-1])
    return str(found[-1]).rpartition("/")[2]


def _signed_in(app: Flask, staff: ProviderStaff) -> Visitor:
    visitor = Visitor(app)
    if staff.is_delegate:
        visitor.sign_in_with_factor(staff.account)
    else:
        visitor.sign_in(staff.account)
    return visitor


def test_case_138_a_deactivated_person_is_out_at_the_next_request(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, gone = _delegate(session, office), _delegate(session, office)
    name = gone.account.full_name
    make_entry(session, gone, tax_id="082234502")
    session.commit()
    boss, person = _signed_in(app, head), _signed_in(app, gone)
    person.get("/provider/accounts/new")
    boss.get(f"/provider/accounts/{gone.id}/deactivate")
    assert boss.post(f"/provider/accounts/{gone.id}/deactivate").status_code == 303
    half_done = {"given_name": "Robin", "family_name": "Vale", "email": "robin@clinic.example"}
    assert person.post("/provider/accounts/new", **half_done).status_code == 401
    assert person.get("/provider/home").location == "/sign-in?next=/provider/home"
    again = _signed_in(app, gone)
    assert again.get("/provider/home").status_code == 404
    assert any("was deactivated" in letter for letter in letters(session, settings, gone.account.email))
    assert session.scalars(select(AccessEntry).where(AccessEntry.ended_at.is_(None))).all() == []
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:portal_staff:deactivate")).one()
    assert event.account_id == head.account_id
    assert event.detail and event.detail["name"] == name


def test_case_138_links_and_codes_of_a_deactivated_person_are_void(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, gone = _delegate(session, office), _delegate(session, office)
    session.add(DelegateRequest(staff_id=gone.id, reason="left"))
    invitations.invite(session, gone, _invitee(), key=settings.secret_key)
    session.commit()
    link = "/provider/invitation/" + _secret(session, settings)
    reset = Visitor(app)
    reset.ask_for_code(gone.account.username, gone.account.email)
    code = newest_code(session, settings, gone.account.email)
    proof = Visitor(app)
    assert proof.get(link).status_code == 200
    delegates.deactivate(session, session.merge(head), session.merge(gone))
    session.commit()
    assert Visitor(app).get(link).status_code == 410
    assert proof.post(link, username="robin.v", password=PASSWORD, confirmation=PASSWORD).status_code == 410
    assert reset.enter_code(gone.account.username, gone.account.email, code).status_code == 400
    assert session.scalars(select(DelegateRequest)).one().status is RequestStatus.REFUSED


def test_case_138_an_invitation_of_the_deactivated_persons_own_address_is_void(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head = _delegate(session, office)
    invited = invitations.invite(session, head, _invitee(), key=settings.secret_key)
    login = make_portal_staff(session, office, account=make_account(session, email="robin@clinic.example"))
    delegates.deactivate(session, head, login)
    session.refresh(invited)
    assert invited.voided_at is not None


def test_case_138_a_delegate_demoted_meanwhile_leaves_no_working_link(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, other = _delegate(session, office), _delegate(session, office)
    invitations.invite(session, other, _invitee(is_delegate=True), key=settings.secret_key)
    session.commit()
    secret = _secret(session, settings)
    invitations.get_invitation(session, secret)
    delegates.demote(session, head, other)
    with pytest.raises(InvitationOver):
        invitations.get_invitation(session, secret)


def test_case_138_what_the_delegate_lost_meanwhile_is_not_given(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head = _delegate(session, office, functions=["claims", "remittances"])
    kept, lost = make_entry(session, head, tax_id="082234502"), make_entry(session, head, npi="1234567893")
    functions = (PortalFunction.CLAIMS, PortalFunction.REMITTANCES)
    invited = invitations.invite(
        session, head, _invitee(functions=functions, entry_ids=(kept.id, lost.id)), key=settings.secret_key
    )
    head.functions, lost.ended_at = ["claims"], now()
    owner = make_account(session, email="robin@clinic.example")
    session.flush()
    made = invitations.accept_as_owner(session, invited, owner)
    assert made.functions == ["claims"]
    assert [entry.tax_id for entry in session.scalars(select(AccessEntry).where(AccessEntry.staff_id == made.id))] == [
        "082234502"
    ]


def test_case_139_the_last_delegate_is_protected_in_the_portal(
    app: Flask, session: Session, office: PortalOrganization
) -> None:
    head = _delegate(session, office)
    page = _signed_in(app, head)
    assert "Another delegate can change it" in page.get(f"/provider/accounts/{head.id}").text
    page.get(f"/provider/accounts/{head.id}/deactivate")
    for deed in ("deactivate", "delegate", "rights", "certify"):
        page.get("/provider/accounts/new")
        assert page.post(f"/provider/accounts/{head.id}/{deed}").status_code == 409
    session.expire_all()
    assert delegates.is_delegate(session.get_one(ProviderStaff, head.id))


def test_case_139_nobody_changes_their_own_login(session: Session, office: PortalOrganization) -> None:
    head, _other = _delegate(session, office), _delegate(session, office)
    for deed in (delegates.deactivate, delegates.demote, delegates.promote, portal_accounts.certify):
        with pytest.raises(OwnLogin):
            deed(session, head, head)


def test_case_139_nobody_is_promoted_because_a_delegate_left(session: Session, office: PortalOrganization) -> None:
    head = _delegate(session, office)
    login = make_portal_staff(session, office)
    with pytest.raises(LastDelegate):
        delegates.demote_unchecked(session, head, by_account_id=None)
    head.status = StaffStatus.DEACTIVATED
    session.flush()
    recertification.remind(session, TERMS)
    assert not login.is_delegate
    assert portal_staff.delegates_of(session, office.id) == []
    assert delegates.without_delegate(session) == [office]


def test_case_139_plan_staff_replace_the_last_delegate_with_a_reason(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, login, clerk = _delegate(session, office), make_portal_staff(session, office), make_account(session)
    delegates.replace_delegate(
        session, login, former=head, former_has_left=True, by_account_id=clerk.id, reason="left, letter of the owner"
    )
    assert delegates.is_delegate(login)
    assert head.status is StaffStatus.DEACTIVATED
    events = session.scalars(select(AuditEvent).where(AuditEvent.tag.startswith("plan:portal_staff:"))).all()
    assert {(event.tag, event.account_id, event.reason) for event in events} == {
        ("plan:portal_staff:promote", clerk.id, "left, letter of the owner"),
        ("plan:portal_staff:deactivate", clerk.id, "left, letter of the owner"),
    }
    session.commit()
    assert "You are a delegate now" in letters(session, settings, login.account.email)[-1]


def test_case_139_a_delegate_is_replaced_only_by_a_login_that_works_in_that_organisation(
    session: Session, office: PortalOrganization
) -> None:
    head, clerk = _delegate(session, office), make_account(session)
    stranger = make_portal_staff(session)
    waiting = make_portal_staff(session, office, status=StaffStatus.AWAITING_PIN)
    session.commit()
    for new, refused in ((stranger, UnknownLogin), (waiting, NotYetActive), (head, UnknownLogin)):
        with pytest.raises(refused):
            delegates.replace_delegate(
                session, new, former=head, former_has_left=False, by_account_id=clerk.id, reason="letter"
            )
        session.rollback()
    assert delegates.is_delegate(session.get_one(ProviderStaff, head.id))


def test_case_139_of_two_delegates_who_demote_each_other_one_stays(
    engine: Engine, session: Session, office: PortalOrganization
) -> None:
    sessions = make_sessions(engine)
    deeds = (delegates.demote, delegates.deactivate)
    with ThreadPoolExecutor(2) as pool:
        for number in range(ROUNDS):
            one, two = _delegate(session, office), _delegate(session, office)
            barrier = Barrier(2)

            def attempt(ids: tuple[str, str], deed: object = deeds[number % 2], barrier: Barrier = barrier) -> bool:
                barrier.wait()
                with sessions.begin() as own:
                    actor, other = (own.get_one(ProviderStaff, staff_id) for staff_id in ids)
                    try:
                        deed(own, actor, other)  # type: ignore[operator]
                    except NotADelegate:
                        return False
                    return True

            assert sorted(pool.map(attempt, [(one.id, two.id), (two.id, one.id)])) == [False, True]
            session.expire_all()
            left = portal_staff.delegates_of(session, office.id)
            assert len(left) == 1
            left[0].is_delegate = False
            session.commit()


def test_case_139_the_asker_does_not_decide_their_own_request(session: Session, office: PortalOrganization) -> None:
    asker = make_portal_staff(session, office)
    request = DelegateRequest(staff_id=asker.id, reason="left")
    session.add(request)
    session.flush()
    with pytest.raises(NotADelegate):
        delegates.decide_request(session, asker, request.id, approve=True)
    with pytest.raises(delegates.OwnRequest):
        delegates.decide_request_by_plan(
            session, request, approve=True, by_account_id=asker.account_id, reason="it is me"
        )
    asker.is_delegate = True
    session.flush()
    with pytest.raises(delegates.OwnRequest):
        delegates.decide_request(session, asker, request.id, approve=True)


def test_case_139_plan_staff_decide_a_request_nobody_else_can(session: Session, office: PortalOrganization) -> None:
    asker, clerk = make_portal_staff(session, office), make_account(session)
    request = DelegateRequest(staff_id=asker.id, reason="left")
    session.add(request)
    session.flush()
    assert [(one.id, staff.id) for one, staff in delegates.open_requests(session)] == [(request.id, asker.id)]
    delegates.decide_request_by_plan(session, request, approve=True, by_account_id=clerk.id, reason="called back")
    assert delegates.is_delegate(asker)
    assert delegates.open_requests(session) == []
    with pytest.raises(delegates.RequestDecided):
        delegates.decide_request_by_plan(session, request, approve=False, by_account_id=clerk.id, reason="again")


def test_case_137_a_form_gives_nothing_that_it_does_not_offer(
    app: Flask, session: Session, office: PortalOrganization
) -> None:
    head = _delegate(session, office, functions=["claims"])
    login = make_portal_staff(session, office, functions=[])
    foreign = make_entry(session, make_portal_staff(session), tax_id="099999999")
    session.commit()
    page = _signed_in(app, head)
    for form in ({"functions": ["remittances"]}, {"given": [foreign.id]}, {"given": [new_id()]}):
        page.get(f"/provider/accounts/{login.id}")
        assert page.post(f"/provider/accounts/{login.id}/rights", **form).status_code == 403
    extra = {"role": "administrator", "org_id": new_id(), "is_delegate": "yes", "status": "active", "delegate": "yes"}
    page.get(f"/provider/accounts/{login.id}")
    assert page.post(f"/provider/accounts/{login.id}/rights", functions=["claims"], **extra).status_code == 303
    session.expire_all()
    changed = session.get_one(ProviderStaff, login.id)
    assert (changed.functions, changed.is_delegate, changed.organization_id) == (["claims"], False, office.id)
    assert session.scalars(select(AccessEntry).where(AccessEntry.staff_id == login.id)).all() == []


def test_case_137_an_invitation_offers_at_most_what_the_delegate_has(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head = _delegate(session, office, functions=["claims"])
    foreign = make_entry(session, make_portal_staff(session), tax_id="099999999")
    for offered in (_invitee(functions=(PortalFunction.ACCESS,)), _invitee(entry_ids=(foreign.id,))):
        with pytest.raises(BeyondOwn):
            invitations.invite(session, head, offered, key=settings.secret_key)


@pytest.mark.parametrize("deed", ["deactivate", "delegate", "rights", "certify", "talked"])
def test_a_login_of_another_organisation_is_as_one_that_does_not_exist(
    app: Flask, session: Session, office: PortalOrganization, deed: str
) -> None:
    page = _signed_in(app, _delegate(session, office))
    theirs = make_portal_staff(session)
    session.commit()
    answers = []
    for staff_id in (theirs.id, new_id()):
        page.get("/provider/accounts/new")
        answers.append(page.post(f"/provider/accounts/{staff_id}/{deed}", delegate="yes", functions=["claims"]))
    assert [answer.status_code for answer in answers] == [404, 404]
    assert page.get(f"/provider/accounts/{theirs.id}").status_code == 404
    session.expire_all()
    assert session.get_one(ProviderStaff, theirs.id).status is StaffStatus.ACTIVE


def test_case_111_a_new_role_begins_with_a_new_sign_in(
    app: Flask, session: Session, office: PortalOrganization
) -> None:
    head, login = _delegate(session, office), make_portal_staff(session, office)
    session.commit()
    person = _signed_in(app, login)
    delegates.promote(session, session.merge(head), session.merge(login))
    session.commit()
    assert person.get("/provider/home").location == "/sign-in?next=/provider/home"
    person.sign_in(login.account)
    assert person.get("/provider/home").location == "/settings/second-factor/set-up?next=/provider/home"


def test_case_129_looking_at_a_link_changes_nothing(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    invitations.invite(session, _delegate(session, office), _invitee(), key=settings.secret_key)
    session.commit()
    secret = _secret(session, settings)
    for _ in range(3):
        assert Visitor(app).get(f"/provider/invitation/{secret}").status_code == 200
    row = session.scalars(select(PortalInvitation)).one()
    assert (row.spent_at, row.secret_hash) == (None, digest(secret))
    assert len(secret) == 43


def test_case_189_of_many_workers_one_takes_an_invitation_up(
    engine: Engine, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, owners = _delegate(session, office), []
    for number in range(ROUNDS // 2):
        owners.append(make_account(session, email=f"robin{number}@clinic.example"))
        invitations.invite(
            session, head, _invitee(f"robin{number}@clinic.example"), key=settings.secret_key, name_is_another=True
        )
    session.commit()
    sessions = make_sessions(engine)

    def attempt(account_id: str, barrier: Barrier) -> bool:
        with sessions() as own:
            account = own.get_one(Account, account_id)
            row = own.scalars(select(PortalInvitation).where(PortalInvitation.email_key == account.email_key)).one()
            own.commit()
            barrier.wait()
            try:
                invitations.accept_as_owner(own, row, account)
            except (InvitationOver, portal_accounts.LoginElsewhere):
                own.rollback()
                return False
            own.commit()
            return True

    with ThreadPoolExecutor(CALLERS) as pool:
        for owner in owners:
            barrier = Barrier(CALLERS)
            assert sum(pool.map(attempt, [owner.id] * CALLERS, [barrier] * CALLERS)) == 1
    assert session.scalar(select(func.count()).select_from(ProviderStaff)) == 1 + len(owners)


def test_case_189_withdrawing_and_taking_up_at_one_moment_end_in_one_of_both(
    engine: Engine, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, sessions = _delegate(session, office), make_sessions(engine)
    with ThreadPoolExecutor(2) as pool:
        for number in range(ROUNDS // 2):
            owner = make_account(session, email=f"robin{number}@clinic.example")
            row = invitations.invite(
                session, head, _invitee(owner.email), key=settings.secret_key, name_is_another=True
            )
            session.commit()
            barrier = Barrier(2)

            def take(row_id: str = row.id, account_id: str = owner.id, barrier: Barrier = barrier) -> bool:
                with sessions() as own:
                    barrier.wait()
                    try:
                        held = own.get_one(PortalInvitation, row_id)
                        invitations.accept_as_owner(own, held, own.get_one(Account, account_id))
                    except InvitationOver:
                        return False
                    own.commit()
                    return True

            def drop(row_id: str = row.id, barrier: Barrier = barrier) -> bool:
                with sessions() as own:
                    barrier.wait()
                    try:
                        invitations.withdraw(own, own.get_one(ProviderStaff, head.id), row_id)
                    except InvitationOver:
                        return False
                    own.commit()
                    return True

            taken, dropped = pool.submit(take), pool.submit(drop)
            assert sorted((taken.result(), dropped.result())) == [False, True]


def test_invitations_are_limited_by_organisation_and_address(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head = _delegate(session, office)
    for _ in range(invitations.PER_ADDRESS):
        invitations.invite(session, head, _invitee(), key=settings.secret_key)
    with pytest.raises(invitations.TooManyInvitations):
        invitations.invite(session, head, _invitee("ROBIN@clinic.example"), key=settings.secret_key)


# Signs of sharing (case 140)


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
    head, login = _delegate(session, office), make_portal_staff(session, office)
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
    at_work = _signed_in(app, login)
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
    login = _delegate(session, office)
    _signed_in(app, login)
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
    head, login = _delegate(session, office), make_portal_staff(session, office)
    session.commit()
    _flag(session, settings, login)
    _flag(session, settings, head)
    page = _signed_in(app, head)
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


# Recertification


def test_delegates_are_reminded_30_and_7_days_before_once_each(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head = _delegate(session, office, certified_at=NOON)
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
    head = _delegate(session, office, certified_at=NOON)
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
        _delegate(session, office, certified_at=NOON)
    with time_machine.travel(NOON + timedelta(days=400), tick=False):
        recertification.run(make_sessions(engine), settings)
    session.expire_all()
    assert len(portal_staff.delegates_of(session, office.id)) == 1


def test_a_confirmed_login_is_reminded_of_anew_after_the_next_term(
    session: Session, office: PortalOrganization
) -> None:
    head, login = _delegate(session, office), make_portal_staff(session, office, certified_at=NOON)
    head.certified_at = NOON + timedelta(days=3_000)
    session.flush()
    with time_machine.travel(NOON + timedelta(days=150), tick=False):
        assert recertification.due_in(session, office.id, TERMS) == [login]
        assert recertification.remind(session, TERMS) == 1
        portal_accounts.certify(session, head, login)
        assert recertification.due_in(session, office.id, TERMS) == []
    with time_machine.travel(NOON + timedelta(days=300), tick=False):
        assert recertification.remind(session, TERMS) == 1


def test_a_factor_is_kept_through_deactivation(app: Flask, session: Session, office: PortalOrganization) -> None:
    head, gone = _delegate(session, office), _delegate(session, office)
    _signed_in(app, gone)
    delegates.deactivate(session, session.merge(head), session.merge(gone))
    session.commit()
    assert session.get(Totp, gone.account_id) is not None


@pytest.mark.parametrize("name", ["Dear user, pay at http://evil.example/x", "evil.example", "A\r\nBcc: x@y.example"])
@pytest.mark.parametrize("field", ["given_name", "family_name"])
def test_case_154_an_invitation_carries_no_link_and_no_second_line_of_the_delegate(
    app: Flask, session: Session, settings: Settings, office: PortalOrganization, field: str, name: str
) -> None:
    visitor = _signed_in(app, _delegate(session, office))
    form = {"given_name": "Vic", "family_name": "Tim", "email": "vic@tim.example", "phone": "555-555-0101"}
    create = {"create": "yes", "another": "yes"}
    visitor.get("/provider/accounts/new")
    refused = visitor.post("/provider/accounts/new", **form | create | {field: name})
    assert refused.status_code == 400 and "A name has letters" in refused.text
    assert letters(session, settings, "vic@tim.example") == []
    visitor.get("/provider/accounts/new")
    assert visitor.post("/provider/accounts/new", **form | create).status_code == 303
    assert len(letters(session, settings, "vic@tim.example")) == 1
