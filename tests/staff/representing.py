"""A request that somebody act for a member, on its way through the pages: sent, checked, agreed by two."""

from dataclasses import dataclass
from typing import TypeVar

from flask import Flask
from sqlalchemy import Select, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent.representative_reviews import CHECKS
from consent.request_models import RepresentativeRequest
from service.accounts.models import Account
from service.plan.models import Member, PendingAct, StaffRole
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_member
from tests.plan.files import PDF
from tests.staff.console import Clerk, make_clerk, send_files

T = TypeVar("T")
NEW = "/people/requests/new"
PAPER = [("power of attorney.pdf", PDF)]


def as_it_stands(session: Session, statement: Select[tuple[T]]) -> T:
    """The one row of a statement, read in a session of its own: an open one would hold SQLite against the pages."""
    session.rollback()
    with Session(session.get_bind()) as own:
        return own.scalars(statement).unique().one()


@dataclass
class Asking:
    """Somebody who asks to act for a member, at a browser, and the clerks who decide."""

    app: Flask
    session: Session
    account: Account
    member: Member
    browser: Visitor

    @classmethod
    def begin(cls, app: Flask, session: Session, **account: object) -> "Asking":
        made = make_account(session, **({"member": make_member(session)} | account))  # type: ignore[arg-type]
        whom = make_member(session, given_name="Amos", family_name="Canary")
        session.commit()
        for one in (made, whom):
            session.refresh(one)
            session.expunge(one)
        session.rollback()
        browser = Visitor(app)
        browser.sign_in(made)
        return cls(app, session, made, whom, browser)

    def send(self, files: list[tuple[str, bytes]] | None = None, **changed: str) -> TestResponse:
        """Send the form to act for the member; a value of "" leaves a field out."""
        fields = {
            "for": "another", "member_number": self.member.member_number, "member_family_name": "Canary",
            "member_birth_date": self.member.birth_date.isoformat(), "basis": "power_of_attorney", "scope": "all",
            "declared": "yes",
        }  # fmt: skip
        self.browser.get(f"{NEW}?for=another")
        given = {name: value for name, value in (fields | changed).items() if value}
        return send_files(self.browser, NEW, PAPER if files is None else files, **given)

    def name_somebody(self, files: list[tuple[str, bytes]] | None = None, **changed: str) -> TestResponse:
        """Send the form that somebody else act for oneself, by permission, with an address for the letter."""
        fields = {
            "for": "me", "given_name": "Ellen", "family_name": "Reyes", "birth_date": "1980-02-28",
            "address_line": "4 Elm Street", "city": "Rivermont", "state": "PA", "zip_code": "19104",
            "basis": "permission", "scope": "without_sensitive", "declared": "yes",
        }  # fmt: skip
        self.browser.get(f"{NEW}?for=me")
        given = {name: value for name, value in (fields | changed).items() if value}
        return send_files(self.browser, NEW, files or [], **given)

    def request(self) -> RepresentativeRequest:
        """The newest request, as it stands now."""
        return as_it_stands(
            self.session, select(RepresentativeRequest).order_by(RepresentativeRequest.asked_at.desc()).limit(1)
        )

    def clerk(self) -> Clerk:
        return make_clerk(self.app, self.session, StaffRole.MEMBER_SERVICES)

    def press(self, clerk: Clerk, step: str, **form: object) -> TestResponse:
        """Take a step of the staff console on the request as it stands now."""
        address = f"/staff/representatives/{self.request().id}"
        clerk.browser.get(address)
        return clerk.browser.post(f"{address}/{step}", seen=str(self.request().version), **form)

    def propose(self, clerk: Clerk, **changed: str) -> TestResponse:
        """Tick the whole check-list and ask for the second yes."""
        checked = self.press(clerk, "checks", **{f"check-{key}": "yes" for key in CHECKS})
        assert checked.status_code == 303, checked.text
        form = {"scope": self.request().scope.value, "evidence": "Power of attorney of 2026, notarized"}
        return self.press(clerk, "propose", **(form | changed))

    def act(self) -> PendingAct:
        return as_it_stands(self.session, select(PendingAct).order_by(PendingAct.asked_at.desc()).limit(1))

    def approve(self, clerk: Clerk) -> TestResponse:
        """The second yes."""
        clerk.browser.get("/staff/second-looks/")
        return clerk.browser.post(f"/staff/second-looks/{self.act().id}/approve")

    def link(self, **changed: str) -> None:
        """Both yeses."""
        assert self.propose(self.clerk(), **changed).status_code == 303
        answer = self.approve(self.clerk())
        assert answer.status_code == 303, answer.text
