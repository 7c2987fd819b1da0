"""The number and the moment of a Consent whose representative's right changes: never back, another for every change."""

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent import childhood, link_ends, representatives, safety_blocks
from consent.birthdays import twelfth_birthday
from consent.grants import revoke
from consent.models import Basis, EndedBy, Grant, LinkScope, PersonalRepresentative, RepresentativeLink
from consent.representatives import block, end_link, limit
from fhir.storage import consents
from oauth.apps import clients
from service.accounts.models import Account
from service.clock import now
from service.db import make_sessions
from service.plan.models import Member
from tests.conftest import MovableClock
from tests.consent.test_grant_ends import as_before
from tests.factories import make_account, make_member, make_representative
from tests.fhir.conftest import Api
from tests.oauth.desk import App, Desk

DAY = 86_400


@dataclass(frozen=True)
class Told:
    """A Consent as it read at one time."""

    content: str
    version: int
    changed: datetime

    @classmethod
    def of(cls, resource: dict[str, Any]) -> "Told":
        meta = resource.pop("meta")
        content = json.dumps(resource, sort_keys=True)
        return cls(content, int(meta["versionId"]), datetime.fromisoformat(meta["lastUpdated"]))


@dataclass
class Story:
    """Dana, who lets the same app in for one member again and again; every Consent is watched after every step."""

    desk: Desk
    clock: MovableClock
    member: Member
    dana: Account
    app: App
    basis: Basis = Basis.GUARDIAN
    told: dict[str, list[Told]] = field(default_factory=dict)

    def link(self, **given: Any) -> None:
        """The plan links Dana to the member."""
        with self.desk.session() as session:
            someone = representatives.representative_of(session, session.get_one(Account, self.dana.id))
            representatives.link(
                session, someone or _representative(session, self.dana), session.get_one(Member, self.member.id),
                basis=self.basis, timezone=self.desk.settings.plan.timezone, **given,
            )  # fmt: skip
        self.look()

    def allow(self, sensitive: tuple[str, ...] = ("hiv", "mental_health")) -> Api:
        """Dana lets the app in, very personal topics too; the API with its token."""
        tokens = self.desk.connect(self.app, account=self.dana, member=self.member)
        with self.desk.session() as session:
            self._last_grant(session).sensitive_classes = list(sensitive)
        self.look()
        return Api(
            self.desk.app.test_client(), self.member.patient_id, tokens["access_token"], self.desk.settings.fhir_base
        )

    def change(self, deed: Any, **given: Any) -> None:
        """Something is done to the link that was made last."""
        self.clock.advance(DAY)
        with self.desk.session() as session:
            links = select(RepresentativeLink).where(RepresentativeLink.member_id == self.member.id)
            deed(
                session, session.scalars(links.order_by(RepresentativeLink.created_at.desc())).unique().first(), **given
            )
        self.look()

    def look(self) -> None:
        """Keep what each Consent reads; it is in step with what was kept of it before."""
        self.clock.advance(1)
        with self.desk.session() as session:
            app = clients.get(session, self.app.id)
            for grant in session.scalars(select(Grant).where(Grant.client_id == self.app.id)):
                self._keep(grant.id, Told.of(consents.render(grant, app)))

    def _keep(self, grant_id: str, read: Told) -> None:
        before = self.told.setdefault(grant_id, [read])[-1]
        assert (before.version, before.changed) <= (read.version, read.changed), "never back"
        assert before.changed <= read.changed
        is_same = before.content == read.content
        assert is_same or (before.version < read.version and before.changed < read.changed), "another, and told so"
        self.told[grant_id].append(read)

    def _last_grant(self, session: Session) -> Grant:
        mine = select(Grant).where(Grant.client_id == self.app.id).order_by(Grant.created_at.desc())
        return session.scalars(mine).first()  # type: ignore[return-value]


def _representative(session: Session, account: Account) -> PersonalRepresentative:
    return make_representative(session, session.get_one(Account, account.id))


@pytest.fixture
def story(desk: Desk, clock: MovableClock) -> Story:
    with desk.session() as session:
        dana = make_account(session)
    return Story(desk, clock, desk.member, dana, desk.register())


def read(api: Api, grant_id: str, etag: str = "") -> TestResponse:
    return api.get(f"Consent/{grant_id}", headers={"If-None-Match": etag} if etag else {})


def end(session: Session, link: RepresentativeLink) -> None:
    end_link(session, link, by=EndedBy.MEMBER)


def shut_out(session: Session, link: RepresentativeLink) -> None:
    block(session, link, by_account_id=None)


def let_in_again(session: Session, link: RepresentativeLink) -> None:
    safety_blocks.lift(session, link, by_account_id=link.representative.account_id, reason="Another man")


def correct(session: Session, link: RepresentativeLink, born: date, timezone: ZoneInfo) -> None:
    link.member.birth_date = born
    childhood.follow_birth_dates(session, [link.member], timezone)


