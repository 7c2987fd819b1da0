"""Payments of this quarter, one check, one EFT and one notice a group: what stands in their 835 proves who registers.

The plan's own payments end with its fixed last day and grow too old as proof (`plan.provider.proof_days`). These pay no
claim: interest, a bonus, and interest kept back against an overpayment, which leaves nothing to pay.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.clock import now
from service.plan.models import PaymentMethod, ProviderGroup, Remittance, RemittanceFile
from service.plan.providers.numbers import shown_tax_id
from service.plan.remittances import remittance_files
from service.sandbox.handout import HandOut
from service.sandbox.plan.people import STATE
from service.sandbox.plan.providers import PAYER_CODE, PAYER_NAME
from service.sandbox.provider_groups import Payee, payees

_BANK = "CCP*01*999999992*DA*0123456789*1999999901**01*999988881*DA*98765"
_CODES = {PaymentMethod.CHECK: "CHK", PaymentMethod.EFT: "ACH", PaymentMethod.NON_PAYMENT: "NON"}
_MARKS = {PaymentMethod.CHECK: "72", PaymentMethod.EFT: "EFT73", PaymentMethod.NON_PAYMENT: "NP74"}
"""How the numbers begin; the digits differ too, since a search forgives a missing NP."""
_AMOUNTS = {PaymentMethod.CHECK: "18.4", PaymentMethod.EFT: "150", PaymentMethod.NON_PAYMENT: "0"}
_ADJUSTMENTS = {
    PaymentMethod.CHECK: "L6:{number}*-18.4",
    PaymentMethod.EFT: "BN:{number}*-150",
    PaymentMethod.NON_PAYMENT: "L6:{number}*-2*WO:{number}*2",
}
"""PLB: reason and reference, dollars taken away."""


class Unbalanced(Exception):
    """The file was refused: a fault of this module."""


def load(session: Session, folder: Path) -> None:
    """Write and load the file of this quarter; one that was loaded stays as it is."""
    paid_on = _quarter_of(now().date())
    path = folder / f"fresh-{paid_on:%Y-%m}.835"
    if session.scalar(select(RemittanceFile.id).where(RemittanceFile.name == path.name)) is not None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(_file_of(payees(), paid_on), encoding="ascii")
    summary = remittance_files.load_file(session, path)
    if summary.refused or summary.unknown_payees:
        raise Unbalanced(f"{path.name}: {'; '.join(str(fault) for fault in summary.refused)}")


def newest(session: Session, payee: Payee, method: PaymentMethod) -> Remittance | None:
    """The last payment of this kind to the group."""
    statement = (
        select(Remittance)
        .join(ProviderGroup, ProviderGroup.id == Remittance.group_id)
        .where(ProviderGroup.number == payee.number, Remittance.method == method)
        .order_by(Remittance.paid_on.desc(), Remittance.number_key)
        .limit(1)
    )
    return session.scalar(statement)


def proof(session: Session, payee: Payee) -> HandOut:
    """The numbers with which an office of the group registers or adds access; a kind it never got is left out."""
    paid = {method.value: newest(session, payee, method) for method in PaymentMethod}
    return {
        "group": payee.name,
        "tax_id": shown_tax_id(payee.tax_id),
        "npi": payee.npi,
        "vendor_number": payee.vendor_number,
        **{method: one.number for method, one in paid.items() if one is not None},
    }


def _quarter_of(day: date) -> date:
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def _file_of(every: tuple[Payee, ...], paid_on: date) -> str:
    sets = [_set_of(payee, method, paid_on) for payee in every for method in PaymentMethod]
    control = f"9{paid_on:%y%m}0000"
    parties = f"ZZ*{PAYER_CODE:15}*ZZ*{'CLEARINGHSE':15}"
    segments = [
        f"ISA*00*{'':10}*00*{'':10}*{parties}*{paid_on:%y%m%d}*0630*^*00501*{control}*0*T*:",
        f"GS*HP*{PAYER_CODE}*CLEARINGHSE*{paid_on:%Y%m%d}*0630*1*X*005010X221A1",
        *(segment for place, inner in enumerate(sets, start=1) for segment in _enclosed(inner, f"{place:04d}")),
        f"GE*{len(sets)}*1",
        f"IEA*1*{control}",
    ]
    return "".join(f"{segment}~\n" for segment in segments)


def _enclosed(inner: list[str], control: str) -> Iterator[str]:
    yield f"ST*835*{control}"
    yield from inner
    yield f"SE*{len(inner) + 2}*{control}"


def _set_of(payee: Payee, method: PaymentMethod, paid_on: date) -> list[str]:
    number = f"{_MARKS[method]}{paid_on:%y%m%d}{payee.number[2:]}"
    bank = f"*{_BANK}*" if method is PaymentMethod.EFT else "*" * 12
    kind = "H" if method is PaymentMethod.NON_PAYMENT else "I"
    line, city, zip_code = payee.address
    return [
        f"BPR*{kind}*{_AMOUNTS[method]}*C*{_CODES[method]}{bank}{paid_on:%Y%m%d}",
        f"TRN*1*{number}*1999999901",
        f"DTM*405*{paid_on:%Y%m%d}",
        f"N1*PR*{PAYER_NAME.upper()}*XV*{PAYER_CODE}",
        "N3*1 MERIDIAN PLAZA", f"N4*MAPLE BEND*{STATE}*41901",
        "PER*BL*PROVIDER SERVICES*TE*5550100784",
        f"N1*PE*{payee.name.upper()}*XX*{payee.npi}",
        f"N3*{line.upper()}", f"N4*{city.upper()}*{STATE}*{zip_code}",
        f"REF*TJ*{payee.tax_id}",
        f"REF*PQ*{payee.vendor_number}",
        f"PLB*{payee.npi}*{paid_on.year}1231*{_ADJUSTMENTS[method].format(number=number)}",
    ]  # fmt: skip
