"""Numbers of the plan's payments: what stands on a check, beside an EFT, or on a notice that nothing is paid.

A run pays the claims of a dozen members, by group and Friday: so the payments of the first dozen are the same however
many members the plan has. A corrected claim is paid apart, together with what is taken back.
"""

from datetime import date

from service.sandbox.plan.providers import Group

RUN = 12
"""Members whose claims are paid together."""


def weekly(group: Group, paid_on: date, member_index: int, *, paid: bool) -> str:
    """The number of the payment, or notice where nothing is paid, of a group's claims of one Friday."""
    return f"{_mark(group, '70', paid)}{paid_on:%y%m%d}{group.number:02d}{member_index // RUN:04d}"


def corrected(group: Group, claim_number: str, *, paid: bool) -> str:
    """The number of the payment of a corrected claim."""
    return f"{_mark(group, '71', paid)}{claim_number}"


def _mark(group: Group, check: str, paid: bool) -> str:
    if not paid:
        return "NP"
    return check if group.paid_by_check else "EFT"
