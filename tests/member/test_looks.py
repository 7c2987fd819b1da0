"""Who has looked: apps, people who act for the member, offices and oneself, told by day from the audit stream."""

from datetime import timedelta

from sqlalchemy import select

from consent import representatives
from service import audit
from service.audit import AuditEvent
from service.clock import now
from service.plan.models import Member, SupportLook, SupportPurpose
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_portal_staff
from tests.member.console import connected
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk


def test_apps_representatives_and_oneself_are_told_with_what_they_opened(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    app = connected(desk)
    app.used("ExplanationOfBenefit", 14, member_id=desk.member.id)
    reader, rosa = Reader(desk, dana), Reader(desk, desk.account)
    reader.get("/my-information/medicines")
    reader.get("/my-information/medicines")
    reader.take("/my-information/download/record.json")
    rosa.get("/my-information")

    page = rosa.get("/who-has-looked").text

    assert app.app.view.name in page and "Claims and costs: 14 records" in page
    assert "Dana Reyes" in page and "acts for you" in page and "Medicines (2 times)" in page
    assert "Downloaded your whole record" in page and "the start page" in page
    assert page.index("You") >= 0


def test_a_look_at_the_profile_is_told(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    link = represent(desk, dana, desk.member)
    Reader(desk, dana).get("/profile")

    page = Reader(desk, desk.account).get("/who-has-looked").text

    assert "Dana Reyes" in page and "My Profile (address, phone number and e-mail)" in page
    with desk.session() as session:
        row = session.scalars(select(AuditEvent).where(AuditEvent.tag == "member:information:view")).one()
    told = (row.account_id, row.member_id, row.link_id, row.count, row.detail)
    assert told == (dana.id, desk.member.id, link.id, 1, {"section": "profile"})


def test_an_office_is_named_with_its_reason(desk: Desk) -> None:
    with desk.session() as session:
        staff = make_portal_staff(session)
        clerk, office = staff.account, staff.organization.name
        for reason in ("treatment: comes on <b>Monday</b>", "on file: a claim of theirs for this member"):
            audit.record(
                session, "provider:eligibility:lookup", account_id=clerk.id, member_id=desk.member.id,
                resource_type="Coverage", count=1, reason=reason,
            )  # fmt: skip
    page = Reader(desk, desk.account).get("/who-has-looked").text
    assert page.count("Asked whether you are covered") == 2 and page.count(office) == 2
    assert "To treat you: comes on &lt;b&gt;Monday&lt;/b&gt;" in page and "They sent the plan a claim for you" in page


def test_earlier_days_are_on_further_pages(desk: Desk, clock: MovableClock) -> None:
    rosa = Reader(desk, desk.account)
    assert "Nobody has looked at your information." in rosa.get("/who-has-looked").text
    rosa.get("/my-information")
    clock.advance(timedelta(days=45).total_seconds())
    rosa = Reader(desk, desk.account)
    rosa.get("/my-information")
    page = rosa.get("/who-has-looked").text
    assert page.count('class="ls-day"') == 1 and "Earlier days" in page
    assert rosa.get("/who-has-looked?before=yesterday").status_code == 200
    assert "before that day" in rosa.get("/who-has-looked?before=2001-01-01").text


def test_another_members_looks_are_not_told(desk: Desk) -> None:
    with desk.session() as session:
        other = make_account(session)
        audit.record(session, "member:information:view", account_id=other.id, member_id="somebody-else", count=1)
        assert representatives.members_for(session, other) == []
    assert "Nobody has looked" in Reader(desk, desk.account).get("/who-has-looked").text


def test_what_was_done_with_a_record_that_became_part_of_mine_is_told_too(desk: Desk) -> None:
    with desk.session() as session:
        former, staff = make_member(session), make_portal_staff(session)
        for part in (former.id, desk.member.id):
            audit.record(
                session, "provider:member:lookup", account_id=staff.account_id, member_id=part, reason="treatment",
                resource_type="ExplanationOfBenefit", count=1,
            )  # fmt: skip
        session.add(
            SupportLook(
                member_id=former.id, account_id=staff.account_id, login_session_id="s", reason="they called",
                purpose=SupportPurpose.MEMBER_CALLED, begun_at=now(), expires_at=now(),
            )
        )  # fmt: skip
    reader = Reader(desk, desk.account)
    assert "2 times" not in reader.get("/who-has-looked").text

    with desk.session() as session:
        session.get_one(Member, former.id).merged_into_id = desk.member.id

    page = reader.get("/who-has-looked").text
    assert "(2 times)" in page and "You called or wrote to us" in page
    with desk.session() as session:
        session.get_one(Member, former.id).merged_into_id = None
    page = reader.get("/who-has-looked").text
    assert "(2 times)" not in page and "You called or wrote to us" not in page


def test_connections_of_one_app_are_told_apart_by_who_made_them(desk: Desk, clock: MovableClock) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    own = connected(desk)
    hers = connected(desk, Reader(desk, dana), own.app)
    own.used("ExplanationOfBenefit", 14, member_id=desk.member.id, account_id=desk.account.id)
    assert hers.api.get("Coverage").status_code == 200

    page = Reader(desk, desk.account).get("/who-has-looked").text

    both = page.partition("(app)")[2]
    mine, _colon, of_dana = both.partition("(app, connected by Dana Reyes)")
    assert "Claims and costs: 14 records" in mine and "Insurance coverage" not in mine
    assert "Insurance coverage: 0 records" in of_dana and "Claims and costs" not in of_dana
    own.press("revoke")
    clock.advance(86_400)
    with desk.session() as session:
        audit.record(
            session, "fhir:Coverage:search", grant_id=hers.grant.id, client_id=hers.app.id, resource_type="Coverage",
            count=2, member_id=desk.member.id, account_id=dana.id,
        )  # fmt: skip
    page = Reader(desk, desk.account).get("/who-has-looked?lang=es").text
    latest = page.partition('class="ls-day"')[2].partition('class="ls-day"')[0]
    assert "(aplicación, conectada por Dana Reyes)" in latest and "(aplicación)" not in latest


def test_what_a_representative_counted_on_the_consent_page_is_told(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    rosa, reader = Reader(desk, desk.account), Reader(desk, dana)
    rosa.ask(desk.register())
    assert "Nobody has looked at your information." in rosa.get("/who-has-looked").text, "one's own is no news"

    reader.choose(reader.ask(desk.register()), desk.member)

    page = rosa.get("/who-has-looked").text
    assert "Dana Reyes" in page and "Saw how many records there are of each type" in page and "acts for you" in page
