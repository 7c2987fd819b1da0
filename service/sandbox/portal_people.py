"""Who signs in to the sandbox's provider portal and staff console, and what each is good for."""

from dataclasses import dataclass

from service.sandbox.sign_ins import Kind


@dataclass(frozen=True)
class PortalPerson:
    """An account to open. `has_factor`: it has an authenticator app whose codes `service.sandbox.codes` tells."""

    username: str
    given_name: str
    family_name: str
    kind: Kind
    email: str
    good_for: str
    has_factor: bool = False
    accepts_terms: bool = True


MARGE = PortalPerson(
    "marge", "Marge", "Dalton", Kind.PROVIDER_DELEGATE, "marge.dalton@rivermontclinic.example",
    "an office manager, delegate of her clinic", has_factor=True,
)  # fmt: skip
LUIS = PortalPerson(
    "luis", "Luis", "Ferrer", Kind.PROVIDER_STAFF, "luis.ferrer@rivermontclinic.example",
    "same office, only Remittance Inquiry and Eligibility",
)  # fmt: skip
BETH = PortalPerson(
    "beth", "Beth", "Sawyer", Kind.PROVIDER_STAFF, "beth.sawyer@rivermontclinic.example",
    "same office, asked to become delegate",
)  # fmt: skip
HUGO = PortalPerson(
    "hugo", "Hugo", "Lang", Kind.PROVIDER_DELEGATE, "hugo.lang@rivermontgeneral.example",
    "Tax ID AND vendor number: the hospital, not the agency that shares its Tax ID", has_factor=True,
)  # fmt: skip
WANDA = PortalPerson(
    "wanda", "Wanda", "Price", Kind.PROVIDER_DELEGATE, "wanda.price@fairhollowdental.example",
    "the first sign-in of a delegate: second factor, then both terms of use", accepts_terms=False,
)  # fmt: skip
PETER = PortalPerson(
    "peter", "Peter", "Quinn", Kind.PROVIDER_STAFF, "peter.quinn@oldferryrehab.example",
    "waits for the PIN in the mail: an empty menu, and a letter for plan staff to print",
)  # fmt: skip
NADIA = PortalPerson(
    "nadia", "Nadia", "Brooks", Kind.BILLING_DELEGATE, "nadia.brooks@summitbilling.example",
    "a billing firm: two clients said yes, two requests wait", has_factor=True,
)  # fmt: skip
OMAR = PortalPerson(
    "omar", "Omar", "Haines", Kind.BILLING_STAFF, "omar.haines@summitbilling.example", "a clerk of the billing firm"
)
RUTH = PortalPerson(
    "ruth", "Ruth", "Mercer", Kind.PLAN_STAFF, "ruth.mercer@meridian.example",
    "plan staff, provider services: mailbox, letters, users", has_factor=True,
)  # fmt: skip
FELIX = PortalPerson(
    "felix", "Felix", "Stone", Kind.PLAN_STAFF, "felix.stone@meridian.example",
    "plan staff, provider services: the second pair of eyes", has_factor=True,
)  # fmt: skip
OLIVIA = PortalPerson(
    "olivia", "Olivia", "Chen", Kind.PLAN_STAFF, "olivia.chen@meridian.example",
    "plan staff, privacy officer and administrator; the third app reviewer, for appeals", has_factor=True,
)  # fmt: skip
NORA = PortalPerson(
    "nora", "Nora", "Bell", Kind.PLAN_STAFF, "nora.bell@meridian.example",
    "plan staff, member services: looks up members, opens their page with a reason; representatives",
    has_factor=True,
)  # fmt: skip
DAVID = PortalPerson(
    "dyoung", "David", "Young", Kind.PLAN_STAFF, "david.young@meridian.example",
    "plan staff, member services, the second yes to representatives; his own record as a member stays shut",
    has_factor=True,
)  # fmt: skip
GWEN = PortalPerson(
    "gwen", "Gwen", "Okafor", Kind.PLAN_STAFF, "gwen.okafor@meridian.example",
    "plan staff, app reviewer: two apps wait, one declined, one suspended", has_factor=True,
)  # fmt: skip
ABEL = PortalPerson(
    "abel", "Abel", "Ruiz", Kind.PLAN_STAFF, "abel.ruiz@meridian.example",
    "plan staff, app reviewer: the second yes", has_factor=True,
)  # fmt: skip
INES = PortalPerson(
    "ines", "Ines", "Duarte", Kind.DEVELOPER, "ines@brightpathlabs.example",
    "an app developer: apps approved, waiting, declined and suspended",
)  # fmt: skip
PORTAL_PEOPLE = (
    MARGE, LUIS, BETH, HUGO, WANDA, PETER, NADIA, OMAR, RUTH, FELIX, OLIVIA, NORA, DAVID, GWEN, ABEL, INES,
)  # fmt: skip
"""In the order of the hand-out."""
SHOWN_FIRST = (MARGE, NADIA, RUTH)
"""Who stands in the table of `make run`."""
