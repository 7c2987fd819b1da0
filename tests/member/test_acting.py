"""For whom a page is made: the member stays the one that the person chose, or the page says why not."""

from dataclasses import dataclass
from html import unescape
from re import findall
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from consent import representatives
from consent.models import EndedBy, RepresentativeLink
from service.audit import AuditEvent
from service.plan.models import Member
from tests.factories import make_account, make_member
from tests.fhir import records
from tests.member.console import Connected
from tests.member.pages import Reader, form_to, represent
from tests.member.test_my_information import load
from tests.oauth.desk import Desk

ENDED = "Your right to act for the person you acted for until now has ended."


@dataclass
class Two:
    """Dana, who acts for Amos and for Bertha."""

    desk: Desk
    dana: Reader
    amos: Member
    bertha: Member
    for_amos: RepresentativeLink

    def act_for(self, member: Member) -> None:
        chosen = self.dana.press(self.dana.get("/select-member"), "/select-member", selected=member.patient_id)
        assert chosen.status_code == 303

    def connect(self) -> Connected:
        """An app that Dana lets in for Amos."""
        app = self.desk.register()
        tokens = self.desk.connect(app, account=self.dana.account, member=self.amos)
        return Connected(self.desk, self.dana, app, tokens)

    def files(self) -> list[str]:
        """The links to files of the pages about the member for whom Dana acts."""
        pages = [self.dana.get(path).text for path in ("/my-information", "/my-information/reports", "/apps")]
        return [unescape(one) for page in pages for one in findall(r'href="([^"]+\?[^"]*member=[^"]+)"', page)]

    def end(self) -> None:
        """The right to act for Amos ends."""
        with self.desk.session() as session:
            link = session.get_one(RepresentativeLink, self.for_amos.id)
            representatives.end_link(session, link, by=EndedBy.MEMBER)


@pytest.fixture
def two(desk: Desk) -> Two:
    with desk.session() as session:
        account = make_account(session, given_name="Dana", family_name="Reyes")
        amos = make_member(session, given_name="Amos", family_name="Núñez Moore")
        bertha = make_member(session, given_name="Bertha", family_name="Moore")
    for_amos = represent(desk, account, amos)
    represent(desk, account, bertha)
    for member in (amos, bertha):
        load(desk, records.patient(member.patient_id), _letter(member))
    return Two(desk, Reader(desk, account), amos, bertha, for_amos)


def _letter(member: Member) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference", "id": f"letter-{member.given_name}", "status": "current",
        "subject": records.to(f"Patient/{member.patient_id}"),
        "type": {"text": "A letter"}, "content": [{"attachment": {"contentType": "text/plain", "data": "aGVsbG8="}}],
    }  # fmt: skip


def test_where_a_right_ends_no_page_slides_to_the_member_who_is_left(two: Two) -> None:
    two.act_for(two.amos)
    two.end()

    for path in ("/my-information", "/member", "/apps", "/profile"):
        answer = two.dana.get(path)
        assert answer.status_code == 303 and answer.location.startswith("/select-member?next="), path
    page = two.dana.follow(two.dana.get("/my-information"))
    assert ENDED in page.text and "Amos" not in page.text
    assert "El derecho que usted tenía" in unescape(two.dana.get("/select-member?lang=es").text)
    two.dana.get("/help?lang=en")

    chosen = two.dana.press(page, "/select-member", selected=two.bertha.patient_id)

    assert chosen.location == "/my-information"
    assert "Bertha" in two.dana.get("/my-information").text
    assert ENDED not in two.dana.get("/select-member").text


def test_where_a_right_ends_an_app_is_not_answered_for_the_member_who_is_left(two: Two, desk: Desk) -> None:
    two.act_for(two.amos)
    two.end()

    page = two.dana.ask(desk.register())

    assert ENDED in page.text and form_to(page.text, "/consent/member").options


def test_where_a_right_ends_forms_are_refused(two: Two) -> None:
    two.act_for(two.amos)
    token = form_to(two.dana.get("/select-member").text, "/select-member").fields["csrf_token"]
    two.end()

    for member in (two.amos, two.bertha):
        sent = {"csrf_token": token, "member": member.patient_id}
        answer = two.dana.browser.post("/apps/00000000-0000-0000-0000-000000000000/revoke", data=sent)
        assert answer.status_code == 409


def test_links_to_files_are_refused_once_another_member_is_chosen_in_a_second_window(two: Two) -> None:
    two.act_for(two.amos)
    two.connect()
    links = two.files()
    assert [two.dana.get(link).status_code for link in links] == [200] * 5
    two.act_for(two.bertha)
    with two.desk.session() as session:
        before = session.scalar(select(func.count()).select_from(AuditEvent))

    for link in (*links, *(one.partition("?")[0] for one in links)):
        answer = two.dana.get(link)
        assert answer.status_code == 409 and "You act for Bertha Moore now." in answer.text, link
        assert "Content-Disposition" not in answer.headers

    with two.desk.session() as session:
        assert session.scalar(select(func.count()).select_from(AuditEvent)) == before
    two.act_for(two.amos)
    two.end()
    two.act_for(two.bertha)
    assert {two.dana.get(link).status_code for link in links} == {409}


def test_the_files_of_a_member_bear_their_name(two: Two) -> None:
    two.act_for(two.amos)
    app = two.connect()
    grant = f"/apps/{app.grant.id}"
    links = [*two.files(), f"{grant}/activity.csv", f"{grant}/activity.json", f"{app.receipt}/receipt.json"]

    for link in links:
        disposition = two.dana.get(link).headers["Content-Disposition"]
        assert "-Amos-N__ez-Moore." in disposition and f"-Amos-{quote('Núñez')}-Moore." in disposition, link
        assert disposition.isascii()


