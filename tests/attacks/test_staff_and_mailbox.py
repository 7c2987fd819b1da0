"""security.md, Plan staff console and mailbox: 143, 145, 150. See test_mailbox_words_and_files.py for 148 and 149."""

import re
from datetime import timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent import authorization_answers
from consent.authorization_answers import Limits
from consent.models import AuthorizationStatus
from consent.named_contacts import NamedContact
from service.app import create_app
from service.audit import AuditEvent
from service.clock import now
from service.mail import OutboxMail
from service.plan.logins import hand_overs
from service.plan.models import (
    DelegateRequest,
    MailedPin,
    PendingAct,
    PlanStaff,
    ProfileChangeKind,
    ProfileChangeStatus,
    ProviderGroup,
    ProviderStaff,
    RequestStatus,
    SecureMessage,
    StaffRole,
    StaffStatus,
)
from service.plan.providers import provider_profiles
from service.plan.registering import mailed_pins, pin_letters
from service.settings import Settings
from service.staff.gate import DECLARED
from service.staff.second_looks import ACTS
from tests.accounts.visitor import Visitor, letters
from tests.conftest import MovableClock
from tests.consent.firm import ALL, Firm, tax_id_of
from tests.factories import (
    make_account,
    make_client,
    make_entry,
    make_group,
    make_payment,
    make_plan_staff,
    make_portal_staff,
)
from tests.plan.mailbox import file_of, write
from tests.plan.test_pin_letters import words_of
from tests.provider.office import Office as ProviderOffice
from tests.provider.registrant import make_clinic, newest_pin
from tests.staff.console import Clerk, make_clerk, make_office, sign_in_clerk
from tests.staff.test_queues import hand_over, not_listed

ROLES = (
    StaffRole.MEMBER_SERVICES, StaffRole.APP_REVIEWER, StaffRole.PRIVACY_OFFICER, StaffRole.PROVIDER_SERVICES,
    StaffRole.ADMINISTRATOR,
)  # fmt: skip


def told(answer: TestResponse) -> tuple[int, list[tuple[str, str]], str]:
    """What an answer tells: all of it but the request's own number and form token."""
    headers = [(name, value) for name, value in answer.headers if name not in {"X-Request-Id", "Set-Cookie", "Date"}]
    # The page offers itself in the other language, so its own address stands in it.
    text = re.sub(r'value="[^"]{40,}"', "", answer.text).replace(answer.request.path, "")
    return answer.status_code, headers, text.replace(answer.headers["X-Request-Id"], "")


def ask_for(session: Session, wish: DelegateRequest, by: PlanStaff) -> PendingAct:
    """What waits for a second person after the first has called the office."""
    staff = session.get_one(ProviderStaff, wish.staff_id)
    return hand_overs.ask(session, staff, by=by, reason="Called", request_id=wish.id)


# --- 143


def test_case_143_every_staff_page_declares_its_roles(app: Flask) -> None:
    pages = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/staff")]

    undeclared = [rule.rule for rule in pages if not getattr(app.view_functions[rule.endpoint], DECLARED, None)]
    assert len(pages) >= 17
    assert undeclared == []


def test_case_143_a_staff_page_without_a_role_opens_for_nobody(
    settings: Settings, session: Session, engine: Engine
) -> None:
    app = create_app(settings, engine)
    app.add_url_rule("/staff/forgotten", "forgotten", lambda: "all the members")
    every = make_plan_staff(session, *StaffRole)
    session.commit()
    clerk = sign_in_clerk(app, every.account)

    answer = clerk.get("/staff/forgotten")

    assert answer.status_code == 404
    assert "all the members" not in answer.text


