"""App reviews at the staff console: the queue, the check-list, the first yes, the no, and what is shown as text."""

import re

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from oauth.apps import app_words, review_checks, reviews
from oauth.apps.clients import Attestation
from oauth.apps.models import (
    CheckAnswer,
    DeclineReason,
    ReviewState,
)
from tests.conftest import MovableClock
from tests.oauth.desk import Desk
from tests.oauth.life import Life
from tests.staff.console import make_clerk
from tests.staff.reviewing import REVIEWER, act_of, answered, press, seen, state_of, waiting


def test_the_queue_tells_who_waits_longest_and_the_tab_counts(app: Flask, session: Session, desk: Desk) -> None:
    first, second = waiting(desk, name="Harbor Diary"), waiting(desk, name="Anchor Diary")
    clerk = make_clerk(app, session, REVIEWER)

    page = clerk.browser.get("/staff/app-reviews/").text

    assert page.index(first.app.view.name) < page.index(second.app.view.name)
    assert "0 days so far" in page
    assert re.search(r'App reviews <span class="ls-badge">2', page)


def test_the_page_tells_what_the_developer_says_and_what_changes(app: Flask, session: Session, desk: Desk) -> None:
    life = Life.begin(desk, desk.settings, category="claims").to(ReviewState.APPROVED)
    goodbye = "https://away.example/bye"
    with desk.session() as own:
        life.propose(
            own, redirect_uris=("https://elsewhere.example/callback",), category="medicines",
            post_logout_redirect_uris=(goodbye,),
        )  # fmt: skip
        life.submit(own)
    clerk = make_clerk(app, session, REVIEWER)

    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text

    for words in ("Shows what was paid for", "help@lantern.example", "https://lantern.example/privacy"):
        assert words in page
    changes = page.split("What changes against the approved version")[1].split("Check-list")[0]
    assert "<del>https://app.example.org/callback</del>" in changes
    assert "<ins>https://elsewhere.example/callback</ins>" in changes
    assert "medicines" in changes and "(not on a proven domain)" in page
    assert f'<dd class="ls-foreign">{goodbye} <strong>(not on a proven domain)' in page, "after sign-out too"
    assert "0 connections live now." in page


def test_answers_are_kept_with_who_and_when_and_the_first_finder_stays(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = waiting(desk)
    ada, ben = make_clerk(app, session, REVIEWER, given_name="Ada"), make_clerk(app, session, REVIEWER)
    assert press(ada, life, "checks", **answered(desk, life)) == 303
    changed = answered(desk, life) | {"answer-support": "no", "note-support": "Nobody answers."}

    assert press(ben, life, "checks", **changed) == 303

    with desk.session() as own:
        given = review_checks.answers_of(own, life.latest(own))
        assert given["identity"].account_id == ada.account.id
        assert (given["support"].account_id, given["support"].answer) == (ben.account.id, CheckAnswer.NO)
        assert len(review_checks.history(own, life.latest(own))) == len(given) + 1
    page = ben.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "Found by Ada" in page and "Nobody answers." in page


@pytest.mark.parametrize("said", ["", "no", "perhaps"])
def test_a_check_list_with_a_gap_or_a_no_is_not_approved(app: Flask, session: Session, desk: Desk, said: str) -> None:
    life = waiting(desk)
    clerk = make_clerk(app, session, REVIEWER)
    press(clerk, life, "checks", **answered(desk, life) | {"answer-scopes": said})

    assert press(clerk, life, "approve", reason="Looked at it.") == 409

    assert act_of(desk, life) is None
    assert state_of(desk, life) is ReviewState.SUBMITTED


def test_answers_say_nothing_of_what_was_changed_afterwards(app: Flask, session: Session, desk: Desk) -> None:
    life = waiting(desk)
    clerk = make_clerk(app, session, REVIEWER)
    press(clerk, life, "checks", **answered(desk, life))
    press(clerk, life, "ask", question="Is this the right address?")
    with desk.session() as own:
        life.propose(own, policy_uri="https://lantern.example/other")
        reviews.answer(own, life.latest(own), by_account_id=life.developer_id, answer="It is now.")

    assert press(clerk, life, "approve", reason="Looked at it.") == 409
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "It is now." in page and "Found by" not in page


@pytest.mark.parametrize("said", [Attestation.DECLINED, Attestation.UNANSWERED])
def test_a_no_to_the_privacy_policy_is_no_question_and_no_ground(
    app: Flask, session: Session, desk: Desk, said: Attestation
) -> None:
    life = waiting(desk, attestation=said)
    clerk, other = make_clerk(app, session, REVIEWER), make_clerk(app, session, REVIEWER)
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "what the developer attested" not in page and "never a ground to decline" in page
    assert not any("attest" in str(words).lower() for words in app_words.DECLINE_REASONS.values())

    press(clerk, life, "checks", **answered(desk, life))
    assert press(clerk, life, "approve", reason="Looked at it.") == 303
    other.browser.get("/staff/second-looks/")
    act_id = act_of(desk, life)
    assert other.browser.post(f"/staff/second-looks/{act_id}/approve").status_code == 303
    assert state_of(desk, life) is ReviewState.APPROVED


def test_who_attested_is_asked_whether_the_policy_says_so(desk: Desk) -> None:
    with desk.session() as session:
        attested = waiting(desk, attestation=Attestation.ATTESTED)
        assert "policy_says_so" in {check.key for check in review_checks.asked_of(session, attested.app.id)}


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"reason": "pages_missing", "explanation": "The policy answers 404."}, 303),
        ({"reason": "pages_missing", "explanation": " "}, 400),
        ({"reason": "attestation", "explanation": "They said no."}, 400),
        ({"explanation": "I do not like it."}, 400),
        ({"reason": "no_answer", "explanation": "No word came."}, 409),
    ],
)
def test_a_no_has_a_ground_of_the_list_and_words(
    app: Flask, session: Session, desk: Desk, form: dict[str, str], status: int
) -> None:
    life = waiting(desk)
    clerk = make_clerk(app, session, REVIEWER)

    assert press(clerk, life, "decline", **form) == status

    assert state_of(desk, life) is (ReviewState.DECLINED if status == 303 else ReviewState.SUBMITTED)


