"""A remittance as FHIR R4 PaymentReconciliation: the same payment, for a provider's own software.

Rendered from our rows on reading, as Consent and AuditEvent are meant to be. Claims are told by their numbers (logical
references): the provider's software knows them by these, not by our ids.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from service.plan.models import PaymentMethod, ProviderGroup, Remittance, RemittanceClaim

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_IDENTIFIER_TYPE = f"{_TERMINOLOGY}/v2-0203"
_NPI = "http://hl7.org/fhir/sid/us-npi"
_TAX_ID = "urn:oid:2.16.840.1.113883.4.4"
_PROVIDER_ADJUSTMENTS = "https://x12.org/codes/provider-adjustment-reason-codes"
_FORMS = {PaymentMethod.CHECK: "check", PaymentMethod.EFT: "eft", PaymentMethod.NON_PAYMENT: "non-payment"}
Resource = dict[str, Any]


def payment_reconciliation(remittance: Remittance, group: ProviderGroup, claims: Iterable[RemittanceClaim]) -> bytes:
    """The JSON of the PaymentReconciliation of a remittance of `group` with these claims."""
    made: Resource = {
        "resourceType": "PaymentReconciliation",
        "id": remittance.id,
        "meta": {"lastUpdated": _instant(remittance)},
        "identifier": [{"type": {"text": _FORMS[remittance.method]}, "value": remittance.number}],
        "status": "active",
        "created": _instant(remittance),
        "paymentIssuer": _issuer(remittance),
        "requestor": _payee(remittance, group),
        "outcome": "complete",
        "paymentDate": remittance.paid_on.isoformat(),
        "paymentAmount": _money(remittance.amount_cents),
        "paymentIdentifier": {"value": remittance.number},
        "detail": [
            *(_claim(claim, remittance) for claim in claims),
            *(_provider_adjustment(one, remittance) for one in remittance.provider_adjustments),
        ],
    }
    return orjson.dumps({name: value for name, value in made.items() if value not in ({}, [], None)})


def _issuer(remittance: Remittance) -> Resource:
    issuer: Resource = {"type": "Organization"}
    if remittance.payer_id:
        issuer["identifier"] = {"value": remittance.payer_id}
    if remittance.payer_name:
        issuer["display"] = remittance.payer_name
    return issuer


def _payee(remittance: Remittance, group: ProviderGroup) -> Resource:
    payee: Resource = {"type": "Organization", "display": group.name}
    if group.organization_id:
        payee["reference"] = f"Organization/{group.organization_id}"
    if remittance.payee_npi:
        payee["identifier"] = {"type": _type("NPI"), "system": _NPI, "value": remittance.payee_npi}
    elif remittance.payee_tax_id:
        payee["identifier"] = {"type": _type("TAX"), "system": _TAX_ID, "value": remittance.payee_tax_id}
    return payee


def _claim(claim: RemittanceClaim, remittance: Remittance) -> Resource:
    kind = "adjustment" if claim.reversal else "payment"
    made: Resource = {
        "type": {"coding": [{"system": f"{_TERMINOLOGY}/payment-type", "code": kind}]},
        "identifier": {"value": claim.claim_number or claim.patient_control_number},
        "request": {"type": "Claim", "identifier": {"value": claim.patient_control_number}},
        "date": remittance.paid_on.isoformat(),
        "amount": _money(claim.paid_cents),
    }
    if claim.claim_number:
        made["response"] = {"type": "ExplanationOfBenefit", "identifier": {"value": claim.claim_number}}
    return made


def _provider_adjustment(one: dict[str, Any], remittance: Remittance) -> Resource:
    reason = {"system": _PROVIDER_ADJUSTMENTS, "code": one["reason"]}
    kind = {"system": f"{_TERMINOLOGY}/payment-type", "code": "adjustment"}
    made: Resource = {"type": {"coding": [kind, reason]}, "date": remittance.paid_on.isoformat(),
                      "amount": _money(-one["cents"])}  # fmt: skip
    if one["identifier"]:
        made["identifier"] = {"value": one["identifier"]}
    return made


def _type(code: str) -> Resource:
    return {"coding": [{"system": _IDENTIFIER_TYPE, "code": code}]}


def _money(cents: int) -> Resource:
    # Written as a decimal with its two digits (R4 decimal), which a float would lose; orjson takes the fragment as is.
    return {"value": orjson.Fragment(f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"),
            "currency": "USD"}  # fmt: skip


def _instant(remittance: Remittance) -> str:
    return remittance.loaded_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
