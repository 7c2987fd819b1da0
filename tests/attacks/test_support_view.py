"""security.md, Plan staff console: 144, 145, 146, 147, 166, at the support view of a member."""

import re
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import Engine, Select, select
from sqlalchemy.orm import Session

from consent import policy
from consent.models import PersonalRepresentative, RepresentativeLink
from fhir import store
from oauth.tokens.token_problems import InsufficientScope
from service.accounts import password_links
from service.accounts.models import Account
from service.app import create_app
from service.audit import AuditEvent, Outcome
from service.clock import now
from service.db import Base, make_sessions
from service.mail import OutboxMail
from service.plan.models import Guard, Member, PlanStaff, ProtectedRecord, StaffRole, SupportLook, SupportPurpose
from service.plan.staff import record_guards, support_looks
from service.plan.staff.support_looks import Reasons, ReviewedAlready
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_plan_staff, make_portal_staff
from tests.fhir import records
from tests.staff.console import Clerk, make_clerk

T = TypeVar("T")
WHY = {"purpose": "member_called", "words": "Cannot sign in since Monday"}
SECOND = "The privacy office asked me to"


def make_officer(session: Session) -> PlanStaff:
    """A privacy officer who can be told."""
    return make_plan_staff(session, StaffRole.PRIVACY_OFFICER)


def services(app: Flask, session: Session, **names: str) -> Clerk:
    """Somebody of member services, signed in."""
    return make_clerk(app, session, StaffRole.MEMBER_SERVICES, **names)


def address(member: Member) -> str:
    return f"/staff/members/of/{member.patient_id}"


def look_at(clerk: Clerk, member: Member, **more: str) -> str:
    """The address of a look that was begun."""
    clerk.browser.get(address(member))
    answer = clerk.browser.post(address(member), **WHY, **more)
    assert answer.status_code == 303, answer.text
    place: str = answer.headers["Location"]
    clerk.browser.get(place)
    return place


def rows(session: Session, tag: str) -> list[AuditEvent]:
    """The audit rows of one kind, the oldest first."""
    return every(session, select(AuditEvent).where(AuditEvent.tag == tag).order_by(AuditEvent.id))


def every(session: Session, statement: Select[tuple[T]]) -> list[T]:
    """What there is now; the database is let go at once, or the application would wait for the test."""
    session.commit()
    found = list(session.scalars(statement))
    session.commit()
    return found


def guard_record(session: Session, member: Member, way: str) -> None:
    """Make the member a colleague, a colleague's child, or protected, by one of the ways in which it is known."""
    if way == "account":
        make_plan_staff(session, StaffRole.APP_REVIEWER, account=make_account(session, member=member))
    elif way == "second account":
        make_account(session, member=member, email="Pat@plan.example")
        make_plan_staff(session, StaffRole.APP_REVIEWER, account=make_account(session, email="pat@plan.example"))
    elif way == "entered":
        record_guards.know_colleague(session, make_plan_staff(session, StaffRole.APP_REVIEWER), member)
    elif way == "address on file":
        member.email_on_file = "Pat@plan.example"
        make_plan_staff(session, StaffRole.APP_REVIEWER, account=make_account(session, email="pat@plan.example"))
    elif way == "household":
        parent = make_member(session, subscriber_number=member.subscriber_number)
        make_plan_staff(session, StaffRole.APP_REVIEWER, account=make_account(session, member=parent))
    else:
        record_guards.protect(session, member, by=make_officer(session), reason="In the public eye")


WAYS = ("account", "second account", "entered", "address on file", "household", "protected")


# --- 144


