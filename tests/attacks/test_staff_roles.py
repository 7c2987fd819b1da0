"""Staff roles and one's own login under attack (security.md, cases 143 and 145)."""

import re
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent import authorization_answers
from consent.authorization_answers import Limits
from consent.billing_models import AuthorizationStatus
from consent.named_contacts import NamedContact
from service.app import create_app
from service.clock import now
from service.plan.models import (
    DelegateRequest,
    MailedPin,
    PendingAct,
    PlanStaff,
    ProfileChangeKind,
    ProfileChangeStatus,
    ProviderGroup,
    ProviderStaff,
    StaffRole,
    StaffStatus,
    SupportPurpose,
)
from service.plan.providers import provider_profiles
from service.plan.registering import mailed_pins, pin_letters
from service.plan.staff import record_guards, support_looks
from service.plan.staff.support_looks import Reasons
from service.settings import Settings
from service.staff.gate import DECLARED
from service.staff.second_looks import ACTS
from tests.accounts.visitor import Visitor
from tests.consent.firm import ALL, Firm, tax_id_of
from tests.factories import (
    make_account,
    make_client,
    make_developer,
    make_entry,
    make_group,
    make_member,
    make_payment,
    make_plan_staff,
    make_portal_staff,
)
from tests.papers import words_of
from tests.plan.mailbox import file_of, write
from tests.provider.office import Office as ProviderOffice
from tests.provider.registrant import make_clinic, newest_pin
from tests.staff.console import Clerk, ask_for, make_clerk, make_office, sign_in_clerk
from tests.staff.test_queues import hand_over, not_listed

ROLES = (
    StaffRole.MEMBER_SERVICES, StaffRole.APP_REVIEWER, StaffRole.PRIVACY_OFFICER, StaffRole.PROVIDER_SERVICES,
    StaffRole.ADMINISTRATOR,
)  # fmt: skip


def test_case_143_every_staff_page_declares_its_roles(app: Flask) -> None:
    pages = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/staff")]

    undeclared = [rule.rule for rule in pages if not getattr(app.view_functions[rule.endpoint], DECLARED, None)]
    assert len(pages) >= 40
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
    member = make_member(session)
    known["patient_id"] = member.patient_id
    reasons = Reasons(SupportPurpose.COMPLAINT, "x", guard="y")
    make_plan_staff(session, StaffRole.PRIVACY_OFFICER)
    record_guards.protect(session, member, by=asker, reason="z")
    look = support_looks.begin(session, asker, member, reasons, login_session_id="another")
    developer = make_developer(session)
    by_page = {
        "staff_not_listed": {"request_id": not_listed(session).id}, "staff_hand_overs": {"request_id": wish.id},
        "staff_break_glass": {"look_id": look.id},
        "staff_developer_organizations": {"organization_id": developer.organization_id},
        "staff_factor_resets": {"developer_id": developer.account_id, "colleague_id": asker.id},
        "staff_plan_texts": {"text": "consent", "language": "es", "document": "delegate"},
    }  # fmt: skip
    clerks = {role: make_clerk(app, session, role).browser for role in ROLES}
    stranger, outsider = Visitor(app), make_account(session)
    session.commit()
    somebody = Visitor(app)
    somebody.enter(outsider)
    somebody.get("/settings")
    tried = 0

    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/staff"):
            continue
        page = rule.endpoint.split(".")[0]
        names = known | by_page.get(page, {})
        all_known = rule.arguments <= names.keys()
        path = _path(app, rule.endpoint, {name: names.get(name, str(uuid4())) for name in rule.arguments})
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            declared = getattr(app.view_functions[rule.endpoint], DECLARED)
            for role, browser in clerks.items():
                if method == "POST":
                    browser.get("/staff/")
                answer = browser.get(path) if method == "GET" else browser.post(path)
                if role not in declared:
                    assert answer.status_code == 404, (role, method, path)
                elif all_known and (page != "staff_second_looks" or role in act_roles):
                    assert answer.status_code in {200, 303, 400, 403, 409}, (role, method, path, answer.status_code)
                tried += 1
            if method == "POST":
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
        if rule.methods and "POST" in rule.methods and not re.match(".*/fhir/r4|/oauth", rule.rule)
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
