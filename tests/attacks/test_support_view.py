"""security.md, Plan staff console: 146, at the support view of a member."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import policy
from consent.models import PersonalRepresentative, RepresentativeLink
from fhir import store
from oauth.tokens.token_problems import InsufficientScope
from service.accounts.models import Account
from service.clock import now
from service.db import Base
from service.plan.models import StaffRole, SupportPurpose
from service.plan.staff import support_looks
from service.plan.staff.support_looks import Reasons
from tests.accounts.visitor import Visitor
from tests.attacks.looks import WHY, id_for, look_at, rows, services
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_plan_staff
from tests.fhir import records


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
        if rule.endpoint == "second_factor.remove":
            continue  # the clerk's own, without which the console is shut
        clerk.browser.get(place)
        with app.test_request_context():
            path = app.url_for(rule.endpoint, **{name: id_for(name, member) for name in rule.arguments})
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
    by.roles = [StaffRole.PRIVACY_OFFICER.value]
    assert policy.staff_support(look, by).patient_ids == frozenset(), "who lost the role while looking sees no more"
    by.roles = [StaffRole.MEMBER_SERVICES.value]
    assert policy.staff_support(look, by).patient_ids
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


def _contents(session: Session, owner: Account) -> dict[str, list[Any]]:
    """Every row that is the member's to change, as it stands."""
    session.commit()
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    held = {name: sorted(map(repr, session.execute(select(tables[name])).all())) for name in _UNTOUCHED}
    account = tables["account"]
    held["account"] = [session.execute(select(account).where(account.c.id == owner.id)).one()]
    session.commit()
    return held
