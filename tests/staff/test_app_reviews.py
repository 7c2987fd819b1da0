"""App reviews at the staff console: the queue, the check-list, both yeses, the no, appeals, stopping, reports."""

import re
from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent import grants
from consent.models import EndedBy, Grant
from oauth.apps import app_reports, app_words, approval, clients, disabling, member_notices, review_checks, reviews
from oauth.apps.clients import Attestation
from oauth.apps.models import (
    AppReport,
    AppReviewEvent,
    CheckAnswer,
    DeclineReason,
    ReportReason,
    ReviewState,
    ReviewStep,
)
from oauth.models import Client
from service.accounts.models import Account
from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.models import StaffRole
from service.plan.staff import plan_staff
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account, make_member
from tests.oauth.desk import Desk
from tests.oauth.life import Life
from tests.staff.console import Clerk, make_clerk, sign_in_clerk

REVIEWER = StaffRole.APP_REVIEWER


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


def waiting(desk: Desk, **given: object) -> Life:
    """An app that waits for the plan."""
    return Life.begin(desk, desk.settings, **given).to(ReviewState.SUBMITTED)


def seen(page: str) -> str:
    """What the page's forms carry of the version shown."""
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found, "the page has no form about a version"
    return found[1]


def press(clerk: Clerk, life: Life, step: str, **form: str) -> int:
    """Open the app's page and send one of its forms; the status of the answer."""
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    found = re.search(r'name="seen" value="([^"]+)"', page)
    version = {"seen": found[1]} if found else {}
    return clerk.browser.post(f"/staff/app-reviews/{life.app.id}/{step}", **version, **form).status_code


def answered(desk: Desk, life: Life, said: str = "yes") -> dict[str, str]:
    """The check-list's form, every question answered so."""
    with desk.session() as session:
        return {f"answer-{check.key}": said for check in review_checks.asked_of(session, life.app.id)}


def state_of(desk: Desk, life: Life) -> ReviewState:
    with desk.session() as session:
        return life.latest(session).state


def act_of(desk: Desk, life: Life) -> str | None:
    """What waits for a second person to approve the version."""
    with desk.session() as session:
        act = approval.find_waiting(session, life.latest(session))
        return act.id if act else None


def test_the_queue_tells_who_waits_longest_and_the_tab_counts(app: Flask, session: Session, desk: Desk) -> None:
    first, second = waiting(desk, name="Harbor Diary"), waiting(desk, name="Anchor Diary")
    clerk = make_clerk(app, session, REVIEWER)

    page = clerk.browser.get("/staff/app-reviews/").text

    assert page.index(first.app.view.name) < page.index(second.app.view.name)
    assert "0 days so far" in page
    assert re.search(r'App reviews <span class="ls-badge">2', page)


def test_the_page_tells_what_the_developer_says_and_what_changes(app: Flask, session: Session, desk: Desk) -> None:
    life = Life.begin(desk, desk.settings, category="claims").to(ReviewState.APPROVED)
    with desk.session() as own:
        life.propose(own, redirect_uris=("https://elsewhere.example/callback",), category="medicines")
        life.submit(own)
    clerk = make_clerk(app, session, REVIEWER)

    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text

    for words in ("Shows what was paid for", "help@lantern.example", "https://lantern.example/privacy"):
        assert words in page
    changes = page.split("What changes against the approved version")[1].split("Check-list")[0]
    assert "<del>https://app.example.org/callback</del>" in changes
    assert "<ins>https://elsewhere.example/callback</ins>" in changes
    assert "medicines" in changes and "(not on a proven domain)" in page


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
    ],
)
def test_a_no_has_a_ground_of_the_list_and_words(
    app: Flask, session: Session, desk: Desk, form: dict[str, str], status: int
) -> None:
    life = waiting(desk)
    clerk = make_clerk(app, session, REVIEWER)

    assert press(clerk, life, "decline", **form) == status

    assert state_of(desk, life) is (ReviewState.DECLINED if status == 303 else ReviewState.SUBMITTED)


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
        ("decline", {"reason": "no_answer", "explanation": "x"}),
    ):  # fmt: skip
        answer = clerk.browser.post(f"/staff/app-reviews/{life.app.id}/{step}", seen=old, **form)
        assert answer.status_code == 409, step
    with desk.session() as own:
        assert review_checks.history(own, life.latest(own)) == []
    assert state_of(desk, life) is ReviewState.SUBMITTED


