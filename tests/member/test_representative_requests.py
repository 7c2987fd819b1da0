"""The Request for Access to Protected Health Information: who asks, what is kept, what whoever asked reads."""

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.models import Basis, LinkScope
from consent.request_models import RepresentativeEvidence, RepresentativeRequest, RequestState
from service.clock import now
from service.plan_file import Brand
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account, make_member
from tests.papers import words_of
from tests.plan.files import PDF
from tests.staff.console import send_files
from tests.staff.representing import Asking


def test_somebody_asks_to_act_for_a_member_and_sees_where_it_stands(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    sent = asking.send(explanation="He is my neighbor.", valid_until="2199-01-31")

    assert sent.status_code == 303, sent.text
    found = asking.request()
    assert (found.state, found.basis, found.scope) == (RequestState.WAITING, Basis.POWER_OF_ATTORNEY, LinkScope.ALL)
    assert (found.member_id, found.family_name) == (asking.member.id, asking.account.family_name)
    page = asking.browser.get(f"/people/requests/{found.id}").text
    assert "We are looking at it" in page and "power of attorney.pdf" in page and "He is my neighbor." in page
    assert "Amos" not in page, "the roster's given name is not told"
    assert f"/people/requests/{found.id}" in asking.browser.get("/people/i-act-for").text
    paper = asking.browser.get(f"/people/requests/{found.id}/form.pdf")
    assert paper.mimetype == "application/pdf" and paper.data.startswith(b"%PDF")
    blank = Visitor(app).get("/representative-request-form.pdf?lang=es")
    assert blank.status_code == 200 and b"es-US" in blank.data
    signed, empty = words_of(paper.data), words_of(blank.data)
    assert "[X] I hold a power of attorney for health care" in signed, "in the words of who asked and will sign"
    assert "I have signed a power of attorney" not in signed and "As soon as we have agreed" in signed
    assert "Tengo un poder notarial" in empty and "Firmé un poder notarial" in empty, "whoever fills it in"
    for page in (signed, empty):
        assert "Meridian Health Plan, 100 Meridian Way, Columbus, OH 43004" in page, "where it is mailed to"
    assert Brand().postal_address == "" and Brand(city="Columbus").postal_address == ""


def test_what_is_missing_or_wrong_is_said_at_its_field_and_typed_text_stays(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    own = session.get_one(type(asking.member), asking.account.member_id).member_number
    session.rollback()
    child = f"{now().year - 20}-01-01"
    for changed, words in (
        ({"member_number": ""}, "Please fill this in."),
        ({"member_birth_date": "31.12.1950"}, "birth date as month/day/year"),
        ({"basis": "permission"}, "Please choose one."),
        ({"scope": "everything"}, "Please choose one."),
        ({"declared": ""}, "Please check this box."),
        ({"valid_from": "2030-02-01", "valid_until": "2030-01-01"}, "must not be before the first day"),
        ({"valid_until": "2001-01-01"}, "This day is over."),
        ({"member_number": own}, "This is your own member ID."),
        ({"basis": "parent", "member_birth_date": child}, "18 or older"),
        ({"explanation": "x" * 1_001}, "too long"),
        ({"member_family_name": "a\0b"}, "Please fill this in."),
    ):  # fmt: skip
        answer = asking.send(**{"explanation": "Typed <b>words</b>"} | changed)
        assert answer.status_code == 400 and words in answer.text, changed
        assert "explanation" in changed or "Typed &lt;b&gt;words&lt;/b&gt;" in answer.text
    missing = asking.send(files=[])
    assert missing.status_code == 400 and "Please attach the paper" in missing.text
    session.rollback()
    assert session.scalar(select(func.count()).select_from(RepresentativeRequest)) == 0


def test_a_request_about_nobody_looks_like_any_other(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    real, unknown = asking.send(), asking.send(member_number="NOBODY1")
    pages = [asking.browser.get(answer.location).text for answer in (real, unknown)]
    assert [answer.status_code for answer in (real, unknown)] == [303, 303]
    assert pages[1].replace("NOBODY1", "#").count("#") == pages[0].replace(asking.member.member_number, "#").count("#")
    session.rollback()
    matched = session.scalars(select(RepresentativeRequest.member_id).order_by(RepresentativeRequest.asked_at)).all()
    assert matched == [asking.member.id, None]


def test_a_member_names_somebody_and_who_is_not_18_cannot(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    gap = asking.name_somebody(zip_code="")
    assert gap.status_code == 400 and "full address" in gap.text
    assert asking.name_somebody(number="PR1", address_line="").status_code == 303, "a number needs no address"
    assert asking.name_somebody().status_code == 303
    found = asking.request()
    assert (found.for_oneself, found.member_id, found.basis) == (True, asking.account.member_id, Basis.PERMISSION)

    minor = make_member(session, birth_date=now().date().replace(year=now().year - 15, day=1))
    young = Asking.begin(app, session, member=minor)
    refused = young.name_somebody()
    assert refused.status_code == 400 and "not 18 yet" in refused.text


def test_a_question_is_answered_with_another_paper_and_mails_say_nothing(
    app: Flask, session: Session, settings: Settings
) -> None:
    asking = Asking.begin(app, session)
    asking.send()
    assert asking.press(asking.clerk(), "ask", question="Which court gave the order?").status_code == 303
    found = asking.request()
    address = f"/people/requests/{found.id}"
    page = asking.browser.get(address)
    assert "Which court gave the order?" in page.text
    assert send_files(asking.browser, f"{address}/answer", [], words=" ").status_code == 400
    asking.browser.get(address)
    sent = send_files(asking.browser, f"{address}/answer", [("order.pdf", PDF)], words="The court of Rivermont.")

    assert sent.status_code == 303
    found = asking.request()
    assert found.state is RequestState.WAITING
    assert session.scalar(select(func.count()).select_from(RepresentativeEvidence)) == 2
    session.rollback()
    clerk = asking.clerk()
    assert "The court of Rivermont." in clerk.browser.get(f"/staff/representatives/{found.id}").text
    asking.browser.get(address)
    late = send_files(asking.browser, f"{address}/answer", [], words="Once more")
    assert late.status_code == 409 and "was decided in the meantime" in late.text
    told = letters(session, settings, asking.account.email)
    assert len(told) == 1 and "News about your request" in told[0]
    for word in ("court", "Canary", "Amos", asking.member.member_number, "attorney", "representative"):
        assert word not in told[0]


def test_what_was_taken_back_is_not_decided(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    asking.send()
    clerk, second = asking.clerk(), asking.clerk()
    assert asking.propose(clerk).status_code == 303
    asking.browser.get(f"/people/requests/{asking.request().id}")
    assert asking.browser.post(f"/people/requests/{asking.request().id}/withdraw").status_code == 303

    answer = asking.approve(second)

    assert answer.status_code == 409 and "taken back meanwhile" in answer.text
    assert asking.request().state is RequestState.WITHDRAWN


def test_a_request_belongs_to_whoever_sent_it(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    asking.send()
    found = asking.request()
    [file] = session.scalars(select(RepresentativeEvidence.id)).all()
    session.rollback()
    stranger, other = Visitor(app), make_account(session, member=make_member(session))
    session.commit()
    session.refresh(other)
    session.expunge(other)
    session.rollback()
    assert stranger.get(f"/people/requests/{found.id}").status_code == 303, "to sign in"
    stranger.sign_in(other)
    stranger.get("/people/i-act-for")
    for path in ("", f"/files/{file}", "/form.pdf"):
        assert stranger.get(f"/people/requests/{found.id}{path}").status_code == 404
    stranger.get("/settings")
    for step in ("answer", "withdraw"):
        assert stranger.post(f"/people/requests/{found.id}/{step}", words="x").status_code == 404
    assert asking.request().state is RequestState.WAITING


def test_nobody_fills_the_queue_alone(app: Flask, session: Session) -> None:
    asking = Asking.begin(app, session)
    answers = [asking.send().status_code for _ in range(6)]
    assert answers == [303] * 5 + [429]


@pytest.mark.parametrize("path", ["/people/requests/new?for=another", "/people/requests/new?for=me"])
def test_the_form_asks_for_a_recent_password(app: Flask, session: Session, path: str) -> None:
    assert "/sign-in" in Visitor(app).get(path).location
