"""What programs without a person reach over FHIR: the plan's own everything, a provider's its claims and payments."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent.policy import plan_system
from consent.scopes import BY_NAME
from fhir import r4
from fhir.compartment import TYPES
from fhir.loading import ingest
from service.accounts.models import AccountStatus
from service.audit import AuditEvent
from service.clock import now
from service.plan.models import (
    AccessEntry,
    PaymentMethod,
    PortalFunction,
    PortalOrganization,
    ProviderGroup,
    ProviderStaff,
    RemittanceClaim,
    StaffStatus,
)
from tests.factories import make_entry, make_group, make_organization, make_payment, make_portal_staff
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api, bundle, entries, ids
from tests.oauth.desk import Desk
from tests.oauth.keyed import register_backend

CLAIM, PAYMENT = "ExplanationOfBenefit", "PaymentReconciliation"
BOTH = f"system/{CLAIM}.rs system/{PAYMENT}.rs"


def looks(session: Session) -> list[AuditEvent]:
    """What apps did at the API, in order."""
    by_apps = AuditEvent.tag.startswith("fhir:") & AuditEvent.client_id.is_not(None)
    return list(session.scalars(select(AuditEvent).where(by_apps).order_by(AuditEvent.id)))


def api_of(desk: Desk, scope: str = "system/*.rs", **given: Any) -> Api:
    """The API as a new backend client calls it."""
    token = register_backend(desk, **given).token(scope)
    return Api(desk.app.test_client(), "", token, desk.settings.fhir_base)


@pytest.fixture
def plan(desk: Desk, loaded: str) -> Api:
    """A program of the plan's own, with both members' records stored."""
    return replace(api_of(desk), patient_id=loaded)


def test_the_plans_program_reads_and_searches_every_member(plan: Api) -> None:
    for patient_id in (plan.patient_id, OTHER):
        assert plan.get(f"Patient/{patient_id}").status_code == 200
        found = entries(plan.get(f"{CLAIM}?patient={patient_id}"))
        assert found and {one["patient"]["reference"] for one in found} == {f"Patient/{patient_id}"}
        assert plan.get(f"{CLAIM}/{found[0]['id']}/_history").status_code == 200
    assert set(plan.ids("Patient")) == {plan.patient_id, OTHER}
    assert plan.get("Patient/nobody").status_code == 404
    for resource_type in TYPES:
        status = 403 if resource_type in BY_NAME else 200
        assert plan.get(f"{resource_type}?_count=1").status_code == status, resource_type


def test_it_sees_every_label_and_follows_includes(desk: Desk, engine: Engine, plan: Api) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}
    secret = records.observation("labelled", plan.patient_id, meta={"security": [label]})
    assert ingest.load_resources(engine, [secret], access=plan_system("tests")).rejected == 0
    assert plan.get("Observation/labelled").status_code == 200
    assert "labelled" in plan.ids(f"Observation?patient={plan.patient_id}")
    with_patients = plan.get(f"{CLAIM}?_include={CLAIM}:patient")
    assert {one["id"] for one in entries(with_patients, "include")} == {plan.patient_id, OTHER}


def test_it_writes_nothing_and_gets_no_payments(desk: Desk, plan: Api) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert plan.call(method, f"Patient/{plan.patient_id}", json={}).status_code == 405
    assert plan.call("POST", "Patient", json={}).status_code == 405
    for address in (PAYMENT, f"{PAYMENT}/x"):
        assert plan.get(address).status_code == 403


def test_scopes_bind_it_as_they_bind_every_app(desk: Desk, loaded: str) -> None:
    narrow = api_of(desk, f"system/{CLAIM}.r system/Observation.rs?category=laboratory")
    claim = next(one["id"] for one in entries(api_of(desk).get(CLAIM)))
    assert narrow.get(f"{CLAIM}/{claim}").status_code == 200
    refused = narrow.get(CLAIM)
    assert refused.status_code == 403 and f"system/{CLAIM}.s" in refused.headers["WWW-Authenticate"]
    assert narrow.get(f"Patient/{loaded}").status_code == 403
    found = entries(narrow.get("Observation"))
    assert found and all(one["category"][0]["coding"][0]["code"] == "laboratory" for one in found)


def test_each_look_is_on_record_with_program_reason_and_whom_it_asked_for(plan: Api, session: Session) -> None:
    plan.get(f"Patient/{OTHER}")
    plan.get(f"{CLAIM}?patient=Patient/{OTHER}")
    rows = looks(session)
    assert [row.tag for row in rows] == ["fhir:Patient:read", f"fhir:{CLAIM}:search"]
    for row in rows:
        assert row.client_id and row.reason == "health care operations" and row.account_id is None
        assert row.detail and OTHER in row.detail["asked_for"][0]


def test_page_links_are_the_programs_own(desk: Desk, plan: Api) -> None:
    first = bundle(plan.get(f"{CLAIM}?_count=1"))
    (following,) = [link["url"] for link in first["link"] if link["relation"] == "next"]
    assert plan.get(following).status_code == 200
    assert api_of(desk).get(following).status_code == 404


@dataclass
class Office:
    """A provider's organization with a login, its group, and a stranger's group; the payments of both."""

    organization: PortalOrganization
    staff: ProviderStaff
    entry: AccessEntry
    group: ProviderGroup
    other: ProviderGroup
    payments: list[str]
    foreign: str


@pytest.fixture
def office(app: Flask, session: Session, engine: Engine) -> Office:
    """Three payments and two claims of the office's own, and one of each of somebody else's."""
    group, other = make_group(session, tax_id="071234501"), make_group(session)
    organization = make_organization(session)
    staff = make_portal_staff(session, organization)
    entry = make_entry(session, staff, tax_id="071234501")
    payments = [
        make_payment(session, group, f"CHK{day}", paid_on=now().date() - timedelta(days=day),
                     loaded_at=now() - timedelta(days=day)).id
        for day in (1, 2, 3)
    ]  # fmt: skip
    session.add_all(
        RemittanceClaim(remittance_id=payments[0], position=number, claim_number=f"C{number}", member_number="M1",
                        patient_control_number=f"P{number}", status="1", charge_cents=9_000, paid_cents=5_000)
        for number in (1, 2)
    )  # fmt: skip
    foreign = make_payment(session, other, "FOREIGN", method=PaymentMethod.EFT).id
    session.commit()
    claims = [
        records.claim(name, "one", provider=records.to(f"Organization/{billed_by.organization_id}"))
        for name, billed_by in (("mine-1", group), ("mine-2", group), ("theirs", other))
    ]
    resources = [*records.shared(), *records.record_of("one"), *claims]
    assert ingest.load_resources(engine, resources, access=plan_system("tests")).rejected == 0
    return Office(organization, staff, entry, group, other, payments, foreign)


@pytest.fixture
def provider(desk: Desk, office: Office) -> Callable[..., Api]:
    """The office's own program."""

    def made(scope: str = BOTH, scopes: str = "system/*.rs") -> Api:
        return api_of(desk, scope, scopes=scopes, provider_organization_id=office.organization.id)

    return made


