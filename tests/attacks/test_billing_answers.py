"""When a billing organisation's request is over, and answers at one moment (security.md, case 133)."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import requests
import time_machine
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from consent import authorization_answers, authorization_requests
from consent.authorization_answers import Limits, RequestOver
from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from consent.named_contacts import NamedContact
from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.models import ProviderStaff
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.attacks.billing import NOON, link, reached
from tests.conftest import LiveServer
from tests.consent.firm import ALL, CONTACT, Firm
from tests.factories import make_contact

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


def _on_file(firm: Firm, session: Session) -> NamedContact:
    make_contact(session, firm.client, CONTACT.email, changed_at=NOON - timedelta(days=100))
    session.commit()
    return CONTACT
