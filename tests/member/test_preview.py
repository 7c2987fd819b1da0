"""The preview on the consent screen: the member's own counts, never wider than what would be granted."""

import pytest
from sqlalchemy import Engine, select

from consent.models import LinkScope
from consent.policy import plan_system
from fhir.loading import ingest
from service.audit import AuditEvent
from service.plan.models import Member
from tests.factories import make_account
from tests.fhir import records
from tests.member.console import Connected
from tests.member.counting import Statements
from tests.member.pages import Reader, form_to, represent
from tests.oauth.desk import Desk

CATEGORY = records.CATEGORY
PARTS = f"patient/Observation.rs?category={CATEGORY}|laboratory patient/Observation.rs?category={CATEGORY}|vital-signs"


@pytest.fixture
def loaded(desk: Desk, engine: Engine) -> Desk:
    mine = desk.member.patient_id
    resources = [*records.shared(), *records.record_of(mine), *records.record_of("other-patient")]
    resources.append(records.observation(f"lab-2-{mine}", mine, effectiveDateTime="2026-03-09"))
    assert ingest.load_resources(engine, resources, access=plan_system("tests")).rejected == 0
    return desk


def preview_rows(desk: Desk) -> list[AuditEvent]:
    with desk.session() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.tag == "consent:preview:count")))


def test_counts_are_the_members_own_without_very_personal_topics(loaded: Desk) -> None:
    page = Reader(loaded, loaded.account).ask(loaded.register()).text

    # Of four claims one is about alcohol, and of another member there are as many.
    assert "3 records today, the newest of Mar 10, 2026." in page
    assert "3 records today, the newest of Mar 9, 2026." in page
    assert "1 record today, the newest of Jan 1, 2024." in page and "No records today." in page
    (row,) = preview_rows(loaded)
    assert (row.member_id, row.account_id, row.grant_id) == (loaded.member.id, loaded.account.id, None)
    assert row.count == 3 + 3 + 1 + 1


def test_parts_have_boxes_and_counts_of_their_own(loaded: Desk) -> None:
    rosa, app = Reader(loaded, loaded.account), loaded.register()
    page = rosa.ask(app, scope=f"openid offline_access {PARTS}")
    form = form_to(page.text, "/consent")

    assert form.ticked("part") == ["Observation-laboratory", "Observation-vital-signs"]
    assert "3 records today" in page.text and "2 records today, the newest of Mar 9" in page.text
    assert "1 record today, the newest of Feb 3, 2026." in page.text
    rosa.allow(page, part=["Observation-vital-signs", "Observation-forged", "Condition-laboratory"])

    granted = Connected(loaded, rosa, app, {}).grant.scopes
    assert granted == f"openid offline_access patient/Observation.rs?category={CATEGORY}|vital-signs"


def test_of_a_type_that_was_asked_for_whole_a_part_may_be_left_out(loaded: Desk) -> None:
    rosa, app = Reader(loaded, loaded.account), loaded.register()
    page = rosa.ask(app, scope="openid offline_access patient/Observation.rs patient/Coverage.rs")
    form = form_to(page.text, "/consent")
    every = form.ticked("part")
    assert len(every) == 5 and "Share only some of it" in page.text
    assert "2 records today, the newest of Mar 9" in page.text and "1 record today, the newest of Feb 3" in page.text
    whole = Reader(loaded, loaded.account)
    whole.allow(whole.ask(other := loaded.register(), scope="openid patient/Observation.rs"))
    assert Connected(loaded, whole, other, {}).grant.scopes == "openid patient/Observation.rs"

    rosa.allow(page, part=["Observation-vital-signs"])
    left = Connected(loaded, rosa, app, {}).grant.scopes
    assert left == f"openid offline_access patient/Coverage.rs patient/Observation.rs?category={CATEGORY}|vital-signs"


def test_no_part_ticked_is_nothing_ticked(loaded: Desk) -> None:
    rosa = Reader(loaded, loaded.account)
    answer = rosa.allow(rosa.ask(loaded.register(), scope=PARTS), part=[])
    assert answer.status_code == 400 and "Check at least one type" in answer.text


def test_only_what_is_asked_and_within_the_right_is_counted(loaded: Desk) -> None:
    with loaded.session() as session:
        dana = make_account(session)
        member = session.get_one(Member, loaded.member.id)
    represent(loaded, dana, member, scope=LinkScope.CLAIMS_ONLY)
    reader = Reader(loaded, dana)
    page = reader.choose(reader.ask(loaded.register()), loaded.member).text

    (row,) = preview_rows(loaded)
    assert row.count == 3 + 1 and row.link_id is not None
    assert "Test results" not in page

    Reader(loaded, loaded.account).ask(loaded.register(), scope="openid fhirUser")
    assert len(preview_rows(loaded)) == 1, "an app that gets nothing is shown nothing"


def test_all_types_and_parts_are_counted_in_one_statement(loaded: Desk, engine: Engine) -> None:
    rosa = Reader(loaded, loaded.account)
    page = rosa.ask(loaded.register(), scope=f"{PARTS} patient/Coverage.rs")
    request_id = form_to(page.text, "/consent").fields["request"]
    counted = Statements(engine)
    rosa.get(f"/consent?request={request_id}")
    assert len([text for text in counted.said if "FROM resource" in text]) == 1
