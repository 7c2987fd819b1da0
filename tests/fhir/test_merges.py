"""Two records of one member made one, and parted: data follows, consents end, protection stays."""

from datetime import date

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent import representative_requests, representatives
from consent.models import Basis, LinkScope, PersonalRepresentative, RepresentativeLink
from consent.policy import Access, plan_system
from consent.request_models import RequestState
from fhir import store
from fhir.bulk import groups
from fhir.bulk.models import ProviderAccessOptOut
from fhir.loading import ingest
from fhir.loading.preparation import prepare_resource
from fhir.merges import merging
from fhir.outcomes import NotFound
from fhir.search.query import Search
from fhir.storage import writing
from service.audit import AuditEvent
from service.clock import now
from service.plan.members import roster
from service.plan.models import Member
from tests.cli.test_loading import _flask as flask_command
from tests.factories import make_account, make_member
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api
from tests.oauth.desk import Desk


def ids_of(session: Session, access: Access, patient_id: str, resource_type: str) -> set[str]:
    """The ids of a patient's resources of one type, by their own columns."""
    found = store.search(session, access, Search(resource_type, count=100))
    return {one.id for one in found.matches if f'"Patient/{patient_id}"'.encode() in one.body}


@pytest.fixture
def other(session: Session, loaded: str) -> Member:
    """The member whose record is merged into the desk's member's."""
    made = make_member(session, patient_id=OTHER)
    session.commit()
    return made


def test_the_data_follows_and_comes_back(
    desk: Desk, engine: Engine, session: Session, system: Access, loaded: str, other: Member
) -> None:
    mine = session.get_one(Member, desk.member.id)
    theirs = ids_of(session, system, OTHER, "ExplanationOfBenefit")
    own = ids_of(session, system, loaded, "ExplanationOfBenefit")

    moved = merging.merge(session, plan_system("tests"), other, mine, reason="one person, two cards")
    session.commit()

    assert moved.resources == len(records.record_of(OTHER)) - 1
    assert ids_of(session, system, loaded, "ExplanationOfBenefit") == own | theirs
    assert ids_of(session, system, OTHER, "ExplanationOfBenefit") == set()
    one = sorted(theirs)[0]
    assert store.read(session, system, "ExplanationOfBenefit", one).version == 2
    patient = store.read(session, system, "Patient", OTHER).body
    assert b'"active":false' in patient and b'"replaced-by"' in patient
    assert roster.find_by_number(session, other.member_number) == mine

    session.commit()

    # The source knows nothing of it, and sends what it has once more, and something new.
    again = [*records.record_of(OTHER), records.observation("late", OTHER)]
    summary = ingest.load_resources(engine, again, access=system)
    assert (summary.added, summary.changed) == (1, 0)
    assert "late" in ids_of(session, system, loaded, "Observation")
    session.commit()

    back = merging.unmerge(session, plan_system("tests"), other, reason="two people after all")
    session.commit()
    assert back.resources == moved.resources + 1
    assert ids_of(session, system, OTHER, "ExplanationOfBenefit") == theirs
    assert ids_of(session, system, loaded, "ExplanationOfBenefit") == own
    assert "late" in ids_of(session, system, OTHER, "Observation")
    assert b'"active":true' in store.read(session, system, "Patient", OTHER).body
    tags = list(session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.startswith("plan:member:"))))
    assert tags == ["plan:member:merge"] * 2 + ["plan:member:unmerge"] * 2


def test_an_app_sees_what_moved_and_no_longer_what_went_back(
    api: Api, desk: Desk, session: Session, other: Member
) -> None:
    claim = f"ExplanationOfBenefit/eob-1-{OTHER}"
    mine = session.get_one(Member, desk.member.id)
    session.commit()
    assert api.get(claim).status_code == 404

    merging.merge(session, plan_system("tests"), other, mine, reason="one person")
    session.commit()
    assert api.get(claim).get_json()["patient"]["reference"] == f"Patient/{api.patient_id}"
    assert api.get(f"{claim}/_history/1").status_code == 404
    assert api.get(f"Patient/{OTHER}").status_code == 404

    merging.unmerge(session, plan_system("tests"), other, reason="two people")
    session.commit()
    for path in (claim, f"{claim}/_history", f"{claim}/_history/1", f"{claim}/_history/2", f"{claim}/_history/3"):
        assert api.get(path).status_code == 404, path
    assert api.get("ExplanationOfBenefit").get_json()["entry"]


