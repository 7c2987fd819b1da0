"""The accounts of the sandbox: who of the fixed cast can sign in, and what each is good for."""

from dataclasses import dataclass
from enum import StrEnum

PASSWORD = "Porch-Light-24"
"""One password for all: easy to type, within the rule, and in no list."""


class Kind(StrEnum):
    """What kind of access an account has."""

    MEMBER = "member"
    FORMER_MEMBER = "former_member"
    REPRESENTATIVE = "personal_representative"
    PROVIDER_DELEGATE = "provider_delegate"
    PROVIDER_STAFF = "provider_staff"
    BILLING_DELEGATE = "billing_delegate"
    BILLING_STAFF = "billing_staff"
    PLAN_STAFF = "plan_staff"
    DEVELOPER = "developer"


@dataclass(frozen=True)
class SignIn:
    """An account to make: user name, name of the person in the cast, and what to try with it."""

    username: str
    given_name: str
    family_name: str
    kind: Kind
    good_for: str
    language: str = "en"


SIGN_INS = (
    SignIn("thomas", "Thomas", "King", Kind.MEMBER, "the main job: connect an app, see it, revoke it"),
    SignIn("julia", "Julia", "Reed", Kind.MEMBER, "sensitive records, off until ticked"),
    SignIn("david", "David", "Young", Kind.MEMBER, "two coverages, one after the other"),
    SignIn(
        "carmen",
        "Carmen",
        "Rivera",
        Kind.MEMBER,
        "pages in Spanish; a record that holds something of everything",
        language="es",
    ),
    SignIn("grace", "Grace", "Hill", Kind.FORMER_MEMBER, "a former member still reads her claims"),
    SignIn("anna", "Anna", "Miller", Kind.MEMBER, "a mother of two: Select member"),
    SignIn("susan", "Susan", "Green", Kind.MEMBER, "a daughter who acts for her father"),
    SignIn("helen", "Helen", "Carter", Kind.REPRESENTATIVE, "a guardian who is no member"),
)
"""In the order of the table. Whoever of the cast is missing here is there to try registration with."""

SELF_TEST = "carmen"
"""Whom the conformance self-test signs in as: her record holds every profile, and she is not the one that people try
first, for a run ends the apps it connected."""
