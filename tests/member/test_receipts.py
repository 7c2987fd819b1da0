"""Receipts: the very words of then, as page, PDF and JSON, for whoever may see the grant."""

from html import unescape

from sqlalchemy import select

from consent.models import ConsentDecision, Grant
from oauth.models import Client
from service.audit import AuditEvent
from tests.member.console import Connected
from tests.member.pages import Reader
from tests.oauth.desk import App, Desk
from tests.plan.test_pin_letters import words_of


def agreed(desk: Desk, **chosen: str | list[str]) -> tuple[Reader, Connected]:
    rosa, app = Reader(desk, desk.account), desk.register(name="Pill Diary")
    rosa.allow(rosa.ask(app), **chosen)
    return rosa, Connected(desk, rosa, app, {})


def rename(desk: Desk, app: App) -> None:
    with desk.session() as session:
        session.get_one(Client, app.id).name = "Another Name"


def test_the_words_stay_when_the_app_and_the_language_change(desk: Desk) -> None:
    rosa, held = agreed(desk, data=["claims"], sensitive=["hiv"], duration="three_months")
    held.narrow(data=["claims"], sensitive=[])
    held.press("pause")
    rename(desk, held.app)
    with desk.session() as session:
        kept = session.scalars(select(ConsentDecision)).one()
    receipt = f"/apps/{held.grant.id}/receipt"
    rosa.get("/help?lang=es")

    page = unescape(rosa.get(f"/apps/{held.grant.id}/decision").text)
    printed, told = rosa.get(f"{receipt}.pdf"), rosa.get(f"{receipt}.json")

    assert printed.mimetype == "application/pdf" and told.mimetype == "application/json"
    assert 'filename="receipt.pdf"' in printed.headers["Content-Disposition"]
    drawn, body = words_of(printed.data), told.get_json()
    for words in (kept.words["title"], kept.words["everything"], kept.words["sensitive_intro"], "Pill Diary"):
        assert words in page
        assert set(words.split()) <= set(drawn.replace("\\", "").split())
    assert '<div class="ls-share" lang="en">' in page and "Lo que se acordó" in page
    assert body["words"] == kept.words and body["receipt"] == kept.id
    assert (body["sensitive_classes"], body["duration"], body["while_away"]) == (["hiv"], "three_months", True)
    assert [event["what"] for event in body["afterwards"]] == ["Conectada", "Se pasó a compartir menos", "En pausa"]
    assert "Se pasó a compartir menos (Usted)" in drawn.replace("\\", "")
    with desk.session() as session:
        rows = session.scalars(select(AuditEvent).where(AuditEvent.tag == "consent:receipt:download")).all()
    assert [(row.detail or {})["form"] for row in rows] == ["pdf", "json"]
    assert {row.grant_id for row in rows} == {held.grant.id}


def test_every_answer_to_the_app_has_its_receipt(desk: Desk) -> None:
    rosa, held = agreed(desk, data=["claims"])
    rosa.press(rosa.ask(held.app, prompt="consent"), "/consent", answer="deny")
    rosa.allow(rosa.ask(held.app, prompt="consent"), data=["coverage"])
    with desk.session() as session:
        first, refused, last = session.scalars(select(ConsentDecision).order_by(ConsentDecision.at))
    receipt = f"/apps/{held.grant.id}/decision"

    page = rosa.get(receipt).text
    assert last.id in page and "Other answers to this app" in page
    assert f"{receipt}?answer={first.id}" in page and f"{receipt}?answer={refused.id}" in page
    older = unescape(rosa.get(f"{receipt}?answer={refused.id}").text)
    assert "A later answer to the same app counts now." in older and "<dd>Don't allow</dd>" in older
    assert rosa.get(f"/apps/{held.grant.id}/receipt.json?answer={refused.id}").get_json()["agreed"] == []


def test_the_answer_of_another_app_or_person_has_no_receipt_here(desk: Desk) -> None:
    rosa, held = agreed(desk)
    other = desk.register()
    rosa.allow(rosa.ask(other))
    with desk.session() as session:
        theirs = session.scalars(select(Grant).where(Grant.client_id == other.id)).one().decision_id

    for path in ("decision", "receipt.pdf", "receipt.json"):
        for odd in (theirs, "", "x" * 5_000):
            assert rosa.get(f"/apps/{held.grant.id}/{path}?answer={odd}").status_code == 404