def test_a_providers_program_reaches_its_groups_claims_and_payments_and_nothing_else(
    provider: Callable[..., Api], office: Office
) -> None:
    api = provider("system/*.rs")
    assert set(api.ids(CLAIM)) == {"mine-1", "mine-2"}
    assert api.get(f"{CLAIM}/mine-1").status_code == 200
    assert api.get(f"{CLAIM}/theirs").status_code == 404
    assert set(api.ids(f"{CLAIM}?patient=one")) == {"mine-1", "mine-2"}
    assert entries(api.get(f"{CLAIM}?_include=*&_revinclude=Provenance:target"), "include") == []
    for resource_type in set(TYPES) - {CLAIM}:
        assert api.get(resource_type).status_code == 403, resource_type
    assert api.get("Patient/one").status_code == 403
    assert api.ids(PAYMENT) == office.payments
    assert api.get(f"{PAYMENT}/{office.foreign}").status_code == 404
    assert api.ids(f"{PAYMENT}?_id={office.foreign}") == []
    assert api.ids(f"{PAYMENT}?identifier=FOREIGN") == []


def test_a_payment_is_read_whole_and_valid(provider: Callable[..., Api], office: Office) -> None:
    answer = provider().get(f"{PAYMENT}/{office.payments[0]}")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/fhir+json")
    assert r4.find_problem(answer.data) is None
    told = answer.get_json()
    assert told["paymentIdentifier"]["value"] == "CHK1" and len(told["detail"]) == 2
    assert entries(provider().get(f"{PAYMENT}?_id={office.payments[0]}")) == [told]