def test_case_143_each_role_opens_its_own_pages_and_no_other(app: Flask, session: Session, settings: Settings) -> None:
    office = make_portal_staff(session)
    thread = write(session, settings, office, **{"a.txt": b"words"})
    wish = hand_over(session)
    asker = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    act = ask_for(session, hand_over(session), asker)
    known = {
        "thread_id": thread.id, "attachment_id": file_of(session, thread).id, "staff_id": office.id,
        "entry_id": make_entry(session, office, tax_id="061234567").id, "act_id": act.id,
    }  # fmt: skip
    # Which acts somebody sees depends on their kind as well.
    act_roles = ACTS[act.kind].roles
    known["client_id"] = make_client(session, settings)
    by_page = {"staff_not_listed": not_listed(session).id, "staff_hand_overs": wish.id}
    clerks = {role: make_clerk(app, session, role).browser for role in ROLES}
    stranger, member = Visitor(app), make_account(session)
    session.commit()
    somebody = Visitor(app)
    somebody.enter(member)
    somebody.get("/settings")
    tried = 0

    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/staff"):
            continue
        page = rule.endpoint.split(".")[0]
        names = known | ({"request_id": by_page[page]} if page in by_page else {})
        all_known = rule.arguments <= names.keys()
        path = _path(app, rule.endpoint, {name: names.get(name, str(uuid4())) for name in rule.arguments})
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            declared = getattr(app.view_functions[rule.endpoint], DECLARED)
            for role, browser in clerks.items():
                browser.get("/staff/")
                answer = browser.get(path) if method == "GET" else browser.post(path)
                if role not in declared:
                    assert answer.status_code == 404, (role, method, path)
                elif all_known and (page != "staff_second_looks" or role in act_roles):
                    assert answer.status_code in {200, 303, 400, 403, 409}, (role, method, path, answer.status_code)
                tried += 1
            somebody.get("/settings")
            foreign = somebody.get(path) if method == "GET" else somebody.post(path)
            assert foreign.status_code == 404, (method, path)
            unknown = stranger.get(path) if method == "GET" else stranger.post_without_token(path)
            assert unknown.status_code in {303, 403}, (method, path)
    assert tried >= 80


def _path(app: Flask, endpoint: str, values: dict[str, str]) -> str:
    with app.test_request_context():
        return app.url_for(endpoint, **values)


def test_case_143_a_role_that_was_taken_opens_nothing_at_the_next_request(app: Flask, session: Session) -> None:
    clerk = make_clerk(app, session)
    assert clerk.browser.get("/staff/mailbox/").status_code == 200

    session.get_one(PlanStaff, clerk.staff.id).ended_at = now()
    session.commit()

    assert clerk.browser.get("/staff/mailbox/").status_code == 404
    assert clerk.browser.get("/staff/").status_code == 404


def test_case_143_nobody_changes_their_own_portal_login(app: Flask, session: Session, settings: Settings) -> None:
    make_group(session, tax_id="061234567")
    clerk = make_clerk(app, session)
    own = make_portal_staff(session, account=clerk.account)
    entry = make_entry(session, own, tax_id="067654321")
    wish = DelegateRequest(staff_id=own.id, reason="left_organization")
    session.add(wish)
    write(session, settings, own)
    clerk.browser.get(f"/staff/users/{own.id}")

    answers = [
        clerk.browser.post(f"/staff/users/{own.id}/preview", tax_id="061234567"),
        clerk.browser.post(f"/staff/users/{own.id}/entries", tax_id="061234567"),
        clerk.browser.post(f"/staff/users/{own.id}/entries/{entry.id}/end"),
        clerk.browser.post(f"/staff/users/{own.id}/delegate", reason="I am good"),
        clerk.browser.post(f"/staff/hand-overs/{wish.id}/approve", reason="I am good"),
        clerk.browser.post(f"/staff/hand-overs/{wish.id}/refuse", reason="I am good"),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 400, 400, 409, 409]
    assert all("your own portal login" in answer.text for answer in answers)
    assert session.scalars(select(PendingAct)).all() == []


def insider(app: Flask, session: Session, group: ProviderGroup, way: str) -> tuple[Clerk, ProviderStaff]:
    """A person of provider services who signs in for an office of the group, or for a firm that it let in."""
    clerk = make_clerk(app, session)
    if way == "office":
        own = make_portal_staff(session, account=clerk.account)
        make_entry(session, own, tax_id=tax_id_of(session, group))
    else:
        office = ProviderOffice(app, session)
        staff, _permission = office.client_of(group)
        own = make_portal_staff(session, staff.organization, account=clerk.account)
    session.commit()
    return clerk, own


