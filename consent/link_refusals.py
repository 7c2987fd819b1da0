"""Why a link of a representative is refused, each with its sentence for plan staff."""


class LinkRefused(Exception):
    """This link must not be made; `sentence` says why, for plan staff."""

    sentence = "This person cannot be linked to that member."


class MergedRecord(LinkRefused):
    """The member's record has become part of another, at which the link would reach nothing."""

    sentence = "This record is part of another one by now. Look the member up again, and link with that one."


class SelfLink(LinkRefused):
    """A member needs no link to their own record."""

    sentence = "This is the member's own account; nobody represents themselves."


class CircularLink(LinkRefused):
    """The member already acts for the person who would represent them."""

    sentence = "The member already acts for this person; two people cannot represent each other."


class ConfidentialMember(LinkRefused):
    """The member asked for confidential communications or has died without an executor's proof."""

    sentence = (
        "This member asked for confidential communications, or has died: nobody can be linked but the executor of a "
        "member who has died."
    )


class LivingMember(LinkRefused):
    """An executor's link to somebody who has not died, as far as the plan knows."""

    sentence = (
        "The plan's record does not say that this member has died, so nobody can be linked as executor yet. "
        "Have the death entered on the roster first, or use another basis."
    )


class PastMajority(LinkRefused):
    """A parent's link to somebody who is 18 or more."""

    sentence = "The member is 18 or older: a parent needs another basis, such as a power of attorney."


class MinorsPermission(LinkRefused):
    """The permission of somebody who is not of age."""

    sentence = "The member is not 18 yet, so their own permission is not enough: a parent or guardian asks."


class ShutOut(LinkRefused):
    """A safety block stands between the two (45 CFR 164.502(g)(5))."""

    sentence = "A safety block keeps this person from acting for that member. A privacy officer must lift it first."


class LinkedAlready(LinkRefused):
    """The two are linked."""

    sentence = "This person acts for that member already. Change or end that link instead."


class NoTimeLeft(LinkRefused):
    """The link would be over before it begins."""

    sentence = "The link would be over before it begins. Please check its dates."
