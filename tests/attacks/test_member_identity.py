"""security.md, cases 67 and 68: a record is joined to the right person, or to nobody."""

from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent.models import RepresentativeLink
from consent.policy import Access, plan_system
from fhir.loading import ingest
from fhir.merges import merging
from service.accounts.models import Account
from service.plan.members import roster
from service.plan.models import Member
from tests.attacks.test_fhir_other_peoples_data import shape
from tests.factories import make_account, make_member
from tests.fhir import records
from tests.fhir.conftest import Api, connect, loaded, system
from tests.oauth.desk import Desk

__all__ = ["connect", "loaded", "system"]
_ID = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d"
NEAR = {
    "last character": _ID[:-1] + "e",
    "case": _ID.upper(),
    "case of one letter": _ID[:-1] + "D",
    "leading zero": _ID[1:],
    "another leading zero": "0" + _ID,
    "96 of 128 bits": _ID[:28] + "00000000",
    "end cut off": _ID[:-1],
    "full stop": _ID + ".",
}
BORN = date(1956, 4, 30)


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk whose member's FHIR id is `_ID`."""
    made = Desk(app)
    with made.session() as session:
        session.get_one(Member, made.member.id).patient_id = _ID
    made.member.patient_id = _ID
    return made


@pytest.mark.parametrize("near", NEAR.values(), ids=NEAR.keys())
def test_case_067_a_record_whose_id_is_nearly_the_members_is_nobody_s_they_may_see(
    connect: Callable[..., Api], engine: Engine, system: Access, near: str
) -> None:
    api = connect()
    mine = api.ids("ExplanationOfBenefit")
    assert ingest.load_resources(engine, records.record_of(near), access=system).rejected == 0
    assert shape(api.get(f"Patient/{near}")) == shape(api.get("Patient/" + "f" * len(near)))
    assert api.get(f"ExplanationOfBenefit?patient={near}").status_code == 403
    assert api.ids("ExplanationOfBenefit") == mine and api.ids("Patient") == [_ID]
    assert api.get(f"Patient/{_ID}").get_json()["id"] == _ID


def test_case_067_near_numbers_and_ids_are_members_of_their_own(session: Session) -> None:
    numbers = ["0123456789", "123456789", "00123456789", "0123456788", "012345678", "0123456789A", "0123456789-"]
    ids = [_ID, *NEAR.values()][: len(numbers)]
    rows = [_line(one, number) for one, number in zip(ids, numbers, strict=True)]
    assert roster.load(session, rows).added == len(numbers)
    session.commit()
    for one, number in zip(ids, numbers, strict=True):
        found = _proven(session, number)
        assert found is not None and found.patient_id == one and found is roster.find_by_patient(session, one)


@pytest.mark.parametrize("column", ["patient_id", "member_number"])
def test_case_067_the_database_itself_keeps_two_members_from_one_id(session: Session, column: str) -> None:
    first = make_member(session, patient_id="ab-1", member_number="AB1")
    near = make_member(session, patient_id="AB-1", member_number="ab1")
    assert first.id != near.id
    with pytest.raises(IntegrityError):
        make_member(session, **{column: getattr(first, column)})


def test_case_067_a_number_that_differs_by_its_case_only_is_a_collision(session: Session) -> None:
    summary = roster.load(session, [_line("one", "AB123"), _line("two", "ab123"), _line("three", "AB124")])
    assert (summary.added, [problem.line for problem in summary.problems]) == (2, [3])
    assert _proven(session, "ab123") is roster.find_by_patient(session, "one")


def test_case_068_a_number_used_again_joins_nobody(session: Session) -> None:
    member = make_member(session, patient_id="first", member_number="MEM1", birth_date=BORN, zip_code="19104")
    account = make_account(session, member=member)
    session.commit()
    summary = roster.load(session, [_line("second", "MEM1", family="Newman", birth_date="1990-01-02")])
    session.commit()
    assert (summary.added, summary.changed) == (0, 0)
    assert [problem.why for problem in summary.problems] == ["member_id is already another patient's"]
    assert roster.find_by_patient(session, "second") is None
    assert roster.find_by_proof(
        session, member_number="MEM1", family_name="Newman", birth_date=date(1990, 1, 2), zip_code="19104"
    ) is None  # fmt: skip
    assert session.get_one(Account, account.id).member_id == member.id and member.patient_id == "first"


def test_case_068_a_number_handed_on_by_the_plan_leaves_the_account_with_its_person(session: Session) -> None:
    member = make_member(session, patient_id="first", member_number="MEM1", birth_date=BORN, zip_code="19104")
    account = make_account(session, member=member)
    summary = roster.load(session, [_line("first", "MEM2"), _line("second", "MEM1", birth_date="1990-01-02")])
    session.commit()
    assert (summary.changed, summary.added, summary.problems) == (1, 1, [])
    holder = roster.find_by_number(session, "MEM1")
    assert holder is not None and holder.patient_id == "second"
    assert session.scalars(select(Account.id).where(Account.member_id == holder.id)).all() == []
    assert session.get_one(Account, account.id).member_id == member.id
    assert _proven(session, "MEM1") is None


def test_case_068_of_two_members_with_one_name_and_birth_date_the_number_decides(session: Session) -> None:
    assert roster.load(session, [_line("twin-1", "MEM1"), _line("twin-2", "MEM2", zip="15001")]).added == 2
    one, two = (roster.find_by_patient(session, f"twin-{number}") for number in (1, 2))
    assert one is not None and two is not None
    assert roster.find_by_name(session, "LEE", BORN) in ([one, two], [two, one])
    assert _proven(session, "MEM1") is one
    assert _proven(session, "MEM2") is None, "with the other's ZIP code"
    assert _proven(session, "MEM2", zip_code="15001") is two
    assert _proven(session, "") is None and _proven(session, "MEM3") is None


def test_case_068_merging_and_parting_join_nobody(engine: Engine, session: Session, system: Access) -> None:
    roster.load(session, [_line("first", "MEM1"), _line("second", "MEM2")])
    merged, survivor = roster.find_by_patient(session, "second"), roster.find_by_patient(session, "first")
    assert merged is not None and survivor is not None
    accounts = [make_account(session, member=one).id for one in (merged, survivor)]
    session.commit()
    ingest.load_resources(
        engine, [*records.shared(), *records.record_of("first"), *records.record_of("second")], access=system
    )
    joined = [session.get_one(Account, one).member_id for one in accounts]

    merging.merge(session, plan_system("tests"), merged, survivor, reason="one person, two cards")
    session.commit()
    assert _proven(session, "MEM2") is None, "nobody registers under a merged record"
    assert _proven(session, "MEM1") is survivor

    merging.unmerge(session, plan_system("tests"), merged, reason="two people after all")
    session.commit()
    assert _proven(session, "MEM2") is merged and _proven(session, "MEM1") is survivor
    session.expire_all()
    assert [session.get_one(Account, one).member_id for one in accounts] == joined
    assert session.scalars(select(RepresentativeLink)).all() == []


def _line(patient: str, number: str, **given: str) -> dict[str, str]:
    return {
        "patient": patient, "member_id": number, "given": "Ann", "family": "Lee", "birth_date": BORN.isoformat(),
        "zip": "19104",
    } | given  # fmt: skip


def _proven(session: Session, number: str, zip_code: str = "19104") -> Member | None:
    return roster.find_by_proof(
        session, member_number=number, family_name="Lee", birth_date=BORN, zip_code=zip_code
    )  # fmt: skip
