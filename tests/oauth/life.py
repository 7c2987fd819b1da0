"""An app of a developer, brought to any state by the verbs that people's steps call."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from oauth.apps import admission, approval, clients, disabling, own_apps, review_checks, reviews
from oauth.apps.app_content import AppContent
from oauth.apps.models import AppReview, CheckAnswer, DeclineReason, Developer, ReviewState
from service.plan.models import PendingAct, PlanStaff, StaffRole
from service.settings import Mode, Settings
from tests.factories import make_app, make_developer, make_plan_staff
from tests.oauth.desk import App, Desk


def production(settings: Settings) -> Settings:
    """The same installation, in production."""
    return replace(settings, mode=Mode.PRODUCTION)


def approve_latest(session: Session, client_id: str, settings: Settings) -> None:
    """Two people of the plan answer the check-list and say yes to the version that waits."""
    first, second = (make_plan_staff(session, StaffRole.APP_REVIEWER) for _ in range(2))
    review = admission.versions_of(session, client_id).latest
    answer_checks(session, review, by=first)
    act = approval.first_look(session, review, by=first, reason="Looked at.")
    approval.second_look(session, act, by=second, settings=settings)


def answer_checks(session: Session, review: AppReview, *, by: PlanStaff) -> None:
    """Answer every question of the check-list with yes."""
    found = {one.key: (CheckAnswer.YES, "") for one in review_checks.asked_of(session, review.client_id)}
    review_checks.answer(session, review, found, by=by)


@dataclass
class Life:
    """One app from its registration on; the session is the desk's at each step."""

    desk: Desk
    settings: Settings
    app: App
    developer_id: str
    reviewers: tuple[str, str]

    @classmethod
    def begin(cls, desk: Desk, settings: Settings, **given: object) -> "Life":
        """Register an app, a draft that works (whatever `settings` say) until `to` brings it somewhere."""
        with desk.session() as session:
            developer = make_developer(session)
            view, secret = make_app(session, developer, desk.settings, **given)
            staff = (_reviewer(session), _reviewer(session))
            return cls(desk, settings, App(view, secret), developer.account_id, staff)

    def developer(self, session: Session) -> Developer:
        """Whose app it is."""
        return session.get_one(Developer, self.developer_id)

    def latest(self, session: Session) -> AppReview:
        """The latest version."""
        return admission.versions_of(session, self.app.id).latest

    def staff(self, session: Session, number: int) -> PlanStaff:
        """A reviewer."""
        return session.get_one(PlanStaff, self.reviewers[number])

    def to(self, state: ReviewState) -> "Life":
        """Bring it from draft to this state."""
        for step in _WAYS[state]:
            with self.desk.session() as session:
                step(self, session)
        with self.desk.session() as session:
            client = clients.lock(session, self.app.id)
            admission.settle(session, client, sandbox=self.settings.sandbox, reason="the test's mode")
            assert admission.versions_of(session, self.app.id).state is state
        return self

    def disable_organization(self) -> None:
        """The plan shuts the developer organisation out."""
        with self.desk.session() as session:
            organization = self.developer(session).organization
            disabling.disable(session, organization, reason="unknown", settings=self.settings, by_account_id=None)

    def submit(self, session: Session) -> None:
        reviews.submit(session, self.latest(session), by_account_id=self.developer_id)

    def ask(self, session: Session) -> None:
        by = self.staff(session, 0).account_id
        reviews.ask_more(session, self.latest(session), by_account_id=by, question="Who runs the server?")

    def decline(self, session: Session, number: int = 0) -> None:
        by = self.staff(session, number).account_id
        reviews.decline(
            session, self.latest(session), by_account_id=by, reason=DeclineReason.PAGES_MISSING, explanation="404"
        )

    def check(self, session: Session) -> None:
        """Answer every question of the check-list with yes."""
        answer_checks(session, self.latest(session), by=self.staff(session, 0))

    def first_look(self, session: Session) -> PendingAct:
        """The first yes, over a check-list of yeses."""
        self.check(session)
        return approval.first_look(session, self.latest(session), by=self.staff(session, 0), reason="checked")

    def approve(self, session: Session) -> None:
        act = self.first_look(session)
        approval.second_look(session, act, by=self.staff(session, 1), settings=self.settings)

    def suspend(self, session: Session) -> None:
        reviews.suspend(session, self.app.id, reason="a report", settings=self.settings)

    def retire(self, session: Session) -> None:
        reviews.retire(session, self.app.id, reason="over", settings=self.settings, by_account_id=self.developer_id)

    def propose(self, session: Session, **changed: object) -> AppReview:
        content = AppContent.read(self.latest(session).content)
        return own_apps.propose(
            session, self.developer(session), self.app.id, replace(content, **changed),  # type: ignore[arg-type]
            settings=self.settings,
        )  # fmt: skip

    def versions(self, session: Session) -> int:
        found = select(func.count()).select_from(AppReview).where(AppReview.client_id == self.app.id)
        return session.scalars(found).one()


_APPROVED = (Life.submit, Life.approve)
_WAYS: dict[ReviewState, tuple[Callable[[Life, Session], None], ...]] = {
    ReviewState.DRAFT: (),
    ReviewState.SUBMITTED: (Life.submit,),
    ReviewState.MORE_INFORMATION: (Life.submit, Life.ask),
    ReviewState.DECLINED: (Life.submit, Life.decline),
    ReviewState.APPROVED: _APPROVED,
    ReviewState.SUSPENDED: (*_APPROVED, Life.suspend),
    ReviewState.RETIRED: (*_APPROVED, Life.retire),
}


def _reviewer(session: Session) -> str:
    return make_plan_staff(session, StaffRole.APP_REVIEWER).id
