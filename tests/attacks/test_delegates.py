"""Delegates and their people's logins under attack (security.md, cases 111, 137, 138 and 139)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.accounts.invited import InvitationOver
from service.accounts.models import Totp
from service.audit import AuditEvent
from service.clock import now
from service.db import make_sessions, new_id
from service.plan.logins import delegates, invitations, portal_accounts, portal_staff, recertification
from service.plan.logins.delegates import LastDelegate, NotADelegate, NotYetActive, OwnLogin, UnknownLogin
from service.plan.logins.portal_accounts import BeyondOwn
from service.plan.logins.recertification import Terms
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    PortalFunction,
    PortalOrganization,
    ProviderStaff,
    RequestStatus,
    StaffStatus,
)
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters, newest_code
from tests.attacks.offices import delegate_of, invitee, secret_sent, signed_in
from tests.factories import PASSWORD, make_account, make_entry, make_organization, make_portal_staff

ROUNDS, CALLERS = 20, 8

TERMS = Terms(timedelta(days=180), timedelta(days=14))


@pytest.fixture
def office(session: Session) -> PortalOrganization:
    made = make_organization(session)
    session.commit()
    return made


def test_case_138_a_deactivated_person_is_out_at_the_next_request(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, gone = delegate_of(session, office), delegate_of(session, office)
    name = gone.account.full_name
    make_entry(session, gone, tax_id="082234502")
    session.commit()
    boss, person = signed_in(app, head), signed_in(app, gone)
    person.get("/provider/accounts/new")
    boss.get(f"/provider/accounts/{gone.id}/deactivate")
    assert boss.post(f"/provider/accounts/{gone.id}/deactivate").status_code == 303
    half_done = {"given_name": "Robin", "family_name": "Vale", "email": "robin@clinic.example"}
    assert person.post("/provider/accounts/new", **half_done).status_code == 401
    assert person.get("/provider/home").location == "/sign-in?next=/provider/home"
    again = signed_in(app, gone)
    assert again.get("/provider/home").status_code == 404
    assert any("was deactivated" in letter for letter in letters(session, settings, gone.account.email))
    assert session.scalars(select(AccessEntry).where(AccessEntry.ended_at.is_(None))).all() == []
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:portal_staff:deactivate")).one()
    assert event.account_id == head.account_id
    assert event.detail and event.detail["name"] == name


def test_case_138_links_and_codes_of_a_deactivated_person_are_void(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, gone = delegate_of(session, office), delegate_of(session, office)
    session.add(DelegateRequest(staff_id=gone.id, reason="left"))
    invitations.invite(session, gone, invitee(), key=settings.secret_key)
    session.commit()
    link = "/provider/invitation/" + secret_sent(session, settings)
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
    head = delegate_of(session, office)
    invited = invitations.invite(session, head, invitee(), key=settings.secret_key)
    login = make_portal_staff(session, office, account=make_account(session, email="robin@clinic.example"))
    delegates.deactivate(session, head, login)
    session.refresh(invited)
    assert invited.voided_at is not None


def test_case_138_a_delegate_demoted_meanwhile_leaves_no_working_link(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, other = delegate_of(session, office), delegate_of(session, office)
    invitations.invite(session, other, invitee(is_delegate=True), key=settings.secret_key)
    session.commit()
    secret = secret_sent(session, settings)
    invitations.get_invitation(session, secret)
    delegates.demote(session, head, other)
    with pytest.raises(InvitationOver):
        invitations.get_invitation(session, secret)


def test_case_138_what_the_delegate_lost_meanwhile_is_not_given(
    session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head = delegate_of(session, office, functions=["claims", "remittances"])
    kept, lost = make_entry(session, head, tax_id="082234502"), make_entry(session, head, npi="1234567893")
    functions = (PortalFunction.CLAIMS, PortalFunction.REMITTANCES)
    invited = invitations.invite(
        session, head, invitee(functions=functions, entry_ids=(kept.id, lost.id)), key=settings.secret_key
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
    head = delegate_of(session, office)
    page = signed_in(app, head)
    assert "Another delegate can change it" in page.get(f"/provider/accounts/{head.id}").text
    page.get(f"/provider/accounts/{head.id}/deactivate")
    for deed in ("deactivate", "delegate", "rights", "certify"):
        page.get("/provider/accounts/new")
        assert page.post(f"/provider/accounts/{head.id}/{deed}").status_code == 409
    session.expire_all()
    assert delegates.is_delegate(session.get_one(ProviderStaff, head.id))


def test_case_139_nobody_changes_their_own_login(session: Session, office: PortalOrganization) -> None:
    head, _other = delegate_of(session, office), delegate_of(session, office)
    for deed in (delegates.deactivate, delegates.demote, delegates.promote, portal_accounts.certify):
        with pytest.raises(OwnLogin):
            deed(session, head, head)


def test_case_139_nobody_is_promoted_because_a_delegate_left(session: Session, office: PortalOrganization) -> None:
    head = delegate_of(session, office)
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
    head, login, clerk = delegate_of(session, office), make_portal_staff(session, office), make_account(session)
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
    head, clerk = delegate_of(session, office), make_account(session)
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
            one, two = delegate_of(session, office), delegate_of(session, office)
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
    head = delegate_of(session, office, functions=["claims"])
    login = make_portal_staff(session, office, functions=[])
    foreign = make_entry(session, make_portal_staff(session), tax_id="099999999")
    session.commit()
    page = signed_in(app, head)
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
    head = delegate_of(session, office, functions=["claims"])
    foreign = make_entry(session, make_portal_staff(session), tax_id="099999999")
    for offered in (invitee(functions=(PortalFunction.ACCESS,)), invitee(entry_ids=(foreign.id,))):
        with pytest.raises(BeyondOwn):
            invitations.invite(session, head, offered, key=settings.secret_key)


@pytest.mark.parametrize("deed", ["deactivate", "delegate", "rights", "certify", "talked"])
def test_a_login_of_another_organisation_is_as_one_that_does_not_exist(
    app: Flask, session: Session, office: PortalOrganization, deed: str
) -> None:
    page = signed_in(app, delegate_of(session, office))
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
    head, login = delegate_of(session, office), make_portal_staff(session, office)
    session.commit()
    person = signed_in(app, login)
    delegates.promote(session, session.merge(head), session.merge(login))
    session.commit()
    assert person.get("/provider/home").location == "/sign-in?next=/provider/home"
    person.sign_in(login.account)
    assert person.get("/provider/home").location == "/settings/second-factor/set-up?next=/provider/home"


def test_a_factor_is_kept_through_deactivation(app: Flask, session: Session, office: PortalOrganization) -> None:
    head, gone = delegate_of(session, office), delegate_of(session, office)
    signed_in(app, gone)
    delegates.deactivate(session, session.merge(head), session.merge(gone))
    session.commit()
    assert session.get(Totp, gone.account_id) is not None
