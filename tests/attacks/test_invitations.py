"""Invitations of delegates under attack (security.md, cases 129, 154 and 189)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.accounts import passwords
from service.accounts.enrolling import Credentials
from service.accounts.invited import InvitationOver
from service.accounts.models import Account
from service.accounts.passwords import Rule
from service.accounts.usernames import UnusableUsername
from service.db import digest, make_sessions
from service.plan.logins import invitations, portal_accounts
from service.plan.models import PortalInvitation, PortalOrganization, ProviderStaff
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.attacks.offices import delegate_of, invitee, secret_sent, signed_in
from tests.factories import PASSWORD, make_account, make_organization

ROUNDS, CALLERS = 20, 8


@pytest.fixture
def office(session: Session) -> PortalOrganization:
    made = make_organization(session)
    session.commit()
    return made


def test_case_129_looking_at_a_link_changes_nothing(
    app: Flask, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    invitations.invite(session, delegate_of(session, office), invitee(), key=settings.secret_key)
    session.commit()
    secret = secret_sent(session, settings)
    for _ in range(3):
        assert Visitor(app).get(f"/provider/invitation/{secret}").status_code == 200
    row = session.scalars(select(PortalInvitation)).one()
    assert (row.spent_at, row.secret_hash) == (None, digest(secret))
    assert len(secret) == 43


def test_case_189_of_many_workers_one_takes_an_invitation_up(
    engine: Engine, session: Session, office: PortalOrganization, settings: Settings
) -> None:
    head, owners = delegate_of(session, office), []
    for number in range(ROUNDS // 2):
        owners.append(make_account(session, email=f"robin{number}@clinic.example"))
        invitations.invite(
            session, head, invitee(f"robin{number}@clinic.example"), key=settings.secret_key, name_is_another=True
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
    head, sessions = delegate_of(session, office), make_sessions(engine)
    with ThreadPoolExecutor(2) as pool:
        for number in range(ROUNDS // 2):
            owner = make_account(session, email=f"robin{number}@clinic.example")
            row = invitations.invite(session, head, invitee(owner.email), key=settings.secret_key, name_is_another=True)
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
    head = delegate_of(session, office)
    for _ in range(invitations.PER_ADDRESS):
        invitations.invite(session, head, invitee(), key=settings.secret_key)
    with pytest.raises(invitations.TooManyInvitations):
        invitations.invite(session, head, invitee("ROBIN@clinic.example"), key=settings.secret_key)


@pytest.mark.parametrize("name", ["Dear user, pay at http://evil.example/x", "evil.example", "A\r\nBcc: x@y.example"])
@pytest.mark.parametrize("field", ["given_name", "family_name"])
def test_case_154_an_invitation_carries_no_link_and_no_second_line_of_the_delegate(
    app: Flask, session: Session, settings: Settings, office: PortalOrganization, field: str, name: str
) -> None:
    visitor = signed_in(app, delegate_of(session, office))
    form = {"given_name": "Vic", "family_name": "Tim", "email": "vic@tim.example", "phone": "555-555-0101"}
    create = {"create": "yes", "another": "yes"}
    visitor.get("/provider/accounts/new")
    refused = visitor.post("/provider/accounts/new", **form | create | {field: name})
    assert refused.status_code == 400 and "A name has letters" in refused.text
    assert letters(session, settings, "vic@tim.example") == []
    visitor.get("/provider/accounts/new")
    assert visitor.post("/provider/accounts/new", **form | create).status_code == 303
    assert len(letters(session, settings, "vic@tim.example")) == 1


def test_case_129_a_name_that_was_taken_during_the_hash_leaves_the_link_as_it_was(
    engine: Engine, session: Session, office: PortalOrganization, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    invitations.invite(session, delegate_of(session, office), invitee(), key=settings.secret_key)
    session.commit()
    real = passwords.make_hash

    def hashed(text: str) -> str:
        made = real(text)
        with make_sessions(engine).begin() as other:
            make_account(other, username="robin.v")
        return made

    monkeypatch.setattr(passwords, "make_hash", hashed)
    row = session.scalars(select(PortalInvitation)).one()
    with pytest.raises(UnusableUsername):
        invitations.accept_as_new(session, row, Credentials("robin.v", PASSWORD, Rule()))
    # The page that says so returns, and returning commits.
    session.commit()

    session.refresh(row)
    assert row.spent_at is None