def test_a_right_that_ends_comes_again_and_is_shut_out(story: Story) -> None:
    story.link()
    first = story.allow()
    (one,) = story.told
    etag = read(first, one).headers["ETag"]
    assert etag == 'W/"1"' and read(first, one, etag).status_code == 304

    story.change(end)
    assert read(first, one, etag).status_code == 401
    story.link()
    second = story.allow()
    ended = read(second, one, etag)
    assert (ended.status_code, ended.get_json()["status"]) == (200, "inactive")
    etag = ended.headers["ETag"]
    assert read(second, one, etag).status_code == 304

    story.change(shut_out)
    assert read(second, one, etag).status_code == 401
    story.change(let_in_again)
    third = story.allow()
    _one, two, three = story.told
    for grant_id, status in ((two, 200), (three, 304)):
        assert read(third, grant_id, f'W/"{story.told[grant_id][0].version}"').status_code == status
        assert read(third, grant_id).headers["ETag"] == f'W/"{story.told[grant_id][-1].version}"'


def test_what_had_ended_before_a_block_does_not_tell_when_it_began(story: Story) -> None:
    story.link()
    story.allow()
    (one,) = story.told
    story.change(lambda session, _link: revoke(session, session.get_one(Grant, one), by=EndedBy.REPRESENTATIVE))
    etag = read(story.allow(), one).headers["ETag"]

    story.change(shut_out)
    story.change(let_in_again)

    assert read(story.allow(), one, etag).status_code == 304


def test_the_end_of_a_right_after_the_time_of_what_it_let_in_takes_no_number_back(story: Story) -> None:
    story.link()
    story.allow()
    story.clock.advance(500 * DAY)
    story.look()
    (one,) = story.told
    assert story.told[one][-1].version == 2, "time alone ended it"

    story.change(shut_out)


@pytest.mark.parametrize("days", [0, 500], ids=["while it was good", "after its time"])
def test_what_an_earlier_release_left_alive_goes_on_in_number_when_the_job_ends_it(
    story: Story, engine: Engine, days: int
) -> None:
    story.link()
    story.allow()
    (one,) = story.told
    story.change(end)
    with story.desk.session() as session:
        as_before(session, session.get_one(Grant, one))
    story.told.clear()
    story.clock.advance(days * DAY)
    story.look()

    link_ends.run(make_sessions(engine), story.desk.settings)

    story.look()
    with story.desk.session() as session:
        assert session.get_one(Grant, one).ended_at is not None


def test_a_right_whose_last_day_has_passed_is_kept_by_the_job_and_comes_again(story: Story, engine: Engine) -> None:
    story.link(valid_until=now() + timedelta(days=30))
    first = story.allow()
    (one,) = story.told
    etag = read(first, one).headers["ETag"]
    story.clock.advance(40 * DAY)

    link_ends.run(make_sessions(engine), story.desk.settings)
    story.look()
    story.link()

    assert read(story.allow(), one, etag).get_json()["status"] == "inactive"


def test_a_right_that_covers_less_is_told_of_what_had_ended_before_too(story: Story) -> None:
    story.link()
    story.allow()
    story.change(shut_out)
    story.change(let_in_again)
    api = story.allow()
    first, _second = story.told
    etag = read(api, first).headers["ETag"]

    story.change(limit, scope=LinkScope.WITHOUT_SENSITIVE, by_account_id=None)

    again = read(story.allow(), first, etag)
    assert again.status_code == 200, "an app that asks for it only where it has changed is given it"
    denied = again.get_json()["provision"]["provision"][-1]["securityLabel"]
    assert {"HIV", "PSY"} <= {one["code"] for one in denied}


def test_a_childs_right_narrows_by_age_and_by_another_birth_date(desk: Desk, clock: MovableClock) -> None:
    zone = desk.settings.plan.timezone
    born = now().astimezone(zone).date() + timedelta(days=60) - relativedelta(years=12)
    with desk.session() as session:
        parent, child = make_account(session), make_member(session, birth_date=born)
    story = Story(desk, clock, child, parent, desk.register(), Basis.PARENT)
    story.link()
    story.clock.advance(DAY)
    story.allow()
    turns = twelfth_birthday(born, zone)
    story.clock.advance((turns - now()).total_seconds() - DAY)
    story.look()
    story.clock.advance(2 * DAY)
    story.look()
    (one,) = story.told
    assert story.told[one][-1].version == 2, "no row was changed by the birthday"

    # The birthday now lies before the answer.
    story.change(correct, born=born - relativedelta(years=1), timezone=zone)
    api = story.allow()

    assert read(api, one, 'W/"2"').get_json()["status"] == "inactive"
    etag = read(api, one).headers["ETag"]
    story.change(correct, born=born - relativedelta(years=2), timezone=zone)
    assert int(read(story.allow(), one).headers["ETag"][3:-1]) >= int(etag[3:-1])
