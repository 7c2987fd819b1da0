"""Whose pause holds: a representative changes what they gave, and never what the member paused."""

from sqlalchemy import select
from werkzeug.test import TestResponse

from consent import representatives
from consent.models import EndedBy, Grant, GrantChange, GrantStatus, RepresentativeLink
from tests.conftest import MovableClock
from tests.factories import make_account
from tests.member.console import connected
from tests.member.pages import Reader, form_to, forms_of, represent
from tests.oauth.desk import Desk, answer_of


def test_a_representative_changes_what_they_gave_and_not_what_the_member_paused(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    link = represent(desk, dana, desk.member)
    hers, own = connected(desk, Reader(desk, dana)), connected(desk)
    hers.press("pause")
    assert hers.grant.paused_by is EndedBy.REPRESENTATIVE
    assert ", by you" in hers.reader.get("/apps").text
    assert ", by Dana Reyes</dd>" in Reader(desk, desk.account).get("/apps").text, "whoever connected it is named too"
    assert own.app.view.name not in hers.reader.get("/apps").text
    with desk.session() as session:
        assert session.scalars(select(GrantChange)).one().link_id == link.id
    hers.press("resume")

    # The member sees it, with who connected it, and their pause is the last word.
    rosa = Reader(desk, desk.account)
    assert "Dana Reyes, personal representative" in rosa.get("/apps").text

    def asked() -> TestResponse:
        picker = hers.reader.ask(hers.app, prompt="consent")
        chosen = hers.reader.press(picker, "/consent/member", selected=desk.member.patient_id)
        return hers.reader.follow(chosen)

    opened = asked()
    hers.press("pause", rosa)
    for answer in (hers.reader.allow(opened), asked()):
        assert answer.status_code == 403 and "The member paused this app" in answer.text
    assert hers.grant.status is GrantStatus.PAUSED
    page = hers.reader.get("/apps")
    assert "Only the member can let it in again" in page.text and ", by the member" in page.text
    assert not [form for form in forms_of(page.text) if form.action.endswith("/resume")]
    revoke = next(form for form in forms_of(page.text) if form.action.endswith("/revoke"))
    refused = hers.reader.browser.post(revoke.action.replace("revoke", "resume"), data=revoke.fields)
    assert refused.status_code == 403 and "The member paused this app" in refused.text
    assert not hers.works
    assert hers.press("resume", rosa).location == "/apps?done=resumed" and hers.works
    assert hers.press("revoke", rosa).status_code == 303 and not hers.works


def test_the_end_of_a_grant_ends_no_pause_of_the_member(desk: Desk, clock: MovableClock) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    link = represent(desk, dana, desk.member)
    hers, rosa = connected(desk, Reader(desk, dana)), Reader(desk, desk.account)
    other = connected(desk, hers.reader)
    other.press("pause")
    other.press("revoke")
    paused = hers.grant.id
    hers.press("pause", rosa)

    def asked(reader: Reader) -> TestResponse:
        picker = reader.ask(hers.app, prompt="consent")
        return reader.follow(reader.press(picker, "/consent/member", selected=desk.member.patient_id))

    def is_held() -> bool:
        answer = asked(Reader(desk, dana))
        return answer.status_code == 403 and "The member paused this app" in answer.text

    assert hers.press("revoke").status_code == 303 and is_held()
    page = hers.reader.get("/apps").text
    assert page.count("Only the member can let it in again") == 1, "her own pause holds nobody"
    assert not [form for form in forms_of(page) if form.action.endswith("/release")]
    with desk.session() as session:
        representatives.end_link(session, session.get_one(RepresentativeLink, link.id), by=EndedBy.PLAN)
    represent(desk, dana, desk.member)
    assert is_held(), "by a newer right"
    clock.advance(400 * 86_400)
    assert is_held(), "the time that was agreed is over"

    rosa, her = Reader(desk, desk.account), Reader(desk, dana)
    page = rosa.get("/apps").text
    assert "Dana Reyes cannot connect it again until you allow it" in page
    (form,) = [form for form in forms_of(page) if form.action.endswith("/release")]
    assert form.action == f"/apps/{paused}/release"
    token = form_to(her.get("/settings").text, "/settings/language").fields["csrf_token"]
    refused = her.browser.post(form.action, data=form.changed(csrf_token=token))
    assert refused.status_code == 403 and "The member paused this app" in refused.text and is_held()
    assert rosa.browser.post(form.action, data=form.fields).location == "/apps?done=released"
    assert "cannot connect it again" not in rosa.get("/apps?done=released").text
    assert answer_of(her.allow(asked(her)).location)["code"]


def test_an_older_grant_releases_no_newer_one_that_the_member_paused(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    older, rosa = connected(desk, Reader(desk, dana)), Reader(desk, desk.account)
    over = older.grant.id
    older.press("revoke")
    hers = connected(desk, older.reader, app=older.app)
    hers.press("pause", rosa)

    def send(reader: Reader, path: str) -> int:
        form = next(one for one in forms_of(reader.get("/apps").text) if one.action.endswith("/revoke"))
        return int(reader.browser.post(path, data=form.fields).status_code)

    for presser, status in ((hers.reader, 403), (rosa, 303)):
        assert send(presser, f"/apps/{over}/release") == status
        assert hers.grant.paused_by is EndedBy.MEMBER, "what stands paused is resumed by the member, not released"
        assert send(hers.reader, f"/apps/{hers.grant.id}/resume") == 403 and not hers.works


def test_a_link_that_ended_leaves_nothing_to_resume(desk: Desk) -> None:

    with desk.session() as session:
        dana = make_account(session)
    link = represent(desk, dana, desk.member)
    hers = connected(desk, Reader(desk, dana))
    hers.press("pause")
    page = Reader(desk, desk.account).get("/apps")
    form = next(one for one in forms_of(page.text) if one.action.endswith("/resume"))
    with desk.session() as session:
        representatives.end_link(session, session.get_one(RepresentativeLink, link.id), by=EndedBy.PLAN)

    rosa = Reader(desk, desk.account)
    token = form_to(rosa.get("/settings").text, "/settings/language").fields["csrf_token"]
    answer = rosa.browser.post(form.action, data=form.changed(csrf_token=token))

    assert answer.location.endswith("/ended")
    with desk.session() as session:
        assert session.scalars(select(Grant)).one().status is GrantStatus.REVOKED
