"""Receipts: the very words of then, as page, PDF and JSON, for whoever may see the answer."""

import csv
import re
from html import unescape
from io import StringIO

from sqlalchemy import select

from consent import kept_words
from consent.models import ConsentDecision
from oauth.models import Client
from service.audit import AuditEvent
from tests.factories import make_account, make_member
from tests.member.console import Connected
from tests.member.pages import Reader, represent
from tests.oauth.desk import App, Desk
from tests.papers import words_of


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
        words = kept_words.get(session, kept.words["page"]) | kept.words
    receipt = f"{held.receipt}/receipt"
    rosa.get("/help?lang=es")

    page = unescape(rosa.get(f"{held.receipt}?headings=then").text)
    printed, told = rosa.get(f"{receipt}.pdf?headings=then"), rosa.get(f"{receipt}.json")

    assert printed.mimetype == "application/pdf" and told.mimetype == "application/json"
    assert 'filename="receipt-' in printed.headers["Content-Disposition"]
    drawn, body = words_of(printed.data), told.get_json()
    for told_then in (words["title"], words["everything"], words["sensitive_intro"], "Pill Diary"):
        assert told_then in page
        assert set(told_then.split()) <= set(drawn.replace("\\", "").split())
    assert '<article lang="en"' in page and '<div class="ls-share" lang="en">' in page
    assert "Este comprobante se queda en el idioma de la respuesta: inglés." in page
    assert "Se redujo lo que se comparte" in page
    assert body["words"] == words and body["receipt"] == kept.id
    assert (body["sensitive_classes"], body["duration"], body["while_away"]) == (["hiv"], "three_months", True)
    assert [event["what"] for event in body["afterwards"]] == ["Connected", "Changed to share less", "Paused"]
    assert "Changed to share less (You)" in drawn.replace("\\", "")
    # What was left is called as on the page that was answered, in its language, whoever reads.
    claims = next(one["name"] for group in words["groups"] for one in group["items"] if one["key"] == "claims")
    assert f'<li lang="en">{claims}</li>' in page and "Se sigue compartiendo:" in page
    assert f"Still shared: - {claims}" in " ".join(drawn.replace("\\", "").split())
    narrowed = body["afterwards"][1]["left"]
    assert (narrowed["types"], narrowed["sensitive_classes"], narrowed["while_away"]) == ([claims], [], True)
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

    page = rosa.get(held.receipt).text
    assert last.id in page and "Other answers to this app" in page
    assert f"/apps/answers/{first.id}" in page and f"/apps/answers/{refused.id}" in page
    older = unescape(rosa.get(f"/apps/answers/{refused.id}").text)
    assert "A later answer to the same app applies now." in older and "<dd>Don't allow</dd>" in older
    assert rosa.get(f"/apps/answers/{refused.id}/receipt.json").get_json()["agreed"] == []
    rosa.press(rosa.ask(held.app, prompt="consent"), "/consent", answer="deny")
    with desk.session() as session:
        latest = session.scalars(select(ConsentDecision.id).order_by(ConsentDecision.at.desc())).first()
    assert "A later answer" not in rosa.get(f"/apps/answers/{latest}").text, "the grant stands by the one before"


def test_a_first_no_has_its_receipt_on_the_console_and_in_the_copy(desk: Desk) -> None:
    rosa, app = Reader(desk, desk.account), desk.register(name="Pill Diary")
    rosa.press(rosa.ask(app), "/consent", answer="deny")
    rename(desk, app)

    console = rosa.get("/apps").text
    (receipt,) = re.findall(r'href="(/apps/answers/[^"]+)"', console)
    page, told = unescape(rosa.get(receipt).text), rosa.get(f"{receipt}/receipt.json").get_json()
    printed = words_of(rosa.get(f"{receipt}/receipt.pdf").data).replace("\\", "")

    assert "Requests that were not allowed" in console and "Pill Diary" in console
    assert "<dd>Don't allow</dd>" in page and "Pill Diary" in page
    assert "What happened since" not in page + printed and "A later answer" not in page
    assert (told["answer"], told["agreed"], told["grant"], told["afterwards"]) == ("deny", [], None, [])
    assert "Don't allow" in printed and "Pill Diary" in printed
    for shown in (page, printed):
        assert "What was not allowed" in shown and "What was agreed" not in shown
        assert "What was shared" in shown and "Nothing" in shown
        chosen = shown.partition("These are the words")[0]
        assert "For how long" not in chosen and "only that you signed in" not in chosen
    assert told["duration"] is None
    (refused,) = rosa.take("/apps/export.json").get_json()["not_allowed"]
    assert (refused["app"], receipt.endswith(refused["receipt"])) == ("Pill Diary", True)
    (row,) = csv.DictReader(StringIO(rosa.take("/apps/export.csv").data.decode("utf-8-sig")))
    assert (row["App"], row["Status"], row["Answered"]) == ("Pill Diary", "Not allowed", refused["answered_at"])
    with desk.session() as session:
        rows = session.scalars(select(AuditEvent).where(AuditEvent.tag == "consent:receipt:download")).all()
    assert {(row.grant_id, (row.detail or {})["decision"]) for row in rows} == {(None, refused["receipt"])}


def test_a_no_is_the_members_and_that_of_whoever_gave_it(desk: Desk) -> None:
    with desk.session() as session:
        dana, other = make_account(session), make_account(session)
        child = make_member(session)
    for account in (dana, other):
        represent(desk, account, desk.member)
    represent(desk, dana, child)
    rosa, hers, app = Reader(desk, desk.account), Reader(desk, dana), desk.register()
    rosa.press(rosa.ask(app), "/consent", answer="deny")
    hers.press(hers.choose(hers.ask(app), desk.member), "/consent", answer="deny")
    with desk.session() as session:
        own, by_her = session.scalars(select(ConsentDecision.id).order_by(ConsentDecision.at))

    ways = ("", "/receipt.pdf", "/receipt.json")
    of_own, of_hers = ([f"/apps/answers/{one}{way}" for way in ways] for one in (own, by_her))
    assert {rosa.get(path).status_code for path in of_own + of_hers} == {200}
    assert {hers.get(path).status_code for path in of_hers} == {200}
    assert {hers.get(path).status_code for path in of_own} == {404}
    stranger = Reader(desk, other)
    assert {stranger.get(path).status_code for path in of_own + of_hers} == {404}
    console = hers.get("/apps").text
    assert by_her in console and own not in console
    hers.press(hers.get("/select-member"), "/select-member", selected=child.patient_id)
    assert {hers.get(path).status_code for path in of_hers} == {404}
    assert by_her not in hers.get("/apps").text


def test_the_receipt_of_an_earlier_grant_tells_what_became_of_that_one(desk: Desk) -> None:
    rosa, held = agreed(desk)
    first = held.receipt
    held.press("revoke")
    rosa.allow(rosa.ask(held.app))

    told = [event["what"] for event in rosa.get(f"{first}/receipt.json").get_json()["afterwards"]]
    assert told == ["Connected", "Ended"]


def test_an_odd_address_has_no_receipt(desk: Desk) -> None:
    rosa, _held = agreed(desk)
    for odd in ("x" * 5_000, "00000000-0000-0000-0000-000000000000"):
        assert rosa.get(f"/apps/answers/{odd}").status_code == 404
