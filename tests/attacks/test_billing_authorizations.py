"""Billing organisations' requests under attack (security.md, cases 129, 131 to 135), and the proof they use (123)."""

import html
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
import requests
import time_machine
from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from consent import authorization_answers, authorization_requests, billing_authorizations, policy
from consent.authorization_answers import Limits, RequestOver
from consent.authorization_requests import NoSuchClient
from consent.models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from consent.named_contacts import ContactIsAsker, ContactIsColleague, ContactRefused, NamedContact
from service.audit import AuditEvent
from service.db import Base, digest, make_sessions
from service.plan.models import (
    GroupStatus,
    OrganizationKind,
    PaymentMethod,
    PortalFunction,
    ProviderGroup,
    ProviderStaff,
    StaffRole,
)
from service.plan.registering import payment_proof
from service.plan.registering.payment_proof import ProofRefused, TooManyTries
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.conftest import LiveServer
from tests.consent.firm import ALL, CONTACT, Firm
from tests.factories import (
    make_account,
    make_contact,
    make_entry,
    make_group,
    make_organization,
    make_payment,
    make_plan_staff,
    make_portal_staff,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
YES = {"functions": ["remittances", "claims", "eligibility"]}
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


@pytest.fixture
def contact(app: Flask) -> Visitor:
    """The contact's browser, in which nobody is signed in."""
    return Visitor(app)


def link(firm: Firm) -> str:
    return f"/provider/authorize/{firm.secret()}"


def reached(session: Session, staff: ProviderStaff, function: PortalFunction = PortalFunction.REMITTANCES) -> set[str]:
    """The groups that a request of this login begun now reaches."""
    with Session(session.get_bind()) as own:
        access = policy.provider_authority(own, own.get_one(ProviderStaff, staff.id), function, reason="test")
        return {one.group_id for one in access.groups}


def everything(session: Session) -> str:
    with Session(session.get_bind()) as own:
        # The reader's own look leaves its session's trace only where it signs in: these pages need no login.
        return repr([own.execute(text(f'SELECT * FROM "{name}"')).all() for name in sorted(Base.metadata.tables)])


def test_case_129_opening_the_link_changes_nothing_and_a_post_approves_without_an_account(
    firm: Firm, contact: Visitor, session: Session, settings: Settings
) -> None:
    firm.ask()
    address = link(firm)
    before = everything(session)
    for _ in range(3):
        shown = contact.get(address)
        assert shown.status_code == 200
        assert contact.browser.head(address).status_code == 200
        assert contact.browser.options(address).status_code == 200
    assert contact.get(f"{address}/yes").status_code == 405
    assert contact.get(f"{address}/no").status_code == 405
    assert everything(session) == before
    assert reached(session, firm.staff) == set()

    contact.get(address)
    assert contact.post_without_token(f"{address}/yes", **YES).status_code == 403, "a scanner's POST has no token"
    assert reached(session, firm.staff) == set()
    assert contact.post(f"{address}/yes", **YES).status_code == 200
    assert reached(session, firm.staff) == {firm.client.id}
    assert "You have access now" in letters(session, settings, firm.staff.account.email)[-1]
    assert "you allowed Keystone Billing LLC" in letters(session, settings, CONTACT.email)[-1]


def test_case_129_the_page_shows_who_asks_for_what_and_keeps_its_address_to_itself(
    firm: Firm, contact: Visitor
) -> None:
    firm.ask()
    shown = contact.get(link(firm))
    for expected in (
        "Keystone Billing LLC",
        firm.organization.tax_id[-4:],
        "Robin Vance",
        firm.client.name,
        "Pat Moss",
    ):
        assert expected in shown.text
    assert firm.organization.tax_id not in shown.text
    assert "071234501" not in shown.text
    assert shown.headers["Referrer-Policy"] in {"strict-origin", "no-referrer"}
    assert "noindex" in shown.headers["X-Robots-Tag"]
    assert shown.headers["Cache-Control"] == "no-store"


def test_case_129_the_secret_has_256_bits_and_only_its_digest_is_stored(firm: Firm, session: Session) -> None:
    asked = firm.ask()
    secret = firm.secret()
    assert len(secret) >= 43
    assert asked.secret_hash is not None
    assert len(asked.secret_hash) == 64
    assert secret not in everything(session)


def test_case_129_the_link_works_once(firm: Firm, contact: Visitor, session: Session) -> None:
    firm.ask()
    address = link(firm)
    contact.get(address)
    assert contact.post(f"{address}/no", reason="We do not know them.").status_code == 200
    assert contact.browser.get(address).status_code == 410
    assert contact.post(f"{address}/yes", **YES).status_code == 410
    assert contact.post(f"{address}/no", reason="Still not.").status_code == 410
    assert reached(session, firm.staff) == set()


def test_case_131_nobody_names_themselves_a_co_worker_or_their_own_domain(firm: Firm, session: Session) -> None:
    make_portal_staff(session, firm.organization, account=make_account(session, email="kim@gmail.com"))
    session.commit()
    cases: list[tuple[str, type[ContactRefused]]] = [
        ("robin@keystone.example", ContactIsAsker),
        ("ROBIN@Keystone.Example", ContactIsAsker),
        ("robin+clinic@keystone.example", ContactIsAsker),
        ("k.i.m+clinic@googlemail.com", ContactIsAsker),
        ("boss@keystone.example", ContactIsColleague),
        ("boss@mail.keystone.example", ContactIsColleague),
        ("boss@KEYSTONE.example", ContactIsColleague),
    ]
    for address, refused in cases:
        with pytest.raises(refused):
            firm.ask(contact=NamedContact("Pat Moss", address, "555-555-0101"))
        session.commit()
    assert session.scalar(select(func.count()).select_from(AuthorizationRequest)) == 0


def test_case_131_a_contact_who_joins_the_firm_cannot_say_yes_any_more(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    firm.ask()
    address = link(firm)
    make_portal_staff(session, firm.organization, account=make_account(session, email=CONTACT.email))
    session.commit()
    contact.get(address)
    assert contact.post(f"{address}/yes", **YES).status_code == 403
    assert reached(session, firm.staff) == set()


def test_case_131_a_login_of_the_firm_cannot_answer_with_the_forwarded_link(
    firm: Firm, app: Flask, session: Session
) -> None:
    firm.ask()
    address = link(firm)
    asker = Visitor(app)
    assert asker.enter(firm.staff.account).status_code == 303
    asker.get(address)
    assert asker.post(f"{address}/yes", **YES).status_code == 403
    assert asker.post(f"{address}/no", reason="x").status_code == 403
    assert reached(session, firm.staff) == set()
    assert session.scalars(select(AuthorizationRequest)).one().status is AuthorizationStatus.ASKED


@pytest.mark.parametrize("number", ["7000001", None])
def test_case_131_a_contact_changed_within_a_week_waits_for_plan_staff(
    firm: Firm, session: Session, settings: Settings, number: str | None
) -> None:
    with time_machine.travel(NOON, tick=False):
        make_contact(session, firm.client, CONTACT.email, changed_at=NOON - timedelta(days=6, hours=23))
        session.commit()
        payment = make_payment(session, firm.client, "7000002")
        assert payment.number_key == "7000002"
        asked = firm.ask(number="7000002" if number else None)
        assert asked.status is AuthorizationStatus.AWAITING_PLAN
        assert letters(session, settings, CONTACT.email) == []
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        authorization_requests.withdraw(session, asked, by_account_id=firm.staff.account_id)
        assert firm.ask(number="7000002" if number else None).status is AuthorizationStatus.ASKED


@pytest.mark.parametrize("mine", ["7000001", "7000003"], ids=["the sibling has no payment", "both have one"])
def test_case_131_134_a_payment_to_one_group_vouches_for_no_other_of_its_tax_id(
    firm: Firm, session: Session, settings: Settings, mine: str
) -> None:
    sibling = make_group(session, tax_id="071234501")
    theirs = make_payment(session, sibling, "7000002")
    make_payment(session, firm.client, "7000003")
    session.commit()
    crony = NamedContact("Al Park", "al@crony.example", "555-555-0199")

    with pytest.raises(NoSuchClient):
        firm.ask(number=mine, group_id=sibling.id, contact=crony)
    session.commit()
    found = authorization_requests.find_clients(
        session, firm.staff, tax_id="071234501", number="7000002", mailing=firm.mailing
    )
    assert found == ([sibling], theirs)
    session.commit()
    assert letters(session, settings, crony.email) == []
    asked = firm.ask(number=None, group_id=sibling.id, contact=crony)
    assert asked.status is AuthorizationStatus.AWAITING_PLAN, "without a payment of its own, plan staff look first"
    assert reached(session, firm.staff) == set()


def test_case_131_134_the_pages_offer_the_payee_alone(firm: Firm, app: Flask, session: Session) -> None:
    sibling = make_group(session, tax_id="071234501", legal_name="Birch Street Clinic")
    session.commit()
    desk = Visitor(app)
    desk.enter(firm.staff.account)
    desk.get("/provider/access/clients/new")

    offered = desk.post("/provider/access/clients/new", tax_id="071234501", number="7000001").text
    chosen = desk.post(
        "/provider/access/clients/new/contact", tax_id="071234501", number="7000001", group_id=sibling.id
    )

    assert firm.client.legal_name in offered
    assert "Birch Street Clinic" not in offered
    assert (chosen.status_code, "Birch Street Clinic" in chosen.text) == (400, False)


def test_case_131_a_contact_with_the_name_of_the_firm_s_own_people_waits_too(firm: Firm) -> None:
    asked = firm.ask(contact=NamedContact("ROBIN  VANCE", "rv@clinic.example", "555-555-0101"))
    assert asked.status is AuthorizationStatus.AWAITING_PLAN


def test_case_131_plan_staff_who_work_for_the_firm_do_not_verify_its_contacts(firm: Firm, session: Session) -> None:
    asked = firm.ask(number=None)
    double = make_plan_staff(session, StaffRole.PROVIDER_SERVICES, account=firm.staff.account)
    for verb in (
        lambda: authorization_requests.verify_contact(session, asked, firm.mailing, by_account_id=double.account_id),
        lambda: authorization_requests.refuse_contact(session, asked, "no", by_account_id=double.account_id),
    ):
        with pytest.raises(ContactRefused):
            verb()
    assert asked.status is AuthorizationStatus.AWAITING_PLAN


def test_case_132_an_altered_link_opens_nothing(firm: Firm, contact: Visitor, session: Session) -> None:
    asked = firm.ask()
    secret = firm.secret()
    contact.get("/sign-in")
    token = _TOKEN.search(contact.page.text)
    assert token
    wrong = [
        secret[:-1] + ("A" if secret[-1] != "A" else "B"), secret[:-1], secret + "A", secret.swapcase(), asked.id,
        asked.secret_hash, digest(secret), firm.organization.id, firm.client.id, "x" * 5_000, "%00", "ünïcode",
        secrets.token_urlsafe(32), contact.sid(), html.unescape(token[1]),
    ]  # fmt: skip
    for one in wrong:
        answers = {contact.get(f"/provider/authorize/{one}").status_code}
        contact.get("/sign-in")
        answers.add(contact.post(f"/provider/authorize/{one}/yes", **YES).status_code)
        assert answers == {400}, one
    assert reached(session, firm.staff) == set()


def test_case_132_no_secret_of_another_purpose_and_no_bare_digest_fits(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    firm.ask()
    # A token whose plain digest is what is stored here: the look-up is by purpose and secret together.
    secret = secrets.token_urlsafe(32)
    second = _second_group(session)
    other = firm.ask(group_id=second.id, number=make_payment(session, second).number)
    other.secret_hash = digest(secret)
    session.commit()
    assert contact.get(f"/provider/authorize/{secret}").status_code == 400


def test_case_132_swapped_ids_and_scopes_in_the_form_change_nothing(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    firm.ask(functions=frozenset({PortalFunction.REMITTANCES}))
    other = make_group(session)
    thief = make_organization(session, kind=OrganizationKind.BILLING)
    session.commit()
    address = link(firm)
    contact.get(address)
    for wrong in (["remittances", "claims"], ["profiles"], ["access"], ["*"], []):
        assert contact.post(f"{address}/yes", functions=wrong).status_code == 400, wrong
    assert session.scalar(select(func.count()).select_from(BillingAuthorization)) == 0
    session.commit()
    swapped = {"organization_id": thief.id, "group_id": other.id, "request_id": "x", "status": "approved"}
    assert contact.post(f"{address}/yes", functions=["remittances"], **swapped).status_code == 200
    given = session.scalars(select(BillingAuthorization)).one()
    assert (given.organization_id, given.group_id, given.functions) == (
        firm.organization.id, firm.client.id, ["remittances"],
    )  # fmt: skip


def test_case_132_a_firm_cannot_touch_another_firm_s_request(firm: Firm, app: Flask, session: Session) -> None:
    asked = firm.ask()
    thief = make_portal_staff(session, make_organization(session, kind=OrganizationKind.BILLING), is_delegate=True)
    session.commit()
    browser = Visitor(app)
    browser.enter(thief.account)
    assert browser.get(f"/provider/access/clients/{asked.id}").status_code == 404
    browser.get("/provider/access/clients/new")
    for verb in ("resend", "withdraw"):
        assert browser.post(f"/provider/access/clients/{asked.id}/{verb}").status_code == 404
    session.refresh(asked)
    assert (asked.status, asked.sends) == (AuthorizationStatus.ASKED, 1)


@pytest.mark.parametrize(
    ("after", "status"), [(MONTH - timedelta(seconds=1), 200), (MONTH, 410), (MONTH + timedelta(days=1), 410)]
)
def test_case_133_thirty_days_by_the_product_s_clock(
    firm: Firm, contact: Visitor, session: Session, after: timedelta, status: int
) -> None:
    with time_machine.travel(NOON, tick=False):
        firm.ask(number=None, contact=_on_file(firm, session))
        address = link(firm)
        contact.get(address)
    with time_machine.travel(NOON + after, tick=False):
        assert contact.browser.get(address).status_code == status
        assert contact.post(f"{address}/yes", **YES).status_code == status
        assert reached(session, firm.staff) == ({firm.client.id} if status == 200 else set())


def test_case_133_a_clock_set_back_revives_nothing_that_was_marked(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    with time_machine.travel(NOON, tick=False):
        firm.ask(number=None, contact=_on_file(firm, session))
        address = link(firm)
    with time_machine.travel(NOON + MONTH, tick=False):
        assert authorization_requests.mark_lapsed(session) == 1
        session.commit()
    with time_machine.travel(NOON, tick=False):
        assert contact.get(address).status_code == 410


def test_case_133_a_withdrawn_request_is_gone(firm: Firm, contact: Visitor, session: Session) -> None:
    asked = firm.ask()
    address = link(firm)
    contact.get(address)
    authorization_requests.withdraw(session, asked, by_account_id=firm.staff.account_id)
    session.commit()
    assert contact.browser.get(address).status_code == 410
    assert contact.post(f"{address}/yes", **YES).status_code == 410
    assert reached(session, firm.staff) == set()


def test_case_133_a_mail_sent_again_voids_the_old_link_and_keeps_the_end(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    with time_machine.travel(NOON, tick=False):
        asked = firm.ask(number=None, contact=_on_file(firm, session))
        old = link(firm)
        contact.get(old)
    with time_machine.travel(NOON + timedelta(days=29), tick=False):
        authorization_requests.resend(session, asked, firm.mailing, by_account_id=firm.staff.account_id)
        session.commit()
        assert asked.expires_at == NOON + MONTH
        assert contact.post(f"{old}/yes", **YES).status_code == 400
        assert contact.browser.get(old).status_code == 400
        new = link(firm)
        assert new != old
        assert contact.browser.get(new).status_code == 200
    with time_machine.travel(NOON + MONTH, tick=False):
        assert contact.browser.get(new).status_code == 410
        session.refresh(asked)
        with pytest.raises(authorization_requests.RequestClosed):
            authorization_requests.resend(session, asked, firm.mailing, by_account_id=firm.staff.account_id)


def test_case_133_of_twenty_parallel_answers_one_counts(firm: Firm, engine: Engine, session: Session) -> None:
    sessions = make_sessions(engine)
    firm.ask()
    secret, barrier = firm.secret(), Barrier(8)

    def answer(number: int) -> bool:
        if number < 8:
            barrier.wait(20)
        try:
            with sessions.begin() as own:
                if number % 2:
                    authorization_answers.refuse(own, secret, "No.", account_id=None)
                else:
                    authorization_answers.allow(own, secret, Limits(ALL), account_id=None)
        except RequestOver:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(answer, range(20))) == 1
    session.expire_all()
    approved = session.scalars(select(AuthorizationRequest)).one().status is AuthorizationStatus.APPROVED
    assert session.scalar(select(func.count()).select_from(BillingAuthorization)) == int(approved)


def test_case_133_approved_in_parallel_on_two_workers_gives_one_permission(
    live_server: LiveServer, session: Session
) -> None:
    firm = Firm(session, live_server.settings)
    firm.ask()
    address = f"{live_server.url}/provider/authorize/{firm.secret()}"
    barrier = Barrier(8)

    def approve(_: int) -> int:
        browser = requests.Session()
        token = _TOKEN.search(browser.get(address, timeout=60).text)
        assert token
        barrier.wait(60)
        form = {"csrf_token": html.unescape(token[1]), **YES}
        return browser.post(f"{address}/yes", data=form, timeout=60).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(approve, range(8)))
    assert answers == [200, *[410] * 7]
    assert session.scalar(select(func.count()).select_from(BillingAuthorization)) == 1
    told = session.scalar(
        select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == "consent:authorization_request:allow")
    )
    assert told == 1


def test_case_133_a_withdrawal_and_an_answer_at_one_moment_have_one_winner(
    firm: Firm, engine: Engine, session: Session
) -> None:
    sessions = make_sessions(engine)
    for _ in range(10):
        asked = firm.ask()
        secret, barrier = firm.secret(), Barrier(2)

        def answer(secret: str = secret, barrier: Barrier = barrier) -> bool:
            barrier.wait(20)
            try:
                with sessions.begin() as own:
                    authorization_answers.refuse(own, secret, "No.", account_id=None)
            except RequestOver:
                return False
            return True

        def withdraw(asked_id: str = asked.id, barrier: Barrier = barrier) -> bool:
            barrier.wait(20)
            try:
                with sessions.begin() as own:
                    mine = own.get_one(AuthorizationRequest, asked_id)
                    authorization_requests.withdraw(own, mine, by_account_id=firm.staff.account_id)
            except authorization_requests.RequestClosed:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sum(turn.result() for turn in (pool.submit(answer), pool.submit(withdraw))) == 1
        session.refresh(asked)
        assert asked.status in {AuthorizationStatus.REFUSED, AuthorizationStatus.WITHDRAWN}
        session.commit()
    outcomes = session.execute(
        select(AuditEvent.tag, func.count())
        .where(AuditEvent.tag.in_(("consent:authorization_request:refuse", "consent:authorization_request:withdraw")))
        .group_by(AuditEvent.tag)
    ).all()
    assert sum(count for _tag, count in outcomes) == 10


def test_case_133_two_windows_that_ask_at_once_make_one_request(firm: Firm, engine: Engine, session: Session) -> None:
    sessions, barrier = make_sessions(engine), Barrier(6)

    def ask(_: int) -> bool:
        barrier.wait(20)
        wanted = authorization_requests.Wanted("071234501", "7000001", firm.client.id, ALL, CONTACT)
        try:
            with sessions.begin() as own:
                mine = own.get_one(ProviderStaff, firm.staff.id)
                authorization_requests.ask(own, mine, wanted, firm.mailing)
        except authorization_requests.AlreadyAsked:
            return False
        return True

    session.commit()
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, range(6))) == 1
    assert session.scalar(select(func.count()).select_from(AuthorizationRequest)) == 1


def test_case_134_a_firm_reaches_only_what_was_approved_for_it(firm: Firm, contact: Visitor, session: Session) -> None:
    sibling = _second_group(session)
    stranger = make_portal_staff(session, make_organization(session, kind=OrganizationKind.BILLING))
    make_entry(session, firm.staff, tax_id="071234501")
    session.commit()
    firm.ask()
    address = link(firm)
    contact.get(address)
    limited = {"functions": ["remittances"], "covers_from": "01/01/2026", "covers_until": "2026-03-31"}
    assert contact.post(f"{address}/yes", **limited).status_code == 200

    access = policy.provider_authority(session, firm.staff, PortalFunction.REMITTANCES, reason="payment")
    assert [(one.group_id, one.since, one.until) for one in access.groups] == [
        (firm.client.id, date(2026, 1, 1), date(2026, 3, 31))
    ]
    assert sibling.id not in {one.group_id for one in access.groups}, "a shared Tax ID is split by group"
    session.commit()
    for function in (PortalFunction.CLAIMS, PortalFunction.ELIGIBILITY, PortalFunction.PROFILES):
        assert reached(session, firm.staff, function) == set()
    assert reached(session, stranger) == set()


def test_case_134_earlier_payments_are_covered_unless_dates_are_limited(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    firm.ask()
    address = link(firm)
    contact.get(address)
    assert contact.post(f"{address}/yes", **YES, covers_from="", covers_until="").status_code == 200
    access = policy.provider_authority(session, firm.staff, PortalFunction.CLAIMS, reason="payment")
    assert [(one.since, one.until) for one in access.groups] == [(None, None)]


def test_case_134_a_login_without_the_application_reaches_nothing_that_its_firm_may(
    firm: Firm, session: Session
) -> None:
    firm.ask()
    authorization_answers.allow(session, firm.secret(), Limits(ALL), account_id=None)
    clerk = make_portal_staff(session, firm.organization, functions=[PortalFunction.CLAIMS.value])
    session.commit()
    assert reached(session, clerk) == set()
    assert reached(session, clerk, PortalFunction.CLAIMS) == {firm.client.id}


@pytest.mark.parametrize("by", ["provider", "firm", "plan", "contract", "day"])
def test_case_135_what_is_revoked_or_ended_is_gone_at_the_next_request(
    firm: Firm, contact: Visitor, app: Flask, session: Session, by: str
) -> None:
    firm.ask()
    address = link(firm)
    contact.get(address)
    contact.post(f"{address}/yes", **YES)
    given = session.scalars(select(BillingAuthorization)).one()
    clerk = make_portal_staff(session, firm.organization)
    provider = make_portal_staff(session, is_delegate=True)
    make_entry(session, provider, tax_id="071234501")
    staff = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    session.commit()
    assert reached(session, firm.staff) == reached(session, clerk) == {firm.client.id}

    browser = Visitor(app)
    if by == "provider":
        browser.enter(provider.account)
        browser.get(f"/provider/access/permissions/{given.id}")
        assert browser.post(f"/provider/access/permissions/{given.id}/end").status_code == 303
    elif by == "firm":
        browser.enter(firm.staff.account)
        browser.get(f"/provider/access/clients/{given.request_id}")
        assert browser.post(f"/provider/access/clients/permissions/{given.id}/end", reason="").status_code == 303
    elif by == "plan":
        browser.enter(staff.account)
        browser.get("/staff/authorizations?q=keystone")
        assert browser.post(f"/staff/authorizations/permissions/{given.id}/end", reason="Asked by phone").location
    elif by == "contract":
        firm.client.status = GroupStatus.TERMINATED
    else:
        firm.client.terminated_on = date(2026, 1, 1)
    session.commit()
    for function in (PortalFunction.REMITTANCES, PortalFunction.CLAIMS, PortalFunction.ELIGIBILITY):
        assert reached(session, firm.staff, function) == reached(session, clerk, function) == set()
    assert reached(session, provider) == {firm.client.id}, "the provider keeps its own past payments"


def test_case_135_a_limit_holds_from_the_next_request_on(firm: Firm, session: Session) -> None:
    firm.ask()
    given = authorization_answers.allow(session, firm.secret(), Limits(ALL), account_id=None)
    session.commit()
    before = given.version
    billing_authorizations.limit(
        session, given, [PortalFunction.CLAIMS], covers_from=None, covers_until=None,
        by_account_id=firm.staff.account_id,
    )  # fmt: skip
    session.commit()
    assert given.version == before + 1
    assert reached(session, firm.staff) == set()
    assert reached(session, firm.staff, PortalFunction.CLAIMS) == {firm.client.id}


def test_case_135_nobody_but_a_delegate_of_the_provider_or_the_firm_ends_it(
    firm: Firm, app: Flask, session: Session
) -> None:
    firm.ask()
    given = authorization_answers.allow(session, firm.secret(), Limits(ALL), account_id=None)
    clerk = make_portal_staff(session, firm.organization)
    office = make_portal_staff(session)
    make_entry(session, office, tax_id="071234501")
    stranger = make_portal_staff(session, is_delegate=True)
    make_entry(session, stranger, tax_id="079999998")
    session.commit()
    for staff in (clerk, office, stranger, firm.staff):
        browser = Visitor(app)
        browser.enter(staff.account)
        browser.get("/sign-in")
        browser.get("/provider/access")
        for path in ("limit", "end"):
            assert browser.post(f"/provider/access/permissions/{given.id}/{path}", **YES).status_code == 404
        if staff is not firm.staff:
            assert browser.post(f"/provider/access/clients/permissions/{given.id}/end").status_code == 404
    session.refresh(given)
    assert given.ended_at is None
    assert given.version == 1


def test_case_123_five_wrong_numbers_close_a_tax_id_for_a_day_and_staff_are_told(
    session: Session, settings: Settings
) -> None:
    group = make_group(session, tax_id="071234501")
    make_payment(session, group, "7000001")
    clerk = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    session.commit()
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        for number in range(7000002, 7000007):
            assert _try(session, number=str(number), network=f"192.0.2.{number % 100}") is ProofRefused
        assert _try(session, network="192.0.2.200") is TooManyTries, "also the right number, also from elsewhere"
        session.commit()
        assert len(letters(session, settings, clerk.account.email)) == 1
        traveller.shift(timedelta(days=1))
        assert _try(session) is None


def test_case_123_ten_wrong_numbers_close_a_network_and_two_hundred_everything(session: Session) -> None:
    group = make_group(session, tax_id="071234501")
    make_payment(session, group, "7000001")
    for number in range(10):
        assert _try(session, tax_id=f"0812345{number:02}") is ProofRefused
    assert _try(session) is TooManyTries
    assert _try(session, network="192.0.2.9") is None
    for number in range(189):
        assert _try(session, tax_id=f"0900000{number % 100:02}", network=f"198.51.100.{number}") is not None
    assert _try(session, network="192.0.2.10") is TooManyTries


def test_case_123_a_proof_is_of_that_payee_and_not_older_than_180_days(session: Session) -> None:
    today = datetime.now(UTC).date()
    group = make_group(session, tax_id="071234501", npi="2900179195", vendor_number="V100001")
    sibling = make_group(session, tax_id="071234501")
    other = make_group(session, tax_id="082234502")
    make_payment(session, group, "7000001", payee_npi="2900179195")
    make_payment(session, group, "NP 0001", method=PaymentMethod.NON_PAYMENT, amount_cents=0)
    make_payment(session, group, "7000180", paid_on=today - timedelta(days=180))
    make_payment(session, group, "7000181", paid_on=today - timedelta(days=181))
    make_payment(session, other, "7000009")
    assert _try(session) is None
    assert _try(session, number="NP0001") is None
    assert _try(session, number="7000180") is None
    assert _try(session, vendor_number="V100001", npi="2900179195") is None
    fields = {"number": "7000181"}, {"number": "7000009"}, {"number": "0001"}, {"npi": "2900258387"}
    for wrong in (*fields, {"vendor_number": "V100002"}):
        assert _try(session, **wrong, network=f"192.0.2.{len(str(wrong))}") is ProofRefused, wrong
    assert sibling.id != group.id


def test_case_123_a_parallel_burst_gets_five_tries(engine: Engine, session: Session) -> None:
    group = make_group(session, tax_id="071234501")
    make_payment(session, group, "7000001")
    session.commit()
    sessions = make_sessions(engine)

    def guess(number: int) -> type[ProofRefused] | None:
        with sessions.begin() as own:
            return _try(own, number=f"81{number:05}", network=f"203.0.113.{number}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(30)))
    assert answers.count(ProofRefused) == payment_proof.PER_TAX_ID
    assert answers.count(TooManyTries) == 30 - payment_proof.PER_TAX_ID


def _try(session: Session, **given: str) -> type[ProofRefused] | None:
    values = {"tax_id": "071234501", "number": "7000001", "network": "192.0.2.7"} | given
    network = values.pop("network")
    try:
        payment_proof.verify(session, payment_proof.ShownPayment(**values), network=network)
    except ProofRefused as refused:
        return type(refused)
    return None


def _second_group(session: Session) -> ProviderGroup:
    made = make_group(session, tax_id="071234501")
    session.commit()
    return made


def _on_file(firm: Firm, session: Session) -> NamedContact:
    make_contact(session, firm.client, CONTACT.email, changed_at=NOON - timedelta(days=100))
    session.commit()
    return CONTACT
