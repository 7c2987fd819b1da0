"""What a member typed or ticked is there again after a sign-in, a step-up, or more time, or they are told before."""

import random
import re

from flask import Flask
from sqlalchemy.orm import Session

from tests.accounts.visitor import csrf_token
from tests.conftest import MovableClock
from tests.factories import PASSWORD
from tests.member.pages import Form, Reader, form_to
from tests.oauth.desk import Desk, answer_of
from tests.staff.representing import NEW, Asking

_KEPT = "You had to sign in or confirm your password again"
_ANSWER = "The county court of Elm gave it, in March. " * 40


def _signs_in(asking: Asking, path: str, location: str) -> str:
    """The page to which the sign-in (or the step-up) at that address leads."""
    browser = asking.browser.browser
    entry = form_to(browser.get(location).text, path)
    back = browser.post(entry.action, data=entry.changed(username=asking.account.username, password=PASSWORD))
    assert back.status_code == 303, back.text
    return browser.get(back.location).text


def _asked_back(app: Flask, session: Session) -> tuple[Asking, str, Form]:
    asking = Asking.begin(app, session)
    assert asking.send().status_code == 303
    assert asking.press(asking.clerk(), "ask", question="Which court gave the order?").status_code == 303
    page = f"/people/requests/{asking.request().id}"
    return asking, page, form_to(asking.browser.get(page).text, f"{page}/answer")


def test_an_answer_to_the_plans_question_outlives_the_session(
    app: Flask, session: Session, clock: MovableClock
) -> None:  # fmt: skip
    asking, page, form = _asked_back(app, session)
    clock.advance(16 * 60)

    late = asking.browser.browser.post(form.action, data=form.changed(words=_ANSWER))

    assert late.status_code == 303 and "/sign-in" in late.location and "county" not in str(late.headers)
    shown = _signs_in(asking, "/sign-in", late.location)
    again = form_to(shown, f"{page}/answer")
    assert _KEPT in shown and again.fields["words"].strip() == _ANSWER.strip()
    assert asking.browser.browser.post(again.action, data=again.fields).status_code == 303
    assert _KEPT not in asking.browser.get(page).text


def test_who_was_away_for_longer_is_led_to_the_sign_in_and_back_to_the_page(
    app: Flask, session: Session, clock: MovableClock
) -> None:  # fmt: skip
    asking, page, form = _asked_back(app, session)
    clock.advance(2 * 3600)

    late = asking.browser.browser.post(
        form.action, data=form.changed(words=_ANSWER), headers={"Referer": f"http://localhost{page}"}
    )

    main = late.text.split("<main")[1]
    assert late.status_code == 401 and "You are signed out" in main and "kept_form" not in str(late.headers)
    (way,) = re.findall(r'href="(/sign-in[^"]*)"', main)
    assert page in _signs_in(asking, "/sign-in", way)


def test_a_text_too_long_to_keep_is_shown_before_it_is_lost(app: Flask, session: Session, clock: MovableClock) -> None:
    asking, _page, form = _asked_back(app, session)
    letters = [chr(code) for code in range(0x4E00, 0xA000)]
    typed = "<b>" + "".join(random.Random(1).choices(letters, k=1_990))
    clock.advance(16 * 60)

    late = asking.browser.browser.post(form.action, data=form.changed(words=typed))

    assert late.status_code == 401 and "Your text is too long to be kept" in late.text
    assert typed.replace("<b>", "&lt;b&gt;") in late.text and 'href="/sign-in?next=' in late.text
    assert "kept_form" not in str(late.headers)


def test_a_request_to_act_outlives_the_question_for_the_password(
    app: Flask, session: Session, clock: MovableClock
) -> None:  # fmt: skip
    asking = Asking.begin(app, session)
    token = csrf_token(asking.browser.get(f"{NEW}?for=another").text)
    for _ in range(4):
        clock.advance(10 * 60)
        assert asking.browser.get("/people").status_code == 200
    typed = {"for": "another", "member_family_name": "Canary", "explanation": "He is my neighbor."}

    late = asking.browser.browser.post(NEW, data={"csrf_token": token} | typed)

    assert late.status_code == 303 and "/confirm-password" in late.location
    shown = _signs_in(asking, "/confirm-password", late.location)
    again = form_to(shown, NEW)
    assert _KEPT in shown and again.fields["explanation"].strip() == "He is my neighbor."
    assert again.fields["member_family_name"] == "Canary" and again.fields["for"] == "another"


def test_ticks_of_the_consent_page_outlive_the_session(desk: Desk, clock: MovableClock) -> None:
    rosa = Reader(desk, desk.account)
    page = rosa.ask(desk.register())
    clock.advance(55 * 60)

    late = rosa.allow(page, data=["claims"], duration="three_months", offline=[])

    assert "/sign-in" in late.location
    clock.advance(6 * 60)
    entry = form_to(rosa.get(late.location).text, "/sign-in")
    again = rosa.follow(
        rosa.browser.post(entry.action, data=entry.changed(username=desk.account.username, password=PASSWORD))
    )
    form = form_to(again.text, "/consent")
    assert _KEPT in again.text and form.ticked("data") == ["claims"] and form.ticked("offline") == []
    assert form.ticked("duration") == ["three_months"]
    assert "code" in answer_of(rosa.allow(again).location)


def test_the_consent_page_says_how_long_it_waits_and_waits_longer_at_a_press(desk: Desk, clock: MovableClock) -> None:
    rosa = Reader(desk, desk.account)
    page = rosa.ask(desk.register())
    assert "request waits for one hour" in page.text
    for _ in range(8):
        clock.advance(9 * 60)
        sent = form_to(page.text, "/consent").changed(data=["claims"], longer="yes")
        page = rosa.follow(rosa.browser.post("/consent/longer", data=sent))
        if 'action="/confirm-password' in page.text:
            entry = form_to(page.text, "/confirm-password")
            given = entry.changed(username=desk.account.username, password=PASSWORD)
            page = rosa.follow(rosa.browser.post(entry.action, data=given))
        assert "You have more time" in page.text and form_to(page.text, "/consent").ticked("data") == ["claims"]
    assert "code" in answer_of(rosa.allow(page).location), "more than an hour after it began"


def test_what_was_ticked_for_one_request_is_not_ticked_for_another(desk: Desk) -> None:
    rosa, app = Reader(desk, desk.account), desk.register()
    page = rosa.ask(app)
    rosa.browser.post("/consent/longer", data=form_to(page.text, "/consent").changed(data=["claims"], longer="yes"))

    other = rosa.ask(app)

    assert "You have more time" not in other.text and len(form_to(other.text, "/consent").ticked("data")) > 1
