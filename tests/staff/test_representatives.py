"""Plan staff decide who may act for whom: check-list, second yes, IDs and letters, links and safety blocks."""

from datetime import date, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent import representatives
from consent.models import Basis, LinkScope, PersonalRepresentative, RepresentativeLink
from consent.request_models import RefusalReason, RequestState
from service.accounts.notice_model import Notice, NoticeKind
from service.audit import AuditEvent
from service.clock import now
from service.plan.models import Member, PendingAct, StaffRole
from service.plan.staff import record_guards
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account, make_member, make_plan_staff, make_representative
from tests.plan.files import PDF
from tests.staff.console import make_clerk, send_files
from tests.staff.representing import Asking, as_it_stands

LINKS = "/staff/representative-links"


def the_link(session: Session) -> RepresentativeLink:
    return as_it_stands(session, select(RepresentativeLink))


def test_a_link_takes_a_whole_check_list_and_gives_no_more_than_was_agreed(
    app: Flask, session: Session, settings: Settings
) -> None:
    asking = Asking.begin(app, session)
    asking.send()
    clerk = asking.clerk()
    early = asking.press(clerk, "propose", scope="all", evidence="A paper")
    assert early.status_code == 409 and "check-list" in early.text
    for wrong in ({"evidence": " "}, {"valid_until": "9999-12-31"}):
        assert asking.propose(clerk, **wrong).status_code == 400, wrong
    asking.link(scope="without_sensitive", valid_until="2030-05-31")

    made = the_link(session)
    assert (made.basis, made.scope) == (Basis.POWER_OF_ATTORNEY, LinkScope.WITHOUT_SENSITIVE)
    assert made.valid_until == datetime(2030, 6, 1, tzinfo=settings.plan.timezone)
    assert made.evidence == "Power of attorney of 2026, notarized"
    assert (made.representative.account_id, made.representative.number) == (asking.account.id, None)
    assert asking.request().state is RequestState.LINKED
    asking.browser.get("/people/i-act-for")
    page = asking.browser.page.text
    assert "Amos Canary" in page and "May 31, 2030" in page and "Everything except very personal topics" in page
    select_page = asking.browser.get("/select-member").text
    assert "Amos Canary" in select_page and "Myself" in select_page
    assert not any("Canary" in letter for letter in letters(session, settings, asking.account.email))


def test_who_is_no_member_gets_an_id_registers_with_it_and_a_new_one_voids_it(
    app: Flask, session: Session, settings: Settings
) -> None:
    asking = Asking.begin(app, session)
    asking.name_somebody()
    asking.link()
    made = the_link(session)
    older, clerk = made.representative.number, asking.clerk()
    assert older and made.representative.account_id is None
    page = clerk.browser.get(f"{LINKS}/").text
    assert "Ellen Reyes" in page and "letter not printed yet" in page
    person = f"{LINKS}/people/{made.representative_id}"
    letter = clerk.browser.post(f"{person}/letter")
    assert letter.mimetype == "application/pdf" and letter.data.startswith(b"%PDF")
    clerk.browser.get(f"{LINKS}/")
    assert clerk.browser.post(f"{person}/renew").status_code == 303
    newer = the_link(session).representative.number
    assert newer and newer != older

    visitor = Visitor(app)
    for number, status in ((older, 400), (newer, 303)):
        visitor.get("/register/representative")
        answer = visitor.post(
            "/register/representative", representative_id=number, last_name="Reyes", birth_date="1980-02-28"
        )
        assert answer.status_code == status
    waiting = session.get_one(PersonalRepresentative, made.representative_id)
    representatives.attach_account(session, waiting, make_account(session))
    session.commit()
    clerk.browser.get(f"{LINKS}/")
    assert "Ellen Reyes" not in clerk.browser.page.text
    assert clerk.browser.post(f"{person}/letter").status_code == 404
    rows = session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.startswith("consent:representative_id"))).all()
    assert sorted(rows) == ["consent:representative_id:print", "consent:representative_id:renew"]