@pytest.mark.parametrize("way", WAYS)
def test_case_144_a_guarded_record_opens_with_a_second_reason_and_the_officer_is_told(
    app: Flask, session: Session, settings: Settings, way: str
) -> None:
    member, officer = make_member(session, given_name="Ludmila"), make_officer(session)
    guard_record(session, member, way)
    clerk = services(app, session, given_name="Nora", family_name="Bell")

    clerk.browser.get("/staff/members/")
    found = clerk.browser.post("/staff/members/", member_number=member.member_number)
    asked = clerk.browser.get(address(member))
    refused = clerk.browser.post(address(member), **WHY, guard="  ")
    assert "Ludmila" not in found.text + asked.text + refused.text
    assert (refused.status_code, every(session, select(SupportLook))) == (400, [])
    assert letters(session, settings, officer.account.email) == []
    session.commit()
    place = look_at(clerk, member, guard=SECOND)

    assert "Ludmila" in clerk.browser.get(place).text
    [row] = rows(session, "staff:member:look")
    assert row.account_id == clerk.account.id and row.member_id == member.id and row.detail
    assert row.reason == f"member_called: {WHY['words']}"
    assert (row.detail["guard_reason"], row.detail["staff"], row.detail["member"]) == (
        SECOND, "Nora Bell", member.full_name,
    )  # fmt: skip
    [told] = letters(session, settings, officer.account.email)
    assert "/staff/break-glass/" in told
    for word in (member.full_name, member.member_number, SECOND, WHY["words"], "Nora"):
        assert word not in told


def test_case_144_ones_own_record_stays_shut_and_the_officer_is_told(
    app: Flask, session: Session, settings: Settings
) -> None:
    member, officer = make_member(session), make_officer(session)
    account = make_account(session, member=member)
    make_plan_staff(session, StaffRole.MEMBER_SERVICES, account=account)
    session.commit()
    browser = Visitor(app)
    browser.enter(account)

    browser.get(address(member))
    refused = browser.post(address(member), **WHY, guard=SECOND)

    assert refused.status_code == 403 and "your own record" in refused.text
    [look] = every(session, select(SupportLook))
    assert (look.guard, look.guard_reason, look.is_open(now())) == (Guard.OWN, SECOND, False)
    session.commit()
    assert browser.get(f"/staff/members/looks/{look.id}").status_code == 303
    assert [row.outcome for row in rows(session, "staff:member:look")] == [Outcome.REFUSED]
    assert len(letters(session, settings, officer.account.email)) == 1


def test_case_144_glass_stays_whole_where_nobody_but_the_looker_can_be_told(app: Flask, session: Session) -> None:
    member = make_member(session)
    session.add(ProtectedRecord(member_id=member.id, reason="x", marked_by_account_id=make_account(session).id))
    clerk = make_clerk(app, session, StaffRole.MEMBER_SERVICES, StaffRole.PRIVACY_OFFICER)

    clerk.browser.get(address(member))
    refused = clerk.browser.post(address(member), **WHY, guard=SECOND)

    assert refused.status_code == 400 and "No privacy officer can be told" in refused.text
    assert every(session, select(SupportLook)) == []


def test_case_144_another_officer_reviews_and_never_the_looker(app: Flask, session: Session) -> None:
    member = make_member(session)
    guard_record(session, member, "protected")
    clerk = make_clerk(app, session, StaffRole.MEMBER_SERVICES, StaffRole.PRIVACY_OFFICER)
    other = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    look_at(clerk, member, guard=SECOND)
    [look] = every(session, select(SupportLook))
    session.commit()
    path = f"/staff/break-glass/{look.id}/review"

    clerk.browser.get("/staff/break-glass/")
    assert clerk.browser.post(path).status_code == 409
    page = other.browser.get("/staff/break-glass/")
    assert SECOND in page.text and clerk.account.full_name in page.text and member.full_name in page.text
    assert other.browser.post(path).status_code == 303
    assert other.browser.post(path).status_code == 409

    session.refresh(look)
    assert look.reviewed_by_account_id == other.account.id
    assert [row.account_id for row in rows(session, "staff:member:review")] == [other.account.id]


def test_case_144_a_plain_record_needs_one_reason_and_tells_nobody(
    app: Flask, session: Session, settings: Settings
) -> None:
    member, officer = make_member(session), make_officer(session)
    clerk = services(app, session)

    clerk.browser.get(address(member))
    for lacking in ({"purpose": "member_called"}, {"words": "x"}, {"purpose": "curious", "words": "x"}):
        assert clerk.browser.post(address(member), **lacking).status_code == 400
    look_at(clerk, member)

    assert letters(session, settings, officer.account.email) == []


# --- 145


