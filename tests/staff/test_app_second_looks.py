"""App reviews at the staff console: who may say yes. A second person, none of the app's own, at appeal no decliner."""

from threading import Barrier, Thread

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from oauth.apps import clients, reviews
from oauth.apps.models import (
    AppReport,
    ReportReason,
    ReviewState,
)
from service.accounts.models import Account
from service.audit import AuditEvent
from service.plan.staff import plan_staff
from tests.accounts.visitor import Visitor
from tests.factories import make_account
from tests.oauth.desk import Desk
from tests.oauth.life import Life
from tests.staff.console import Clerk, make_clerk, sign_in_clerk
from tests.staff.reviewing import REVIEWER, act_of, answered, press, seen, state_of, waiting


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
    page = ada.browser.get("/staff/second-looks/").text
    assert "You declined this version" in page and ">Approve</button>" not in page
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
        ("ask", {"question": "?"}), ("decline", {"reason": "pages_missing", "explanation": "x"}),
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


def test_a_first_yes_to_what_was_changed_since_holds_nobody_up(app: Flask, session: Session, desk: Desk) -> None:
    life = waiting(desk)
    ada, ben = make_clerk(app, session, REVIEWER), make_clerk(app, session, REVIEWER)
    press(ada, life, "checks", **answered(desk, life))
    assert press(ada, life, "approve", reason="As it was.") == 303
    outdated = act_of(desk, life)
    with desk.session() as own:
        reviews.withdraw(own, life.latest(own), by_account_id=life.developer_id)
        life.propose(own, website="https://changed.example")
        life.submit(own)

    page = ben.browser.get("/staff/second-looks/").text
    assert "The app has changed since this was asked." in page and ">Approve</button>" not in page
    assert ben.browser.post(f"/staff/second-looks/{outdated}/approve").status_code == 409
    assert "Say the first yes" in ben.browser.get(f"/staff/app-reviews/{life.app.id}").text
    press(ben, life, "checks", **answered(desk, life))
    assert press(ben, life, "approve", reason="As it is.") == 303

    assert act_of(desk, life) not in {None, outdated}
    page = ada.browser.get("/staff/second-looks/").text
    assert page.count(">Approve</button>") == 1 and "<ins>https://changed.example</ins>" in page
    assert ada.browser.post(f"/staff/second-looks/{act_of(desk, life)}/approve").status_code == 303
    assert state_of(desk, life) is ReviewState.APPROVED
    assert (
        f'(<span class="ls-foreign">{life.app.view.name}</span>): approved by'
        in ada.browser.get("/staff/second-looks/").text
    )


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