def test_consents_of_the_merged_record_end_and_do_not_come_back(
    api: Api, desk: Desk, session: Session, other: Member
) -> None:
    mine = session.get_one(Member, desk.member.id)
    person = PersonalRepresentative(given_name="Ann", family_name="Lee", birth_date=other.birth_date)
    session.add(person)
    session.flush()
    for member, blocked in ((mine, True), (other, False)):
        link = representatives.link(
            session, person, member, basis=Basis.GUARDIAN, timezone=desk.settings.plan.timezone
        )  # fmt: skip
        link.safety_block = blocked
    session.commit()
    assert api.get("Patient").status_code == 200

    # The member who has connected an app is the one whose record becomes part of the other.
    moved = merging.merge(session, plan_system("tests"), mine, other, reason="one person")
    session.commit()

    assert (moved.grants, moved.links, moved.account) == (1, 1, False)
    assert api.get("Patient").status_code == 401
    session.expire_all()
    (surviving,) = session.scalars(select(RepresentativeLink).where(RepresentativeLink.member_id == other.id)).unique()
    assert surviving.safety_block and surviving.ended_at is None, "who was kept out stays out"
    merging.unmerge(session, plan_system("tests"), mine, reason="two people")
    session.commit()
    assert api.get("Patient").status_code == 401


def test_an_account_goes_along_only_when_told_to(session: Session) -> None:
    merged, survivor, third = (make_member(session) for _ in range(3))
    account = make_account(session, member=merged)
    merging.merge(session, plan_system("tests"), merged, survivor, reason="one person")
    assert representatives.members_for(session, account) == []
    assert representatives.right_for(session, account, merged.id) is None
    merging.unmerge(session, plan_system("tests"), merged, reason="a slip")
    assert [one.member for one in representatives.members_for(session, account)] == [merged]

    before = account.credentials_version
    moved = merging.merge(session, plan_system("tests"), merged, survivor, reason="one person", move_account=True)
    assert moved.account and account.credentials_version > before
    assert [one.member for one in representatives.members_for(session, account)] == [survivor]
    proof = {"member_number": merged.member_number, "family_name": merged.family_name,
             "birth_date": merged.birth_date, "zip_code": merged.zip_code}  # fmt: skip
    assert roster.find_by_proof(session, **proof) is None
    for pair in ((merged, third), (third, merged), (third, third)):
        with pytest.raises(merging.MergeRefused):
            merging.merge(session, plan_system("tests"), *pair, reason="wrong")
    make_account(session, member=third)
    with pytest.raises(merging.AccountsStand):
        merging.merge(session, plan_system("tests"), third, survivor, reason="one person", move_account=True)
    merging.unmerge(session, plan_system("tests"), merged, reason="two people")
    assert account.member_id == merged.id
    with pytest.raises(merging.NotMerged):
        merging.unmerge(session, plan_system("tests"), merged, reason="again")


def test_records_merged_one_after_the_other_end_with_the_last(engine: Engine, session: Session, system: Access) -> None:
    first, second, third = (make_member(session, patient_id=name) for name in ("one", "two", "three"))
    session.commit()
    ingest.load_resources(engine, [records.observation("o", "one")], access=system)
    merging.merge(session, plan_system("tests"), first, second, reason="one person")
    merging.merge(session, plan_system("tests"), second, third, reason="and again")
    session.commit()
    ingest.load_resources(engine, [records.observation("new", "one")], access=system)
    assert ids_of(session, system, "three", "Observation") == {"o", "new"}
    merging.unmerge(session, plan_system("tests"), first, reason="two people")
    session.commit()
    assert ids_of(session, system, "one", "Observation") == {"o", "new"}
    with pytest.raises(NotFound):
        store.read(session, system, "Patient", "one")


