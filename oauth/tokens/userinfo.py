"""UserInfo (OpenID Connect Core §5.3): who the token's person is, in the words of the ID token."""

from sqlalchemy.orm import Session

from consent import subjects
from consent.policy import Access, access_for_grant
from oauth.tokens import protector, token_rows
from oauth.tokens.token_problems import InsufficientScope
from service.settings import Settings


def claims_for_request(session: Session, settings: Settings) -> dict[str, str]:
    """`sub`, and `fhirUser` where granted, by the token of the current request.

    Raises a TokenProblem, 403 without the scope openid.
    """
    presented = protector.presented()
    found = token_rows.check_to_tell(session, presented.raw)
    protector.require_possession(session, presented, found.row.dpop_jkt)
    access = access_for_grant(found.row.facts)
    if "openid" not in access.scopes:
        raise InsufficientScope("openid")
    claims = {"sub": found.subject or new_subject(session, access)}
    if "fhirUser" in access.scopes:
        claims["fhirUser"] = fhir_user(access, settings.fhir_base)
    return claims


def new_subject(session: Session, access: Access) -> str:
    """The `sub` of the person behind an Access, made now at the latest."""
    assert access.account_id is not None and access.member_id is not None, "an app's token has both"
    return subjects.find_or_make(session, access.account_id, access.member_id)


def fhir_user(access: Access, fhir_base: str) -> str:
    """The absolute URL of the person behind an Access."""
    return address_of(fhir_base, access.patient_id, access.related_person_id, access.person_id)


def address_of(fhir_base: str, patient_id: str | None, related_person_id: str | None, person_id: str | None) -> str:
    """A member is their Patient; who represents one is its RelatedPerson, who represents several one Person."""
    if person_id is not None:
        return f"{fhir_base}/Person/{person_id}"
    if related_person_id is not None:
        return f"{fhir_base}/RelatedPerson/{related_person_id}"
    return f"{fhir_base}/Patient/{patient_id}"
