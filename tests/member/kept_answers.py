"""Answers of many kinds with their receipts, and a world in which every name and word has changed since."""

import re
from dataclasses import dataclass, replace
from gettext import NullTranslations
from typing import Any
from zoneinfo import ZoneInfo

import flask_babel
import orjson
import pytest
from sqlalchemy import select

from consent.models import Basis, ConsentDecision, RepresentativeLink
from oauth.models import Client
from service.accounts.models import Account
from service.app import create_app
from service.plan.models import Member
from tests.factories import make_account
from tests.member.pages import Reader, represent
from tests.oauth.desk import App, Desk
from tests.papers import words_of

EVERYTHING = "openid fhirUser launch/patient offline_access online_access patient/*.rs"
_PARTS = ["Condition-health-concern", "Observation-laboratory", "Observation-survey"]
_ADDRESSES = {"policy_uri": "https://diary.example/privacy", "terms_uri": "https://diary.example/terms"}


class Reworded(NullTranslations):
    """A catalogue in which every sentence of every language has become another."""

    def gettext(self, message: str) -> str:
        return f"Reworded {message}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"Reworded {msgid1 if n == 1 else msgid2}"

    ugettext, ungettext = gettext, ngettext


@dataclass
class Given:
    """An answer with its person and their receipt, as page, paper and file."""

    desk: Desk
    reader: Reader
    app: App

    @property
    def decision(self) -> ConsentDecision:
        """The answer."""
        with self.desk.session() as session:
            return session.scalars(select(ConsentDecision)).one()

    def page(self) -> str:
        """The article of the page."""
        page = self.reader.get(f"/apps/answers/{self.decision.id}?headings=then").text
        (article,) = re.findall(r"<article.*?</article>", page, re.DOTALL)
        return str(article)

    def printed(self) -> str:
        """The words of the paper, up to what happened since, which goes on."""
        made = words_of(self.reader.get(f"/apps/answers/{self.decision.id}/receipt.pdf?headings=then").data)
        return re.split("What happened since|Qué ha pasado desde entonces", made)[0]

    def told(self) -> dict[str, Any]:
        """The file, without what happened since."""
        body = orjson.loads(self.reader.get(f"/apps/answers/{self.decision.id}/receipt.json").data)
        return {name: value for name, value in body.items() if name != "afterwards"}

    def whole(self) -> tuple[str, str, dict[str, Any]]:
        """The receipt in its three forms."""
        return self.page(), self.printed(), self.told()


def allowed(desk: Desk, reader: Reader, **chosen: str | list[str]) -> Given:
    app = desk.register(name="Pill Diary", **_ADDRESSES)
    reader.allow(reader.ask(app, scope=EVERYTHING), **chosen)
    return Given(desk, reader, app)


def in_english(desk: Desk) -> Given:
    return allowed(desk, Reader(desk, desk.account), sensitive=["hiv", "genetic"], part=_PARTS, duration="three_months")


def in_spanish(desk: Desk) -> Given:
    rosa = Reader(desk, desk.account)
    rosa.get("/?lang=es")
    given = allowed(desk, rosa, sensitive=["hiv"], part=_PARTS, offline=[])
    rosa.get("/?lang=en")
    return given


def refused(desk: Desk) -> Given:
    rosa, app = Reader(desk, desk.account), desk.register(name="Pill Diary", **_ADDRESSES)
    rosa.press(rosa.ask(app, scope=EVERYTHING), "/consent", answer="deny")
    return Given(desk, rosa, app)


def refused_in_spanish(desk: Desk) -> Given:
    rosa, app = Reader(desk, desk.account), desk.register(name="Pill Diary")
    rosa.press(rosa.ask(app, ui_locales="es"), "/consent", answer="deny")
    return Given(desk, rosa, app)


def by_a_representative(desk: Desk) -> Given:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member)
    reader, app = Reader(desk, dana), desk.register(name="Pill Diary")
    reader.allow(reader.choose(reader.ask(app), desk.member), data=["claims", "coverage"])
    return Given(desk, reader, app)


def of_a_sign_in_alone(desk: Desk) -> Given:
    rosa, app = Reader(desk, desk.account), desk.register(name="Pill Diary")
    rosa.allow(rosa.ask(app, scope="openid fhirUser"))
    return Given(desk, rosa, app)


def of_parts_asked(desk: Desk) -> Given:
    rosa, app = Reader(desk, desk.account), desk.register(name="Pill Diary")
    categories = "http://terminology.hl7.org/CodeSystem"
    rosa.allow(rosa.ask(app, scope=(
        f"openid patient/Observation.rs?category={categories}/observation-category|laboratory"
        f" patient/Condition.rs?category={categories}/condition-category|problem-list-item"
        f" patient/Condition.rs?category={categories}/condition-category|encounter-diagnosis"
    )), part=["Condition-problem-list-item"])  # fmt: skip
    return Given(desk, rosa, app)


KINDS = [
    in_english, in_spanish, refused, refused_in_spanish, by_a_representative, of_a_sign_in_alone, of_parts_asked,
]  # fmt: skip


def change_everything(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other names of app, member, representative and plan, another time zone, other words in every language."""
    desk, held = given.desk, given.desk.app.extensions["latchstring"]
    with desk.session() as session:
        app = session.get_one(Client, given.app.id)
        app.name, app.developer_name, app.policy_uri, app.terms_uri = "Other", "Others Ltd.", "https://o.example/", None
        member = session.get_one(Member, desk.member.id)
        member.given_name, member.family_name = "Someone", "Else"
        person = session.get_one(Account, given.reader.account.id)
        person.given_name, person.family_name = "Nobody", "Known"
        for link in session.scalars(select(RepresentativeLink)):
            link.basis = Basis.CONSERVATOR
    plan = replace(held.settings.plan, name="Another Plan", timezone=ZoneInfo("Pacific/Honolulu"))
    other = Desk.__new__(Desk)
    other.__dict__ |= desk.__dict__ | {"app": create_app(replace(held.settings, plan=plan), held.engine)}
    monkeypatch.setattr(flask_babel.Domain, "get_translations", lambda _domain: Reworded())
    language = given.reader.browser.get_cookie("lang")
    given.desk = other
    given.reader = Reader(other, given.reader.account)
    if language is not None:
        given.reader.browser.set_cookie("lang", language.value)