def test_a_new_record_and_its_provenance_follow_together(session: Session, system: Access) -> None:
    merged, survivor = make_member(session, patient_id="one"), make_member(session, patient_id="two")
    merging.merge(session, plan_system("tests"), merged, survivor, reason="one person")
    batch = [records.observation("o", "one"), records.provenance("about-o", "Observation/o")]
    assert writing.write(session, [prepare_resource(one) for one in batch]).added == 2
    about = [("Observation", "o"), ("Provenance", "about-o")]
    assert {one.patient_id for one in writing.find_standing(session, about).values()} == {"two"}
    merging.unmerge(session, plan_system("tests"), merged, reason="two people")
    assert {one.patient_id for one in writing.find_standing(session, about).values()} == {"one"}


@pytest.mark.parametrize("first_parted", ["one", "two"])
def test_records_merged_one_after_the_other_part_in_any_order(
    engine: Engine, session: Session, system: Access, first_parted: str
) -> None:
    members = {name: make_member(session, patient_id=name) for name in ("one", "two", "three")}
    session.commit()
    ingest.load_resources(engine, [records.observation(f"o-{name}", name) for name in members], access=system)
    merging.merge(session, plan_system("tests"), members["one"], members["two"], reason="one person")
    merging.merge(session, plan_system("tests"), members["two"], members["three"], reason="and again")
    session.commit()
    ingest.load_resources(engine, [records.observation(f"new-{name}", name) for name in members], access=system)

    for name in (first_parted, "two" if first_parted == "one" else "one"):
        merging.unmerge(session, plan_system("tests"), members[name], reason="two people")
        session.commit()
        assert ids_of(session, system, name, "Observation") >= {f"o-{name}", f"new-{name}"}
        if name == "two":
            assert ids_of(session, system, "three", "Observation") == {"o-three", "new-three"}
        session.commit()
    for name in members:
        assert ids_of(session, system, name, "Observation") == {f"o-{name}", f"new-{name}"}


def test_whom_a_wrong_account_let_in_is_out_when_the_records_part(desk: Desk, session: Session) -> None:
    merged, survivor = make_member(session), make_member(session)
    account = make_account(session, member=merged)
    merging.merge(session, plan_system("tests"), merged, survivor, reason="one person", move_account=True)
    who = representative_requests.Person("Zed", "Reyes", date(1980, 2, 28))
    right = representative_requests.Right(Basis.PERMISSION, LinkScope.ALL)
    done, waiting = (
        representative_requests.ask_for_oneself(session, account, survivor, who, right, []) for _ in range(2)
    )
    person = PersonalRepresentative(given_name="Zed", family_name="Reyes", birth_date=who.birth_date)
    session.add(person)
    session.flush()
    timezone = desk.settings.plan.timezone
    link = representatives.link(session, person, survivor, basis=Basis.PERMISSION, timezone=timezone)
    done.state, done.link_id, done.decided_at = RequestState.LINKED, link.id, now()

    moved = merging.unmerge(session, plan_system("tests"), merged, reason="two people")

    assert moved.links == 1 and link.ended_at is not None
    assert (done.state, waiting.state) == (RequestState.LINKED, RequestState.WITHDRAWN)


def test_who_opted_out_of_provider_access_stays_out(session: Session) -> None:
    merged, survivor = make_member(session), make_member(session)
    groups.opt_out(session, merged.member_number, out=True)
    merging.merge(session, plan_system("tests"), merged, survivor, reason="one person")
    assert session.get(ProviderAccessOptOut, survivor.patient_id)
    merging.unmerge(session, plan_system("tests"), merged, reason="two people")
    assert session.get(ProviderAccessOptOut, survivor.patient_id), "until somebody says that it was not theirs"


def test_members_are_merged_by_command(desk: Desk, session: Session) -> None:
    merged, survivor = make_member(session), make_member(session)
    session.commit()
    pair = (merged.member_number, survivor.member_number)
    done = flask_command(desk.app, "members", "merge", *pair, "--reason", "one person")
    assert (done.exit_code, done.output) == (
        0, "0 resources moved; 0 apps' permissions and 0 representatives ended.\n",
    )  # fmt: skip
    assert flask_command(desk.app, "members", "merge", *pair, "--reason", "again").exit_code == 1
    assert flask_command(desk.app, "members", "merge", "nobody", pair[1], "--reason", "x").exit_code == 1
    assert flask_command(desk.app, "members", "unmerge", pair[0], "--reason", "two people").exit_code == 0
