"""Billing organisations ask, providers answer, limit and end."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent import authorization_answers, authorization_requests, billing_authorizations, billing_clients, policy
from consent.authorization_answers import Limits, NothingAllowed
from consent.authorization_requests import AlreadyAsked, NoSuchClient, NotAFirm, TooManyRequests
from consent.billing_authorizations import AuthorizationOver, NothingLeft, UnknownAuthorization
from consent.billing_clients import ClientState
from consent.billing_models import AuthorizationRequest, AuthorizationSide, AuthorizationStatus
from consent.named_contacts import NamedContact
from service import audit, jobs, mail
from service.accounts.models import Account
from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.mailbox import threads
from service.plan.models import (
    MessageThread,
    OrganizationKind,
    PortalFunction,
    ProviderGroup,
    SecureMessage,
    StaffStatus,
    ThreadTopic,
)
from service.plan.registering.payment_proof import ProofRefused
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.consent.firm import ALL, CONTACT, Firm, allow
from tests.factories import make_account, make_entry, make_group, make_organization, make_portal_staff

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

STRANGER = NamedContact("Lee Park", "lee.park@elsewhere.example", "555-555-0102")


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


def reached(session: Session, firm: Firm, function: PortalFunction = PortalFunction.REMITTANCES) -> list[str]:
    return [one.group_id for one in policy.provider_authority(session, firm.staff, function, reason="test").groups]


def test_with_a_check_the_contact_is_asked_at_once_and_a_yes_gives_access(session: Session, firm: Firm) -> None:
    asked = firm.ask()
    assert asked.status is AuthorizationStatus.ASKED
    assert reached(session, firm) == []

    allow(session, firm)
    assert reached(session, firm) == [firm.client.id]
    assert session.get_one(AuthorizationRequest, asked.id).status is AuthorizationStatus.APPROVED


def test_the_mail_names_who_asks_for_what_and_nobody_s_health(session: Session, firm: Firm, settings: Settings) -> None:
    firm.ask(functions=frozenset({PortalFunction.REMITTANCES}))
    text = letters(session, settings, CONTACT.email)[0]
    for expected in ("Keystone Billing LLC", f"•••••{firm.organization.tax_id[-4:]}", "Robin Vance", firm.client.name):
        assert expected in text
    assert "payments (remittances)" in text
    assert "eligibility" not in text
    assert firm.organization.tax_id not in text
    subject = next(line for line in text.splitlines() if line.startswith("Subject:"))
    assert firm.secret() not in subject
    assert firm.client.name not in subject


@time_machine.travel(datetime(2026, 7, 2, 1, 30, tzinfo=UTC), tick=False)
def test_the_mail_lists_what_is_asked_line_by_line_and_tells_the_plan_s_own_day(
    session: Session, firm: Firm, settings: Settings
) -> None:
    firm.ask()

    text = letters(session, settings, CONTACT.email)[0]

    asked = "They ask to see:\n\n  - payments (remittances)\n  - claims\n  - patients' eligibility\n\nTo say yes or no"
    assert asked in text
    # In New York it is still the evening before.
    assert "Please answer by Jul 31, 2026, 9:30 PM EDT." in text


@time_machine.travel(datetime(2026, 7, 2, 1, 30, tzinfo=UTC), tick=False)
def test_the_receipt_tells_when_and_whom_to_call(session: Session, firm: Firm, settings: Settings) -> None:
    firm.ask()
    allow(session, firm)

    text = letters(session, settings, CONTACT.email)[-1]

    assert f"Hello {CONTACT.name},\n\nOn Jul 1, 2026, 9:30 PM EDT you allowed" in text
    assert f"at once: {settings.plan.provider.phone}\n" in text


def test_a_moment_is_told_in_the_mail_s_language(session: Session, settings: Settings) -> None:
    at = datetime(2026, 7, 2, 1, 30, tzinfo=UTC)
    mail.enqueue(session, to="ana@office.example", template="new_message", language="es", at=at)
    session.commit()

    assert "(1 jul 2026, 9:30 p.m. EDT)" in letters(session, settings, "ana@office.example")[0]


def test_a_yes_is_told_to_the_contact_and_to_the_asker_by_mail_and_message(
    session: Session, firm: Firm, settings: Settings
) -> None:
    firm.ask()
    allow(session, firm)
    assert "You have access now" in letters(session, settings, firm.staff.account.email)[-1]
    assert "you allowed Keystone Billing LLC" in letters(session, settings, CONTACT.email)[-1]
    thread = session.scalars(select(MessageThread).where(MessageThread.staff_id == firm.staff.id)).one()
    assert thread.topic is ThreadTopic.AUTHORIZATION
    message = session.scalars(select(SecureMessage).where(SecureMessage.thread_id == thread.id)).one()
    assert message.from_plan
    assert threads.unread_count(session, firm.staff) == 1, "the portal's bar counts it as new"
    assert "approved your request" in message.body


def test_a_no_needs_no_account_and_its_reason_stays_out_of_the_mail(
    session: Session, firm: Firm, settings: Settings
) -> None:
    asked = firm.ask()
    authorization_answers.refuse(session, firm.secret(), "We do not know this firm.", account_id=None)
    session.commit()
    assert (asked.status, asked.reason) == (AuthorizationStatus.REFUSED, "We do not know this firm.")
    assert reached(session, firm) == []
    session.commit()
    assert "was refused" in letters(session, settings, firm.staff.account.email)[-1]
    assert "do not know this firm" not in "".join(letters(session, settings, firm.staff.account.email))


def test_a_yes_may_be_for_less_and_never_for_more(session: Session, firm: Firm) -> None:
    firm.ask(functions=frozenset({PortalFunction.REMITTANCES, PortalFunction.CLAIMS}))
    for wrong in (
        Limits(ALL), Limits(frozenset()), Limits(frozenset({PortalFunction.PROFILES})),
        Limits(frozenset({PortalFunction.CLAIMS}), date(2026, 2, 1), date(2026, 1, 1)),
    ):  # fmt: skip
        with pytest.raises(NothingAllowed):
            authorization_answers.allow(session, firm.secret(), wrong, account_id=None)
    given = allow(session, firm, Limits(frozenset({PortalFunction.CLAIMS}), date(2026, 1, 1)))
    assert (given.functions, given.covers_from, given.covers_until) == (["claims"], date(2026, 1, 1), None)
    assert reached(session, firm) == []
    assert reached(session, firm, PortalFunction.CLAIMS) == [firm.client.id]


def test_only_a_working_login_of_a_billing_organisation_asks(session: Session, firm: Firm) -> None:
    provider = make_portal_staff(session, make_organization(session))
    gone = make_portal_staff(session, firm.organization, status=StaffStatus.DEACTIVATED)
    for staff in (provider, gone):
        with pytest.raises(NotAFirm):
            firm.ask(staff=staff)


def test_a_client_is_chosen_among_those_of_the_tax_id_with_whom_the_plan_does_business(
    session: Session, firm: Firm
) -> None:
    other = make_group(session)
    ended = make_group(session, tax_id="071234501", terminated_on=date(2020, 1, 1))
    session.commit()
    for group in (other, ended):
        with pytest.raises(NoSuchClient):
            firm.ask(group_id=group.id)
    found, payment = authorization_requests.find_clients(
        session, firm.staff, tax_id="071234501", number="7000001", mailing=firm.mailing
    )
    assert (found, payment) == ([firm.client], firm.payment)
    with pytest.raises(NoSuchClient):
        firm.ask(functions=frozenset({PortalFunction.PROFILES}))


def test_a_check_of_another_provider_proves_nothing(session: Session, firm: Firm) -> None:
    with pytest.raises(ProofRefused):
        firm.ask(number="7999999")


def test_one_request_to_a_client_is_open_at_a_time(session: Session, firm: Firm) -> None:
    asked = firm.ask()
    with pytest.raises(AlreadyAsked):
        firm.ask()
    session.rollback()
    authorization_requests.withdraw(session, asked, by_account_id=firm.staff.account_id)
    assert firm.ask().status is AuthorizationStatus.ASKED


def test_a_mailbox_is_not_filled_by_asking(session: Session, firm: Firm, settings: Settings) -> None:
    asked = firm.ask()
    for _ in range(authorization_requests.PER_REQUEST):
        authorization_requests.resend(session, asked, firm.mailing, by_account_id=firm.staff.account_id)
    session.commit()
    before = asked.secret_hash
    with pytest.raises(TooManyRequests):
        authorization_requests.resend(session, asked, firm.mailing, by_account_id=firm.staff.account_id)
    session.commit()
    assert asked.secret_hash == before
    assert len(letters(session, settings, CONTACT.email)) == 1 + authorization_requests.PER_REQUEST


def test_a_second_answer_replaces_the_first_and_both_are_kept(session: Session, firm: Firm) -> None:
    firm.ask()
    first = allow(session, firm, Limits(frozenset({PortalFunction.REMITTANCES})))
    firm.ask()
    assert reached(session, firm) == [firm.client.id], "the first answer stands until the second is given"
    second = allow(session, firm, Limits(frozenset({PortalFunction.CLAIMS})))
    assert first.ended_side is AuthorizationSide.NEWER_ANSWER
    assert second.ended_at is None
    assert reached(session, firm) == []
    assert reached(session, firm, PortalFunction.CLAIMS) == [firm.client.id]


def test_a_provider_limits_within_what_was_asked(session: Session, firm: Firm) -> None:
    firm.ask(functions=frozenset({PortalFunction.REMITTANCES, PortalFunction.CLAIMS}))
    given = authorization_answers.allow(
        session, firm.secret(), Limits(frozenset({PortalFunction.REMITTANCES, PortalFunction.CLAIMS})), account_id=None
    )
    by = make_account(session).id
    billing_authorizations.limit(
        session, given, [PortalFunction.CLAIMS], covers_from=None, covers_until=date(2026, 6, 30), by_account_id=by
    )
    assert (given.version, given.functions, given.covers_until) == (2, ["claims"], date(2026, 6, 30))
    assert reached(session, firm) == []
    wrong: list[list[PortalFunction]] = [[], [PortalFunction.ELIGIBILITY]]
    for functions in wrong:
        with pytest.raises(NothingLeft):
            billing_authorizations.limit(
                session, given, functions, covers_from=None, covers_until=None, by_account_id=by
            )
    changed = session.scalars(select(AuditEvent).where(AuditEvent.tag == "consent:billing_authorization:limit")).one()
    assert changed.detail is not None
    assert changed.detail["before"]["functions"] == ["remittances", "claims"]
    assert changed.detail["after"]["functions"] == ["claims"]


def test_what_ended_is_not_changed_any_more(session: Session, firm: Firm) -> None:
    firm.ask()
    given = allow(session, firm)
    by = make_account(session).id
    billing_authorizations.end(session, given, AuthorizationSide.PLAN, by_account_id=by, reason="Contract")
    for verb in (
        lambda: billing_authorizations.end(session, given, AuthorizationSide.FIRM, by_account_id=by),
        lambda: billing_authorizations.limit(
            session, given, [PortalFunction.CLAIMS], covers_from=None, covers_until=None, by_account_id=by
        ),
    ):
        with pytest.raises(AuthorizationOver):
            verb()
    assert given.ended_reason == "Contract"


def test_a_firm_that_loses_access_by_the_provider_is_told(session: Session, firm: Firm, settings: Settings) -> None:
    firm.ask()
    given = allow(session, firm)
    billing_authorizations.end(session, given, AuthorizationSide.PROVIDER, by_account_id=make_account(session).id)
    session.commit()
    assert "has ended" in letters(session, settings, firm.staff.account.email)[-1]


def test_a_provider_sees_the_permissions_of_its_groups_and_of_no_other(session: Session, firm: Firm) -> None:
    firm.ask()
    given = allow(session, firm)
    clinic = make_organization(session)
    clerk = make_portal_staff(session, clinic)
    delegate = make_portal_staff(session, clinic, is_delegate=True)
    stranger = make_portal_staff(session, is_delegate=True)
    make_entry(session, clerk, tax_id="071234501")
    make_entry(session, stranger, tax_id="079999999")
    assert billing_authorizations.for_provider(session, clerk) == [given]
    assert billing_authorizations.for_provider(session, delegate) == [given], "a delegate answers for the co-workers"
    assert billing_authorizations.for_provider(session, stranger) == []
    assert billing_authorizations.for_provider(session, firm.staff) == []
    with pytest.raises(UnknownAuthorization):
        billing_authorizations.get_for_provider(session, stranger, given.id)
    clerk.status = StaffStatus.AWAITING_PIN
    assert billing_authorizations.for_provider(session, clerk) == []


def test_look_ups_are_counted_by_day_and_person(session: Session, firm: Firm, settings: Settings) -> None:
    with time_machine.travel(NOON, tick=False):
        firm.ask()
        given = allow(session, firm)
        other = make_group(session)
        outsider = make_account(session)
        look(session, firm.staff.account, firm.client)
    with time_machine.travel(NOON + timedelta(days=1), tick=False):
        look(session, firm.staff.account, firm.client)
        look(session, firm.staff.account, firm.client)
        look(session, firm.staff.account, other)
        look(session, outsider, firm.client)
    found = billing_authorizations.lookups(session, given, settings.plan.timezone)
    assert [(one.day, one.name, one.count) for one in found] == [
        (date(2026, 6, 2), "Robin Vance", 2), (date(2026, 6, 1), "Robin Vance", 1),
    ]  # fmt: skip


def look(session: Session, account: Account, group: ProviderGroup) -> None:
    audit.record(
        session, "provider:remittance:read", account_id=account.id, detail={"groups": [group.id]}, reason="payment"
    )


def test_the_list_tells_where_each_client_stands(session: Session, firm: Firm) -> None:
    def state() -> ClientState:
        return billing_clients.clients_of(session, firm.staff)[0].state

    with time_machine.travel(NOON, tick=False):
        asked = firm.ask()
        assert state() is ClientState.ASKED
        authorization_requests.withdraw(session, asked, by_account_id=firm.staff.account_id)
        assert state() is ClientState.WITHDRAWN
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        firm.ask(number=None, contact=STRANGER)
        assert state() is ClientState.AWAITING_PLAN
    with time_machine.travel(NOON + timedelta(days=31), tick=False):
        assert state() is ClientState.LAPSED
        firm.ask()
        given = allow(session, firm)
        assert state() is ClientState.APPROVED
        firm.client.terminated_on = date(2026, 7, 1)
        session.flush()
        assert state() is ClientState.SUSPENDED
        billing_authorizations.end(session, given, AuthorizationSide.FIRM, by_account_id=firm.staff.account_id)
        assert state() is ClientState.ENDED
    assert len(billing_clients.clients_of(session, firm.staff)) == 1
    assert len(billing_clients.history_of(session, firm.staff, firm.client.id)) == 3
    other = make_portal_staff(session, make_organization(session, kind=OrganizationKind.BILLING))
    assert billing_clients.clients_of(session, other) == []


def test_the_worker_marks_what_lapsed_and_tells_the_asker(
    session: Session, firm: Firm, engine: Engine, settings: Settings
) -> None:
    with time_machine.travel(NOON, tick=False):
        asked = firm.ask()
    lapse = jobs.janitor((authorization_requests.mark_lapsed,))
    with time_machine.travel(NOON + timedelta(days=30, seconds=-1), tick=False):
        list(lapse(make_sessions(engine), settings))
        session.refresh(asked)
        assert asked.status is AuthorizationStatus.ASKED
        session.commit()
    with time_machine.travel(NOON + timedelta(days=30), tick=False):
        list(lapse(make_sessions(engine), settings))
        list(lapse(make_sessions(engine), settings))
        session.refresh(asked)
        assert asked.status is AuthorizationStatus.LAPSED
        session.commit()
        told = [one for one in letters(session, settings, firm.staff.account.email) if "has lapsed" in one]
        assert len(told) == 1
