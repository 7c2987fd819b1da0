"""The people of a developer organisation: invited by an owner, joined by a link, removed; an owner always stays."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from oauth.apps import developers
from oauth.apps.developers import IsDeveloper, LastOwner
from oauth.apps.models import Developer, DeveloperInvitation, DeveloperOrganization, DeveloperRole
from oauth.expiry import SWEEPS
from service.accounts import passwords
from service.accounts.models import Account
from service.audit import AuditEvent
from service.clock import now
from service.db import make_sessions
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.conftest import MovableClock
from tests.developer.newcomer import Newcomer
from tests.factories import PASSWORD, make_account, make_developer
from tests.member.pages import form_to
from tests.oauth.desk import Committing

BEN = {"given_name": "Ben", "family_name": "Hill", "email": "ben@lantern.example", "role": "developer"}
PEOPLE = "/developers/people"


class Team:
    """An owner at their page, and what is mailed."""

    def __init__(self, app: Flask, session: Session, settings: Settings) -> None:
        self.app, self.session, self.settings = app, session, settings
        self.owner = make_developer(session)
        session.commit()
        self.ada = Newcomer(app).enter(self.owner)

    def link(self, address: str = BEN["email"]) -> str:
        """The address in the newest invitation."""
        found = re.search(r"http://localhost(/developers/invitation/[\w-]{43})", self.newest(address))
        assert found
        return found[1]

    def newest(self, address: str = BEN["email"]) -> str:
        """The newest mail to an address."""
        with Committing(self.app) as session:
            return letters(session, self.settings, address)[-1]

    def invite(self, **changed: str) -> str:
        answer = self.ada.post(f"{PEOPLE}/invite", **BEN | changed)
        assert answer.status_code == 303, answer.text
        return self.link((BEN | changed)["email"])

    def open_account(self, link: str, username: str = "ben.hill") -> Visitor:
        """Take the invitation up with a new account."""
        ben = Visitor(self.app)
        assert ben.get(link).status_code == 200
        answer = ben.post(link, username=username, password=PASSWORD, confirmation=PASSWORD)
        assert answer.status_code == 303, answer.text
        return ben

    def person(self, username: str = "ben.hill") -> Developer:
        with Committing(self.app) as session:
            account = session.scalars(select(Account).where(Account.username == username)).one()
            return session.get_one(Developer, account.id)

    def tags(self) -> list[str]:
        found = select(AuditEvent.tag).where(AuditEvent.tag.like("oauth:developer%")).order_by(AuditEvent.id)
        with Committing(self.app) as session:
            return list(session.scalars(found))


@pytest.fixture
def team(app: Flask, session: Session, settings: Settings) -> Team:
    return Team(app, session, settings)


def test_a_colleague_opens_an_account_by_the_link_and_works_on_the_apps(team: Team) -> None:
    app = team.ada.registered()
    link = team.invite()
    page = team.ada.get(PEOPLE).text
    assert "Ben Hill, ben@lantern.example" in page
    assert form_to(page, "/developers/people/invite").boxes == {("role", "owner"): False, ("role", "developer"): True}
    ben = team.open_account(link)
    assert ben.get(f"/developers/apps/{app}").status_code == 200
    page = ben.get(PEOPLE).text
    assert "Ben Hill" in page and "Invite a colleague" not in page and "Make an owner" not in page
    assert team.person().role is DeveloperRole.DEVELOPER
    assert Visitor(team.app).get(link).status_code == 410, "once"
    assert {"oauth:developer_invitation:send", "oauth:developer:join"} <= set(team.tags())


def test_whoever_has_an_account_joins_with_it_and_with_no_other(team: Team) -> None:
    account = make_account(team.session, email=BEN["email"], username="ben.hill")
    stranger = make_account(team.session)
    team.session.commit()
    link = team.invite(role="owner")
    page = Visitor(team.app).get(link)
    assert "You have an account with us already" in page.text and "Confirm password" not in page.text
    other = Visitor(team.app)
    other.sign_in(stranger)
    other.get(link)
    assert other.post(f"{link}/join").status_code == 403
    ben = Visitor(team.app)
    ben.get("/sign-in")
    assert ben.post(f"{link}/join").status_code == 401
    ben.sign_in(account)
    ben.get(link)
    assert ben.post(f"{link}/join").status_code == 303
    assert team.person().is_owner and ben.get(f"{link}").status_code == 410


def test_an_invitation_ends(team: Team, clock: MovableClock) -> None:
    first = team.invite()
    second = team.invite()
    assert Visitor(team.app).get(first).status_code == 410, "sent again"
    with Committing(team.app) as opened:
        row = opened.scalars(select(DeveloperInvitation).where(DeveloperInvitation.withdrawn_at.is_(None))).one()
    assert team.ada.post(f"{PEOPLE}/invitations/{row.id}/withdraw").status_code == 303
    assert team.ada.post(f"{PEOPLE}/invitations/{row.id}/withdraw").status_code == 409
    assert Visitor(team.app).get(second).status_code == 410
    third = team.invite()
    clock.advance(timedelta(days=7, minutes=1).total_seconds())
    assert Visitor(team.app).get(third).status_code == 410
    assert Visitor(team.app).get("/developers/invitation/" + "x" * 43).status_code == 410
    clock.advance(timedelta(days=3).total_seconds())
    with Committing(team.app) as opened:
        for sweep in SWEEPS:
            sweep(opened)
        assert not list(opened.scalars(select(DeveloperInvitation)))


def test_an_invitation_of_who_is_no_owner_any_more_is_over(team: Team) -> None:
    team.open_account(team.invite(role="owner"))
    link = team.invite(email="eve@lantern.example")
    eve = Visitor(team.app)
    assert eve.get(link).status_code == 200
    ben = team.person()
    with Committing(team.app) as opened:
        by = opened.get_one(Developer, ben.account_id)
        developers.change_role(opened, by, team.owner.account_id, DeveloperRole.DEVELOPER)
    assert eve.post(link, username="eve.hill", password=PASSWORD, confirmation=PASSWORD).status_code == 410
    assert eve.get(link).status_code == 410


@pytest.mark.parametrize(
    "changed", [{"email": "nobody"}, {"given_name": ""}, {"role": "king"}, {"role": ""}, {"family_name": "a\nb"}]
)
def test_what_is_missing_is_said(team: Team, changed: dict[str, str]) -> None:
    answer = team.ada.post(f"{PEOPLE}/invite", **BEN | changed)
    assert answer.status_code == 400 and "Please" in answer.text


def test_only_owners_decide_and_only_about_their_own_people(team: Team, session: Session) -> None:
    ben = team.open_account(team.invite())
    foreign = make_developer(session)
    session.commit()
    ben.get(PEOPLE)
    for path, form in (
        ("invite", BEN | {"email": "eve@lantern.example"}),
        (f"{team.owner.account_id}/remove", {}),
        (f"{team.person().account_id}/role", {"role": "owner"}),
    ):
        assert ben.post(f"{PEOPLE}/{path}", **form).status_code == 409, path
    assert team.ada.post(f"{PEOPLE}/{foreign.account_id}/remove").status_code == 409
    assert team.ada.post(f"{PEOPLE}/{foreign.account_id}/role", role="developer").status_code == 409
    assert team.ada.post(f"{PEOPLE}/invite", **BEN).status_code == 409, "here already"
    assert not team.person().is_owner
    with Committing(team.app) as opened:
        assert all(opened.get_one(Developer, one.account_id).is_owner for one in (foreign, team.owner))
    assert Visitor(team.app).get(PEOPLE).status_code == 303


def test_who_is_removed_opens_nothing_is_told_and_may_come_again(team: Team) -> None:
    ben = team.open_account(team.invite())
    person = team.person()
    assert team.ada.post(f"{PEOPLE}/{person.account_id}/remove").status_code == 303
    assert ben.get("/developers/apps").status_code == 404
    assert "ended your work" in team.newest()
    link = team.invite(role="owner")
    ben.get(link)
    assert ben.post(f"{link}/join").status_code == 303 and ben.get("/developers/apps").status_code == 200
    assert team.person().is_owner


def test_the_last_owner_stays(team: Team) -> None:
    own = team.owner.account_id
    assert "only owner" in team.ada.post(f"{PEOPLE}/{own}/remove").text
    assert team.ada.post(f"{PEOPLE}/{own}/role", role="developer").status_code == 409
    team.open_account(team.invite())
    assert team.ada.post(f"{PEOPLE}/{own}/remove").status_code == 409, "the other is no owner"
    assert team.ada.post(f"{PEOPLE}/{team.person().account_id}/role", role="owner").status_code == 303
    left = team.ada.post(f"{PEOPLE}/{own}/remove")
    page = team.ada.get(left.location).text
    assert left.status_code == 303 and "You have left the organization" in page and "Sign in" not in page
    assert team.ada.get(PEOPLE).status_code == 404
    account_id = team.person().account_id
    with Committing(team.app) as opened, pytest.raises(LastOwner):
        last = opened.get_one(Developer, account_id)
        developers.remove(opened, last, last.account_id)


def test_one_account_belongs_to_one_organization(team: Team, session: Session) -> None:
    other = make_developer(session, make_account(session, email=BEN["email"]))
    session.commit()
    link = team.invite()
    ben = Newcomer(team.app).enter(other)
    ben.visitor.get(link)
    assert ben.visitor.post(f"{link}/join").status_code == 409
    with Committing(team.app) as opened, pytest.raises(IsDeveloper):
        developers.join(opened, opened.get_one(Account, other.account_id), team.owner.organization)


def test_what_is_refused_is_told_where_it_was_typed_and_nowhere_else(team: Team) -> None:
    team.open_account(team.invite())
    refused = team.ada.post(f"{PEOPLE}/invite", **BEN | {"role": "owner"})
    assert refused.status_code == 409 and 'href="#email"' in refused.text
    form = form_to(refused.text, f"{PEOPLE}/invite")
    assert form.fields["email"] == BEN["email"] and form.ticked("role") == ["owner"]
    refused = team.ada.post(f"{PEOPLE}/{team.owner.account_id}/role", role="king")
    assert refused.status_code == 400
    assert form_to(refused.text, f"{PEOPLE}/invite").ticked("role") == ["developer"], "an invitation is another form"


def test_a_mail_that_names_an_organization_ends_with_one_full_stop(team: Team) -> None:
    team.open_account(team.invite())
    assert team.ada.post(f"{PEOPLE}/{team.person().account_id}/remove").status_code == 303
    assert "Inc." in team.newest() and ".." not in team.newest()
    assert "Subject: You were removed" in team.newest() or "left" not in team.newest()


def test_everybody_of_an_organization_that_is_shut_out_reads_why(team: Team) -> None:
    client_id = team.ada.registered()
    with Committing(team.app) as session:
        organization = session.get_one(DeveloperOrganization, team.owner.organization_id)
        organization.disabled_at, organization.disabled_reason = now(), "The privacy policy is a lie"
    for page in (PEOPLE, "/developers/apps", f"/developers/apps/{client_id}", f"/developers/apps/{client_id}/webhooks"):
        shown = team.ada.get(page).text
        assert "Your organization is disabled" in shown and "The privacy policy is a lie" in shown, page
    assert "please add" not in team.ada.get(f"/developers/apps/{client_id}").text
    answer = team.ada.get("/developers/apps/new")
    assert answer.status_code == 303 and answer.location == "/developers/apps", "nobody fills in a form for nothing"


def test_a_developer_may_use_a_second_factor(team: Team) -> None:
    assert "Set up a passkey or an authenticator app" in team.ada.get(PEOPLE).text
    assert team.ada.get("/settings/second-factor").status_code == 200
    again = Visitor(team.app)
    assert again.sign_in_with_factor(team.owner.account).status_code == 303
    assert "Your password alone lets nobody in" in again.get(PEOPLE).text


def _meanwhile(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object]) -> None:
    """While the password is hashed, which holds no transaction, somebody else does this."""
    real = passwords.make_hash

    def hashed(text: str) -> str:
        made = real(text)
        deed()
        return made

    monkeypatch.setattr(passwords, "make_hash", hashed)


def test_an_invitation_works_once_more_where_the_chosen_name_was_taken_meanwhile(
    team: Team, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, ben = team.invite(), Visitor(team.app)
    team.session.close()
    ben.get(link)

    def take_name() -> None:
        with make_sessions(engine).begin() as session:
            make_account(session, username="ben.hill")

    with monkeypatch.context() as during:
        _meanwhile(during, take_name)
        refused = ben.post(link, username="ben.hill", password=PASSWORD, confirmation=PASSWORD)
    assert refused.status_code == 400 and "taken" in refused.text

    ben.get(link)
    assert ben.post(link, username="ben.hill.2", password=PASSWORD, confirmation=PASSWORD).status_code == 303
    assert team.person("ben.hill.2").organization_id == team.owner.organization_id


def test_nobody_joins_an_organization_that_was_shut_out_meanwhile(
    team: Team, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, ben, organization_id = team.invite(), Visitor(team.app), team.owner.organization_id
    team.session.close()
    ben.get(link)

    def shut_out() -> None:
        with make_sessions(engine).begin() as session:
            session.get_one(DeveloperOrganization, organization_id).disabled_at = now()

    with monkeypatch.context() as during:
        _meanwhile(during, shut_out)
        refused = ben.post(link, username="ben.hill", password=PASSWORD, confirmation=PASSWORD)
    assert refused.status_code == 410
    with Committing(team.app) as session:
        assert session.scalars(select(Account).where(Account.username == "ben.hill")).first() is None
