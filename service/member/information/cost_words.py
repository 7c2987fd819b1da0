"""What is said of costs: to the member, or to somebody who acts for them and whose own share it is not."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.representatives import MemberChoice
from service.member.information.record_words import CLAIM_STATUSES, REDUCTIONS
from service.plan.claims.claim_view import ClaimStatus


@dataclass(frozen=True)
class CostWords:
    """The sentences that name who pays what the plan does not. `bars` takes the sums `paid` and `owed`, as told."""

    share: LazyString
    statuses: Mapping[ClaimStatus, LazyString]
    reductions: Mapping[str, LazyString]
    billed: LazyString
    bars: LazyString


_TO_MEMBERS = CostWords(
    share=_("Your share"),
    statuses={**CLAIM_STATUSES, ClaimStatus.MEMBER_SHARE: _("The plan paid nothing, all of it is your share")},
    reductions={
        **REDUCTIONS, "deductible": _("Deductible (your share)"), "copay": _("Copay (your share)"),
        "coinsurance": _("Coinsurance (your share)"), "paidbypatient": _("Already paid by you"),
    },
    billed=_(
        "Billed is more than the plan and you pay together: the plan's prices are lower. Claims that were withdrawn or "
        "replaced, or are not final, do not count."
    ),
    bars=_(
        "Bars of what the plan paid, and on top of it your share. In all the plan paid %(paid)s, and your share was "
        "%(owed)s. The table has every figure."
    ),
)  # fmt: skip
_TO_OTHERS = CostWords(
    share=_("Member's share"),
    statuses={**CLAIM_STATUSES, ClaimStatus.MEMBER_SHARE: _("The plan paid nothing, all of it is the member's share")},
    reductions={
        **REDUCTIONS, "deductible": _("Deductible (member's share)"), "copay": _("Copay (member's share)"),
        "coinsurance": _("Coinsurance (member's share)"), "paidbypatient": _("Already paid by the member"),
    },
    billed=_(
        "Billed is more than the plan and the member pay together: the plan's prices are lower. Claims that were "
        "withdrawn or replaced, or are not final, do not count."
    ),
    bars=_(
        "Bars of what the plan paid, and on top of it the member's share. In all the plan paid %(paid)s, and the "
        "member's share was %(owed)s. The table has every figure."
    ),
)  # fmt: skip


def spoken_to(choice: MemberChoice) -> CostWords:
    """The words for whoever looks at the costs of this member."""
    return _TO_MEMBERS if choice.is_self else _TO_OTHERS