def test_an_appeal_is_looked_at_by_somebody_who_did_not_decline(app: Flask, session: Session, desk: Desk) -> None:
    life = waiting(desk)
    ada, ben = make_clerk(app, session, REVIEWER), make_clerk(app, session, REVIEWER)
    press(ada, life, "decline", reason="pages_missing", explanation="404")
    with desk.session() as own:
        reviews.appeal(own, life.latest(own), by_account_id=life.developer_id, grounds="It is there.")

    page = ada.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "You declined this version" in page and 'name="seen"' not in page
    version = seen(ben.browser.get(f"/staff/app-reviews/{life.app.id}").text)
    address = f"/staff/app-reviews/{life.app.id}"
    refused = [
        ada.browser.post(f"{address}/ask", seen=version, question="?"),
        ada.browser.post(f"{address}/decline", seen=version, reason="pages_missing", explanation="404"),
        ada.browser.post(f"{address}/checks", seen=version, **answered(desk, life)),
        ada.browser.post(f"{address}/approve", seen=version, reason="ok"),
    ]
    assert [answer.status_code for answer in refused] == [409] * 4

    press(ben, life, "checks", **answered(desk, life))
    assert press(ben, life, "approve", reason="It is there indeed.") == 303
    act_id = act_of(desk, life)
    ada.browser.get("/staff/second-looks/")
    assert ada.browser.post(f"/staff/second-looks/{act_id}/approve").status_code == 409
    assert ada.browser.post(f"/staff/second-looks/{act_id}/refuse", reason="No").status_code == 409
    carl = make_clerk(app, session, REVIEWER)
    carl.browser.get("/staff/second-looks/")
    assert carl.browser.post(f"/staff/second-looks/{act_id}/approve").status_code == 303
    assert state_of(desk, life) is ReviewState.APPROVED


def test_nobody_reviews_an_app_of_their_own_organization(app: Flask, session: Session, desk: Desk) -> None:
    life = waiting(desk)
    other = make_clerk(app, session, REVIEWER)
    version = seen(other.browser.get(f"/staff/app-reviews/{life.app.id}").text)
    with desk.session() as own:
        report = AppReport(
            client_id=life.app.id, reason=ReportReason.OTHER, words="Told in confidence",
            at=life.latest(own).created_at, account_id=make_account(own, given_name="Quill").id,
        )  # fmt: skip
        own.add(report)
        own.flush()
        report_id = report.id
        account = life.developer(own).account
    clerk = make_reviewer_of(app, session, account.id)

    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "your own developer organization" in page
    assert "Told in confidence" not in page and "Quill" not in page
    address = f"/staff/app-reviews/{life.app.id}"
    for step, form in (
        ("ask", {"question": "?"}), ("decline", {"reason": "no_answer", "explanation": "x"}),
        ("approve", {"reason": "mine"}), ("checks", answered(desk, life)), ("suspend", {"reason": "x"}),
        ("retire", {"reason": "x"}), (f"reports/{report_id}/close", {"reason": "nothing"}),
    ):  # fmt: skip
        assert clerk.browser.post(f"{address}/{step}", seen=version, **form).status_code == 409, step
    assert state_of(desk, life) is ReviewState.SUBMITTED


def make_reviewer_of(app: Flask, session: Session, account_id: str) -> Clerk:
    """A developer who is a reviewer of the plan too."""
    account = session.get_one(Account, account_id)
    staff = plan_staff.appoint(session, account, (REVIEWER,), by_account_id=None)
    session.commit()
    return Clerk(staff, sign_in_clerk(app, account))


