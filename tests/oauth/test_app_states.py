"""What each state of an app does: every cell of the table, in both modes; and the table in the docs."""

import pytest
from sqlalchemy import select

from consent.models import Grant
from oauth.apps import admission, disabling, own_apps, reviews
from oauth.apps.admission import EFFECTS, ORGANIZATION_DISABLED, Effects, Where
from oauth.apps.clients import NoSuchClient
from oauth.apps.models import ReviewState
from oauth.apps.reviews import ReviewRefused
from service.settings import Settings
from tests.conftest import ROOT
from tests.oauth.desk import Desk
from tests.oauth.life import Life, production

ROWS: list[tuple[ReviewState, bool, Effects]] = [
    *((state, True, effects) for state, effects in EFFECTS.items()),
    (ReviewState.APPROVED, False, ORGANIZATION_DISABLED), (ReviewState.DRAFT, False, ORGANIZATION_DISABLED),
    (ReviewState.SUSPENDED, False, ORGANIZATION_DISABLED), (ReviewState.RETIRED, False, EFFECTS[ReviewState.RETIRED]),
]  # fmt: skip
NAMES = {
    ReviewState.DRAFT: "draft", ReviewState.SUBMITTED: "submitted",
    ReviewState.MORE_INFORMATION: "more information needed", ReviewState.DECLINED: "declined",
    ReviewState.APPROVED: "approved", ReviewState.SUSPENDED: "suspended", ReviewState.RETIRED: "retired",
}  # fmt: skip


def mode(desk: Desk, *, sandbox: bool) -> Settings:
    return desk.settings if sandbox else production(desk.settings)


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "production"])
@pytest.mark.parametrize(
    ("state", "stands", "effects"), ROWS, ids=[f"{state}{'' if stands else '-disabled'}" for state, stands, _ in ROWS]
)
def test_each_state_does_what_the_table_says(
    desk: Desk, state: ReviewState, stands: bool, effects: Effects, sandbox: bool
) -> None:
    life = Life.begin(desk, mode(desk, sandbox=sandbox))
    code = desk.agree(life.app)
    tokens = desk.connect(life.app)

    life.to(state)
    if not stands:
        life.disable_organization()

    def holds(where: Where) -> bool:
        return where.holds(sandbox=sandbox)

    begun = desk.authorize(desk.app.test_client(), life.app)
    assert begun.status_code == (303 if holds(effects.authorize) else 400)
    assert desk.works(tokens["access_token"]) is holds(effects.read)
    refused = {400, 401}
    assert (desk.refresh(life.app, tokens["refresh_token"]).status_code not in refused) is holds(effects.refresh)
    assert (desk.exchange(code).status_code not in refused) is holds(effects.exchange)
    with desk.session() as session:
        listed = [view.id for view in admission.list_listed(session)]
        assert (life.app.id in listed) is holds(effects.listed)
        grant = session.scalar(select(Grant).where(Grant.client_id == life.app.id))
        assert grant is not None and (grant.ended_at is None) is (state is not ReviewState.RETIRED)
    assert may_edit(desk, life) is holds(effects.edit)


def may_edit(desk: Desk, life: Life) -> bool:
    with desk.session() as session:
        try:
            life.propose(session, website="https://new.example")
        except ReviewRefused:
            session.rollback()
            return False
    return True


def test_the_table_in_the_docs_is_the_one_that_is_tested() -> None:
    told = (ROOT / "docs" / "app-states.md").read_text().splitlines()
    for name, effects in [
        *((NAMES[state], row) for state, row in EFFECTS.items()),
        ("any, organization disabled", ORGANIZATION_DISABLED),
    ]:
        cells = (
            name, effects.authorize, effects.exchange, effects.refresh, effects.read, effects.grants, effects.listed,
            effects.edit,
        )  # fmt: skip
        assert f"| {' | '.join(cells)} |" in told, name


def test_every_state_of_an_app_has_a_row() -> None:
    assert set(EFFECTS) == set(ReviewState) - {ReviewState.REPLACED, ReviewState.DROPPED}


def test_a_reinstated_app_reads_on_with_its_old_tokens_and_an_enabled_organization_too(desk: Desk) -> None:
    life = Life.begin(desk, production(desk.settings))
    token = desk.connect(life.app)["access_token"]
    life.to(ReviewState.SUSPENDED)
    assert not desk.works(token)
    with desk.session() as session:
        reviews.reinstate(session, life.app.id, reason="mended", settings=life.settings)
    assert desk.works(token)
    life.disable_organization()
    assert not desk.works(token)
    with desk.session() as session:
        organization = life.developer(session).organization
        disabling.enable(session, organization, reason="known now", settings=life.settings, by_account_id=None)
    assert desk.works(token)


def test_another_organizations_app_is_not_there(desk: Desk) -> None:
    mine, other = Life.begin(desk, desk.settings), Life.begin(desk, desk.settings)
    with desk.session() as session, pytest.raises(NoSuchClient):
        own_apps.get(session, mine.developer(session), other.app.id)
    with desk.session() as session, pytest.raises(NoSuchClient):
        own_apps.describe(
            session, mine.developer(session), other.app.id, description="x", contact="x@example.org", platforms=()
        )
