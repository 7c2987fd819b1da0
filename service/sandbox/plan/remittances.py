"""The plan's 835 files (005010X221A1), told from the members' ExplanationOfBenefit and balanced to the cent.

One file a run of a dozen members; a set for each payment: checks, EFTs and notices that nothing is paid. A claim that
was corrected is taken back and paid anew; where that leaves less than nothing, the rest is carried forward to the
group's next payment (PLB FB). What pharmacies and families are paid is in no 835.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from service.sandbox.plan.codes import Resource
from service.sandbox.plan.people import STATE
from service.sandbox.plan.providers import PAYER_CODE, PAYER_NAME, Practice, clinician_npis, practices
from service.sandbox.plan.remittance_claims import Claim, Patient, read_claims

_BANK = "CCP*01*999999992*DA*0123456789*1999999901**01*999988881*DA*98765"
_INTEREST = 125


@dataclass
class _Payment:
    number: str
    practice: Practice
    paid_on: date
    claims: list[Claim] = field(default_factory=list)
    adjustments: list[tuple[str, int]] = field(default_factory=list)
    """PLB: reason and reference, cents taken away."""

    @property
    def cents(self) -> int:
        return sum(claim.paid for claim in self.claims) - sum(cents for _, cents in self.adjustments)


def file_of(people: Sequence[tuple[Patient, Sequence[Resource]]], seed: int | str, run: int, as_of: date) -> str:
    """The 835 file of one run: these people, each with their ExplanationOfBenefit resources."""
    payments = _payments(people, seed)
    _settle(payments)
    control = f"{run + 1:09d}"
    inner = [
        segment
        for place, payment in enumerate(payments, start=1)
        for segment in _enclosed(_segments(payment), f"{place:04d}")
    ]
    parties = f"ZZ*{PAYER_CODE:15}*ZZ*{'CLEARINGHSE':15}"
    isa = f"ISA*00*{'':10}*00*{'':10}*{parties}*{as_of:%y%m%d}*0630*^*00501*{control}*0*T*:"
    head = f"GS*HP*{PAYER_CODE}*CLEARINGHSE*{as_of:%Y%m%d}*0630*{run + 1}*X*005010X221A1"
    every = [isa, head, *inner, f"GE*{len(payments)}*{run + 1}", f"IEA*1*{control}"]
    return "".join(f"{segment}~\n" for segment in every)


def _payments(people: Sequence[tuple[Patient, Sequence[Resource]]], seed: int | str) -> list[_Payment]:
    by_group = {practice.group.reference: practice for practice in practices(seed)}
    npis = clinician_npis(seed)
    made: dict[tuple[str, str], _Payment] = {}
    for patient, resources in people:
        for claim in read_claims(patient, resources, npis):
            key = (claim.group, claim.trace)
            payment = made.setdefault(key, _Payment(claim.trace, by_group[claim.group], claim.paid_on))
            payment.claims.append(claim)
    return sorted(made.values(), key=lambda one: (one.paid_on, one.practice.group.number, one.number))


def _settle(payments: Sequence[_Payment]) -> None:
    """Carry forward what is owed after a correction, and pay a little interest once."""
    owed: dict[int, int] = defaultdict(int)
    interest_due = True
    for payment in payments:
        number = payment.practice.group.number
        if payment.cents < 0:
            owed[number] -= payment.cents
            payment.adjustments.append((f"FB:{payment.number}", payment.cents))
        elif owed[number] and payment.cents > owed[number]:
            payment.adjustments.append((f"FB:{payment.number}", owed[number]))
            owed[number] = 0
        elif interest_due and payment.number.startswith("EFT"):
            payment.adjustments.append((f"L6:{payment.number}", -_INTEREST))
            interest_due = False


def _enclosed(segments: Sequence[str], control: str) -> Iterator[str]:
    yield f"ST*835*{control}"
    yield from segments
    yield f"SE*{len(segments) + 2}*{control}"


def _segments(payment: _Payment) -> list[str]:
    practice = payment.practice
    made = [
        _bpr(payment),
        f"TRN*1*{payment.number}*1999999901",
        f"DTM*405*{payment.paid_on:%Y%m%d}",
        f"N1*PR*{_text(PAYER_NAME)}*XV*{PAYER_CODE}",
        "N3*1 MERIDIAN PLAZA", f"N4*MAPLE BEND*{STATE}*41901",
        "PER*BL*PROVIDER SERVICES*TE*5550100784",
        f"N1*PE*{_text(practice.group.name)}*XX*{practice.npi}",
        f"N3*{_text(practice.address[0])}", f"N4*{_text(practice.address[1])}*{STATE}*{practice.address[2]}",
        f"REF*TJ*{practice.tax_id.replace('-', '')}",
        f"REF*PQ*{practice.vendor_number}",
        "LX*1",
    ]  # fmt: skip
    for claim in payment.claims:
        made += _claim(claim)
    if payment.adjustments:
        pairs = "*".join(f"{reason}*{_amount(cents)}" for reason, cents in payment.adjustments)
        made.append(f"PLB*{practice.npi}*{payment.paid_on.year}1231*{pairs}")
    return made


def _bpr(payment: _Payment) -> str:
    amount, on = _amount(payment.cents), f"{payment.paid_on:%Y%m%d}"
    if payment.number.startswith("NP"):
        return f"BPR*H*{amount}*C*NON{'*' * 12}{on}"
    if payment.number.startswith("EFT"):
        return f"BPR*I*{amount}*C*ACH*{_BANK}*{on}"
    return f"BPR*I*{amount}*C*CHK{'*' * 12}{on}"


def _claim(claim: Claim) -> list[str]:
    patient = claim.patient
    made = [
        f"CLP*{claim.account}*{claim.status}*{_amount(claim.charge)}*{_amount(claim.paid)}*{_amount(claim.patient_part)}"
        f"*{claim.filing}*{claim.number}*{claim.place}*1",
        *_cas(claim.adjustments),
        f"NM1*QC*1*{_text(patient.family_name)}*{_text(patient.given_name)}****MI*{patient.member_number}",
        *([f"NM1*82*1******XX*{claim.rendering_npi}"] if claim.rendering_npi else []),
        f"DTM*232*{claim.start:%Y%m%d}",
        f"DTM*233*{claim.end:%Y%m%d}",
        f"DTM*050*{claim.received:%Y%m%d}",
        f"AMT*AU*{_amount(claim.allowed)}",
    ]
    for line in claim.lines:
        revenue = line.revenue if not line.procedure.startswith("NU:") else ""
        made += [
            f"SVC*{line.procedure}*{_amount(line.charge)}*{_amount(line.paid)}*{revenue}*{line.units}",
            f"DTM*472*{line.on:%Y%m%d}",
            *_cas(line.adjustments),
            f"AMT*B6*{_amount(line.allowed)}",
        ]
    return made


def _cas(adjustments: Sequence[tuple[str, str, int]]) -> list[str]:
    by_group: dict[str, list[str]] = defaultdict(list)
    for group, reason, cents in adjustments:
        by_group[group].append(f"{reason}*{_amount(cents)}")
    return [f"CAS*{group}*{'**'.join(told)}" for group, told in by_group.items()]


def _amount(cents: int) -> str:
    whole = f"{abs(cents) // 100}.{abs(cents) % 100:02}".rstrip("0").rstrip(".")
    return f"-{whole}" if cents < 0 else whole


def _text(text: Any) -> str:
    return "".join(letter for letter in str(text).upper() if letter not in "*:~^")
