"""A receipt says years later what its page said, whatever is renamed, reworded or translated anew meanwhile."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from gettext import NullTranslations
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import flask_babel
import orjson
import pytest
from flask import Flask
from sqlalchemy import delete, select, text

from consent import kept_words
from consent.legal_texts import LegalText
from consent.models import Basis, ConsentDecision, ConsentPage, RepresentativeLink
from oauth.models import Client
from service.accounts.models import Account
from service.app import create_app
from service.plan.models import Member
from tests.factories import make_account
from tests.member.pages import Reader, represent
from tests.member.test_reviewed_texts import without
from tests.oauth.desk import App, Desk
from tests.papers import words_of

_EVERYTHING = "openid fhirUser launch/patient offline_access online_access patient/*.rs"
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
        page = self.reader.get(f"/apps/answers/{self.decision.id}").text
        (article,) = re.findall(r"<article.*?</article>", page, re.DOTALL)
        return str(article)

    def printed(self) -> str:
        """The words of the paper, up to what happened since, which goes on."""
        made = words_of(self.reader.get(f"/apps/answers/{self.decision.id}/receipt.pdf").data)
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
    reader.allow(reader.ask(app, scope=_EVERYTHING), **chosen)
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
    rosa.press(rosa.ask(app, scope=_EVERYTHING), "/consent", answer="deny")
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


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Desk], Given]) -> None:
    given = kind(desk)
    page, printed, told = given.whole()
    assert "Pill Diary" in page and "Pill Diary" in printed and "Reworded" not in page + printed

    change_everything(given, monkeypatch)
    others = given.reader.get(f"/apps/answers/{given.decision.id}").text

    assert "Reworded Back to App Management Console" in others and "Another Plan" in others, "the page around it moved"
    assert given.page() == page
    assert given.printed() == printed
    assert given.told() == told


def test_a_no_is_the_same_to_its_last_byte(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    given = refused(desk)
    way = f"/apps/answers/{given.decision.id}/receipt"
    before = words_of(given.reader.get(f"{way}.pdf").data), given.reader.get(f"{way}.json").data

    change_everything(given, monkeypatch)

    assert (words_of(given.reader.get(f"{way}.pdf").data), given.reader.get(f"{way}.json").data) == before


def test_a_spanish_answer_stays_spanish_for_who_reads_english(desk: Desk) -> None:
    given = in_spanish(desk)

    page = unescape(given.reader.get(f"/apps/answers/{given.decision.id}").text)
    printed, told = given.printed(), given.told()

    assert '<html lang="en"' in page and '<article lang="es"' in page and '<div class="ls-share" lang="es">' in page
    assert "This receipt stays in the language of the answer: Spanish. Its words do not change." in page
    assert '<h1 id="receipt">Lo que se acordó</h1>' in page and "<dd>Permitir</dd>" in page
    assert "<dt>Cuando usted no está presente</dt><dd>No</dd>" in page and "<h2>What happened since</h2>" in page
    article = unescape(given.page())
    for english in ("What was", "Answer", "Allow", "Developer", "Very personal", "13 months", "Yes", "None"):
        assert english not in article and english not in printed
    paper = words_of(given.reader.get(f"/apps/answers/{given.decision.id}/receipt.pdf").data)
    assert "Qué ha pasado desde entonces" in paper and "Conectada (Usted)" in paper, "one language on one paper"
    assert told["language"] == "es" and "Reclamaciones y costos" in told["types"]


def test_what_was_chosen_is_told_by_the_names_and_parts_of_the_page(desk: Desk) -> None:
    given = in_english(desk)

    page, told = unescape(given.page()), given.told()

    assert "Health problems (health concerns)" in told["types"]
    assert "Test results and measurements (lab results, answers in surveys)" in told["types"]
    assert "".join(f"<li>{name}</li>" for name in told["types"]) in page
    assert "<dd><ul><li>HIV</li><li>Genetic information</li></ul></dd>" in page
    assert page.index("What was chosen") < page.index("Share information with"), "what matters most comes first"
    assert "<dt>For how long</dt><dd>3 months</dd>" in page
    assert 'Privacy policy of Pill Diary: <span class="ls-foreign">https://diary.example/privacy</span>' in page
    assert "https://diary.example/terms" in given.printed()


def test_parts_that_the_app_asked_for_are_told(desk: Desk) -> None:
    given = of_parts_asked(desk)

    assert given.told()["types"] == [
        "Health problems (the list of health problems)", "Test results and measurements (lab results)",
    ]  # fmt: skip


def test_a_no_says_that_nothing_was_shared_and_for_no_time(desk: Desk) -> None:
    given = refused(desk)

    page, printed, told = unescape(given.page()), given.printed(), given.told()

    assert "What was not allowed</h1>" in page and "<dt>What was shared</dt><dd>Nothing</dd>" in page
    assert "<dt>For how long</dt>" not in page and "What was shared: Nothing" in printed
    assert (told["duration"], told["types"]) == (None, [])


def test_a_frame_that_nobody_reviewed_stays_english_around_spanish_words(app: Flask, desk: Desk) -> None:
    other = Desk.__new__(Desk)
    other.__dict__ |= desk.__dict__ | {"app": without(app, LegalText.RECEIPT)}
    given = in_spanish(other)

    page = unescape(given.page())

    assert page.startswith('<article lang="en"') and '<div class="ls-share" lang="es">' in page
    assert '<dt>Answer</dt><dd lang="es">Permitir</dd>' in page and '<h1 id="receipt">What was agreed</h1>' in page
    assert "<dt>While you are away</dt><dd>No</dd>" in page and "<h3>Lo que la aplicación pide ver</h3>" in page


def test_the_words_of_a_page_are_kept_once_and_those_of_a_decision_are_few(desk: Desk) -> None:
    app = desk.register(name="Pill Diary")
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member)
    rosa, hers = Reader(desk, desk.account), Reader(desk, dana)

    rosa.allow(rosa.ask(app, scope=_EVERYTHING))
    hers.allow(hers.choose(hers.ask(app, scope=_EVERYTHING), desk.member))
    rosa.press(rosa.ask(app, scope=_EVERYTHING, prompt="consent"), "/consent", answer="deny")

    with desk.session() as session:
        (page,) = session.scalars(select(ConsentPage))
        every = session.scalars(select(ConsentDecision)).all()
        sizes = session.scalars(text("SELECT length(CAST(words AS TEXT)) FROM consent_decision")).all()
    assert {one.words["page"] for one in every} == {page.digest} and len(every) == 3
    assert max(sizes) < 1_000, "what is about one person alone"
    told = str(page.words)
    assert desk.member.family_name not in told and dana.family_name not in told


def test_a_page_whose_words_are_not_those_of_its_digest_is_no_receipt(desk: Desk) -> None:
    given = in_english(desk)
    path = f"/apps/answers/{given.decision.id}"
    with desk.session() as session:
        kept = session.scalars(select(ConsentPage)).one()
        forged = kept.words | {"intro": "You agreed to everything."}
        _let_change(session)
        session.execute(text("UPDATE consent_page SET words = :words"), {"words": orjson.dumps(forged).decode()})

    answers = [given.reader.get(f"{path}{way}") for way in ("", "/receipt.pdf", "/receipt.json")]

    assert {one.status_code for one in answers} == {500}
    assert all("You agreed to everything" not in one.text for one in answers)
    assert "We cannot show this receipt" in answers[0].text
    assert given.reader.get("/apps").status_code == 200, "what is shared now is told all the same"


def test_the_database_refuses_to_change_or_lose_a_page(desk: Desk) -> None:
    in_english(desk)

    for statement in (text("UPDATE consent_page SET words = '{}'"), delete(ConsentPage)):
        with pytest.raises(Exception, match="append-only"), desk.session() as session:
            session.execute(statement)


def test_first_answers_at_once_keep_one_page(desk: Desk) -> None:
    words = {"title": "Share?", "groups": [{"head": "é", "items": []}]}

    def keep(_number: int) -> str:
        with desk.session() as session:
            return kept_words.keep(session, words)

    with ThreadPoolExecutor(6) as crowd:
        (digest,) = set(crowd.map(keep, range(12)))

    with desk.session() as session:
        assert session.scalars(select(ConsentPage.digest)).all() == [digest]
        assert kept_words.get(session, digest) == words
        with pytest.raises(kept_words.AlteredWords):
            kept_words.get(session, "0" * 64)


def test_an_answer_of_the_first_format_says_which_words_are_todays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    given = in_spanish(desk)
    kept = given.decision
    with desk.session() as session:
        page = session.get_one(ConsentPage, kept.words["page"]).words
        words = {name: told for name, told in (page | kept.words).items() if name not in _LATER}
        _let_change(session)
        session.execute(text("UPDATE consent_decision SET words = :words"), {"words": orjson.dumps(words).decode()})

    page_then, printed, told = unescape(given.page()), given.printed(), given.told()

    assert "This answer was given before we kept every word" in given.reader.get(f"/apps/answers/{kept.id}").text
    assert "Esta respuesta se dio antes" in printed
    assert (told["format"], told["in_todays_words"], told["words"]) == (1, ["receipt", "heads"], words)
    assert page_then.startswith('<article lang="es"') and "Lo que se acordó" in page_then
    assert any("(" in name for name in told["types"]), "with the parts"
    change_everything(given, monkeypatch)
    assert given.told()["types"] == told["types"], "the names that the page had are those of then"
    assert "Pill Diary" in given.page() and "Reworded" in given.page()


_LATER = frozenset({"format", "page", "answered", "types", "receipt", "heads"})
"""What documents of the first format did not have."""


def _let_change(session: Any) -> None:
    """As somebody would who holds the database itself."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL session_replication_role = replica"))
        return
    for name in ("consent_page_no_update", "consent_decision_no_update"):
        session.execute(text(f"DROP TRIGGER {name}"))
