"""Mails about deliveries that apps do not see in time: who gets them, of what, and never twice."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir.loading import freshness, freshness_mails
from fhir.loading.tables import FhirLoad
from service.clock import now
from service.days import business_day_after
from service.db import make_sessions
from service.mail import OutboxMail
from service.plan.models import PlanStaff, StaffRole
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.conftest import MovableClock
from tests.factories import make_account, make_plan_staff


@pytest.fixture
def administrator(session: Session) -> PlanStaff:
    make_plan_staff(session, StaffRole.MEMBER_SERVICES, StaffRole.PRIVACY_OFFICER)
    made = make_plan_staff(session, StaffRole.ADMINISTRATOR, account=make_account(session, given_name="Ada"))
    session.commit()
    return made


def begin(session: Session, source: str = "claims") -> FhirLoad:
    load = FhirLoad(source=source, files_digest=source, received_at=now(), started_at=now())
    session.add(load)
    session.commit()
    return load


def told(engine: Engine, settings: Settings) -> list[tuple[str, str]]:
    """To whom the job has written so far about what, after a turn of it and another one."""
    for _ in range(2):
        freshness_mails.run(make_sessions(engine), settings)
    with make_sessions(engine)() as session:
        found = session.scalars(select(OutboxMail).order_by(OutboxMail.id)).all()
        assert {one.template for one in found} <= {"data_freshness"}
        return [(one.recipient, str(one.context["news"])) for one in found]


def until(load: FhirLoad, settings: Settings, part: float) -> float:
    """Seconds from its receipt to a part of its business day."""
    return (business_day_after(load.received_at, settings.plan.timezone) - load.received_at).total_seconds() * part


def test_a_delivery_is_told_of_once_at_four_fifths_of_its_day_and_once_when_it_is_overdue(
    session: Session, engine: Engine, settings: Settings, clock: MovableClock, administrator: PlanStaff
) -> None:
    load, to = begin(session), administrator.account.email
    clock.advance(until(load, settings, 0.79))
    assert told(engine, settings) == []
    clock.advance(until(load, settings, 0.02))
    assert told(engine, settings) == [(to, "due_soon")]
    clock.advance(until(load, settings, 0.2))
    assert told(engine, settings) == [(to, "due_soon"), (to, "overdue")]

    freshness.note(session, load.source, received_at=load.received_at, written=7)
    session.delete(load)
    session.commit()
    assert len(told(engine, settings)) == 2, "that it was late is no news"
    clock.advance(86_400)
    again = begin(session)
    clock.advance(until(again, settings, 1.01))
    assert told(engine, settings)[2:] == [(to, "overdue")], "the next delivery of the source is another"


def test_a_delivery_that_was_late_when_it_was_first_seen_is_told_of_once(
    session: Session, engine: Engine, settings: Settings, clock: MovableClock, administrator: PlanStaff
) -> None:
    freshness.note(session, "labs", received_at=now() - timedelta(days=9), written=1)
    freshness.note(session, "claims", received_at=now(), written=1)
    session.commit()
    assert told(engine, settings) == [(administrator.account.email, "late")]
    assert len(freshness.pressing(session, settings.plan.timezone)) == 1
    clock.advance(8 * 86_400)
    assert freshness.pressing(session, settings.plan.timezone) == [], "a week later it is over"


def test_two_workers_at_once_send_one_mail(
    session: Session, engine: Engine, settings: Settings, clock: MovableClock, administrator: PlanStaff
) -> None:
    load = begin(session)
    clock.advance(until(load, settings, 1.01))
    at_once = Barrier(2)

    def work() -> None:
        at_once.wait(10)
        freshness_mails.run(make_sessions(engine), settings)

    workers = [Thread(target=work) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(30)
    assert told(engine, settings) == [(administrator.account.email, "overdue")]


def test_while_there_is_no_administrator_it_waits_for_the_first(
    session: Session, engine: Engine, settings: Settings, clock: MovableClock
) -> None:
    load = begin(session)
    clock.advance(until(load, settings, 0.9))
    assert told(engine, settings) == []
    made = make_plan_staff(session, StaffRole.ADMINISTRATOR)
    session.commit()
    assert told(engine, settings) == [(made.account.email, "due_soon")]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Hello Ada", "is not visible to apps yet", "is still not visible", "was not visible to apps until")),
        ("es", ("Hola, Ada", "todavía no es visible", "sigue sin ser visible", "no fue visible")),
    ],
)
def test_each_mail_says_which_delivery_and_until_when(
    session: Session, engine: Engine, settings: Settings, clock: MovableClock, administrator: PlanStaff,
    language: str, words: tuple[str, ...],
) -> None:  # fmt: skip
    administrator.account.language = language
    first = begin(session)
    clock.advance(until(first, settings, 0.9))
    told(engine, settings)
    clock.advance(until(first, settings, 0.2))
    freshness.note(session, "labs", received_at=first.received_at, written=1)
    session.commit()
    told(engine, settings)

    soon, overdue, late = letters(session, settings, administrator.account.email)
    for letter, sentence in zip((soon, overdue, late), words[1:], strict=True):
        assert words[0] in letter and sentence in " ".join(letter.split()), letter
        assert f"{settings.base_url}/staff/data-freshness" in letter
    assert "claims" in soon and "claims" in overdue and "labs" in late
