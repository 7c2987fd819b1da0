"""The life of an app: each step, its refusals, its notices and history, versions, four eyes, quotas."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import admission, approval, clients, developers, own_apps, review_clock, reviews
from oauth.apps.clients import Attestation, ClientRefused, ClientStatus
from oauth.apps.models import AppReviewEvent, DeclineReason, ReviewState, ReviewStep
from oauth.apps.own_apps import TooManyApps
from oauth.apps.reviews import AnswerAwaited, AppealedAlready, NotComplete, WrongState
from service.audit import AuditEvent
from service.plan.models import StaffRole
from service.plan.staff import second_looks
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import ActOver, AlreadyAsked, OwnAct, SecondLookRefused
from tests.accounts.visitor import letters
from tests.conftest import MovableClock
from tests.factories import make_app, make_developer, make_plan_staff
from tests.oauth.desk import Desk
from tests.oauth.life import Life, production

STEPS: dict[ReviewStep, tuple[Callable[[Life, Session], object], frozenset[ReviewState]]] = {
    ReviewStep.SUBMIT: (Life.submit, frozenset({ReviewState.DRAFT})),
    ReviewStep.WITHDRAW: (
        lambda life, session: reviews.withdraw(session, life.latest(session), by_account_id=life.developer_id),
        frozenset({ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION}),
    ),
    ReviewStep.ASK: (Life.ask, frozenset({ReviewState.SUBMITTED})),
    ReviewStep.ANSWER: (
        lambda life, session: reviews.answer(
            session, life.latest(session), by_account_id=life.developer_id, answer="We do."
        ),
        frozenset({ReviewState.MORE_INFORMATION}),
    ),
    ReviewStep.DECLINE: (Life.decline, frozenset({ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION})),
    ReviewStep.APPEAL: (
        lambda life, session: reviews.appeal(
            session, life.latest(session), by_account_id=life.developer_id, grounds="The page is there."
        ),
        frozenset({ReviewState.DECLINED}),
    ),
    ReviewStep.SUSPEND: (Life.suspend, frozenset({ReviewState.APPROVED})),
    ReviewStep.REINSTATE: (
        lambda life, session: reviews.reinstate(session, life.app.id, reason="mended", settings=life.settings),
        frozenset({ReviewState.SUSPENDED}),
    ),
    ReviewStep.RETIRE: (Life.retire, frozenset(admission.EFFECTS) - {ReviewState.RETIRED}),
}  # fmt: skip


@pytest.mark.parametrize("state", list(admission.EFFECTS))
def test_each_step_is_taken_from_its_states_only(desk: Desk, state: ReviewState) -> None:
    life = Life.begin(desk, production(desk.settings)).to(state)
    for step, (take, from_states) in STEPS.items():
        with desk.session() as session:
            if state not in from_states:
                with pytest.raises(WrongState):
                    take(life, session)
            else:
                take(life, session)
                assert reviews.history(session, life.app.id)[0].step is step
            session.rollback()


def test_approval_takes_two_people_at_the_same_version(desk: Desk) -> None:
    life = Life.begin(desk, production(desk.settings)).to(ReviewState.SUBMITTED)
    with desk.session() as session:
        assert clients.get(session, life.app.id).status is ClientStatus.PENDING
        first, second = life.staff(session, 0), life.staff(session, 1)
        act = life.first_look(session)
        with pytest.raises(AlreadyAsked):
            approval.first_look(session, life.latest(session), by=second, reason="checked")
        with pytest.raises(OwnAct):
            approval.second_look(session, act, by=first, settings=life.settings)
        assert clients.get(session, life.app.id).status is ClientStatus.PENDING
        approval.second_look(session, act, by=second, settings=life.settings)
        assert clients.get(session, life.app.id).status is ClientStatus.APPROVED
        with pytest.raises(SecondLookRefused):
            approval.second_look(session, act, by=second, settings=life.settings)


def test_what_changed_after_the_first_look_is_not_approved(desk: Desk) -> None:
    life = Life.begin(desk, production(desk.settings)).to(ReviewState.SUBMITTED)
    with desk.session() as session:
        act = life.first_look(session)
    with desk.session() as session:
        reviews.withdraw(session, life.latest(session), by_account_id=life.developer_id)
        life.propose(session, name="Something Else Entirely")
        life.submit(session)
    with desk.session() as session, pytest.raises(approval.NotToBeApproved):
        approval.second_look(session, act, by=life.staff(session, 1), settings=life.settings)


def test_an_approval_does_not_end_a_suspension(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    with desk.session() as session:
        life.propose(session, name="Another Diary")
    with desk.session() as session:
        life.submit(session)
    with desk.session() as session:
        asked = life.first_look(session).id
    with desk.session() as session:
        life.suspend(session)
    with desk.session() as session:
        act = second_looks.get(session, asked)
        approval.second_look(session, act, by=life.staff(session, 1), settings=desk.settings)
    with desk.session() as session:
        view = clients.get(session, life.app.id)
        assert (view.name, view.status) == ("Another Diary", ClientStatus.SUSPENDED)
        assert admission.versions_of(session, life.app.id).state is ReviewState.SUSPENDED
        reviews.reinstate(session, life.app.id, reason="mended", settings=desk.settings)
        assert clients.get(session, life.app.id).is_approved


def test_an_approval_lapses(desk: Desk, clock: MovableClock) -> None:
    life = Life.begin(desk, production(desk.settings)).to(ReviewState.SUBMITTED)
    with desk.session() as session:
        act = life.first_look(session)
    clock.advance(48 * 3600 + 1)
    with desk.session() as session, pytest.raises(ActOver):
        approval.second_look(session, act, by=life.staff(session, 1), settings=life.settings)


def test_nobody_of_the_plan_decides_on_an_app_of_their_own_organization(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.SUBMITTED)
    with desk.session() as session:
        account = life.developer(session).account
        own = make_plan_staff(session, StaffRole.APP_REVIEWER, account=account)
        with pytest.raises(NotOneself):
            approval.first_look(session, life.latest(session), by=own, reason="mine")
        with pytest.raises(NotOneself):
            reviews.ask_more(session, life.latest(session), by_account_id=account.id, question="?")
        with pytest.raises(NotOneself):
            reviews.decline(
                session, life.latest(session), by_account_id=account.id, reason=DeclineReason.SECURITY_RISK,
                explanation="x",
            )  # fmt: skip
        act = life.first_look(session)
        with pytest.raises(NotOneself):
            approval.second_look(session, act, by=own, settings=life.settings)


def test_a_new_version_waits_while_the_approved_one_works(desk: Desk) -> None:
    life = Life.begin(desk, production(desk.settings)).to(ReviewState.APPROVED)
    token = desk.connect(life.app)["access_token"]
    with desk.session() as session:
        waiting = life.propose(session, redirect_uris=("https://new.example/cb",), name="Claim Beacon")
        assert waiting.number == 2 and waiting.state is ReviewState.DRAFT
        assert life.propose(session, name="Claim Beacon Two").id == waiting.id
        now_said = clients.get(session, life.app.id)
        assert now_said.redirect_uris == ("https://app.example.org/callback",) and now_said.name != "Claim Beacon Two"
        changed = {change["what"]: change["after"] for change in approval.changes_of(session, waiting)}
        assert changed == {"Name": "Claim Beacon Two", "Redirect addresses": "https://new.example/cb"}
    assert desk.works(token)
    assert desk.authorize(desk.app.test_client(), life.app, redirect_uri="https://new.example/cb").status_code == 400
    with desk.session() as session:
        life.submit(session)
        with pytest.raises(WrongState):
            life.propose(session, name="Once More")
    with desk.session() as session:
        life.approve(session)
        said = clients.get(session, life.app.id)
        assert said.redirect_uris == ("https://new.example/cb",) and said.name == "Claim Beacon Two"
        assert admission.versions_of(session, life.app.id).standing == life.latest(session)
    assert desk.works(token)
    assert desk.authorize(desk.app.test_client(), life.app).status_code == 400


def test_a_version_that_is_declined_or_dropped_leaves_the_approved_one_alone(desk: Desk) -> None:
    life = Life.begin(desk, production(desk.settings)).to(ReviewState.APPROVED)
    for end in (Life.decline, lambda life, session: reviews.drop(
        session, life.latest(session), by_account_id=life.developer_id
    )):  # fmt: skip
        with desk.session() as session:
            life.propose(session, website="https://other.example")
            life.submit(session)
            end(life, session)
            assert clients.get(session, life.app.id).is_approved
            assert admission.versions_of(session, life.app.id).state is ReviewState.APPROVED
    with desk.session() as session:
        # The declined second version counts on beside the first; the dropped third does not.
        assert life.latest(session).number == 2 and life.versions(session) == 3


def test_a_first_version_cannot_be_dropped(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings)
    with desk.session() as session, pytest.raises(WrongState):
        reviews.drop(session, life.latest(session), by_account_id=life.developer_id)


def test_a_decline_is_appealed_once_and_after_it_a_new_version_may_come(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.DECLINED)
    with desk.session() as session:
        reviews.appeal(session, life.latest(session), by_account_id=life.developer_id, grounds="The page is there.")
        assert life.latest(session).state is ReviewState.SUBMITTED
        life.decline(session, number=1)
        with pytest.raises(AppealedAlready):
            reviews.appeal(session, life.latest(session), by_account_id=life.developer_id, grounds="Again.")
        assert life.propose(session, policy_uri="https://lantern.example/policy").number == 2
        life.submit(session)
        life.approve(session)
        assert admission.versions_of(session, life.app.id).state is ReviewState.APPROVED


def test_silence_is_a_ground_sixty_days_after_the_question_and_no_sooner(desk: Desk, clock: MovableClock) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.SUBMITTED)

    def is_ground() -> bool:
        with desk.session() as session:
            return DeclineReason.NO_ANSWER in reviews.grounds_of(session, life.latest(session))

    def decline_for_silence() -> None:
        with desk.session() as session:
            by, why = life.staff(session, 0).account_id, DeclineReason.NO_ANSWER
            reviews.decline(session, life.latest(session), by_account_id=by, reason=why, explanation="No word came.")

    def refuses() -> bool:
        with pytest.raises(AnswerAwaited):
            decline_for_silence()
        return not is_ground()

    clock.advance(61 * 86_400)
    assert refuses(), "nothing was asked"
    with desk.session() as session:
        life.ask(session)
    clock.advance(59 * 86_400)
    assert refuses()
    with desk.session() as session:
        reviews.answer(session, life.latest(session), by_account_id=life.developer_id, answer="We do.")
    clock.advance(2 * 86_400)
    assert refuses(), "it was answered"
    with desk.session() as session:
        life.ask(session)
    clock.advance(59 * 86_400)
    assert refuses(), "the question before was answered"
    clock.advance(86_400)
    assert is_ground()
    decline_for_silence()
    with desk.session() as session:
        assert life.latest(session).state is ReviewState.DECLINED


def test_an_app_that_lacks_something_is_not_submitted(desk: Desk) -> None:
    life = Life.begin(
        desk, desk.settings, description="", policy_uri=None, contact=None, scopes="openid patient/*.rs",
        scope_reasons={"openid": "To know who it is."},
    )  # fmt: skip
    with desk.session() as session, pytest.raises(NotComplete) as refusal:
        life.submit(session)
    assert refusal.value.missing == (
        "a description in plain words", "the address of the privacy policy", "a support contact",
        "a reason for each scope",
    )  # fmt: skip


def test_a_no_to_the_privacy_policy_is_a_fact_and_never_a_ground(desk: Desk) -> None:
    life = Life.begin(desk, production(desk.settings))
    with desk.session() as session:
        own_apps.attest(session, life.developer(session), life.app.id, agrees=False, version="2026-01")
    life.to(ReviewState.APPROVED)
    with desk.session() as session:
        app = clients.get(session, life.app.id)
        assert app.attestation is Attestation.DECLINED and app.attestation_version == "2026-01" and app.attested_on
        assert app.is_approved
    assert not [reason for reason in DeclineReason if "attest" in reason or "policy" in reason]


def test_developers_are_told_without_the_reason_and_the_history_has_it(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.SUSPENDED)
    with desk.session() as session:
        address = life.developer(session).account.email
    told = letters(session, desk.settings, address)
    with desk.session() as session:
        assert [("was submitted" in one, "was approved" in one, "was suspended" in one) for one in told] == [
            (True, False, False), (False, True, False), (False, False, True),
        ]  # fmt: skip
        assert all(f"/developers/apps/{life.app.id}" in one and "a report" not in one for one in told)
        newest = reviews.history(session, life.app.id)[0]
        assert newest.step is ReviewStep.SUSPEND and newest.words == "a report"
        tags = session.scalars(select(AuditEvent.tag).where(AuditEvent.client_id == life.app.id)).all()
        assert {f"oauth:app_review:{step}" for step in ("register", "submit", "approve", "suspend")} <= set(tags)


def test_the_words_of_developers_stay_out_of_the_audit_stream(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.MORE_INFORMATION)
    with desk.session() as session:
        reviews.answer(session, life.latest(session), by_account_id=life.developer_id, answer="We run it ourselves.")
        told = session.scalars(select(AppReviewEvent.words).where(AppReviewEvent.step == ReviewStep.ANSWER)).all()
        assert told == ["We run it ourselves."]
        reasons = session.scalars(select(AuditEvent.reason).where(AuditEvent.client_id == life.app.id)).all()
        assert "We run it ourselves." not in reasons and "Who runs the server?" in reasons


def test_the_clock_tells_since_when_and_how_long_it_usually_takes(desk: Desk, clock: MovableClock) -> None:
    waiting = Life.begin(desk, desk.settings)
    with desk.session() as session:
        assert review_clock.read(session, waiting.latest(session)) is None
    waiting.to(ReviewState.SUBMITTED)
    for days in (1, 3, 8):
        other = Life.begin(desk, desk.settings).to(ReviewState.SUBMITTED)
        clock.advance(days * 86_400 - 60)
        with desk.session() as session:
            other.approve(session)
    with desk.session() as session:
        told = review_clock.read(session, waiting.latest(session))
        assert told is not None and told.days_so_far == 11 and told.usual_days == 3
        waiting.approve(session)
        assert review_clock.read(session, waiting.latest(session)) is None


def test_a_name_that_was_taken_meanwhile_is_not_approved(desk: Desk) -> None:
    life = Life.begin(desk, production(desk.settings)).to(ReviewState.APPROVED)
    with desk.session() as session:
        life.propose(session, name="Claim Beacon")
        life.submit(session)
        make_app(session, make_developer(session), desk.settings, name="CIaim Beacon")
    with desk.session() as session:
        act = life.first_look(session)
        with pytest.raises(approval.RulesRefuse):
            approval.second_look(session, act, by=life.staff(session, 1), settings=life.settings)


def test_case_165_an_organization_has_twenty_unapproved_apps_at_most(desk: Desk, clock: MovableClock) -> None:
    with desk.session() as session:
        developer = make_developer(session)
        for _ in range(own_apps.MOST_UNAPPROVED):
            first, _secret = make_app(session, developer, desk.settings)
        with pytest.raises(TooManyApps):
            make_app(session, developer, desk.settings)
    clock.advance(86_401)
    with desk.session() as session:
        developer = session.merge(developer)
        with pytest.raises(TooManyApps):
            make_app(session, developer, desk.settings)
        reviews.retire(session, first.id, reason="unused", settings=desk.settings, by_account_id=developer.account_id)
        make_app(session, developer, desk.settings)


def test_case_165_registering_and_retiring_in_turn_ends_too(desk: Desk) -> None:
    with desk.session() as session:
        developer = make_developer(session)
        for _ in range(own_apps.PER_DAY):
            made, _secret = make_app(session, developer, desk.settings)
            reviews.retire(session, made.id, reason="x", settings=desk.settings, by_account_id=developer.account_id)
        with pytest.raises(TooManyApps):
            make_app(session, developer, desk.settings)


def test_a_disabled_organization_registers_and_changes_nothing(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings)
    life.disable_organization()
    with desk.session() as session, pytest.raises(own_apps.OrganizationDisabled):
        make_app(session, life.developer(session), desk.settings)
    with desk.session() as session, pytest.raises(own_apps.OrganizationDisabled):
        own_apps.rotate_secret(session, life.developer(session), life.app.id)


def test_an_account_belongs_to_one_organization(desk: Desk) -> None:
    with desk.session() as session:
        developer = make_developer(session)
        with pytest.raises(developers.IsDeveloper):
            make_developer(session, developer.account)
        assert developers.find(session, developer.account_id) == developer
        assert developers.find(session, "nobody") is None


def test_case_061_id_tokens_signed_otherwise_are_refused_at_registration(desk: Desk) -> None:
    for algorithm in ("none", "HS256", "ES256", "", "rs256"):
        with pytest.raises(ClientRefused):
            desk.register(id_token_signed_response_alg=algorithm)
    desk.register(id_token_signed_response_alg="RS256")
