"""An office of the provider portal in tests: groups with claims, logins that reach them, a browser for each."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from consent.policy import plan_system
from fhir.loading import ingest
from service.audit import AuditEvent
from service.clock import now
from service.plan.models import IdKind, OrganizationKind, ProviderGroup, ProviderIdentifier, ProviderStaff
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_entry, make_group, make_member, make_organization, make_portal_staff
from tests.fhir import records

ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
CARIN = "http://hl7.org/fhir/us/carin-bb/CodeSystem"
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
_VARYING = re.compile(
    r'name="csrf_token"[^>]*value="[^"]*"|<code>[0-9a-f-]{36}</code>|href="[^"]*lang=es[^"]*"'
    r'|data-seconds="\d+"|<span data-session-time>[^<]*</span>'
)


@dataclass
class Office:
    """What several tests share: the application, its database, the groups and logins made here."""

    app: Flask
    session: Session
    groups: dict[str, ProviderGroup] = field(default_factory=dict)

    def group(self, name: str, **given: Any) -> ProviderGroup:
        """A provider group of that name, in whose claims its name is the canary."""
        made = self.groups[name] = make_group(self.session, legal_name=f"Group {name}", **given)
        return made

    def numbers(self, group: ProviderGroup) -> dict[str, str]:
        """The group's Tax ID and NPI, as an entry holds them."""
        found = self.session.execute(
            select(ProviderIdentifier.kind, ProviderIdentifier.value).where(ProviderIdentifier.group_id == group.id)
        )
        values = {kind: value for kind, value in found if kind in {IdKind.TAX_ID, IdKind.NPI}}
        return {kind.value: value for kind, value in values.items()}

    def login(self, *groups: ProviderGroup, entries: tuple[dict[str, str], ...] = (), **given: Any) -> ProviderStaff:
        """A login of an office that reaches these groups by Tax ID and NPI, or by the entries given."""
        staff = make_portal_staff(self.session, **given)
        for numbers in (*map(self.numbers, groups), *entries):
            make_entry(self.session, staff, **numbers)
        return staff

    def client_of(self, group: ProviderGroup, **given: Any) -> tuple[ProviderStaff, BillingAuthorization]:
        """A login of a billing firm that the group has let in."""
        firm = make_organization(self.session, kind=OrganizationKind.BILLING)
        staff = make_portal_staff(self.session, firm)
        asked = AuthorizationRequest(
            organization_id=firm.id, group_id=group.id, asked_by_account_id=staff.account_id, contact_name="Pat Moss",
            contact_email="pat@clinic.example", contact_key="pat@clinic.example", functions=["claims"],
            status=AuthorizationStatus.APPROVED, asked_at=now(), expires_at=now() + timedelta(days=30),
        )  # fmt: skip
        self.session.add(asked)
        self.session.flush()
        values = {"functions": ["claims", "eligibility", "remittances"]} | given
        made = BillingAuthorization(
            request_id=asked.id, organization_id=firm.id, group_id=group.id, given_at=now(), **values
        )  # fmt: skip
        self.session.add(made)
        self.session.flush()
        return staff, made

    def member(self, patient_id: str, **given: Any) -> None:
        """A member on the roster, with Patient and Coverage and a claim of a clinic nobody here reaches."""
        values = {"member_number": f"M-{patient_id}".upper(), "family_name": f"Canary-{patient_id}"} | given
        make_member(self.session, patient_id=patient_id, **values)
        self.load(*records.record_of(patient_id))

    def load(self, *resources: dict[str, Any]) -> None:
        """Store resources as the plan does."""
        self.session.commit()
        bound = self.session.get_bind()
        assert isinstance(bound, Engine)
        summary = ingest.load_resources(bound, resources, access=plan_system("tests"))
        assert summary.rejected == 0, summary.problems

    def browser(self, staff: ProviderStaff) -> Visitor:
        """A browser that is signed in as the login."""
        self.session.commit()
        visitor = Visitor(self.app)
        assert visitor.enter(staff.account, following="/provider/home").status_code == 303
        return visitor

    def stranger(self) -> Visitor:
        """A browser signed in as somebody without a login of the portal."""
        account = make_account(self.session)
        self.session.commit()
        visitor = Visitor(self.app)
        visitor.enter(account)
        return visitor

    def events(self, tag: str = "provider:") -> list[AuditEvent]:
        """The audit rows whose tag starts so, the oldest first."""
        self.session.commit()
        found = self.session.scalars(select(AuditEvent).where(AuditEvent.tag.startswith(tag)).order_by(AuditEvent.id))
        rows = list(found)
        # A transaction left open would hold SQLite against the application.
        self.session.commit()
        return rows


def billed(claim_id: str, patient_id: str, group: ProviderGroup, day: str = "2026-03-01", **given: Any) -> Any:
    """A claim that the group billed: 120.50 billed, 90 allowed, 70 paid, 20 owed; one line, reasons, a payment."""

    def amount(code: str, value: float, system: str = ADJUDICATION) -> dict[str, Any]:
        return {"category": records.concept(system, code), "amount": {"value": value, "currency": "USD"}}

    amounts = [
        amount("submitted", 120.5), amount("eligible", 90), amount("benefit", 70),
        amount("memberliability", 20, f"{CARIN}/C4BBAdjudication"),
        amount("discount", 30.5, f"{CARIN}/C4BBAdjudication"),
        amount("copay", 20),
    ]  # fmt: skip
    reason = {
        "category": records.concept(f"{CARIN}/C4BBAdjudicationDiscriminator", "adjustmentreason"),
        "reason": records.concept(CARC, "45"),
    }
    item = {
        "sequence": 1, "servicedDate": day, "productOrService": records.concept("urn:hcpcs", "T1015"),
        "quantity": {"value": 1}, "net": {"value": 120.5, "currency": "USD"}, "adjudication": [*amounts, reason],
        "noteNumber": [1],
    }  # fmt: skip
    values = {
        "provider": records.to(f"Organization/{group.organization_id}"), "total": amounts, "item": [item],
        "identifier": [{"type": records.concept(f"{CARIN}/C4BBIdentifierType", "uc"), "system": records.CLAIM_NUMBER,
                        "value": f"CLM-{claim_id}".upper()}],
        "processNote": [{"number": 1, "text": f"Note of {claim_id}"}],
        "payment": {"type": records.concept(f"{CARIN}/C4BBPayerAdjudicationStatus", "paid"), "date": "2026-04-01",
                    "identifier": {"value": f"EFT-{claim_id}"}},
    }  # fmt: skip
    return records.claim(claim_id, patient_id, day, **values | given)


def shape(answer: TestResponse) -> tuple[int, str, list[tuple[str, str]]]:
    """Everything of an answer that may tell something; not what is random in each page, nor the address asked for."""
    headers = sorted((name, value) for name, value in answer.headers if name not in {"X-Request-Id", "Date"})
    return answer.status_code, _VARYING.sub("", answer.text), [one for one in headers if one[0] != "Content-Length"]


@pytest.fixture
def office(app: Flask, session: Session) -> Office:
    """An empty office."""
    return Office(app, session)
