"""What is prepared behind settings: attribution lists for Provider Access, and matching another payer's member."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.bulk import groups, provider_access
from fhir.bulk.models import GroupKind, ProviderAccessOptOut
from fhir.loading import ingest
from fhir.loading.preparation import prepare_resource
from service.audit import AuditEvent, Outcome
from service.clock import now
from service.plan.models import Member
from tests.factories import make_member
from tests.fhir import records
from tests.fhir.conftest import OTHER
from tests.fhir.exporting import Exporter

MATCH = "Patient/$member-match"
REGULAR = "http://hl7.org/fhir/us/davinci-hrex/StructureDefinition-hrex-consent.html#regular"
NUMBER_TYPE = records.concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MB")


def flask(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=arguments)


def test_an_attribution_list_leaves_out_who_opted_out_what_is_sensitive_and_amounts(
    plan: Exporter, app: Flask, session: Session, engine: Engine, system: Access, loaded: str, tmp_path: Path
) -> None:
    copay = {"value": 35.25, "currency": "USD"}
    shares = records.coverage(loaded) | {"costToBeneficiary": [{"valueMoney": copay}]}
    assert ingest.load_resources(engine, [shares], access=system).changed == 1
    other = make_member(session, patient_id=OTHER)
    mine = session.scalars(select(Member).where(Member.patient_id == loaded)).one()
    session.commit()
    file = tmp_path / "lists.csv"
    file.write_text(
        f"group,name,member_id\nclinic,Alder Clinic,{mine.member_number}\nclinic,,{other.member_number}\nclinic,,NONE\n"
    )
    told = flask(app, "groups", "load", "--attribution", str(file))
    assert told.exit_code == 1 and "clinic: 2 members." in told.output and "NONE" in told.output
    assert flask(app, "groups", "opt-out", other.member_number).exit_code == 0
    assert "attribution" in flask(app, "groups", "list").output

    lines = plan.lines(plan.manifest("Group/clinic/$export"))
    assert OTHER not in str(lines)
    claims = [one for one in lines if one["resourceType"] == "ExplanationOfBenefit"]
    assert {one["id"] for one in claims} == {f"eob-{number}-{loaded}" for number in (1, 2, 3)}
    assert not [one for one in claims if "total" in one] and "120.5" not in str(claims)
    assert any(one["resourceType"] == "Coverage" for one in lines) and "35.25" not in str(lines)
    listed = plan.api.get("Group/clinic")
    assert listed.get_json()["quantity"] == 1
    assert flask(app, "groups", "opt-out", "--undo", other.member_number).exit_code == 0
    seen = {"If-None-Match": f'W/"{listed.get_json()["meta"]["versionId"]}"'}
    assert plan.api.get("Group/clinic", headers=seen).get_json()["quantity"] == 2, "no 304 for another list"
    assert OTHER in str(plan.lines(plan.manifest("Group/clinic/$export?_type=Patient")))


def test_providers_are_served_whole_and_by_what_changed(
    plan: Exporter, session: Session, engine: Engine, system: Access, loaded: str
) -> None:
    member = session.scalars(select(Member).where(Member.patient_id == loaded)).one()
    groups.load(session, "care", "In care", GroupKind.ATTRIBUTION, [member.member_number])
    groups.load(session, "own", "Own", GroupKind.PLAN, [member.member_number])
    session.commit()
    export = "Group/care/$davinci-data-export"

    def asked(kind: str, **further: str) -> dict[str, Any]:
        named = {"exportType": f"hl7.fhir.us.davinci-pdex#{kind}"} | further
        parameters = [{"name": name, "valueString": value} for name, value in named.items()]
        return {"json": {"resourceType": "Parameters", "parameter": parameters}}

    def ids_of(kind: str) -> set[str]:
        return {one["id"] for one in plan.lines(plan.manifest(export, **asked(kind)))}

    first = ids_of("provider-delta")
    assert f"eob-1-{loaded}" in first and f"eob-s-{loaded}" not in first
    assert ids_of("provider-delta") == set()
    later = records.observation("later", loaded)
    assert ingest.load_resources(engine, [later], access=system).added == 1
    assert ids_of("provider-delta") == {"later"}
    assert ids_of("provider-snapshot") == first | {"later"}
    assert ids_of("provider-delta") == set()

    for bad in (asked("payertopayer"), asked("provider-delta", _since="2026-01-01")):
        assert plan.ask(export, **bad).status_code == 400
    assert plan.ask("Group/own/$davinci-data-export", **asked("provider-snapshot")).status_code == 404
    assert plan.ask(export).status_code == 405


def test_lists_that_cannot_be_taken_are_told(app: Flask, session: Session, tmp_path: Path) -> None:
    for content, why in (
        ("group,member_id\nx,1\n", "no column name"),
        ("group,name,member_id\nbad id,Name,1\n", "not a FHIR id"),
    ):
        (tmp_path / "bad.csv").write_text(content)
        told = flask(app, "groups", "load", str(tmp_path / "bad.csv"))
        assert told.exit_code == 1 and why in told.output, told.output
    assert flask(app, "groups", "opt-out", "NOBODY").exit_code == 1
    groups.load(session, "g", "G", GroupKind.PLAN, [])
    with pytest.raises(groups.BadGroup):
        groups.load(session, "g", "G", GroupKind.ATTRIBUTION, [])


def parameters(member: Member, **changed: Any) -> dict[str, Any]:
    """What another payer sends about a member."""
    period = {
        "start": (now() - timedelta(days=9)).date().isoformat(),
        "end": (now() + timedelta(days=9)).date().isoformat(),
    }
    resources = {
        "MemberPatient": {
            "resourceType": "Patient", "birthDate": member.birth_date.isoformat(), "gender": "female",
            "name": [{"family": member.family_name.upper(), "given": [member.given_name, "J."]}],
        },
        "CoverageToMatch": {"resourceType": "Coverage", "status": "active", "subscriberId": member.subscriber_number,
                            "beneficiary": {}, "payor": [{}]},
        "Consent": {"resourceType": "Consent", "status": "active", "patient": records.to("Patient/1"),
                    "policy": [{"uri": REGULAR}], "provision": {"type": "permit", "period": period}},
    }  # fmt: skip
    for path, value in changed.items():
        name, _, element = path.partition("__")
        resources[name] = resources[name] | {element: value}
    listed = [{"name": name, "resource": resource} for name, resource in resources.items()]
    return {"resourceType": "Parameters", "parameter": listed}


def test_a_member_is_matched_by_name_birth_date_and_coverage(
    plan: Exporter, session: Session, engine: Engine, system: Access, loaded: str
) -> None:
    member = session.scalars(select(Member).where(Member.patient_id == loaded)).one()
    session.commit()
    number = {"type": NUMBER_TYPE, "system": "https://plan.example/members", "value": member.member_number}
    assert ingest.load_resources(engine, [records.patient(loaded, identifier=[number])], access=system).rejected == 0
    told = plan.api.call("POST", MATCH, json=parameters(member))
    assert told.status_code == 200, told.text
    found = {one["name"]: one for one in told.get_json()["parameter"]}
    assert found["MemberIdentifier"]["valueIdentifier"] == number
    assert found["MemberId"]["valueReference"]["reference"] == f"Patient/{loaded}"
    row = session.scalars(select(AuditEvent).where(AuditEvent.tag == "fhir:Patient:member-match")).one()
    session.commit()
    assert row.detail and row.detail["asked_for"] == [loaded]

    past = {"start": "2020-01-01", "end": "2020-02-01"}
    for changed in (
        {"MemberPatient__birthDate": "1900-01-01"}, {"MemberPatient__name": [{"family": "Nobody", "given": ["X"]}]},
        {"MemberPatient__name": "text"}, {"CoverageToMatch__subscriberId": "OTHER"}, {"Consent__status": "inactive"},
        {"Consent__provision": {"type": "deny"}}, {"Consent__provision": {"type": "permit", "period": past}},
        {"Consent__policy": [{"uri": "https://elsewhere.example"}]}, {"Consent__patient": None},
        {"Consent__provision": {"type": "permit", "period": {"start": "never"}}},
        {"Consent__policy": [{"uri": [REGULAR]}]}, {"CoverageToMatch__subscriberId": "a\0b"},
    ):  # fmt: skip
        refused = plan.api.call("POST", MATCH, json=parameters(member, **changed))
        assert refused.status_code == 422, changed
        assert member.family_name not in refused.text
    twin = {"birth_date": member.birth_date, "family_name": member.family_name, "given_name": member.given_name}
    same = make_member(session, subscriber_number=member.subscriber_number, **twin)
    session.commit()
    assert plan.api.call("POST", MATCH, json=parameters(member)).status_code == 422, "two fit"
    same.merged_into_id = member.id
    session.commit()
    assert plan.api.call("POST", MATCH, json=parameters(member)).status_code == 200, "one record by now"
    refusals = select(AuditEvent).where(
        AuditEvent.tag == "fhir:Patient:member-match", AuditEvent.outcome == Outcome.REFUSED
    )
    assert len(session.scalars(refusals).all()) == 13


def test_parameters_are_checked_and_nobody_else_matches(plan: Exporter, session: Session, loaded: str) -> None:
    member = session.scalars(select(Member).where(Member.patient_id == loaded)).one()
    session.commit()
    whole = parameters(member)
    for wrong in (
        {"resourceType": "Parameters"}, whole | {"parameter": whole["parameter"][:2]}, {"resourceType": "Patient"},
        whole | {"parameter": [*whole["parameter"], whole["parameter"][0]]},
        whole | {"parameter": [{"name": "MemberPatient", "resource": 7}]},
    ):  # fmt: skip
        assert plan.api.call("POST", MATCH, json=wrong).status_code == 400
    assert plan.with_scope("system/Coverage.rs").api.call("POST", MATCH, json=whole).status_code == 403


def test_nothing_of_it_is_there_until_it_is_switched_on(plan: Exporter, app: Flask, session: Session) -> None:
    groups.load(session, "clinic", "Clinic", GroupKind.ATTRIBUTION, [])
    session.commit()

    def operations() -> set[str]:
        rest = app.test_client().get("/fhir/r4/metadata").get_json()["rest"][0]
        return {one["name"] for resource in rest["resource"] for one in resource.get("operation", ())}

    assert "member-match" in operations()
    assert "/fhir/r4/Patient/$member-match" in app.test_client().get("/openapi.json").get_json()["paths"]
    held = app.extensions["latchstring"]
    held.settings = replace(held.settings, provider_access=False, payer_to_payer=False)
    assert "member-match" not in operations()
    assert plan.api.call("POST", MATCH, json={}).status_code == 404
    assert plan.ask("Group/clinic/$export").status_code == 404
    assert plan.api.get("Group/clinic").status_code == 404
    assert plan.api.get("Group").get_json().get("entry") is None


def _asked(kind: str, **further: str) -> dict[str, Any]:
    named = {"exportType": f"hl7.fhir.us.davinci-pdex#{kind}"} | further
    parameters = [{"name": name, "valueString": value} for name, value in named.items()]
    return {"json": {"resourceType": "Parameters", "parameter": parameters}}


@pytest.mark.parametrize(
    "narrower",
    [
        ("provider-download", {"_until": "2020-01-01"}),
        ("provider-download", {"_since": "2099-01-01"}),
        ("provider-download", {"_typeFilter": "Observation?code=none"}),
        ("provider-delta", {"_type": "Patient"}),
    ],
)
def test_a_delta_leaves_out_nothing_that_a_narrower_export_did_not_hold(
    plan: Exporter, session: Session, loaded: str, narrower: tuple[str, dict[str, str]]
) -> None:
    member = session.scalars(select(Member).where(Member.patient_id == loaded)).one()
    groups.load(session, "care", "In care", GroupKind.ATTRIBUTION, [member.member_number])
    session.commit()
    export = "Group/care/$davinci-data-export"
    kind, further = narrower
    plan.manifest(export, **_asked(kind, **further))

    assert f"eob-1-{loaded}" in {one["id"] for one in plan.lines(plan.manifest(export, **_asked("provider-delta")))}
    assert plan.lines(plan.manifest(export, **_asked("provider-delta"))) == []


def test_who_opted_in_again_is_told_whole_by_the_next_delta(
    plan: Exporter, session: Session, loaded: str
) -> None:  # fmt: skip
    member = session.scalars(select(Member).where(Member.patient_id == loaded)).one()
    groups.load(session, "care", "In care", GroupKind.ATTRIBUTION, [member.member_number])
    groups.opt_out(session, member.member_number, out=True)
    session.commit()
    export = "Group/care/$davinci-data-export"
    assert plan.lines(plan.manifest(export, **_asked("provider-delta"))) == []

    groups.opt_out(session, member.member_number, out=False)
    session.commit()

    assert f"eob-1-{loaded}" in {one["id"] for one in plan.lines(plan.manifest(export, **_asked("provider-delta")))}


def test_the_number_of_an_old_card_opts_out_the_record_it_became_part_of(session: Session) -> None:
    member, old = make_member(session), make_member(session)
    old.merged_into_id = member.id
    session.flush()

    groups.opt_out(session, old.member_number, out=True)

    assert session.get(ProviderAccessOptOut, member.patient_id) is not None


MONEY = {"value": 77.31, "currency": "USD"}
OLD_MONEY = {"value": 77.31, "unit": "$", "system": "urn:iso:std:iso:4217", "code": "USD"}


def test_no_amount_is_left_wherever_a_claim_tells_one() -> None:
    url, days = "https://plan.example/x", {"value": 30, "unit": "d", "system": "http://unitsofmeasure.org"}
    claim = records.claim(
        "c", "one", text={"status": "generated", "div": "<div>You owe $77.31</div>"}, disposition="Paid 77.31",
        extension=[
            {"url": url, "valueMoney": MONEY}, {"url": url, "valueDecimal": 77.31},
            {"url": url, "extension": [{"url": "a", "valueCode": "x"}, {"url": "b", "valueMoney": MONEY}]},
            {"url": url, "valueString": "paid 77,31"}, {"url": url, "valueCode": "kept"},
            {"url": url, "valueInteger": 77}, {"url": url, "valueQuantity": {"value": 77.31, "unit": "US$"}},
        ],
        _created={"extension": [{"url": url, "valueMoney": MONEY}]},
        processNote=[{"number": 1, "text": "77 dollars are yours to pay"}],
        supportingInfo=[
            {"sequence": 1, "category": {"text": "kept"}, "valueQuantity": days},
            {"sequence": 2, "category": {"text": "x"}, "valueQuantity": OLD_MONEY},
            {"sequence": 3, "category": {"text": "x"}, "valueString": "co-pay USD 77"},
            {"sequence": 5, "category": {"text": "x"}, "valueQuantity": {"value": 77.31, "code": "USD"}},
            {"sequence": 4, "category": {"text": "kept"}, "valueString": "ACCOUNT-7731"},
        ],
        item=[{"sequence": 1, "noteNumber": [1], "productOrService": {"text": "kept"}, "net": MONEY,
               "adjudication": [{"amount": MONEY}], "detail": [{"sequence": 1, "unitPrice": MONEY}]}],
        contained=[{"resourceType": "Coverage", "id": "k", "status": "active", "costToBeneficiary": [{}],
                    "text": {"status": "generated", "div": "<div>77.31</div>"}}],
    )  # fmt: skip
    prepared = prepare_resource(claim)
    left = json.loads(provider_access.without_costs(prepared.stamped(1, 0)))

    assert not re.search(r"77[.,]|\b77\b|USD|currency|owe|pay(?!er|or)", json.dumps(left))
    assert left["extension"] == [{"url": url, "valueCode": "kept"}] and "_created" not in left
    assert [one["sequence"] for one in left["supportingInfo"]] == [1, 4]
    assert left["item"] == [{"sequence": 1, "productOrService": {"text": "kept"}, "detail": [{"sequence": 1}]}]
    assert left["contained"] == [{"resourceType": "Coverage", "id": "k", "status": "active"}]
    assert (left["diagnosis"], left["created"], "profile" in left["meta"]) == (claim["diagnosis"], "2026-03-01", False)


def test_money_goes_from_other_records_too_and_their_words_stay() -> None:
    observation = records.observation(
        "o", "one", extension=[{"url": "https://plan.example/price", "valueMoney": MONEY}],
        note=[{"text": "Fasting. 6.30 mmol/L"}],
    )  # fmt: skip
    left = json.loads(provider_access.without_costs(prepare_resource(observation).stamped(1, 0)))
    assert "extension" not in left and left["note"] == observation["note"] and left["valueQuantity"]["value"] == 6.3
    plain = prepare_resource(records.observation("o", "one")).stamped(1, 0)
    assert provider_access.without_costs(plain) is plain