def test_suspending_letting_in_and_closing_take_a_reason_and_tell_the_members(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    token = desk.connect(life.app)["access_token"]
    clerk = make_clerk(app, session, REVIEWER)
    assert press(clerk, life, "suspend", reason=" ") == 400
    assert desk.works(token)

    assert press(clerk, life, "suspend", reason="A report from a member.") == 303
    assert not desk.works(token)
    assert press(clerk, life, "suspend", reason="Again.") == 409
    assert press(clerk, life, "reinstate", reason="Mended.") == 303
    assert desk.works(token)
    assert press(clerk, life, "retire", reason="The developer has gone.") == 303
    assert not desk.works(token)
    assert press(clerk, life, "reinstate", reason="No.") == 409

    sessions = make_sessions(session.get_bind())  # type: ignore[arg-type]
    session.commit()
    member_notices.run(sessions, desk.settings)
    member_notices.run(sessions, desk.settings)
    told = [letter for letter in letters(session, desk.settings, desk.account.email) if life.app.view.name in letter]
    assert len(told) == 3
    assert "stopped the app" in told[0] and "let the app" in told[1] and "for good" in told[2]
    assert not any("A report from a member" in letter for letter in told)
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "A report from a member." in page and "Suspended by the plan" in page


def test_members_are_told_once_of_each_app_when_a_whole_organization_is_shut_out(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    resting = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    desk.connect(life.app)
    desk.connect(life.app)
    desk.connect(resting.app)
    with desk.session() as own:
        member = make_member(own)
        revoked = make_account(own, member=member)
    desk.connect(life.app, account=revoked, member=member)
    with desk.session() as own:
        own.get_one(Client, resting.app.id).organization_id = life.developer(own).organization_id
        reviews.suspend(own, resting.app.id, reason="a report", settings=desk.settings)
        grant = own.scalars(select(Grant).where(Grant.account_id == revoked.id)).one()
        grants.revoke(own, grant, by=EndedBy.MEMBER)

    for act in (disabling.disable, disabling.disable, disabling.enable):
        with desk.session() as own:
            organization = life.developer(own).organization
            act(own, organization, reason="unknown", settings=desk.settings, by_account_id=None)
    member_notices.run(make_sessions(session.get_bind()), desk.settings)  # type: ignore[arg-type]

    told = letters(session, desk.settings, desk.account.email)
    mine = [one for one in told if life.app.view.name in one]
    assert len(mine) == 2 and "stopped the app" in mine[0] and "let the app" in mine[1]
    assert len([one for one in told if resting.app.view.name in one]) == 1, "its own suspension, and no word again"
    assert letters(session, desk.settings, revoked.email) == []


def test_a_step_that_changes_nothing_while_the_organization_is_shut_out_is_told_to_no_member(
    session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    desk.connect(life.app)
    life.disable_organization()
    with desk.session() as own:
        reviews.suspend(own, life.app.id, reason="a report", settings=desk.settings)
        reviews.reinstate(own, life.app.id, reason="mended", settings=desk.settings)
    member_notices.run(make_sessions(session.get_bind()), desk.settings)  # type: ignore[arg-type]
    assert len([one for one in letters(session, desk.settings, desk.account.email) if life.app.view.name in one]) == 1


def test_members_are_told_in_batches_and_each_once(
    app: Flask, session: Session, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_notices, "_BATCH", 1)
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    desk.connect(life.app)
    with desk.session() as own:
        reviews.suspend(own, life.app.id, reason="a report", settings=desk.settings)

    member_notices.run(make_sessions(session.get_bind()), desk.settings)  # type: ignore[arg-type]

    assert len([one for one in letters(session, desk.settings, desk.account.email) if "stopped the app" in one]) == 1
    event = session.scalars(select(AppReviewEvent).where(AppReviewEvent.step == ReviewStep.SUSPEND)).one()
    assert event.members_told_at is not None


def test_a_report_is_closed_once_with_what_was_done(app: Flask, session: Session, desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    other = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    with desk.session() as own:
        made = app_reports.report(
            own, life.app.id, account_id=desk.account.id, reason=ReportReason.UNSAFE, words="It\u202e said stop."
        )
        report_id = made.id
    clerk = make_clerk(app, session, REVIEWER)
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "said stop." in page and "\u202e" not in page
    assert life.app.view.name in clerk.browser.get("/staff/app-reviews/").text

    assert press(clerk, life, f"reports/{report_id}/close", reason="") == 400
    assert press(clerk, other, f"reports/{report_id}/close", reason="Called them.") == 404
    assert press(clerk, life, f"reports/{report_id}/close", reason="Called them.") == 303
    assert press(clerk, life, f"reports/{report_id}/close", reason="Called again.") == 409

    found = session.get_one(AppReport, report_id)
    assert (found.outcome, found.closed_by_account_id) == ("Called them.", clerk.account.id)
    told = session.scalars(select(AppReviewEvent).where(AppReviewEvent.client_id == life.app.id)).all()
    assert not any("stop" in event.words for event in told)


def test_case_017_what_is_disabled_is_shut_at_once_and_leaves_the_gallery(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    assert Visitor(app).get(f"/gallery/{life.app.id}").status_code == 200

    life.disable_organization()

    assert Visitor(app).get(f"/gallery/{life.app.id}").status_code == 404
    assert desk.authorize(app.test_client(), life.app).status_code == 400
    clerk = make_clerk(app, session, REVIEWER)
    assert "The organization is disabled." in clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text


def test_case_073_names_and_words_of_developers_are_shown_as_text(app: Flask, session: Session, desk: Desk) -> None:
    life = waiting(desk, description="<script>alert(1)</script> \u202eevil", contact='"><img src=x>')
    clerk = make_clerk(app, session, REVIEWER)

    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text

    assert "<script>alert" not in page and "<img src=x>" not in page and "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_case_145_the_second_person_sees_the_difference_and_the_first_cannot_be_both(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    with desk.session() as own:
        life.propose(own, website="https://changed.example")
        life.submit(own)
    ada, ben = make_clerk(app, session, REVIEWER, given_name="Ada"), make_clerk(app, session, REVIEWER)
    press(ada, life, "checks", **answered(desk, life))
    assert press(ada, life, "approve", reason="They own it.") == 303
    act_id = act_of(desk, life)

    ada.browser.get("/staff/second-looks/")
    assert ada.browser.post(f"/staff/second-looks/{act_id}/approve").status_code == 409
    page = ben.browser.get("/staff/second-looks/").text
    for words in ("<ins>https://changed.example</ins>", "<del>https://lantern.example</del>", "Ada", "They own it."):
        assert words in page
    assert ben.browser.post(f"/staff/second-looks/{act_id}/approve").status_code == 303
    with desk.session() as own:
        assert clients.get(own, life.app.id).website == "https://changed.example"


def test_case_145_two_approvers_at_once_give_one_effect(app: Flask, session: Session, desk: Desk) -> None:
    life = waiting(desk)
    with desk.session() as own:
        act_id = life.first_look(own).id
    clerks = [make_clerk(app, session, REVIEWER) for _ in range(4)]
    for clerk in clerks:
        clerk.browser.get("/staff/second-looks/")
    barrier, answers = Barrier(len(clerks)), list[int]()

    def approve(browser: Visitor) -> None:
        barrier.wait()
        answers.append(browser.post(f"/staff/second-looks/{act_id}/approve").status_code)

    every = [Thread(target=approve, args=(clerk.browser,)) for clerk in clerks]
    for each in every:
        each.start()
    for each in every:
        each.join()

    assert sorted(answers) == [303, 409, 409, 409]
    assert state_of(desk, life) is ReviewState.APPROVED
    approved = select(func.count()).where(AuditEvent.tag == "oauth:app_review:approve")
    with desk.session() as own:
        assert own.scalar(approved) == 1


def test_every_check_has_a_ground_of_the_list() -> None:
    assert {check.ground for check in review_checks.CHECKS} <= set(DeclineReason)
    assert len({check.key for check in review_checks.CHECKS}) == len(review_checks.CHECKS)
