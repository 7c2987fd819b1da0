"""One X12 835 transaction set (005010X221A1) as a remittance with its claims and lines. Pure: no database.

What the guide demands and no reader needs (PER, some dates, addresses) is missed with a warning; what names the
payment or an amount must be there and well formed, or the set is refused at that segment.
"""

from collections.abc import Callable
from datetime import date

from service.plan.models import PaymentMethod
from service.plan.providers.numbers import UnusableNumber, notice_number, npi, payment_number, tax_id, vendor_number
from service.plan.remittances.remittance_content import Claim, Line, ProviderAdjustment, ReadRemittance
from service.plan.remittances.remittance_elements import (
    Unreadable,
    adjustments,
    amount,
    codes,
    day,
    optional_amount,
    require,
    text,
)
from service.plan.remittances.x12 import Fault, Segment, TransactionSet

_METHODS = {
    "CHK": PaymentMethod.CHECK, "ACH": PaymentMethod.EFT, "FWT": PaymentMethod.EFT, "BOP": PaymentMethod.EFT,
    "NON": PaymentMethod.NON_PAYMENT,
}  # fmt: skip
_VERSION = "005010X221"
_EXPECTED = {
    "DTM": "no production date (DTM*405)", "PER": "no contact of the payer (PER)", "N3": "no address (N3)",
    "LX": "no header number (LX)",
}  # fmt: skip
"""What the guide asks for at least once in a set; its absence is only told."""


def read(found: TransactionSet) -> ReadRemittance:
    """The remittance that a transaction set holds; raises Unreadable naming the segment."""
    head = found.segments[0]
    if found.kind != "835":
        raise Unreadable(head, "this is no 835: ST01 names another transaction")
    if not found.group.get(8).startswith(_VERSION):
        raise Unreadable(head, f"its version (GS08) is not {_VERSION}A1")
    if found.faults:
        first = found.faults[0]
        raise Unreadable(Segment(first.position, first.tag, ()), first.why)
    return _Reading(found).done()


