"""A receipt says years later what its page said, whatever is renamed, reworded or translated anew meanwhile."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import delete, select, text

from consent import kept_words
from consent.legal_texts import LegalText
from consent.models import ConsentDecision, ConsentPage
from tests.factories import make_account
from tests.member.kept_answers import (
    EVERYTHING,
    KINDS,
    Given,
    change_everything,
    in_english,
    in_spanish,
    of_parts_asked,
    refused,
)
from tests.member.pages import Reader, represent
from tests.member.test_reviewed_texts import without
from tests.oauth.desk import Desk
from tests.papers import words_of


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


def test_a_spanish_answer_can_be_read_as_it_was_by_who_reads_english(desk: Desk) -> None:
    given = in_spanish(desk)

    page = unescape(given.reader.get(f"/apps/answers/{given.decision.id}?headings=then").text)
    printed, told = given.printed(), given.told()

    assert '<html lang="en"' in page and '<article lang="es"' in page and '<div class="ls-share" lang="es">' in page
    assert "This receipt stays in the language of the answer: Spanish. Its words do not change." in page
    assert '<h1 id="receipt">Lo que se acordó</h1>' in page and "<dd>Permitir</dd>" in page
    assert "<dt>Cuando usted no está presente</dt><dd>No</dd>" in page and "<h2>What happened since</h2>" in page
    article = unescape(given.page())
    for english in ("What was", "Answer", "Allow", "Developer", "Very personal", "13 months", "Yes", "None"):
        assert english not in article and english not in printed
    paper = words_of(given.reader.get(f"/apps/answers/{given.decision.id}/receipt.pdf?headings=then").data)
    assert "Qué ha pasado desde entonces" in paper and "Conectada (Usted)" in paper, "one language on one paper"
    assert f'href="/apps/answers/{given.decision.id}">Show the headings in English</a>' in page
    assert f'href="/apps/answers/{given.decision.id}/receipt.pdf?headings=then"' in page
    assert told["language"] == "es" and "Reclamaciones y costos" in told["types"]


def test_the_headings_of_a_spanish_answer_are_english_for_who_reads_english(desk: Desk) -> None:
    given = in_spanish(desk)
    path = f"/apps/answers/{given.decision.id}"

    page, paper = unescape(given.reader.get(path).text), words_of(given.reader.get(f"{path}/receipt.pdf").data)

    assert '<article lang="en"' in page and '<div class="ls-share" lang="es">' in page
    told = (
        "The headings of this receipt are in your language (English). The words of the answer are in the language in "
        "which it was given (Spanish). They do not change."
    )
    assert told in page and told in paper.replace("\\", "")
    for heading in ("What was agreed", "What was chosen", "These are the words of the page that was answered:"):
        assert heading in page and heading in paper
    assert re.search(r"<p>Answered on \w+ \d", page) and "Respondido" not in page + paper
    assert '<dt>Answer</dt><dd lang="es">Permitir</dd>' in page and "<dt>While you are away</dt><dd>No</dd>" in page
    assert re.search(r'<dt>For how long</dt><dd lang="es">13 meses', page), "a choice was a word of the page"
    assert "<h3>Lo que la aplicación pide ver</h3>" in page and "Lo que la aplicación pide ver" in paper
    assert f'href="{path}?headings=then">Show all of it as it was on that day</a>' in page
    assert f'href="{path}/receipt.pdf"' in page
    assert given.told()["words"]["receipt"]["agreed"] == "Lo que se acordó", "the file is as it was kept"


def test_headings_that_nobody_reviewed_are_not_offered(app: Flask, desk: Desk) -> None:
    given = in_english(desk)
    given.reader.get("/?lang=es")
    path = f"/apps/answers/{given.decision.id}"
    assert "<h2>Lo que se eligió</h2>" in given.reader.get(path).text
    cookie = given.reader.browser.get_cookie("lang")
    other = Desk.__new__(Desk)
    other.__dict__ |= desk.__dict__ | {"app": without(app, LegalText.RECEIPT)}
    rosa = Reader(other, desk.account)
    rosa.browser.set_cookie("lang", cookie.value if cookie else "")

    page = rosa.get(path).text

    assert '<article lang="en"' in page and "<h2>What was chosen</h2>" in page and "headings=" not in page


def test_a_receipt_of_a_later_format_is_told_of_and_the_rest_goes_on(desk: Desk) -> None:
    given = in_english(desk)
    path = f"/apps/answers/{given.decision.id}"
    with desk.session() as session:
        words = session.scalars(select(ConsentDecision)).one().words
        _let_change(session)
        for name in ("page", "answered", "types"):
            words = {key: value for key, value in words.items() if key != name}
        later = orjson.dumps(words | {"format": 3}).decode()
        session.execute(text("UPDATE consent_decision SET words = :words"), {"words": later})

    answers = [given.reader.get(f"{path}{way}") for way in ("", "/receipt.pdf", "/receipt.json")]

    assert {one.status_code for one in answers} == {503}
    assert all("We cannot show this receipt yet" in one.text and one.headers["Retry-After"] for one in answers)
    assert given.reader.get("/apps").status_code == 200 and given.reader.take("/apps/export.json").status_code == 200


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

    rosa.allow(rosa.ask(app, scope=EVERYTHING))
    hers.allow(hers.choose(hers.ask(app, scope=EVERYTHING), desk.member))
    rosa.press(rosa.ask(app, scope=EVERYTHING, prompt="consent"), "/consent", answer="deny")

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
