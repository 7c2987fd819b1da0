"""Payments of payees that nobody knows: they wait for plan staff, and are given to exactly one group."""

from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.logins.reach import GroupReach
from service.plan.models import ProviderGroup, Remittance
from service.plan.remittances import payees, remittance_files, remittance_search
from service.plan.remittances.remittance_search import Wanted
from tests.factories import make_account, make_group
from tests.plan.era import Interchange, transaction


@pytest.fixture
def waiting(session: Session, tmp_path: Path) -> Remittance:
    """A payment to somebody unknown."""
    remittance_files.load_file(session, Interchange().write(tmp_path))
    return session.scalars(select(Remittance)).one()


def test_what_is_unassigned_waits_page_by_page(session: Session, tmp_path: Path) -> None:
    sets = [transaction(number=f"EFT{number}") for number in range(5)]
    remittance_files.load_file(session, Interchange(sets).write(tmp_path))

    first = payees.unassigned(session, limit=3)
    second = payees.unassigned(session, limit=3, after=first.rows[-1].id)

    assert (first.more, second.more) == (True, False)
    assert len({row.id for row in (*first.rows, *second.rows)}) == 5


def test_an_assigned_payment_is_its_group_s_and_leaves_the_queue(session: Session, waiting: Remittance) -> None:
    group, other, clerk = make_group(session), make_group(session), make_account(session)

    payees.assign(session, waiting, group, by_account_id=clerk.id)

    def hits(one: ProviderGroup) -> int:
        return len(remittance_search.search(session, [GroupReach(one.id, None)], Wanted(number="EFT1")).found)

    assert (hits(group), hits(other)) == (1, 0)
    assert payees.unassigned(session).rows == []
    row = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:remittance:assign")).one()
    assert row.account_id == clerk.id and row.detail == {"remittance": waiting.id, "group": group.id}
    with pytest.raises(payees.UnknownRemittance):
        payees.get_unassigned(session, waiting.id)
    with pytest.raises(payees.AlreadyAssigned):
        payees.assign(session, waiting, other, by_account_id=clerk.id)


def test_of_two_people_who_assign_at_one_time_one_wins(engine: Engine, session: Session, waiting: Remittance) -> None:
    groups, clerk = [make_group(session), make_group(session)], make_account(session)
    session.commit()
    together, won, lost = Barrier(2), [], []

    def assign(group: ProviderGroup) -> None:
        with make_sessions(engine)() as own:
            together.wait()
            try:
                payees.assign(own, own.get_one(Remittance, waiting.id), group, by_account_id=clerk.id)
                own.commit()
                won.append(group.id)
            except payees.AlreadyAssigned:
                lost.append(group.id)

    threads = [Thread(target=assign, args=(group,)) for group in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    session.refresh(waiting)
    assert len(won) == len(lost) == 1 and waiting.group_id == won[0]


@pytest.mark.parametrize("number", ["071234501", "07-1234501", "2900179195", "v100001", "PG77", "pg77"])
def test_staff_find_the_group_by_any_of_its_numbers(session: Session, number: str) -> None:
    group = make_group(session, number="PG77", tax_id="071234501", npi="2900179195", vendor_number="V100001")
    make_group(session)

    assert payees.candidates(session, number) == [group]


@pytest.mark.parametrize("number", ["", "%", "Alder Creek", "0" * 70])
def test_no_number_finds_no_group(session: Session, number: str) -> None:
    make_group(session, legal_name="Alder Creek")

    assert payees.candidates(session, number) == []
