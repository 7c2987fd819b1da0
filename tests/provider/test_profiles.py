"""Provider Data Profiles: what a group asks, what the plan answers, and what the directory then says."""

from dataclasses import dataclass

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent.policy import plan_system
from fhir import store
from fhir.search import query as search
from service.accounts.models import Account
from service.plan.models import (
    AccessEntry,
    PortalFunction,
    Practitioner,
    PractitionerAffiliation,
    ProfileChange,
    ProfileChangeKind,
    ProfileChangeStatus,
    ProviderAddress,
    ProviderGroup,
    StaffRole,
)
from service.plan.models.portal import EntrySource
from service.plan.providers import provider_profiles
from service.staff.providers import directory_entries
from tests.accounts.visitor import Visitor
from tests.factories import make_group, make_npi, make_plan_staff, make_portal_staff
from tests.member.pages import form_to
from tests.oauth.desk import Desk

NEW = {"given_name": "Ignacio", "family_name": "Towne", "starts_on": "10/01/2026", "taxonomy": "207Q00000X"}


@dataclass
class Office:
    """A group with somebody signed in for it, and the plan's person who answers."""

    desk: Desk
    group: ProviderGroup
    browser: FlaskClient
    plan: FlaskClient

    def ask(self, kind: str, **given: str) -> TestResponse:
        address = f"/provider/profiles/{self.group.id}/ask/{kind}"
        page = self.browser.get(address, query_string={"subject": given["subject"]} if "subject" in given else {})
        assert page.status_code == 200, page.text
        return self.browser.post(address, data=form_to(page.text, address).changed(**given))

    def answer(self, deed: str, **given: str) -> TestResponse:
        with self.desk.session() as session:
            (change,) = provider_profiles.open_changes(session)
        page = self.plan.get("/staff/provider-profiles/")
        address = f"/staff/provider-profiles/{change.id}/{deed}"
        return self.plan.post(address, data=form_to(page.text, address).changed(**given))


def office(desk: Desk, **group: object) -> Office:
    with desk.session() as session:
        made = make_group(session, tax_id="082234502", **group)
        staff = make_portal_staff(session)
        session.add(AccessEntry(staff_id=staff.id, tax_id="082234502", source=EntrySource.PROOF))
        plan = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
        accounts = [session.get_one(Account, one.account_id) for one in (staff, plan)]
    return Office(desk, made, *(_signed_in(desk, account) for account in accounts))


def _signed_in(desk: Desk, account: Account) -> FlaskClient:
    visitor = Visitor(desk.app)
    assert visitor.enter(account).status_code == 303
    return visitor.browser


@pytest.fixture
def clinic(desk: Desk) -> Office:
    return office(desk)


def directory(session: Session, resource_type: str, *wanted: tuple[str, str]) -> list[dict[str, object]]:
    asked = search.parse(resource_type, wanted, base="", patient_ids=None)
    return [orjson.loads(one.body) for one in store.search(session, plan_system("test"), asked).matches]


def test_an_approved_practitioner_stands_in_the_records_and_in_the_directory(clinic: Office) -> None:
    npi = make_npi(77)

    assert clinic.ask("add_practitioner", npi=npi, **NEW).status_code == 303
    assert clinic.answer("approve").status_code == 303

    page = clinic.browser.get(f"/provider/profiles/{clinic.group.id}")
    assert "Ignacio Towne" in page.text and "Done" in page.text
    with clinic.desk.session() as session:
        person = session.scalars(select(Practitioner).where(Practitioner.npi == npi)).one()
        (entry,) = directory(session, "Practitioner", ("identifier", npi))
        (role,) = directory(session, "PractitionerRole", ("practitioner", f"Practitioner/{person.practitioner_id}"))
    assert entry["id"] == person.practitioner_id
    assert role["organization"] == {
        "reference": f"Organization/{clinic.group.organization_id}",
        "display": clinic.group.name,
    }
    assert role["active"] is True


def test_office_and_plan_read_a_request_in_the_words_of_its_form(clinic: Office) -> None:
    clinic.ask("add_practitioner", npi=make_npi(77), gender="female", **NEW)

    for page in (
        clinic.browser.get(f"/provider/profiles/{clinic.group.id}").text,
        clinic.plan.get("/staff/provider-profiles/").text,
    ):
        for told in ("Add a practitioner", "NPI of the practitioner", "First name", "Female", "Oct 1, 2026",
                     "Sent to the plan"):  # fmt: skip
            assert told in page, told
        assert "Given name" not in page and "2026-10-01" not in page and "Submitted" not in page


def test_a_place_without_a_name_shows_its_street_once(clinic: Office) -> None:
    clinic.ask("add_location", line="100 Mill Rd", city="Lowell", state="MA", zip_code="01852")
    clinic.answer("approve")

    page = clinic.browser.get(f"/provider/profiles/{clinic.group.id}").text

    assert "<h3>100 Mill Rd</h3>" in page and "<p>Lowell, MA 01852" in page