def test_a_page_that_is_not_found_says_for_whom_one_acts_and_nothing_else(two: Two) -> None:
    two.act_for(two.amos)
    app = two.connect()
    two.act_for(two.bertha)

    for path in (
        f"/apps/{app.grant.id}/activity",
        app.receipt,
        "/apps/00000000-0000-0000-0000-000000000000/activity",
        "/nowhere",
    ):
        answer = two.dana.get(path)
        assert answer.status_code == 404 and "You act for Bertha Moore now." in answer.text, path
        assert "/select-member" in answer.text and app.app.view.name not in answer.text
    alone = Reader(two.desk, two.desk.account)
    assert "You act for" not in alone.get("/nowhere").text


def test_whoever_chooses_a_member_not_theirs_reads_that_and_keeps_theirs(two: Two) -> None:
    with two.desk.session() as session:
        stranger = make_member(session, given_name="Stella", family_name="Stranger").patient_id
    page = two.dana.get("/select-member")
    two.end()

    for chosen in (two.amos.patient_id, stranger, "nobody-at-all"):
        refused = two.dana.press(page, "/select-member", selected=chosen)
        assert refused.status_code == 403 and "You cannot act for this member" in refused.text, chosen
        assert "Stella" not in refused.text
    two.act_for(two.bertha)


LEADS = "/select-member?next=/apps&selected="
"""What a message leads to: a page of a member's, after who acts is asked."""


def test_an_old_link_to_somebody_whose_right_has_ended_says_so_and_leads_to_nobody_elses_page(two: Two) -> None:
    two.act_for(two.amos)
    two.end()

    page = two.dana.get(LEADS + two.amos.patient_id)

    form = form_to(page.text, "/select-member")
    assert ENDED in page.text and "there is nothing more for you to open" in page.text
    assert "Amos" not in page.text and [value for value, _name in form.options] == [two.bertha.patient_id]
    assert form.fields["next"] == "", "the console that comes next would be another person's"
    assert two.dana.press(page, "/select-member", selected=two.bertha.patient_id).location == "/member"


def test_an_old_page_that_still_offers_somebody_whose_right_has_ended_says_what_to_do(two: Two) -> None:
    with two.desk.session() as session:
        clara = make_member(session)
    represent(two.desk, two.dana.account, clara)
    two.act_for(two.bertha)
    old = two.dana.get(LEADS + two.amos.patient_id)
    two.end()

    answer = two.dana.press(old, "/select-member")

    assert answer.status_code == 403 and "You cannot act for this member" in answer.text
    assert "No member is linked" not in answer.text, "somebody is"
    assert "You act for Bertha Moore now." in answer.text and 'href="/select-member"' in answer.text
    assert "Amos" not in answer.text
    assert "Bertha" in two.dana.get("/member").text
    with two.desk.session() as session:
        chosen = select(AuditEvent.member_id).where(AuditEvent.tag == "member:acting:choose")
        assert set(session.scalars(chosen)) == {two.bertha.id}


def test_an_old_page_of_who_acts_for_nobody_any_more_says_so(two: Two) -> None:
    two.act_for(two.amos)
    old = two.dana.get(LEADS + two.amos.patient_id)
    two.end()
    with two.desk.session() as session:
        for link in session.scalars(select(RepresentativeLink).where(RepresentativeLink.ended_at.is_(None))).unique():
            representatives.end_link(session, link, by=EndedBy.PLAN)

    for answer in (two.dana.press(old, "/select-member"), two.dana.get(LEADS + two.amos.patient_id)):
        assert answer.status_code == 403 and "No member is linked to your account" in answer.text
        assert "please call us" in answer.text and "Amos" not in answer.text


def test_an_old_link_changes_nothing_by_itself_once_another_member_is_chosen_in_a_second_window(two: Two) -> None:
    two.act_for(two.amos)
    two.act_for(two.bertha)

    page = two.dana.get(LEADS + two.amos.patient_id)

    assert form_to(page.text, "/select-member").fields["selected"] == two.amos.patient_id
    assert "Bertha" in two.dana.get("/member").text, "a link asks, and the button answers"
    assert two.dana.press(page, "/select-member").location == "/apps"
    assert "Amos" in two.dana.get("/apps").text and "Bertha" not in two.dana.get("/apps").text


def test_a_page_from_before_another_member_was_chosen_in_a_second_window_chooses_nobody(two: Two) -> None:
    two.act_for(two.amos)
    old = two.dana.get(LEADS + two.amos.patient_id)
    two.act_for(two.bertha)

    answer = two.dana.press(old, "/select-member")

    assert answer.status_code == 403 and "This page has expired" in answer.text
    assert "You act for Bertha Moore now." in answer.text and 'href="/select-member"' in answer.text
    assert "Bertha" in two.dana.get("/member").text


def test_a_link_to_somebody_whose_right_has_come_again_leads_to_them(two: Two) -> None:
    two.act_for(two.amos)
    app = two.connect()
    two.end()
    represent(two.desk, two.dana.account, two.amos)
    two.act_for(two.bertha)

    page = two.dana.get(LEADS + two.amos.patient_id)

    console = two.dana.follow(two.dana.press(page, "/select-member"))
    assert "Amos" in console.text and app.app.view.name in console.text.partition("<h2>Former apps</h2>")[2]