@pytest.mark.parametrize("way", ["office", "firm"])
def test_case_143_nobody_assigns_a_payment_to_a_group_that_their_own_login_reaches(
    app: Flask, session: Session, way: str
) -> None:
    group = make_group(session)
    payment = make_payment(session, group)
    payment.group_id = None
    clerk, _own = insider(app, session, group, way)
    colleague = make_clerk(app, session)
    address = f"/staff/remittances/{payment.id}"
    clerk.browser.get(address)

    refused = clerk.browser.post(address, group=group.id)

    assert refused.status_code == 400
    assert "your own portal login" in refused.text
    session.refresh(payment)
    assert payment.group_id is None
    session.commit()
    colleague.browser.get(address)
    assert colleague.browser.post(address, group=group.id).status_code == 303


@pytest.mark.parametrize("way", ["asker", "co-worker", "office"])
def test_case_143_nobody_answers_a_profile_change_of_their_own_office(app: Flask, session: Session, way: str) -> None:
    group, clerk = make_group(session), make_clerk(app, session)
    asker = make_portal_staff(session)
    if way == "co-worker":
        make_portal_staff(session, asker.organization, account=clerk.account)
    if way == "office":
        make_entry(session, make_portal_staff(session, account=clerk.account), tax_id=tax_id_of(session, group))
    place = {"name": "", "line": "1 Sample St", "city": "Lowell", "state": "MA", "zip_code": "01852", "phone": ""}
    by = clerk.account if way == "asker" else asker.account
    change = provider_profiles.ask(session, group, ProfileChangeKind.ADD_LOCATION, place, by_account_id=by.id)
    session.commit()
    clerk.browser.get("/staff/provider-profiles/")

    answers = [
        clerk.browser.post(f"/staff/provider-profiles/{change.id}/take-up"),
        clerk.browser.post(f"/staff/provider-profiles/{change.id}/approve"),
        clerk.browser.post(f"/staff/provider-profiles/{change.id}/decline", reason="No"),
    ]

    assert [answer.status_code for answer in answers] == [409] * 3
    assert all("your own portal login" in answer.text for answer in answers)
    session.refresh(change)
    assert change.status is ProfileChangeStatus.SUBMITTED


@pytest.mark.parametrize("way", ["firm", "office"])
def test_case_143_nobody_sends_or_ends_what_belongs_to_their_own_firm_or_office(
    app: Flask, session: Session, settings: Settings, way: str
) -> None:
    firm = Firm(session, settings)
    clerk = make_clerk(app, session)
    own = make_portal_staff(session, firm.organization if way == "firm" else None, account=clerk.account)
    if way == "office":
        make_entry(session, own, tax_id="071234501")
    sent = firm.ask()
    given = authorization_answers.allow(session, firm.secret(), Limits(ALL), account_id=None)
    session.commit()
    waiting = firm.ask(number=None)
    open_one = firm.ask(group_id=make_group(session, tax_id="071234501").id, number=None)
    page = "/staff/authorizations"
    clerk.browser.get(page)

    answers = [
        clerk.browser.post(f"{page}/{waiting.id}/verify"),
        clerk.browser.post(f"{page}/{waiting.id}/refuse", reason="No"),
        clerk.browser.post(f"{page}/{open_one.id}/resend"),
        clerk.browser.post(f"{page}/permissions/{given.id}/end", reason="No"),
    ]

    assert [answer.status_code for answer in answers] == [400] * 4
    assert all("your own portal login" in answer.text for answer in answers)
    for one in (sent, waiting, given):
        session.refresh(one)
    assert (waiting.status, given.ended_at) == (AuthorizationStatus.AWAITING_PLAN, None)


