"""What the stories of going back at a member's own place look up and change behind the pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent import representatives
from consent.models import Basis, PersonalRepresentative, RepresentativeLink
from service.accounts.models import Account
from service.db import make_engine, make_sessions
from service.plan.models import Member
from service.settings import Settings
from tests.browser.conftest import Story
from tests.browser.person import Person
from tests.browser.sandbox import Sandbox


def signed_in(story: Story, username: str, *, scripts: bool) -> Person:
    person = story.browser(scripts=scripts)
    person.open("/sign-in")
    person.prefer_language()
    person.sign_in(username)
    person.page.wait_for_url(lambda url: "/sign-in" not in url)
    return person


def banner(person: Person) -> str:
    """Whom the page names at its top."""
    return person.page.locator(".ls-acting strong").inner_text()


@contextmanager
def database(sandbox: Sandbox) -> Iterator[Session]:
    engine = make_engine(Settings.from_environment(sandbox.environment).database_url)
    with make_sessions(engine).begin() as session:
        yield session
    engine.dispose()


def make_link(story: Story, username: str, for_username: str, basis: Basis) -> str:
    """Let somebody of the hand-out act for another one, as the plan would; the link's id."""
    with database(story.sandbox) as session:
        account = session.scalars(select(Account).where(Account.username == username)).one()
        someone = representatives.representative_of(session, account)
        if someone is None:
            someone = PersonalRepresentative(
                account_id=account.id, given_name=account.given_name, family_name=account.family_name,
                birth_date=session.get_one(Member, account.member_id).birth_date, member_id=account.member_id,
            )  # fmt: skip
            session.add(someone)
        member_id = session.scalars(select(Account.member_id).where(Account.username == for_username)).one()
        zone = Settings.from_environment(story.sandbox.environment).plan.timezone
        return representatives.link(
            session, someone, session.get_one(Member, member_id), basis=basis, timezone=zone
        ).id  # fmt: skip


def links_of(username: str) -> Any:
    mine = select(Account.id).where(Account.username == username)
    of_mine = PersonalRepresentative.account_id.in_(mine)
    return select(RepresentativeLink).join(RepresentativeLink.representative).where(of_mine)


def version(story: Story, link_id: str) -> tuple[int, bool]:
    """How often a link was changed, and whether it is shut out."""
    with database(story.sandbox) as session:
        link = session.get_one(RepresentativeLink, link_id)
        return link.version, link.safety_block


def count(story: Story, table: type[Any]) -> int:
    with database(story.sandbox) as session:
        return session.scalars(select(func.count()).select_from(table)).one()
