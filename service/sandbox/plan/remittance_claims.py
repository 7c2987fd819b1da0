"""Claims as an 835 tells them, read from a member's ExplanationOfBenefit resources. Amounts in cents."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from service.sandbox.plan.codes import CDT, HCPCS, Resource

Adjustment = tuple[str, str, int]
"""Group, reason, cents."""
_PATIENT_PART = (("deductible", "1"), ("coinsurance", "2"), ("copay", "3"))
_CONTRACT = "45"
REVERSAL, DENIED, PAID = "22", "4", "1"


@dataclass(frozen=True)
class Patient:
    """Whose claims they are."""

    given_name: str
    family_name: str
    member_number: str


@dataclass(frozen=True)
class Line:
    """A service line."""

    procedure: str
    revenue: str
    units: str
    on: date
    charge: int
    paid: int
    allowed: int
    adjustments: tuple[Adjustment, ...]


@dataclass(frozen=True)
class Claim:
    """A claim in one payment."""

    trace: str
    group: str
    """Reference of the provider's Organization."""
    paid_on: date
    patient: Patient
    number: str
    account: str
    status: str
    filing: str
    place: str
    charge: int
    paid: int
    patient_part: int
    allowed: int
    start: date
    end: date
    received: date
    rendering_npi: str | None
    adjustments: tuple[Adjustment, ...]
    """Of the claim as a whole, where it was not priced line by line."""
    lines: tuple[Line, ...]


def read_claims(patient: Patient, resources: Sequence[Resource], npis: Mapping[str, str]) -> Iterator[Claim]:
    """The claims that the plan paid to providers; before a corrected one, what was paid for it is taken back."""
    by_number: dict[str, Claim] = {}
    for resource in resources:
        if resource["resourceType"] != "ExplanationOfBenefit" or not _goes_to_a_provider(resource):
            continue
        claim = by_number[resource["identifier"][0]["value"]] = _claim(patient, resource, npis)
        for related in resource.get("related", ()):
            if related["relationship"]["coding"][0]["code"] == "prior":
                yield _taken_back(by_number[related["reference"]["value"]], claim)
        yield claim


def _goes_to_a_provider(resource: Resource) -> bool:
    kind = resource["type"]["coding"][0]["code"]
    payee = resource["payee"]["type"]["coding"][0]["code"]
    return bool(kind != "pharmacy" and payee == "provider")


def _claim(patient: Patient, resource: Resource, npis: Mapping[str, str]) -> Claim:
    whole = _amounts(resource["total"])
    lines = tuple(_line(item) for item in resource["item"] if "adjudication" in item)
    kind = resource["type"]["coding"][0]["code"]
    reason = _reason(resource["adjudication"]) or _CONTRACT
    adjustments = () if lines else tuple(_adjustments(whole, reason))
    told = [*adjustments, *(one for line in lines for one in line.adjustments)]
    supporting = {one["category"]["coding"][0]["code"]: one for one in resource["supportingInfo"]}
    return Claim(
        trace=resource["payment"]["identifier"]["value"],
        group=resource["provider"]["reference"],
        paid_on=date.fromisoformat(resource["payment"]["date"]),
        patient=patient,
        number=resource["identifier"][0]["value"],
        account=supporting["patientaccountnumber"]["valueString"],
        status=DENIED if not whole["eligible"] else PAID,
        filing="17" if kind == "oral" else "HM",
        place="11" if kind != "institutional" else "13",
        charge=whole["submitted"],
        paid=whole["benefit"],
        patient_part=sum(cents for group, _, cents in told if group == "PR"),
        allowed=whole["eligible"],
        start=date.fromisoformat(resource["billablePeriod"]["start"]),
        end=date.fromisoformat(resource["billablePeriod"]["end"]),
        received=date.fromisoformat(supporting["clmrecvddate"]["timingDate"]),
        rendering_npi=_rendering(resource, npis),
        adjustments=adjustments,
        lines=lines,
    )


def _line(item: Resource) -> Line:
    amounts, service = _amounts(item["adjudication"]), item["productOrService"]["coding"][0]
    revenue = item["revenue"]["coding"][0]["code"] if "revenue" in item else ""
    qualifier = {HCPCS: "HC", CDT: "AD"}.get(service["system"])
    modifiers = [one["coding"][0]["code"] for one in item.get("modifier", ())] if qualifier else []
    units = item["quantity"]["value"]
    return Line(
        procedure=":".join((qualifier, service["code"], *modifiers)) if qualifier else f"NU:{revenue}",
        revenue=revenue,
        units=f"{units:g}",
        on=date.fromisoformat(item["servicedDate"]),
        charge=amounts["submitted"],
        paid=amounts["benefit"],
        allowed=amounts["eligible"],
        adjustments=tuple(_adjustments(amounts, _reason(item["adjudication"]) or _CONTRACT)),
    )


def _adjustments(amounts: Mapping[str, int], reason: str) -> Iterator[Adjustment]:
    if amounts.get("discount"):
        yield "CO", _CONTRACT, amounts["discount"]
    if amounts.get("noncovered"):
        # Without a contract the provider may bill the patient what is above the plan's price.
        yield "PR" if reason == _CONTRACT else "CO", reason, amounts["noncovered"]
    for part, code in _PATIENT_PART:
        if amounts.get(part):
            yield "PR", code, amounts[part]


def _taken_back(old: Claim, new: Claim) -> Claim:
    lines = tuple(
        replace(
            line, charge=-line.charge, paid=-line.paid, allowed=-line.allowed, adjustments=_negated(line.adjustments)
        )
        for line in old.lines
    )
    return replace(
        old, trace=new.trace, paid_on=new.paid_on, status=REVERSAL, charge=-old.charge, paid=-old.paid, patient_part=0,
        allowed=-old.allowed, adjustments=_negated(old.adjustments), lines=lines,
    )  # fmt: skip


def _negated(adjustments: Sequence[Adjustment]) -> tuple[Adjustment, ...]:
    return tuple((group, reason, -cents) for group, reason, cents in adjustments)


def _amounts(adjudication: Sequence[Resource]) -> dict[str, int]:
    return {
        one["category"]["coding"][0]["code"]: round(one["amount"]["value"] * 100)
        for one in adjudication
        if "amount" in one
    }


def _reason(adjudication: Sequence[Resource]) -> str | None:
    for one in adjudication:
        if one["category"]["coding"][0]["code"] == "adjustmentreason":
            code: str = one["reason"]["coding"][0]["code"]
            return code
    return None


def _rendering(resource: Resource, npis: Mapping[str, str]) -> str | None:
    for one in resource.get("careTeam", ()):
        if one["role"]["coding"][0]["code"] in {"rendering", "attending"}:
            return npis.get(one["provider"]["reference"])
    return None