def test_case_143_nobody_verifies_a_contact_who_is_themselves(app: Flask, session: Session, settings: Settings) -> None:
    firm = Firm(session, settings)
    clerk = make_clerk(app, session, email="clerk@plan.example")
    asked = firm.ask(number=None, contact=NamedContact("Al Park", "Clerk+x@plan.example", "555-555-0199"))
    clerk.browser.get("/staff/authorizations")

    refused = clerk.browser.post(f"/staff/authorizations/{asked.id}/verify")

    assert refused.status_code == 400
    assert "You are the contact yourself" in refused.text
    session.refresh(asked)
    assert asked.status is AuthorizationStatus.AWAITING_PLAN


# --- 145


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


# --- 150


def test_case_150_a_thread_of_another_login_is_not_there(app: Flask, session: Session, settings: Settings) -> None:
    victim = make_portal_staff(session)
    thread = write(session, settings, victim, **{"a.txt": b"private words"})
    file = file_of(session, thread)
    # A co-worker of the same organisation reads no more than a stranger.
    office = make_office(app, session, organization=victim.organization)
    own = write(session, settings, office.staff)
    nobody, headers = uuid4(), {"X-Request-Id": "the-same"}

    for mine, missing in (
        (f"/provider/mailbox/{thread.id}", f"/provider/mailbox/{nobody}"),
        (f"/provider/mailbox/{thread.id}/files/{file.id}", f"/provider/mailbox/{nobody}/files/{file.id}"),
        (f"/provider/mailbox/{own.id}/files/{file.id}", f"/provider/mailbox/{own.id}/files/{nobody}"),
    ):
        seen, not_there = (office.browser.browser.get(path, headers=headers) for path in (mine, missing))
        assert seen.status_code == 404
        assert told(seen) == told(not_there)
    office.browser.get(f"/provider/mailbox/{own.id}")
    replied = office.browser.post(f"/provider/mailbox/{thread.id}/reply", body="I am in")
    assert replied.status_code == 404
    assert session.scalar(select(func.count()).select_from(SecureMessage)) == 2
    session.commit()
    assert "A question" in office.browser.get("/provider/mailbox/").text
    assert thread.id not in office.browser.get("/provider/mailbox/").text


def test_case_150_a_file_is_given_only_under_its_own_thread_to_staff_too(
    app: Flask, session: Session, settings: Settings
) -> None:
    one, other = (write(session, settings, make_portal_staff(session), **{"a.txt": b"words"}) for _ in range(2))
    clerk = make_clerk(app, session)

    assert clerk.browser.get(f"/staff/mailbox/{one.id}/files/{file_of(session, other).id}").status_code == 404
    assert clerk.browser.get(f"/staff/mailbox/{one.id}/files/{file_of(session, one).id}").status_code == 200


def test_case_150_a_message_id_is_no_thread(app: Flask, session: Session, settings: Settings) -> None:
    office = make_office(app, session)
    write(session, settings, office.staff)
    message = session.scalars(select(SecureMessage)).one()
    session.commit()

    assert office.browser.get(f"/provider/mailbox/{message.id}").status_code == 404


def test_case_150_an_answer_reaches_one_login_and_the_mails_say_nothing(
    app: Flask, session: Session, settings: Settings
) -> None:
    office = make_portal_staff(session)
    colleague = make_portal_staff(session, office.organization)
    clerk = make_clerk(app, session)
    thread = write(session, settings, office, **{"member-list.txt": b"words"})
    clerk.browser.get(f"/staff/mailbox/{thread.id}")

    clerk.browser.post(
        f"/staff/mailbox/{thread.id}/answer", body="Maria Alvarez, born 04/30/1956", bcc=colleague.account.email
    )

    with Session(session.get_bind()) as own:
        mails = own.scalars(select(OutboxMail)).all()
    assert {mail.recipient for mail in mails} == {
        office.account.email,
        clerk.account.email,
        settings.plan.mailbox_address,
    }
    assert all(mail.context.keys() == {"at"} for mail in mails)
    for language in ("en", "es"):
        office.account.language = language
    for address in {mail.recipient for mail in mails}:
        for letter in letters(session, settings, address):
            assert "message" in letter
            for words in ("Maria", "1956", "A question", "member-list", office.organization.name, thread.id, "Dana"):
                assert words not in letter