def test_case_145_two_reviews_at_one_moment_count_once(session: Session, engine: Engine) -> None:
    member, by = make_member(session), make_plan_staff(session, StaffRole.MEMBER_SERVICES)
    guard_record(session, member, "protected")
    reasons = Reasons(SupportPurpose.APPS, "x", guard=SECOND)
    look_id = support_looks.begin(session, by, member, reasons, login_session_id="s").id
    officers = [make_officer(session).id for _ in range(2)]
    session.commit()
    barrier, outcomes = Barrier(2), []

    def review(officer_id: str) -> None:
        with make_sessions(engine)() as own:
            barrier.wait()
            try:
                officer = own.get_one(PlanStaff, officer_id)
                support_looks.review(own, own.get_one(SupportLook, look_id), by=officer)
                own.commit()
                outcomes.append("reviewed")
            except ReviewedAlready:
                outcomes.append("late")

    threads = [Thread(target=review, args=(officer,)) for officer in officers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["late", "reviewed"]
    assert len(rows(session, "staff:member:review")) == 1


# --- 146


def test_case_146_the_view_says_who_looks_at_whom_and_why_and_both_are_kept(app: Flask, session: Session) -> None:
    member = make_member(session)
    clerk = services(app, session, given_name="Nora", family_name="Bell")

    place = look_at(clerk, member)
    page = clerk.browser.get(place)

    banner = re.sub(r"<[^>]+>|\s+", " ", page.text.partition("ls-looking")[2].partition("</form>")[0])
    for words in (member.full_name, "Nora Bell", "The member called or wrote", WHY["words"], "shown to the member"):
        assert words in re.sub(" +", " ", banner)
    for row in rows(session, "staff:member:view"):
        assert (row.account_id, row.member_id) == (clerk.account.id, member.id)
        assert row.detail and (row.detail["staff"], row.detail["member"]) == ("Nora Bell", member.full_name)


def test_case_146_the_look_is_over_after_15_minutes_when_closed_and_in_another_browser(
    app: Flask, session: Session, clock: MovableClock
) -> None:
    member = make_member(session)
    clerk = services(app, session)
    place = look_at(clerk, member)
    other = Visitor(app)
    other.enter(clerk.account)
    colleague = services(app, session)

    assert other.get(place).status_code == 303
    assert colleague.browser.get(place).status_code == 303
    assert int(clerk.browser.get(place).headers["Refresh"].partition(";")[0]) <= 901
    for _ in range(2):
        clock.advance(7 * 60)
        assert clerk.browser.get(place).status_code == 200
    clock.advance(61)
    assert clerk.browser.get(place).status_code == 303
    again = look_at(clerk, member)
    assert clerk.browser.post(f"{again}/close").status_code == 303
    assert clerk.browser.get(again).status_code == 303


_UNTOUCHED = frozenset({
    "consent_decision", "consent_grant", "token_family", "access_token", "refresh_token", "authorization_code",
    "pending_authorization", "message_thread", "secure_message", "message_attachment", "representative_link",
    "personal_representative", "member", "subject", "authorization_request", "billing_authorization",
})  # fmt: skip


def test_case_146_no_post_that_exists_does_anything_for_the_member_while_a_look_is_open(
    app: Flask, session: Session
) -> None:
    member = make_member(session)
    owner = make_account(session, member=member)
    helper = PersonalRepresentative(number="PR1", given_name="A", family_name="B", birth_date=member.birth_date)
    session.add(helper)
    session.flush()
    session.add(RepresentativeLink(
        representative_id=helper.id, member_id=member.id, basis="guardian", scope="all", evidence="", valid_from=now(),
    ))  # fmt: skip
    clerk = services(app, session)
    place = look_at(clerk, member)
    before = _contents(session, owner)
    typed = {
        "member": member.patient_id, "selected": member.patient_id, "patient": member.patient_id, "answer": "allow",
        "shown": "0" * 64, "language": "es", "body": "Hello", "subject": "Hello", "reason": "x",
        "email": "e@evil.example", "username": "evil", "password": "Evil-lamp-77!", "confirmation": "Evil-lamp-77!",
        "scope": "patient/*.rs",
    }  # fmt: skip
    tried = 0

    for rule in app.url_map.iter_rules():
        if not {"POST", "PUT", "PATCH", "DELETE"} & (rule.methods or set()) or rule.endpoint == "sign_in.sign_out":
            continue
        if rule.endpoint in {"staff_member_view.close", "staff_password_links.send_to_member"}:
            continue
        clerk.browser.get(place)
        with app.test_request_context():
            path = app.url_for(rule.endpoint, **{name: _id_for(name, member) for name in rule.arguments})
        answer = clerk.browser.post(path, **typed)
        assert answer.status_code < 500, (path, answer.status_code)
        tried += 1

    assert tried > 60
    assert _contents(session, owner) == before


def test_case_146_the_only_forms_of_the_view_end_it(app: Flask, session: Session) -> None:
    member = make_member(session)
    make_account(session, member=member)
    clerk = services(app, session)

    page = clerk.browser.get(look_at(clerk, member)).text

    forms = re.findall(r'<form[^>]*action="([^"]+)"', page)
    assert {re.sub(r"[0-9a-f-]{36}", "ID", one) for one in forms} == {"/staff/members/looks/ID/close", "/sign-out"}
    inside = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/staff/members/looks/")]
    posts = {rule.endpoint for rule in inside if "POST" in (rule.methods or set())}
    assert posts == {"staff_member_view.close"}


def test_case_146_staff_cannot_become_the_member_at_the_members_own_pages(app: Flask, session: Session) -> None:
    member = make_member(session)
    clerk = services(app, session)
    look_at(clerk, member)

    for path in ("/apps", "/profile", "/people", "/who-has-looked", "/select-member", "/home"):
        assert member.full_name not in clerk.browser.get(path).text, path


def test_case_146_the_access_counts_and_ends_with_the_look(session: Session) -> None:
    member = make_member(session)
    by, other = (make_plan_staff(session, StaffRole.MEMBER_SERVICES) for _ in range(2))
    stranger = make_plan_staff(session, StaffRole.PRIVACY_OFFICER)
    look = support_looks.begin(session, by, member, Reasons(SupportPurpose.APPS, "x"), login_session_id="s")

    access = policy.staff_support(look, by)
    assert (access.patient_ids, access.excluded_labels) == (frozenset({member.patient_id}), policy.EVERY_LABEL)
    assert not any(access.permits("Patient", letter) for letter in "rcud")
    with pytest.raises(InsufficientScope):
        store.read(session, access, "Patient", member.patient_id)
    assert policy.staff_support(look, other).patient_ids == frozenset()
    assert policy.staff_support(look, stranger).patient_ids == frozenset()
    support_looks.close(session, look)
    assert policy.staff_support(look, by).patient_ids == frozenset()


def test_case_146_counts_leave_out_very_personal_topics(app: Flask, session: Session) -> None:
    member = make_member(session)
    system = policy.plan_system("test")
    store.put(session, system, records.patient(member.patient_id))
    for number, code in enumerate(("J45.909", "E11.9", "F10.20")):
        coded = records.concept("http://hl7.org/fhir/sid/icd-10-cm", code)
        store.put(session, system, {
            "resourceType": "Condition", "id": f"c{number}", "code": coded,
            "subject": {"reference": f"Patient/{member.patient_id}"},
        })  # fmt: skip
    clerk = services(app, session)

    page = clerk.browser.get(look_at(clerk, member)).text

    assert re.search(r"<dt>Health problems</dt><dd>2</dd>", page)
    assert rows(session, "staff:member:view")[-1].count == 3


def test_case_146_the_member_sees_the_look_and_a_representative_does_not(app: Flask, session: Session) -> None:
    member = make_member(session)
    owner = make_account(session, member=member)
    clerk = services(app, session, given_name="Nora", family_name="Bell")
    look_at(clerk, member)
    visitor = Visitor(app)
    visitor.enter(owner)

    page = visitor.get("/who-has-looked").text

    for words in ("Nora of member services", "You called or wrote to us", WHY["words"]):
        assert words in page
    assert "Bell" not in page


# --- 147


def test_case_147_support_sends_the_way_to_the_reset_and_never_sees_or_sets_a_password(
    app: Flask, session: Session, settings: Settings
) -> None:
    member = make_member(session)
    owner = make_account(session, member=member, email="maria@example.org")
    clerk = services(app, session)
    place = look_at(clerk, member)
    hashed = owner.password_hash
    path = place.replace("/staff/members/looks/", "/staff/password-links/member/")

    asked = clerk.browser.get(path)
    answer = clerk.browser.post(path, password="Evil-lamp-77!", email="evil@evil.example")

    assert answer.status_code == 303
    assert "maria@example.org" not in asked.text and 'type="password"' not in asked.text
    [told] = letters(session, settings, "maria@example.org")
    assert "/password-reset" in told and "cannot see your password" in told
    assert re.search(r"\b[0-9]{6}\b", told.partition("\n\n")[2]) is None
    session.refresh(owner)
    assert (owner.password_hash, owner.email) == (hashed, "maria@example.org")
    [row] = rows(session, "accounts:password_link:send")
    assert (row.account_id, row.member_id) == (clerk.account.id, member.id)
    assert row.reason == f"member_called: {WHY['words']}"
    [mail] = every(session, select(OutboxMail).where(OutboxMail.template == "password_link"))
    assert mail.recipient == "maria@example.org"


def test_case_147_no_link_within_an_hour_of_a_new_address(app: Flask, session: Session, clock: MovableClock) -> None:
    member = make_member(session)
    owner = make_account(session, member=member)
    owner.email_verified_at = now()
    session.commit()

    def send() -> int:
        clerk = services(app, session)
        path = look_at(clerk, member).replace("/staff/members/looks/", "/staff/password-links/member/")
        clerk.browser.get(path)
        return clerk.browser.post(path).status_code

    assert send() == 409
    clock.advance(3_300)
    assert send() == 409
    clock.advance(300)
    assert send() == 303
    assert len(every(session, select(OutboxMail).where(OutboxMail.template == "password_link"))) == 1


def test_case_147_no_page_of_the_plan_changes_an_address(app: Flask, session: Session) -> None:
    member = make_member(session)
    owner = make_account(session, member=member, email="maria@example.org")
    login = make_portal_staff(session)
    login.account.email_verified_at = owner.email_verified_at = now()
    session.commit()
    before = {account.id: account.email for account in every(session, select(Account))}
    clerk = make_clerk(app, session, *(role for role in StaffRole))
    place = look_at(clerk, member)
    names = {"staff_id": login.id, "patient_id": member.patient_id, "look_id": place.rpartition("/")[2]}
    new = {"email": "evil@evil.example", "email_address": "evil@evil.example", "new_email": "evil@evil.example"}
    tried = 0

    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/staff") or "POST" not in (rule.methods or set()):
            continue
        clerk.browser.get("/staff/members/")
        with app.test_request_context():
            path = app.url_for(
                rule.endpoint, **{name: names.get(name, _id_for(name, member)) for name in rule.arguments}
            )
        clerk.browser.post(path, **WHY, reason="x", **new)
        tried += 1

    assert tried > 20
    session.expire_all()
    assert {one.id: one.email for one in session.scalars(select(Account)) if one.id in before} == before
    assert every(session, select(OutboxMail).where(OutboxMail.template == "password_link")) == []


def test_case_147_a_login_of_the_portal_gets_the_link_with_a_reason_and_not_ones_own(
    app: Flask, session: Session, settings: Settings
) -> None:
    login = make_portal_staff(session)
    clerk = make_clerk(app, session, StaffRole.PROVIDER_SERVICES)
    own = make_portal_staff(session, account=clerk.account)
    session.commit()
    path, mine = (f"/staff/password-links/login/{one.id}" for one in (login, own))

    clerk.browser.get(path)
    assert clerk.browser.post(path).status_code == 400
    assert clerk.browser.post(path, reason="The office called").status_code == 303
    clerk.browser.get(path)
    assert clerk.browser.post(mine, reason="Me").status_code == 409

    assert len(letters(session, settings, login.account.email)) == 1
    assert [row.reason for row in rows(session, "accounts:password_link:send")] == ["The office called"]


def test_case_147_three_links_an_hour(session: Session) -> None:
    owner = make_account(session)
    for _ in range(3):
        password_links.send(session, owner, by_account_id=owner.id, reason="x")
    with pytest.raises(password_links.LinksExhausted):
        password_links.send(session, owner, by_account_id=owner.id, reason="x")


# --- 166


def test_case_166_each_lookup_leaves_one_row_for_each_member_and_one_when_in_vain(app: Flask, session: Session) -> None:
    one, other = (make_member(session, family_name="Alvarez") for _ in range(2))
    clerk = services(app, session)
    born = one.birth_date.isoformat()
    clerk.browser.get("/staff/members/")

    clerk.browser.post("/staff/members/", family_name="ALVAREZ", birth_date=born)
    clerk.browser.post("/staff/members/", member_number="NOBODY-1")

    found = rows(session, "staff:member:lookup")
    assert {row.member_id for row in found[:2]} == {one.id, other.id}
    assert [(row.outcome, row.count) for row in found] == [
        (Outcome.SUCCESS, 1), (Outcome.SUCCESS, 1), (Outcome.FAILED, 0),
    ]  # fmt: skip
    assert [row.detail for row in found] == [
        *[{"asked_for": {"family_name": "ALVAREZ", "birth_date": born}}] * 2,
        {"asked_for": {"member_number": "NOBODY-1"}},
    ]
    for row in found:
        assert row.account_id == clerk.account.id and row.ip and row.request_id and row.login_session_id


def test_case_166_an_id_that_is_tried_in_vain_is_kept(app: Flask, session: Session) -> None:
    clerk = services(app, session)

    assert clerk.browser.get("/staff/members/of/somebody").status_code == 404

    [row] = rows(session, "staff:member:ask")
    assert (row.outcome, row.detail) == (Outcome.FAILED, {"asked_for": {"patient": "somebody"}})


def test_case_166_a_reason_refused_names_the_member_no_more_freely_than_the_question(
    settings: Settings, session: Session, engine: Engine
) -> None:
    app = create_app(replace(settings, lookup_limit_per_hour=3), engine)
    member = make_member(session, given_name="Ludmila")
    clerk = services(app, session)
    clerk.browser.get("/staff/members/")

    named = [clerk.browser.post(address(member), purpose="nosy", words="") for _ in range(4)]

    assert [("Ludmila" in page.text, page.status_code) for page in named] == [(True, 400)] * 3 + [(False, 429)]
    assert [row.member_id for row in rows(session, "staff:member:ask")] == [member.id] * 3


def test_case_166_lookups_are_bounded_and_the_officer_hears_of_many(
    settings: Settings, session: Session, engine: Engine
) -> None:
    app = create_app(replace(settings, lookup_norm_per_hour=2, lookup_limit_per_hour=3), engine)
    member, officer = make_member(session), make_officer(session)
    clerk = services(app, session)
    clerk.browser.get("/staff/members/")

    lookups = [clerk.browser.post("/staff/members/", member_number=f"X-{number}").status_code for number in range(2)]
    asks = [clerk.browser.get(address(member)).status_code for _ in range(4)]
    clerk.browser.get("/staff/members/")
    looks = [clerk.browser.post(address(member), **WHY).status_code for _ in range(2)]

    assert (lookups, asks, looks) == ([200] * 2, [200, 200, 200, 429], [303, 429])
    assert clerk.browser.post("/staff/members/", member_number="X-1").status_code == 429
    assert len(letters(session, settings, officer.account.email)) == 1
    assert [row.outcome for row in rows(session, "staff:lookup:refuse")] == [Outcome.REFUSED] * 2


def _contents(session: Session, owner: Account) -> dict[str, list[Any]]:
    """Every row that is the member's to change, as it stands."""
    session.commit()
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    held = {name: sorted(map(repr, session.execute(select(tables[name])).all())) for name in _UNTOUCHED}
    account = tables["account"]
    held["account"] = [session.execute(select(account).where(account.c.id == owner.id)).one()]
    session.commit()
    return held


def _id_for(name: str, member: Member) -> str:
    return member.patient_id if name == "patient_id" else "5f0c7d1e-0000-4000-8000-000000000000"