def test_a_member_without_an_account_is_linked_as_the_member_they_are(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    daughter = make_member(session, given_name="Ellen", family_name="Reyes", birth_date=date(1980, 2, 28))
    number, daughter_id = daughter.member_number, daughter.id
    session.commit()
    asking.name_somebody(number=number, address_line="")
    asking.link()
    made = the_link(session)
    assert made.representative.member_id == daughter_id and made.representative.number is None


def test_a_refusal_is_told_with_words_but_neutral_ones_where_it_protects(app: Flask, session: Session) -> None:
    for reason, words, shown in (
        (RefusalReason.EVIDENCE, "Page two is missing.", True),
        (RefusalReason.PROTECTION, "She is afraid of him.", False),
    ):
        asking = Asking.begin(app, session)
        asking.send()
        clerk = asking.clerk()
        assert asking.press(clerk, "refuse", reason="", words=words).status_code == 400
        assert asking.press(clerk, "refuse", reason=reason.value, words=words).status_code == 303
        page = asking.browser.get(f"/people/requests/{asking.request().id}").text
        assert (words in page) is shown
        assert ("did not prove" in page) is shown
        assert ("We cannot treat this person as a personal representative." in page) is not shown
        assert asking.press(clerk, "ask", question="And now?").status_code == 409


def test_a_request_about_nobody_is_matched_by_staff(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    asking.send(member_number="TYPO1")
    clerk = asking.clerk()
    assert asking.propose(clerk).status_code == 409
    assert asking.press(clerk, "match", member_number="NOBODY").status_code == 409
    assert asking.press(clerk, "match", member_number=asking.member.member_number).status_code == 303
    assert asking.request().checks == {}, "what was checked was checked for nobody"
    asking.link()
    assert the_link(session).member_id == asking.member.id


def test_paper_forms_are_entered_with_their_scan(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    clerk = asking.clerk()
    fields = {
        "given_name": "Ellen", "family_name": "Reyes", "birth_date": "1980-02-28",
        "member_number": asking.member.member_number, "member_family_name": "Canary",
        "member_birth_date": asking.member.birth_date.isoformat(), "basis": "guardian", "scope": "claims_only",
    }  # fmt: skip
    address = "/staff/representatives/new"
    for files, form, status in (([], fields, 400), ([("f.pdf", PDF)], fields | {"basis": ""}, 400),
                                ([("f.pdf", PDF)], fields, 303)):  # fmt: skip
        clerk.browser.get(address)
        assert send_files(clerk.browser, address, files, **form).status_code == status
    assert asking.press(clerk, "ask", question="?").status_code == 409, "nobody would read it"
    asking.link()
    assert the_link(session).scope is LinkScope.CLAIMS_ONLY
    assert session.scalars(select(PersonalRepresentative.number)).one().startswith("PR")


def test_links_are_found_limited_and_ended_with_a_reason(app: Flask, session: Session, settings: Settings) -> None:
    account, member = make_account(session), make_member(session, given_name="Amos")
    number = member.member_number
    famous, officer = make_member(session, given_name="Hidden"), make_plan_staff(session, StaffRole.PRIVACY_OFFICER)
    record_guards.protect(session, famous, by=officer, reason="A singer")
    protected = famous.member_number
    made = representatives.link(
        session, make_representative(session, account), member, basis=Basis.GUARDIAN, timezone=settings.plan.timezone
    )
    clerk = make_clerk(app, session, StaffRole.MEMBER_SERVICES)
    link = f"{LINKS}/{made.related_person_id}"
    session.rollback()
    clerk.browser.get(f"{LINKS}/")
    assert clerk.browser.post(f"{LINKS}/", member_number="NOBODY").status_code == 404
    guarded = clerk.browser.post(f"{LINKS}/", member_number=protected)
    assert guarded.status_code == 403 and "Hidden" not in guarded.text
    assert "Dana Reyes" in clerk.browser.post(f"{LINKS}/", member_number=number).text
    assert clerk.browser.post(f"{link}/limit", scope="claims_only").status_code == 409, "no reason"
    assert clerk.browser.post(f"{link}/limit", scope="claims_only", reason="The order says so").status_code == 303
    assert clerk.browser.post(f"{link}/limit", scope="all", reason="Please").status_code == 409, "never wider"
    assert clerk.browser.post(f"{link}/end", reason="The court ended it").status_code == 303
    assert clerk.browser.post(f"{link}/end", reason="Again").status_code == 409
    assert clerk.browser.post(f"{link}/block", reason="Too late").status_code == 409
    made = the_link(session)
    assert (made.scope, made.version) == (LinkScope.CLAIMS_ONLY, 3) and made.ended_at
    reasons = select(AuditEvent.reason).where(AuditEvent.tag.startswith("staff:representative_link"))
    assert session.scalars(reasons.order_by(AuditEvent.id)).all() == ["The order says so", "The court ended it"]


def test_a_safety_block_is_reviewed_by_an_officer_who_did_not_set_it(
    app: Flask, session: Session, settings: Settings
) -> None:
    account, member = make_account(session), make_member(session)
    made = representatives.link(
        session, make_representative(session, account), member, basis=Basis.GUARDIAN, timezone=settings.plan.timezone
    )
    clerk = make_clerk(app, session, StaffRole.MEMBER_SERVICES)
    setter, officer = (make_clerk(app, session, StaffRole.PRIVACY_OFFICER) for _ in range(2))
    link, address = f"{LINKS}/{made.related_person_id}", account.email
    session.rollback()
    for one in (clerk, setter, officer):
        one.browser.get(f"{LINKS}/")
    assert setter.browser.post(f"{link}/block", reason="He threatened her on the phone").status_code == 303
    assert letters(session, settings, address) == [], "nobody tells him"
    assert clerk.browser.post(f"{link}/lift", reason="No").status_code == 404
    assert "He threatened her" in officer.browser.get(f"{LINKS}/").text
    assert setter.browser.post(f"{link}/lift", reason="I was wrong").status_code == 409
    assert officer.browser.post(f"{link}/confirm", reason="Police report seen").status_code == 303
    assert "He threatened her" not in officer.browser.get(f"{LINKS}/").text
    assert officer.browser.post(f"{link}/lift", reason="It was another man").status_code == 303
    made = the_link(session)
    assert not made.safety_block and made.version == 3
    assert officer.browser.post(f"{link}/lift", reason="Again").status_code == 409


@pytest.mark.parametrize("by_member", [True, False], ids=["by the member", "by the plan"])
def test_a_lifted_block_is_told_to_the_member_who_had_set_it_and_to_nobody_else(
    app: Flask, session: Session, settings: Settings, *, by_member: bool
) -> None:
    account, member = make_account(session), make_member(session)
    own, other = make_account(session, member=member), make_account(session)
    made, beside = (
        representatives.link(
            session, make_representative(session, one), member, basis=Basis.GUARDIAN, timezone=settings.plan.timezone
        )
        for one in (account, other)
    )
    officers = [make_clerk(app, session, StaffRole.PRIVACY_OFFICER) for _ in range(2)]
    blocker = own.id if by_member else officers[0].account.id
    representatives.block(session, made, by_account_id=blocker)
    path, name, own_id = f"{LINKS}/{made.related_person_id}", made.representative.full_name, own.id
    address, others = own.email, (account.email, other.email)
    assert beside.ended_at is None
    session.commit()
    officers[1].browser.get(f"{LINKS}/")

    assert officers[1].browser.post(f"{path}/confirm", reason="A report").status_code == 303
    assert session.scalars(select(Notice.id)).all() == []
    session.commit()
    assert officers[1].browser.post(f"{path}/lift", reason="It was another man").status_code == 303

    told = [(one.account_id, one.kind, one.who) for one in session.scalars(select(Notice))]
    session.commit()
    assert told == ([(own_id, NoticeKind.LINK_BEGUN, name)] if by_member else [])
    mails = letters(session, settings, address)
    assert len(mails) == by_member and not any(name in mail for mail in mails)
    assert [letters(session, settings, one) for one in others] == [[], []]


def test_the_second_person_reads_when_a_childs_link_narrows_and_ends(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    born = date(now().year - 8, 3, 2)
    with Session(session.get_bind()) as own, own.begin():
        own.get_one(Member, asking.member.id).birth_date = born
    asking.send(basis="guardian", member_birth_date=born.isoformat())
    assert asking.propose(asking.clerk()).status_code == 303
    [change] = asking.act().content["changes"]
    assert f"or the member turns 18 on Mar 2, {born.year + 18}" in change["after"]
    assert f"without very personal topics from Mar 2, {born.year + 12} on" in change["after"]
    assert asking.approve(asking.clerk()).status_code == 303
    made = the_link(session)
    assert made.valid_until is not None and made.valid_until.year == born.year + 18


def test_an_executor_of_the_living_is_refused_before_a_second_person_is_asked(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    asking.send(basis="executor")
    refused = asking.propose(asking.clerk())
    assert refused.status_code == 409 and "does not say that this member has died" in refused.text
    with Session(session.get_bind()) as own:
        assert own.scalar(select(func.count()).select_from(PendingAct)) == 0