class _Reading:
    """Walks through the segments; a segment belongs to the loop that was opened last."""

    def __init__(self, found: TransactionSet) -> None:
        self._found = found
        self._made = ReadRemittance(warnings=list(found.looseness))
        self._party = ""
        self._claim: Claim | None = None
        self._line: Line | None = None
        self._produced_on: date | None = None
        self._undated: Unreadable | None = None
        self._seen: set[str] = set()

    def done(self) -> ReadRemittance:
        for segment in self._found.segments[1:-1]:
            self._seen.add(segment.tag)
            take = _READERS.get(segment.tag)
            if take is not None:
                take(self, segment)
        self._require_whole()
        return self._made

    def _require_whole(self) -> None:
        head = self._found.segments[0]
        for tag, words in (("BPR", "payment"), ("TRN", "trace number")):
            if tag not in self._seen:
                raise Unreadable(head, f"the set has no {tag}: its {words} is not told")
        made = self._made
        if self._undated is not None:
            if self._produced_on is None:
                raise self._undated
            made.paid_on = self._produced_on
            why = f"{self._undated.why}: the production date (DTM*405) is taken"
            made.warnings.append(Fault(self._undated.position, self._undated.tag, why))
        if made.method is PaymentMethod.NON_PAYMENT:
            made.number = made.number_key = notice_number(made.number_key)
        payee = made.payee
        if not payee.tax_id and not payee.npi and not payee.unread:
            self._warn(head, "the payee has neither Tax ID nor NPI")
        for tag, words in _EXPECTED.items():
            # A payment of adjustments alone (PLB) has no claims, so nothing to head.
            if tag not in self._seen and (tag != "LX" or made.claims):
                self._warn(head, words)

    def _warn(self, segment: Segment, why: str) -> None:
        self._made.warnings.append(Fault(segment.position, segment.tag, why))

    def payment(self, segment: Segment) -> None:
        """BPR: how much, how, and when."""
        made = self._made
        method = _METHODS.get(segment.get(4))
        if method is None:
            raise Unreadable(segment, "BPR04 is none of CHK, ACH, FWT, BOP and NON")
        made.at, made.method, made.amount = segment.position, method, amount(segment, 2)
        if made.amount < 0:
            raise Unreadable(segment, "BPR02 is less than nothing: what is owed stands in PLB")
        if method is PaymentMethod.NON_PAYMENT and made.amount:
            raise Unreadable(segment, "BPR04 says no payment, but BPR02 holds an amount")
        self._payment_day(segment)

    def _payment_day(self, segment: Segment) -> None:
        try:
            self._made.paid_on = day(segment, 16)
        except Unreadable as missing:
            # Looser senders shift or forget it; the production date, told later, then stands for it.
            self._undated = missing

    def trace(self, segment: Segment) -> None:
        """TRN: the number of the check, transfer or notice."""
        made = self._made
        made.number = require(segment, 2, 50)
        try:
            made.number_key = payment_number(made.number)
        except UnusableNumber:
            made.number_key = "".join(letter for letter in made.number.upper() if letter.isascii() and letter.isalnum())
            self._warn(segment, "the number holds other signs than letters and digits; it is found without them")
        if not made.number_key:
            raise Unreadable(segment, "TRN02 holds no letter or digit")

    def party(self, segment: Segment) -> None:
        """N1: the payer or the payee."""
        self._party = segment.get(1)
        name, kind, value = text(segment, 2, 80), segment.get(3), text(segment, 4, 80)
        if self._party == "PR":
            self._made.payer_name, self._made.payer_id = name, value or self._made.payer_id
        elif self._party == "PE":
            self._made.payee.name = name
            self._identify(segment, {"XX": "npi", "FI": "tax_id"}.get(kind, ""), value)

    def reference(self, segment: Segment) -> None:
        """REF: of the payee, its Tax ID (TJ) or the plan's vendor number (PQ)."""
        if self._party == "PE" and self._claim is None:
            self._identify(
                segment, {"TJ": "tax_id", "PQ": "vendor_number"}.get(segment.get(1), ""), text(segment, 2, 50)
            )

    def _identify(self, segment: Segment, name: str, value: str) -> None:
        if not name or not value:
            return
        try:
            setattr(self._made.payee, name, _IDS[name](value))
        except UnusableNumber as refused:
            self._made.payee.unread = True
            self._warn(segment, f"the payee's number cannot be used. {refused.sentence}")

    def header_number(self, _segment: Segment) -> None:
        """LX: the header, or the claim at hand, is over."""
        self._party, self._claim, self._line = "", None, None

    def claim(self, segment: Segment) -> None:
        """CLP: a claim begins."""
        self._party, self._line = "", None
        claim_number = text(segment, 7, 50)
        if not claim_number:
            self._warn(segment, "the claim has no number of the plan (CLP07)")
        self._claim = Claim(
            segment.position, claim_number, require(segment, 1, 50), require(segment, 2, 2),
            charge=amount(segment, 3), paid=amount(segment, 4), patient=optional_amount(segment, 5) or 0,
        )  # fmt: skip
        self._made.claims.append(self._claim)

    def person(self, segment: Segment) -> None:
        """NM1: the patient (QC), the subscriber (IL), who rendered the service (82)."""
        if self._claim is None:
            return
        kind, claim = segment.get(1), self._claim
        if kind == "QC":
            claim.family_name, claim.given_name = text(segment, 3, 60), text(segment, 4, 60)
        if kind == "QC" or (kind == "IL" and not claim.member_number):
            claim.member_number = text(segment, 9, 80)
        if kind == "82" and segment.get(8) == "XX":
            try:
                claim.rendering_npi = npi(segment.get(9))
            except UnusableNumber:
                self._warn(segment, "the NPI of who rendered the service cannot be used")

    def adjustment(self, segment: Segment) -> None:
        """CAS: why less was paid, of the line at hand or of the claim."""
        place = self._line or self._claim
        if place is None:
            raise Unreadable(segment, "it stands before any claim")
        place.adjustments.extend(adjustments(segment))

    def line(self, segment: Segment) -> None:
        """SVC: a service line begins."""
        if self._claim is None:
            raise Unreadable(segment, "it stands before any claim")
        service = ":".join(part.strip() for part in segment.parts(1)).rstrip(":")
        if ":" not in service:
            self._warn(segment, "SVC01 is one piece: its parts are not told by this file's delimiter")
        revenue = text(segment, 4, 10) or (service.partition(":")[2][:10] if service.startswith("NU:") else "")
        self._line = Line(
            segment.position, text(Segment(segment.position, "SVC", (service,)), 1, 60), revenue, text(segment, 5, 20),
            charge=amount(segment, 2), paid=amount(segment, 3),
        )  # fmt: skip
        self._claim.lines.append(self._line)

    def dates(self, segment: Segment) -> None:
        """DTM: the days of service, of the line (150, 151, 472) or of the claim (232, 233)."""
        kind, place = segment.get(1), self._line or self._claim
        if kind == "405":
            self._produced_on = day(segment, 2)
        if place is None or kind not in {"150", "151", "232", "233", "472"}:
            return
        on = day(segment, 2)
        if kind in {"150", "232", "472"}:
            place.service_from = on
        place.service_to = on if kind in {"151", "233"} or place.service_to is None else place.service_to

    def allowed(self, segment: Segment) -> None:
        """AMT: what the contract allows for the line (B6)."""
        if self._line is not None and segment.get(1) == "B6":
            self._line.allowed = amount(segment, 2)

    def remark(self, segment: Segment) -> None:
        """LQ: a remark on the line."""
        if self._line is not None:
            self._line.remarks.extend(codes(segment, (2,)))

    def stay(self, segment: Segment) -> None:
        """MIA, MOA: remarks on the claim stand in fixed places."""
        if self._claim is not None:
            places = (5, 20, 21, 22, 23) if segment.tag == "MIA" else (3, 4, 5, 6, 7)
            self._claim.remarks.extend(codes(segment, places))

    def provider_adjustment(self, segment: Segment) -> None:
        """PLB: amounts that belong to no claim, up to six pairs."""
        self._claim = self._line = None
        for place in range(3, 15, 2):
            if not segment.get(place) and not segment.get(place + 1):
                continue
            reason, _, identifier = ":".join(segment.parts(place)).partition(":")
            both = Segment(segment.position, "PLB", (reason, identifier))
            found = ProviderAdjustment(text(both, 1, 10), text(both, 2, 80), amount(segment, place + 1))
            self._made.provider_adjustments.append(found)


_IDS: dict[str, Callable[[str], str]] = {"npi": npi, "tax_id": tax_id, "vendor_number": vendor_number}
_READERS: dict[str, Callable[[_Reading, Segment], None]] = {
    "BPR": _Reading.payment, "TRN": _Reading.trace, "N1": _Reading.party, "REF": _Reading.reference,
    "LX": _Reading.header_number, "CLP": _Reading.claim, "NM1": _Reading.person, "CAS": _Reading.adjustment,
    "SVC": _Reading.line, "DTM": _Reading.dates, "AMT": _Reading.allowed, "LQ": _Reading.remark,
    "MIA": _Reading.stay, "MOA": _Reading.stay, "PLB": _Reading.provider_adjustment,
}  # fmt: skip
