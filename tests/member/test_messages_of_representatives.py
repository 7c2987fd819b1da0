"""Messages where somebody acts for a member: each hears of the other, and whoever was shut out of nothing."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent import grant_notices, grants, representatives
from consent.models import Duration, EndedBy, Grant, GrantStatus, LinkScope, RepresentativeLink
from service.accounts import notices
from service.accounts.notice_model import Notice, NoticeKind
from service.clock import now
from service.plan.models import Member
from tests.conftest import MovableClock
from tests.factories import make_account, make_member
from tests.member.console import connected
from tests.member.message_center import console_link, kinds_of, mails_of, run_job
from tests.member.pages import Reader, form_to, represent
from tests.oauth.desk import Desk


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    """The member, with one message that she has not seen."""
    with desk.session() as session:
        notices.keep(session, desk.account, NoticeKind.WELCOME)
    return Reader(desk, desk.account)


def test_the_member_and_the_representative_each_hear_what_the_other_did(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member)
    hers = connected(desk, Reader(desk, dana))
    hers.press("pause", rosa)

    told, heard = rosa.get("/messages").text, Reader(desk, dana).get("/messages").text

    assert f"{dana.full_name} connected this app." in told and "You paused this app." in told
    assert "You connected this app." in heard and f"{rosa.account.full_name} paused this app." in heard
    assert f"About {desk.member.full_name}" in heard


def test_a_message_leads_to_the_console_of_the_member_it_is_about(desk: Desk) -> None:
    with desk.session() as session:
        own = make_member(session)
        dana = make_account(session, member=own)
    represent(desk, dana, desk.member)
    reader = Reader(desk, dana)
    reader.press(reader.get("/select-member"), "/select-member", selected=own.patient_id)
    held = connected(desk, Reader(desk, dana))

    link = console_link(reader.get("/messages").text)

    page = reader.get(link)
    form = form_to(page.text, "/select-member")
    assert urlsplit(link).path == "/select-member" and form.fields["selected"] == desk.member.patient_id
    assert f"Your own information: <strong>{own.full_name}" in " ".join(page.text.split()), "a link changes nothing"
    console = reader.follow(reader.press(page, "/select-member"))
    assert f"You are acting for <strong>{desk.member.full_name}" in " ".join(console.text.split())
    assert held.app.view.name in console.text and "<h1>App Management Console" in console.text
    assert console_link(reader.get("/messages").text) == "/apps", "who acts for the member is led there at once"


def test_a_message_about_oneself_leads_back_to_oneself(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        frank = make_member(session)
    connected(desk, rosa)
    assert console_link(rosa.get("/messages").text) == "/apps"
    represent(desk, rosa.account, frank)
    rosa.press(rosa.get("/select-member"), "/select-member", selected=frank.patient_id)

    page = rosa.get(console_link(rosa.get("/messages").text)).text

    assert form_to(page, "/select-member").fields["selected"] == desk.member.patient_id
    strange = rosa.get("/select-member?selected=somebody-else").text
    assert form_to(strange, "/select-member").fields["selected"] == frank.patient_id


@pytest.mark.parametrize("way", ["end_link", "block"])
def test_a_message_keeps_whom_it_is_about_when_the_right_is_over(desk: Desk, rosa: Reader, way: str) -> None:
    with desk.session() as session:
        dana = make_account(session)
    link, known = represent(desk, dana, desk.member), desk.member.full_name
    hers = connected(desk, Reader(desk, dana))
    with desk.session() as session:
        standing = session.get_one(RepresentativeLink, link.id)
        if way == "block":
            representatives.block(session, standing, by_account_id=None)
        else:
            representatives.end_link(session, standing, by=EndedBy.MEMBER)
        session.get_one(Member, desk.member.id).family_name = "Newname"

    page = Reader(desk, dana).get("/messages").text

    assert f"About {known}" in page and "Newname" not in page, "what she knew, and nothing since"
    assert "You do not act for this person now" in page and not console_link(page)
    assert hers.app.view.name in page


def test_a_notice_of_a_right_that_is_over_names_nobody(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session)
    link = represent(desk, dana, desk.member)
    given = connected(desk, Reader(desk, dana)).grant.id
    with desk.session() as session:
        representatives.block(session, session.get_one(RepresentativeLink, link.id), by_account_id=None)
        about = grant_notices.about(session.get_one(Grant, given))
        notices.keep(session, dana, NoticeKind.APP_DISCONNECTED, about)
        for kept in session.scalars(select(Notice).where(Notice.kind == NoticeKind.APP_CONNECTED)):
            kept.member_name = None  # as of a release that kept no names

    page = Reader(desk, dana).get("/messages").text

    assert page.count("About somebody you acted for") == 2 and desk.member.family_name not in page


def test_a_representative_who_was_shut_out_hears_nothing_more(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        dana = make_account(session)
    link = represent(desk, dana, desk.member)
    hers = connected(desk, Reader(desk, dana))
    before = kinds_of(desk, dana), mails_of(desk, dana)
    own = kinds_of(desk, rosa.account)
    with desk.session() as session:
        representatives.block(session, session.get_one(RepresentativeLink, link.id), by_account_id=None)

    with desk.session() as session:
        grants.revoke(session, session.get_one(Grant, hers.grant.id), by=EndedBy.MEMBER, account_id=rosa.account.id)

    assert (kinds_of(desk, dana), mails_of(desk, dana)) == before
    assert kinds_of(desk, rosa.account) == own, "it had ended with the right"


def ends(session: Session, link: RepresentativeLink) -> None:
    representatives.end_link(session, link, by=EndedBy.PLAN)


def shuts_out(session: Session, link: RepresentativeLink) -> None:
    representatives.block(session, link, by_account_id=None)


def narrows(session: Session, link: RepresentativeLink) -> None:
    representatives.limit(session, link, LinkScope.CLAIMS_ONLY, by_account_id=None)


@pytest.mark.parametrize("written_down", [True, False], ids=["by this release", "by one that ended no grant"])
@pytest.mark.parametrize("deed", [ends, shuts_out, narrows])
def test_nobody_is_told_that_time_ends_what_went_with_the_right(
    desk: Desk, clock: MovableClock, rosa: Reader, deed: Callable[[Session, RepresentativeLink], None],
    written_down: bool,
) -> None:  # fmt: skip
    with desk.session() as session:
        dana = make_account(session)
    link = represent(desk, dana, desk.member)
    hers = connected(desk, Reader(desk, dana), duration=Duration.THREE_MONTHS)
    grant_id, expires_at = hers.grant.id, hers.grant.expires_at
    with desk.session() as session:
        deed(session, session.get_one(RepresentativeLink, link.id))
        if not written_down:
            session.flush()
            as_then = {"status": GrantStatus.ACTIVE, "ended_at": None, "ended_by": None}
            session.execute(update(Grant).where(Grant.id == grant_id).values(as_then))
    for moment in (expires_at - timedelta(days=9), expires_at + timedelta(days=1)):
        clock.advance((moment - now()).total_seconds())
        run_job(desk)

    told = {*kinds_of(desk, rosa.account), *kinds_of(desk, dana)}
    assert not told & {NoticeKind.APP_ENDS_SOON, NoticeKind.APP_OVER}


def test_the_end_by_time_of_a_representatives_app_is_told_to_both(
    desk: Desk, clock: MovableClock, rosa: Reader
) -> None:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member)
    hers = connected(desk, Reader(desk, dana), duration=Duration.THREE_MONTHS)
    expires_at = hers.grant.expires_at
    for moment in (expires_at - timedelta(days=9), expires_at + timedelta(days=1)):
        clock.advance((moment - now()).total_seconds())
        run_job(desk)

    for account in (rosa.account, dana):
        assert kinds_of(desk, account)[-2:] == [NoticeKind.APP_ENDS_SOON, NoticeKind.APP_OVER]