def test_case_145_a_clerk_neither_prints_nor_voids_nor_resends_the_pin_of_their_own_login(
    app: Flask, session: Session, settings: Settings
) -> None:
    clinic, account = make_clinic(session), make_account(session)
    own = make_portal_staff(session, account=account, status=StaffStatus.AWAITING_PIN, functions=[])
    pin_id = mailed_pins.send(session, own, clinic.id, key=settings.secret_key).id
    make_plan_staff(session, StaffRole.PROVIDER_SERVICES, account=account)
    session.commit()
    colleague = make_clerk(app, session)
    clerk = sign_in_clerk(app, account)
    page = clerk.get("/staff/letters")
    assert "for your own portal login" in page.text and "Print all waiting" not in page.text
    assert f"/staff/letters/{pin_id}/void" not in page.text
    printed = clerk.post("/staff/letters/print")
    assert (printed.status_code, printed.mimetype) == (303, "text/html")
    for act in ("void", "resend"):
        refused = clerk.post(f"/staff/letters/{pin_id}/{act}")
        assert refused.status_code == 403 and "ask a colleague" in refused.text
    with Session(session.get_bind()) as fresh:
        row = fresh.scalars(select(MailedPin)).one()
        assert (row.printed_at, row.voided_at, bool(row.sealed)) == (None, None, True)
    # A colleague prints it, once.
    pin = newest_pin(session, settings)
    colleague.browser.get("/staff/letters")
    assert pin_letters.grouped(pin) in words_of(colleague.browser.post("/staff/letters/print").data)
    assert "Send a new letter" not in clerk.get("/staff/letters").text


def test_a_null_character_in_any_form_of_a_page_is_refused_in_words(app: Flask, session: Session) -> None:
    clerk, office = make_clerk(app, session), make_office(app, session)
    clerk.browser.get("/staff/letters")
    office.browser.get("/provider/remittances")
    forms = [
        rule for rule in app.url_map.iter_rules()
        if rule.methods and "POST" in rule.methods and not rule.rule.startswith(("/oauth", "/fhir"))
    ]  # fmt: skip
    assert len(forms) > 80
    for rule in forms:
        someone = office if rule.rule.startswith("/provider") else clerk
        path = re.sub("<uuid:[^>]+>", str(uuid4()), rule.rule)
        path = re.sub("<[^>]+>", "x", path)
        for field in ({"to": "a\0b"}, {"a\0b": "to"}):
            answer = someone.browser.post(path, **field)
            assert answer.status_code == 400, (path, answer.text)
            assert "Something is not right" in answer.text, path


def test_case_166_reading_a_thread_leaves_its_row_on_either_side_without_its_content(
    app: Flask, session: Session, settings: Settings
) -> None:
    clerk, office = make_clerk(app, session), make_office(app, session)
    thread = write(session, settings, office.staff)
    assert "Private words" in clerk.browser.get(f"/staff/mailbox/{thread.id}").text
    assert "Private words" in office.browser.get(f"/provider/mailbox/{thread.id}").text
    # A refused answer shows the thread again.
    assert clerk.browser.post(f"/staff/mailbox/{thread.id}/answer", body="").status_code == 400
    assert clerk.browser.get(f"/staff/mailbox/{uuid4()}").status_code == 404
    with Session(session.get_bind()) as fresh:
        rows = fresh.scalars(
            select(AuditEvent).where(AuditEvent.tag.endswith(":message_thread:read")).order_by(AuditEvent.id)
        ).all()
        assert [(row.tag, row.account_id, row.detail) for row in rows] == [
            ("plan:message_thread:read", clerk.account.id, {"thread": thread.id}),
            ("provider:message_thread:read", office.account.id, {"thread": thread.id}),
            ("plan:message_thread:read", clerk.account.id, {"thread": thread.id}),
        ]
