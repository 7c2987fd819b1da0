"""UserInfo (OpenID Connect Core §5.3): who the token's person is, in the words of the ID token."""

from sqlalchemy.orm import Session

from consent import grants
from consent.policy import Access, access_for_grant
from oauth import tokens
from oauth.token_problems import InsufficientScope
from service.settings import Settings


def claims_of(session: Session, raw_access_token: str, settings: Settings) -> dict[str, str]:
    """`sub`, and `fhirUser` where granted; raises a TokenProblem, 403 without the scope openid."""
    facts = tokens.check(session, raw_access_token).facts
    access = access_for_grant(facts)
    if "openid" not in access.scopes:
        raise InsufficientScope("openid")
    claims = {"sub": grants.subject_for(session, facts.account_id, facts.member_id)}
    if "fhirUser" in access.scopes:
        claims["fhirUser"] = fhir_user(access, settings.fhir_base)
    return claims


def fhir_user(access: Access, fhir_base: str) -> str:
    """The absolute URL of the person behind an Access: a Patient, or the RelatedPerson who represents one."""
    if access.related_person_id is not None:
        return f"{fhir_base}/RelatedPerson/{access.related_person_id}"
    return f"{fhir_base}/Patient/{access.patient_id}"
