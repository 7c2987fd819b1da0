"""A member's pause that the plan lifts for them: by two people, letting nobody in, told to the member."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import representatives, safety_blocks
from consent.models import EndedBy, Grant, GrantStatus, RepresentativeLink
from service.accounts.models import Account
from service.accounts.notice_model import Notice, NoticeKind
from service.plan.models import PendingAct, StaffRole
from tests.attacks.looks import look_at, rows
from tests.factories import make_account, make_member
from tests.member.console import Connected, connected
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk
from tests.staff.console import Clerk, make_clerk

Deed = Callable[[Session, RepresentativeLink], None]
SAID = {"evidence": "letter of the court of March 3", "reason": "the daughter called"}


@dataclass
class Held:
    """An app that Dana connected for the desk's member, and that the member has paused."""

    hers: Connected
    dana: Account
    asker: Clerk
    other: Clerk
    place: str

    @property
    def path(self) -> str:
        """Where the lift is asked for."""
        return f"{self.place.replace('/staff/members/looks/', '/staff/pause-lifts/')}/{self.hers.grant.id}"

    def ask(self, **changed: str) -> int:
        """Ask for it; the answer's status."""
        self.asker.browser.get(self.path)
        return self.asker.browser.post(self.path, **SAID | changed).status_code

    def agree(self, clerk: Clerk, session: Session) -> int:
        """Say yes; the answer's status."""
        act = session.scalars(select(PendingAct)).one()
        session.commit()
        clerk.browser.get("/staff/second-looks/")
        return clerk.browser.post(f"/staff/second-looks/{act.id}/approve").status_code