def test_a_practitioner_who_leaves_is_no_longer_active_there(clinic: Office) -> None:
    clinic.ask("add_practitioner", npi=make_npi(77), **NEW)
    clinic.answer("approve")
    with clinic.desk.session() as session:
        person = session.scalars(select(Practitioner)).one()

    clinic.ask("remove_practitioner", subject=person.id, ends_on="11/01/2026")
    clinic.answer("approve")

    with clinic.desk.session() as session:
        (role,) = directory(session, "PractitionerRole", ("practitioner", f"Practitioner/{person.practitioner_id}"))
        assert str(session.scalars(select(PractitionerAffiliation)).one().ends_on) == "2026-11-01"
    assert role["active"] is False


def test_a_location_is_added_changed_and_closed(clinic: Office) -> None:
    clinic.ask("add_location", line="100 Mill Rd", city="Lowell", state="MA", zip_code="01852", name="Mill Road office")
    clinic.answer("approve")
    with clinic.desk.session() as session:
        place = session.scalars(select(ProviderAddress)).one()
    clinic.ask("change_location", subject=place.id, line="102 Mill Rd")
    clinic.answer("approve")
    with clinic.desk.session() as session:
        (changed,) = directory(session, "Location", ("name", "Mill Road"))
    clinic.ask("remove_location", subject=place.id)
    clinic.answer("approve")

    with clinic.desk.session() as session:
        (closed,) = directory(session, "Location", ("name", "Mill Road"))
    assert changed["address"]["line"] == ["102 Mill Rd"]  # type: ignore[index]
    assert (changed["status"], closed["status"]) == ("active", "inactive")


def test_a_declined_change_is_told_with_its_reason_and_changes_nothing(clinic: Office) -> None:
    clinic.ask("add_practitioner", npi=make_npi(77), **NEW)

    assert clinic.answer("decline", reason="").status_code == 400
    assert clinic.answer("decline", reason="Send the licence first.").status_code == 303

    assert "Declined: " in (
        page := clinic.browser.get(f"/provider/profiles/{clinic.group.id}").text.replace("<span", " <span")
    )
    assert "Send the licence first." in page
    with clinic.desk.session() as session:
        assert session.scalars(select(Practitioner)).all() == []


def test_a_change_is_answered_once(clinic: Office) -> None:
    clinic.ask("add_practitioner", npi=make_npi(77), **NEW)
    with clinic.desk.session() as session:
        (change,) = provider_profiles.open_changes(session)
    clinic.answer("approve")

    page = clinic.browser.get(f"/provider/profiles/{clinic.group.id}")
    assert f"/provider/profiles/changes/{change.id}/withdraw" not in page.text
    with clinic.desk.session() as session, pytest.raises(provider_profiles.ChangeOver):
        again = session.get_one(ProfileChange, change.id)
        provider_profiles.withdraw(session, again, by_account_id=again.asked_by_account_id)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"npi": "2900179196"}, "mistyped digit"),
        ({"npi": ""}, "fill this in"),
        ({"starts_on": "soon"}, "month/day/year"),
        ({"family_name": "x" * 101}, "fill this in"),
    ],
)
def test_what_is_wrong_in_the_form_is_told_and_what_was_typed_is_kept(
    clinic: Office, given: dict[str, str], told: str
) -> None:
    answer = clinic.ask("add_practitioner", **{"npi": make_npi(77), **NEW, **given})

    assert answer.status_code == 400
    assert told in answer.text
    assert "207Q00000X" in answer.text


def test_somebody_who_is_there_already_is_not_asked_for_twice(clinic: Office) -> None:
    clinic.ask("add_practitioner", npi=make_npi(77), **NEW)
    clinic.answer("approve")

    answer = clinic.ask("add_practitioner", npi=make_npi(77), **NEW)

    assert (answer.status_code, "in your group already" in answer.text) == (400, True)


def test_another_groups_pages_people_and_requests_do_not_exist(clinic: Office) -> None:
    with clinic.desk.session() as session:
        other = make_group(session)
        place = ProviderAddress(
            group_id=other.id, use="practice", line="1 A St", city="B", state="MA", zip_code="01852"
        )
        session.add(place)
        session.flush()
        change = provider_profiles.ask(
            session, other, ProfileChangeKind.REMOVE_LOCATION, {}, subject_id=place.id,
            by_account_id=make_portal_staff(session).account_id,
        )  # fmt: skip

    own = f"/provider/profiles/{clinic.group.id}"
    assert clinic.browser.get(f"/provider/profiles/{other.id}").status_code == 404
    assert clinic.browser.get(f"/provider/profiles/{other.id}/ask/add_location").status_code == 404
    assert clinic.browser.get(f"{own}/ask/change_location", query_string={"subject": place.id}).status_code == 404
    assert clinic.browser.get(f"/provider/profiles/changes/{change.id}/form.pdf").status_code == 404
    assert clinic.browser.get(f"{own}/ask/nothing").status_code == 404