def test_payments_are_searched_by_id_number_and_time(provider: Callable[..., Api], office: Office) -> None:
    api, (first, second, third) = provider(), office.payments
    day = {number: (now() - timedelta(days=number)).date().isoformat() for number in (1, 2, 3)}
    instant = (now() - timedelta(days=2, hours=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
    for query, expected in {
        f"_id={first},{third},nobody": [first, third],
        f"_id={first},{second}&_id={second}": [second],
        "identifier=chk2": [second],
        "identifier=|CHK2": [second],
        "identifier=unknown": [],
        "identifier=urn:x|CHK2": [],
        f"created={day[2]}": [second],
        f"created=ge{day[2]}": [first, second],
        f"created=gt{day[2]}": [first],
        f"created=sa{day[2]}": [first],
        f"created=lt{day[2]}": [third],
        f"created=eb{day[2]}": [third],
        f"created=le{day[2]}": [second, third],
        f"created=ge{day[3]}&created=lt{day[1]}": [second, third],
        f"created=gt{instant}": [first, second],
        "created=ge9999": [],
        "created=le9999": [first, second, third],
        "patient=one&_sort=created": [first, second, third],
        "_format=json": [first, second, third],
    }.items():
        assert api.ids(f"{PAYMENT}?{query}") == expected, query
        posted = api.post_search(PAYMENT, query, content_type="application/x-www-form-urlencoded")
        assert ids(posted) == expected, query
    for query in (
        "created=yesterday", f"created={day[1]},{day[2]}", "identifier=!!", "_count=0", "_count=x",
        f"created=ne{day[1]}", f"created=ap{day[1]}", "identifier:missing=true", "identifier=CHK1&identifier=CHK2",
    ):  # fmt: skip
        assert api.get(f"{PAYMENT}?{query}").status_code == 400, query
    left_out = api.get(f"{PAYMENT}?patient=one")
    assert "patient" in json.dumps(entries(left_out, "outcome"))
    assert api.get(f"{PAYMENT}?patient=one", headers={"Prefer": "handling=strict"}).status_code == 400


def test_payments_come_in_pages_that_nobody_else_can_follow(provider: Callable[..., Api], office: Office) -> None:
    api, found, address = provider(), [], f"{PAYMENT}?_count=1&created=ge2000"
    for _ in range(3):
        page = bundle(api.get(address))
        found += [one["resource"]["id"] for one in page["entry"]]
        links = {link["relation"]: link["url"] for link in page["link"]}
        address = links.get("next", "")
        if address:
            assert provider().get(address).status_code == 404
            assert api.get(address.replace("_page=", "_page=x")).status_code in {400, 404}
            assert api.get(f"{address}&_count=5").status_code == 400
    assert found == office.payments and not address


def test_a_payment_leaves_with_its_audit_row(
    provider: Callable[..., Api], office: Office, session: Session
) -> None:  # fmt: skip
    api = provider()
    api.get(f"{PAYMENT}/{office.payments[0]}")
    api.get(f"{PAYMENT}?_count=2")
    api.get(f"{PAYMENT}/{office.foreign}")
    api.get(f"{CLAIM}/mine-1")
    rows = looks(session)
    told = [(row.tag, row.outcome.value, row.count) for row in rows]
    assert told == [
        (f"fhir:{PAYMENT}:read", "success", 1), (f"fhir:{PAYMENT}:search", "success", 2),
        (f"fhir:{PAYMENT}:read", "refused", None), (f"fhir:{CLAIM}:read", "success", 1),
    ]  # fmt: skip
    assert all(row.client_id and row.reason == "payment" and row.account_id is None for row in rows)
    groups = [row.detail["groups"] for row in rows if row.detail and row.outcome == "success"]
    assert groups == [[office.group.id]] * 3
    assert rows[0].detail and rows[0].detail["members"] == 1


def test_scopes_separate_claims_from_payments(provider: Callable[..., Api]) -> None:
    claims, payments = provider(f"system/{CLAIM}.rs"), provider(f"system/{PAYMENT}.s")
    assert claims.get(CLAIM).status_code == 200 and claims.get(PAYMENT).status_code == 403
    assert payments.get(PAYMENT).status_code == 200 and payments.get(CLAIM).status_code == 403
    assert payments.get(f"{PAYMENT}/x").status_code == 403


def test_what_the_organization_loses_its_program_loses_at_once(
    provider: Callable[..., Api], office: Office, session: Session
) -> None:
    api = provider()
    assert api.ids(PAYMENT) and api.ids(CLAIM)
    staff, entry = session.merge(office.staff), session.merge(office.entry)

    entry.ended_at = now()
    session.commit()
    assert api.ids(PAYMENT) == [] and api.ids(CLAIM) == []
    assert api.get(f"{PAYMENT}/{office.payments[0]}").status_code == 404

    entry.ended_at = None
    staff.status, staff.deactivated_at = StaffStatus.DEACTIVATED, now()
    session.commit()
    assert api.ids(PAYMENT) == [] and api.ids(CLAIM) == []

    staff.status = StaffStatus.ACTIVE
    session.commit()
    assert api.ids(PAYMENT) and api.ids(CLAIM)

    staff.account.status = AccountStatus.DISABLED
    session.commit()
    assert api.ids(PAYMENT) == [] and api.ids(CLAIM) == []


def test_a_program_has_no_more_than_a_person_of_its_organization(
    provider: Callable[..., Api], office: Office, session: Session
) -> None:
    both, claims, payments = provider(), provider(f"system/{CLAIM}.rs"), provider(f"system/{PAYMENT}.rs")
    session.merge(office.staff).functions = [PortalFunction.CLAIMS.value]
    session.commit()
    assert claims.ids(CLAIM) and payments.ids(PAYMENT) == []
    assert both.ids(CLAIM) == [] and both.ids(PAYMENT) == []


def test_another_organizations_entries_do_not_count(desk: Desk, office: Office, session: Session) -> None:
    empty = make_organization(session)
    make_portal_staff(session, empty)
    session.commit()
    api = api_of(desk, BOTH, provider_organization_id=empty.id)
    assert api.ids(PAYMENT) == [] and api.ids(CLAIM) == []


def test_members_apps_get_no_payments(connect: Callable[..., Api], office: Office) -> None:
    api = connect()
    for address in (PAYMENT, f"{PAYMENT}/{office.payments[0]}"):
        assert api.get(address).status_code == 403
    assert api.client.get(f"/fhir/r4/{PAYMENT}").status_code == 401