@pytest.fixture
def held(app: Flask, session: Session, desk: Desk) -> Held:
    """The app, and two people of member services."""
    with desk.session() as own:
        dana = make_account(own, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    hers = connected(desk, Reader(desk, dana))
    hers.press("pause", Reader(desk, desk.account))
    asker, other = (make_clerk(app, session, StaffRole.MEMBER_SERVICES) for _each in range(2))
    return Held(hers, dana, asker, other, look_at(asker, desk.member))


def test_a_members_pause_is_lifted_by_two_and_the_representative_decides(
    held: Held, session: Session, desk: Desk
) -> None:
    assert held.path in held.asker.browser.get(held.place).text
    assert held.ask(evidence=" ") == 400
    assert (held.ask(), held.agree(held.asker, session)) == (303, 409)
    assert held.hers.grant.paused_by is EndedBy.MEMBER, "one person alone changes nothing"
    page = held.other.browser.get("/staff/second-looks/").text
    assert "Dana Reyes" in page and SAID["evidence"] in page

    assert held.agree(held.other, session) == 303

    assert (held.hers.grant.status, held.hers.grant.paused_by) == (GrantStatus.PAUSED, EndedBy.REPRESENTATIVE)
    assert not held.hers.works, "the plan lets nobody in"
    assert held.hers.press("resume").status_code == 303 and held.hers.works
    [row] = rows(session, "consent:grant:lift_pause")
    assert (row.account_id, row.member_id, row.reason) == (held.other.account.id, desk.member.id, SAID["reason"])
    told = session.scalars(select(Notice).where(Notice.kind == NoticeKind.APP_PAUSE_LIFTED)).all()
    assert {one.account_id for one in told} == {desk.account.id, held.dana.id}
    session.commit()
    assert "may let it in again" in Reader(desk, desk.account).get("/messages").text


def end(session: Session, link: RepresentativeLink) -> None:
    representatives.end_link(session, link, by=EndedBy.PLAN)


def block(session: Session, link: RepresentativeLink) -> None:
    representatives.block(session, link, by_account_id=None)


def let_in_again(session: Session, link: RepresentativeLink) -> None:
    block(session, link)
    safety_blocks.lift(session, link, by_account_id=link.representative.account_id or "", reason="Another man")


@pytest.mark.parametrize(
    ("deed", "is_linked_anew", "hears"),
    [(None, False, True), (end, False, False), (end, True, True), (block, False, False), (let_in_again, False, True)],
    ids=["as before", "ended", "ended and linked anew", "shut out", "shut out and let in again"],
)  # fmt: skip
def test_the_lift_is_told_to_the_member_and_to_whom_the_pause_holds_while_they_act(
    held: Held, session: Session, desk: Desk, deed: Deed | None, *, is_linked_anew: bool, hears: bool
) -> None:
    """Another who acts for the member, and whoever works for the plan, hear nothing of the pause, nor of its end."""
    with desk.session() as own:
        other, child = make_account(own), make_member(own)
    represent(desk, other, desk.member)
    represent(desk, held.dana, child)
    connected(desk, Reader(desk, other), app=held.hers.app)
    grant = held.hers.grant
    with desk.session() as own:
        if deed is not None:
            deed(own, own.get_one(RepresentativeLink, grant.link_id))
    if is_linked_anew:
        represent(desk, held.dana, desk.member)
    before = _count(session, held.dana), _count(session, desk.account)

    assert (held.ask(), held.agree(held.other, session)) == (303, 303)

    assert _told(session, NoticeKind.APP_PAUSED) == {desk.account.id, held.dana.id}
    assert _told(session, NoticeKind.APP_PAUSE_LIFTED) == {desk.account.id} | ({held.dana.id} if hears else set())
    assert (_count(session, held.dana), _count(session, desk.account)) == (before[0] + hears, before[1] + 1)


def _told(session: Session, kind: NoticeKind) -> set[str]:
    found = set(session.scalars(select(Notice.account_id).where(Notice.kind == kind)))
    session.rollback()
    return found


def _count(session: Session, account: Account) -> int:
    """How many notices an account has had."""
    found = session.scalars(select(Notice.id).where(Notice.account_id == account.id)).all()
    session.rollback()
    return len(found)


def test_a_pause_that_outlived_its_grant_is_lifted_too(held: Held, session: Session) -> None:
    held.hers.press("revoke")
    assert held.path in held.asker.browser.get(held.place).text

    assert (held.ask(), held.agree(held.other, session)) == (303, 303)

    assert session.scalars(select(Grant.paused_by)).one() is None
    session.commit()
    assert held.asker.browser.get(held.path).status_code == 404, "nothing is held any more"


def test_what_the_member_took_back_meanwhile_is_not_lifted(held: Held, session: Session, desk: Desk) -> None:
    assert held.ask() == 303
    held.hers.press("resume", Reader(desk, desk.account))

    assert held.agree(held.other, session) == 409
    assert held.hers.works


def test_a_pause_after_the_asking_is_not_lifted_by_it(held: Held, session: Session, desk: Desk) -> None:
    assert held.ask() == 303
    member = Reader(desk, desk.account)
    held.hers.press("resume", member)
    held.hers.press("pause", member)

    assert held.agree(held.other, session) == 409
    assert held.hers.grant.paused_by is EndedBy.MEMBER, "the member's newest word stands"


def test_whoever_reads_the_members_name_by_it_is_on_record(held: Held, session: Session, desk: Desk) -> None:
    before = len(rows(session, "staff:member:view"))
    held.asker.browser.get(held.path)
    assert len(rows(session, "staff:member:view")) == before + 1
    assert held.ask() == 303

    assert desk.member.full_name in held.other.browser.get("/staff/second-looks/").text

    act = session.scalars(select(PendingAct.id)).one()
    [row] = rows(session, "staff:second_look:list")
    assert (row.account_id, row.detail["listed"]) == (held.other.account.id, [act])


def test_no_colleague_lifts_a_pause_for_themselves(
    held: Held, app: Flask, session: Session, desk: Desk
) -> None:  # fmt: skip
    own = make_clerk(app, session, StaffRole.APP_REVIEWER)
    assert own.browser.get(held.path).status_code == 404
    assert held.other.browser.get(held.path).status_code == 404, "only who looks at the member"
    assert held.ask() == 303
    assert held.ask() == 409, "it waits already"