def test_the_change_form_is_a_pdf(clinic: Office) -> None:
    clinic.ask("add_practitioner", npi=make_npi(77), **NEW | {"family_name": "Łukasz"})
    with clinic.desk.session() as session:
        (change,) = provider_profiles.open_changes(session)

    answer = clinic.browser.get(f"/provider/profiles/changes/{change.id}/form.pdf")

    assert answer.content_type == "application/pdf" and answer.data.startswith(b"%PDF")
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_group_without_a_contract_has_the_form_for_out_of_network_providers_only(desk: Desk) -> None:
    outside = office(desk, contracted=False)

    page = outside.browser.get(f"/provider/profiles/{outside.group.id}")
    assert "Out of Network/National" in page.text and "Add a practitioner" not in page.text
    assert outside.browser.get(f"/provider/profiles/{outside.group.id}/ask/add_practitioner").status_code == 404
    assert outside.ask("out_of_network", text="Our new address is 5 Harbor St.").status_code == 303
    assert outside.answer("approve").status_code == 303


def test_the_pages_are_for_logins_with_the_application(desk: Desk, app: Flask) -> None:
    with desk.session() as session:
        staff = make_portal_staff(session, functions=[PortalFunction.CLAIMS.value])
        account = session.get_one(Account, staff.account_id)
    browser = _signed_in(desk, account)

    refused = browser.get("/provider/profiles/")

    assert (refused.status_code, "delegate" in refused.text) == (403, True)
    assert _signed_in(desk, account).get("/staff/provider-profiles/").status_code == 404
    assert app.test_client().get("/provider/profiles/").status_code == 303


def test_a_change_that_is_looked_at_says_so(clinic: Office) -> None:
    clinic.ask("add_practitioner", npi=make_npi(77), **NEW)

    clinic.answer("take-up")

    with clinic.desk.session() as session:
        assert session.scalars(select(ProfileChange.status)).one() is ProfileChangeStatus.IN_REVIEW
    assert "looking at it" in clinic.browser.get(f"/provider/profiles/{clinic.group.id}").text


@pytest.mark.parametrize(("subject", "status"), [("a\0b", 400), ("x" * 37, 404)], ids=["NUL", "too long"])
def test_an_id_that_cannot_be_one_is_refused(clinic: Office, subject: str, status: int) -> None:
    address = f"/provider/profiles/{clinic.group.id}/ask/add_practitioner"
    page = clinic.browser.get(address)
    form = form_to(page.text, address).changed(npi=make_npi(7), **NEW)

    assert clinic.browser.post(address, data={**form, "subject": subject}).status_code == status


def test_case_143_a_change_that_is_about_no_row_takes_none_from_the_form(desk: Desk) -> None:
    with desk.session() as session:
        victim = make_group(session, legal_name="Victim Clinic")
        place = ProviderAddress(
            group_id=victim.id, use="practice", line="1 Sample St", city="Lowell", state="MA", zip_code="01852"
        )
        session.add(place)
        session.flush()
        place_id = place.id
    outside = office(desk, contracted=False)
    for subject in (place_id, "nobody"):
        address = f"/provider/profiles/{outside.group.id}/ask/out_of_network"
        form = form_to(outside.browser.get(address).text, address).changed(text="Please call")
        assert outside.browser.post(address, data={**form, "subject": subject}).status_code == 303
        with desk.session() as session:
            (change,) = provider_profiles.open_changes(session)
            assert change.subject_id is None
        assert outside.answer("approve").status_code == 303
    with desk.session() as session:
        assert session.get_one(ProviderAddress, place_id).location_id is None, "nothing of the victim's was published"


def test_an_approval_whose_row_vanished_says_so_and_changes_nothing(clinic: Office) -> None:
    with clinic.desk.session() as session:
        place = ProviderAddress(
            group_id=clinic.group.id, use="practice", line="1 Sample St", city="Lowell", state="MA", zip_code="01852"
        )
        session.add(place)
        session.flush()
        place_id = place.id
    assert clinic.ask("change_location", subject=place_id, city="Dracut").status_code == 303
    with clinic.desk.session() as session:
        session.delete(session.get_one(ProviderAddress, place_id))

    answer = clinic.answer("approve")

    assert answer.status_code == 409
    with clinic.desk.session() as session:
        (change,) = provider_profiles.open_changes(session)
        assert change.status is ProfileChangeStatus.SUBMITTED


@pytest.mark.parametrize("kind", sorted(set(ProfileChangeKind) - {ProfileChangeKind.OUT_OF_NETWORK}))
def test_the_directory_is_not_written_for_a_row_that_is_gone(session: Session, kind: ProfileChangeKind) -> None:
    change = ProfileChange(group_id="g", kind=kind, subject_id="nobody", content={})

    with pytest.raises(provider_profiles.NotOfTheGroup):
        directory_entries.publish(session, change, make_group(session))
