"""A session of the plan's staff runs out over a form: what was typed stands in it again, where it is seen."""

import html
import re

from flask import Flask
from sqlalchemy.orm import Session

from service.clock import now
from service.plan.models import DelegateRequest, RequestStatus, StaffRole
from tests.accounts.visitor import csrf_token
from tests.conftest import MovableClock
from tests.late import KEPT, form_again, late, send_late
from tests.member.pages import form_to
from tests.oauth.desk import Desk
from tests.staff.console import make_clerk
from tests.staff.representing import Asking
from tests.staff.reviewing import REVIEWER, waiting
from tests.staff.test_queues import hand_over, not_listed

_WORDS = "Called them on Tuesday; <b>the door</b> was open."


def test_what_was_done_about_a_provider_not_listed(app: Flask, session: Session, clock: MovableClock) -> None:
    made, other = not_listed(session), not_listed(session)
    clerk = make_clerk(app, session)
    page, action = "/staff/not-listed/", f"/staff/not-listed/{made.id}"

    shown = send_late(clerk.browser, clerk.account, clock, page, action, status="refused", resolution=_WORDS)

    form = form_again(shown, action)
    assert form.fields["resolution"].strip() == _WORDS and form.ticked("status") == ["refused"]
    assert form_to(shown.text, f"/staff/not-listed/{other.id}").fields["resolution"].strip() == ""
    assert re.findall(r"<details[^>]*?( open)?>", shown.text).count(" open") == 1, "the one that holds it is open"
    assert clerk.browser.browser.post(action, data=form.fields).status_code == 303
    assert KEPT not in clerk.browser.get(page).text


def test_why_an_app_is_declined_and_a_note_of_its_check_list(desk: Desk, session: Session, clock: MovableClock) -> None:
    life = waiting(desk)
    clerk = make_clerk(desk.app, session, REVIEWER)
    page = f"/staff/app-reviews/{life.app.id}"

    shown = send_late(
        clerk.browser, clerk.account, clock, page, f"{page}/decline", reason="pages_missing", explanation=_WORDS
    )
    form = form_again(shown, f"{page}/decline")
    assert form.fields["explanation"].strip() == _WORDS and form.ticked("reason") == ["pages_missing"]
    assert form_to(shown.text, f"{page}/ask").fields["question"].strip() == ""

    notes = [name for name in form_to(shown.text, f"{page}/checks").fields if name.startswith("note-")]
    again = send_late(clerk.browser, clerk.account, clock, page, f"{page}/checks", **{notes[0]: _WORDS})
    assert form_again(again, f"{page}/checks").fields[notes[0]] == _WORDS


def test_who_becomes_delegate_and_why(app: Flask, session: Session, clock: MovableClock) -> None:
    made = hand_over(session)
    clerk = make_clerk(app, session)
    action = f"/staff/hand-overs/{made.id}/approve"
    entered = form_to(clerk.browser.get("/staff/hand-overs/").text, action)
    former = next(value for value, _name in entered.options if value)

    shown = send_late(
        clerk.browser, clerk.account, clock, "/staff/hand-overs/", action, reason=_WORDS, former_id=former,
        former_has_left="yes",
    )  # fmt: skip

    form = form_again(shown, action)
    assert form.fields["reason"].strip() == _WORDS and form.fields["former_id"] == former
    assert form.ticked("former_has_left") == ["yes"]


def test_a_text_of_the_plan(app: Flask, session: Session, clock: MovableClock) -> None:
    clerk = make_clerk(app, session, StaffRole.ADMINISTRATOR)
    page = "/staff/plan-texts/phone-lines"

    shown = send_late(clerk.browser, clerk.account, clock, page, page, reason=_WORDS, tty="1-555-010-0001")

    form = form_again(shown, page)
    assert form.fields["reason"] == _WORDS and form.fields["tty"] == "1-555-010-0001"


def test_what_was_written_where_the_form_is_not_there_again_is_shown_to_be_copied(
    app: Flask, session: Session, clock: MovableClock
) -> None:
    asking = Asking.begin(app, session)
    assert asking.send().status_code == 303
    asking.link()
    clerk = asking.clerk()
    number = asking.request().member_number
    page = "/staff/representative-links/"
    clerk.browser.get(page)
    found = clerk.browser.post(page, member_number=number)
    action = next(one for one in re.findall(r'action="([^"]+)"', found.text) if one.endswith("/end"))

    shown = late(clerk.browser, clerk.account, clock, action, form_to(found.text, action).changed(reason=_WORDS))

    assert "is not on this page now" in shown.text and _WORDS.replace("<", "&lt;").replace(">", "&gt;") in shown.text
    assert "is not on this page now" not in clerk.browser.get(page).text


def test_nothing_but_what_was_typed_is_shown_to_be_copied(app: Flask, session: Session, clock: MovableClock) -> None:
    made = hand_over(session)
    clerk = make_clerk(app, session)
    page, action = "/staff/hand-overs/", f"/staff/hand-overs/{made.id}/approve"
    form = form_to(clerk.browser.get(page).text, action)
    former = next(value for value, _name in form.options if value)
    chosen = form.changed(former_id=former, former_has_left="yes")
    for typed, told in ((_WORDS, "What you wrote is here"), ("", "Please open it again.")):
        waiting = session.get_one(DelegateRequest, made.id)
        waiting.status, waiting.decided_at = RequestStatus.REFUSED, now()
        session.commit()
        chosen["reason"], chosen["csrf_token"] = typed, csrf_token(clerk.browser.get(page).text)

        shown = late(clerk.browser, clerk.account, clock, action, chosen).text

        main = shown.partition("<main")[2]
        assert told in main
        left_over = [html.unescape(one) for one in re.findall(r"<textarea[^>]* readonly>\n(.*?)</textarea>", main)]
        assert left_over == ([_WORDS] if typed else []), "neither whom the form named by its id, nor a tick, nor itself"


def test_what_was_said_of_a_version_is_not_put_into_the_form_of_another(
    app: Flask, session: Session, clock: MovableClock
) -> None:
    asking = Asking.begin(app, session)
    assert asking.send().status_code == 303
    clerk = asking.clerk()
    page = f"/staff/representatives/{asking.request().id}"
    action = f"{page}/ask"
    form = form_to(clerk.browser.get(page).text, action)
    same = late(clerk.browser, clerk.account, clock, action, form.changed(question=_WORDS))
    form = form_again(same, action)
    assert form.fields["question"].strip() == _WORDS
    colleague = asking.clerk()
    assert asking.press(colleague, "checks", **{"check-identity": "yes"}).status_code == 303

    shown = late(clerk.browser, clerk.account, clock, action, form.changed(question=_WORDS))

    again = form_to(shown.text, action)
    assert again.fields["question"].strip() == "" and again.fields["seen"] != form.fields["seen"]
    assert "is not on this page now" in shown.text and _WORDS.replace("<", "&lt;").replace(">", "&gt;") in shown.text
