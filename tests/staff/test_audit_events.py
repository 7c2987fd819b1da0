"""Privacy officers search the audit; each search is in it."""

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit
from service.audit import AuditEvent, Outcome
from service.audit_chain.reading import PAGE
from service.plan.models import StaffRole
from tests.factories import make_member
from tests.staff.console import make_clerk

DAYS = {"since": "2020-01-01", "until": "2099-12-31"}


def test_a_search_shows_what_fits_and_leaves_its_own_event(app: Flask, session: Session) -> None:
    member, other = make_member(session), make_member(session)
    audit.record(session, "fhir:Patient:read", member_id=member.id, reason="the one <b>sought</b>", count=1)
    audit.record(session, "fhir:Patient:read", member_id=other.id, reason="another's")
    audit.record(session, "fhir:Patient:read", member_id=member.id, outcome=Outcome.REFUSED, reason="refused")
    session.commit()
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    officer.browser.get("/staff/audit/")

    page = officer.browser.post(
        "/staff/audit/", **DAYS, member_number=member.member_number, outcome="success", tag="fhir:"
    )  # fmt: skip

    assert page.status_code == 200 and "the one &lt;b&gt;sought" in page.text
    assert "another&#39;s" not in page.text and "refused" not in page.text.split("<h2>Found")[1]
    told = session.scalars(select(AuditEvent).where(AuditEvent.tag == "audit:event:search")).one()
    assert (told.account_id, told.member_id, told.count) == (officer.account.id, member.id, 1)
    assert told.detail is not None and set(told.detail["asked"]) == {"since", "until", "member_ids", "outcome", "tag"}


def test_older_ones_follow_page_by_page(app: Flask, session: Session) -> None:
    for number in range(PAGE + 5):
        audit.record(session, "test:thing:do", reason=f"number-{number:03}")
    session.commit()
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    officer.browser.get("/staff/audit/")
    first = officer.browser.post("/staff/audit/", **DAYS, tag="test:")
    before = first.text.split('name="before" value="')[1].split('"')[0]
    second = officer.browser.post("/staff/audit/", **DAYS, tag="test:", before=before)

    shown = [[f"number-{number:03}" in page.text for number in range(PAGE + 5)] for page in (first, second)]
    assert shown[0] == [False] * 5 + [True] * PAGE
    assert shown[1] == [True] * 5 + [False] * PAGE
    assert 'name="before"' not in second.text


def test_what_cannot_be_looked_for_is_told_at_its_field(app: Flask, session: Session) -> None:
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    officer.browser.get("/staff/audit/")
    wrong = {"since": "yesterday", "until": "2026-01-01"}
    turned = {"since": "2026-02-01", "until": "2026-01-01"}
    for form, sentence in (
        (wrong, "Please enter a day"), (turned, "must not be after"),
        (DAYS | {"member_number": "nobody"}, "No member has this member ID."),
        (DAYS | {"username": "nobody"}, "No account has this user name."),
        (DAYS | {"before": "x"}, "Please check"),
    ):  # fmt: skip
        answer = officer.browser.post("/staff/audit/", **form)
        assert answer.status_code == 400 and sentence in answer.text
    assert session.scalar(select(AuditEvent.id).where(AuditEvent.tag == "audit:event:search")) is None


def test_days_and_places_beyond_all_events_are_refused(app: Flask, session: Session) -> None:
    audit.record(session, "test:thing:do", reason="here")
    session.commit()
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    officer.browser.get("/staff/audit/")
    for form in (
        {"since": "0001-01-01", "until": "2099-12-31"}, {"since": "2020-01-01", "until": "9999-12-31"},
        DAYS | {"before": "9" * 30}, DAYS | {"before": "-" + "9" * 30},
    ):  # fmt: skip
        assert officer.browser.post("/staff/audit/", **form, tag="test:").status_code == 400, form


def test_a_member_is_found_with_what_was_done_before_records_became_one(app: Flask, session: Session) -> None:
    survivor = make_member(session)
    former = make_member(session)
    first = make_member(session)
    for one in (survivor, former, first):
        audit.record(session, "fhir:Patient:read", member_id=one.id, reason=f"about-{one.member_number}")
    first.merged_into_id, former.merged_into_id = former.id, survivor.id
    session.commit()
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    officer.browser.get("/staff/audit/")

    for number in (survivor.member_number, first.member_number):
        page = officer.browser.post("/staff/audit/", **DAYS, member_number=number)
        assert all(f"about-{one.member_number}" in page.text for one in (survivor, former, first))
    told = session.scalars(select(AuditEvent).where(AuditEvent.tag == "audit:event:search")).all()
    assert {one.member_id for one in told} == {survivor.id}
    assert all(one.detail and first.id in one.detail["asked"]["member_ids"] for one in told)