def test_silence_is_offered_as_a_ground_once_it_is_one(
    app: Flask, session: Session, desk: Desk, clock: MovableClock
) -> None:
    life = waiting(desk)
    with desk.session() as own:
        life.ask(own)
    clock.advance(59 * 86_400)
    here = f"/staff/app-reviews/{life.app.id}"
    page = make_clerk(app, session, REVIEWER).browser.get(here).text
    assert 'value="pages_missing"' in page and 'value="no_answer"' not in page
    clock.advance(86_400)
    clerk = make_clerk(app, session, REVIEWER)
    assert 'value="no_answer"' in clerk.browser.get(here).text
    assert press(clerk, life, "decline", reason="no_answer", explanation="No word came.") == 303
    assert state_of(desk, life) is ReviewState.DECLINED


def test_what_moved_on_since_the_page_was_made_is_not_decided(app: Flask, session: Session, desk: Desk) -> None:
    life = waiting(desk)
    clerk = make_clerk(app, session, REVIEWER)
    old = seen(clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text)
    with desk.session() as own:
        reviews.withdraw(own, life.latest(own), by_account_id=life.developer_id)
        life.propose(own, website="https://new.example")
        life.submit(own)

    for step, form in (
        ("approve", {"reason": "ok"}), ("ask", {"question": "?"}), ("checks", answered(desk, life)),
        ("decline", {"reason": "pages_missing", "explanation": "x"}),
    ):  # fmt: skip
        answer = clerk.browser.post(f"/staff/app-reviews/{life.app.id}/{step}", seen=old, **form)
        assert answer.status_code == 409, step
    with desk.session() as own:
        assert review_checks.history(own, life.latest(own)) == []
    assert state_of(desk, life) is ReviewState.SUBMITTED


def test_case_073_names_and_words_of_developers_are_shown_as_text(app: Flask, session: Session, desk: Desk) -> None:
    life = waiting(desk, description="<script>alert(1)</script> \u202eevil", contact='"><img src=x>')
    clerk = make_clerk(app, session, REVIEWER)

    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text

    assert "<script>alert" not in page and "<img src=x>" not in page and "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_every_check_has_a_ground_of_the_list() -> None:
    assert {check.ground for check in review_checks.CHECKS} <= set(DeclineReason)
    assert len({check.key for check in review_checks.CHECKS}) == len(review_checks.CHECKS)
