"""ID tokens (OpenID Connect Core §2; SMART 2.2, identity): RS256 always, whatever a client's metadata says."""

from typing import Any

from authlib.oidc.core import OpenIDToken
from authlib.oidc.core.util import create_half_hash
from joserfc import jwt

from consent import subjects
from oauth import keys
from oauth.exchanges.standing import Recipient, Standing
from oauth.requests import OAuthRequest
from oauth.tokens import userinfo
from service import web
from service.accounts.amr import methods
from service.clock import now


class SignedIdToken(OpenIDToken):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's extension of both grants: adds `id_token` to the answer when openid was granted."""

    def encode_id_token(self, token: dict[str, Any], request: OAuthRequest) -> str:
        """The signed token. Every claim is set here; `auth_time` is the real sign-in, at a refresh too."""
        recipient: Recipient = request.user
        settings, session, at = web.settings(), web.db_session(), int(now().timestamp())
        key = keys.signing_key(session, settings.secret_key)
        half = create_half_hash(token["access_token"], keys.ALGORITHM)
        claims = {
            "iss": settings.base_url,
            "sub": subject(recipient.standing),
            "aud": request.client.id,
            "azp": request.client.id,
            "iat": at,
            "exp": at + int(keys.ID_TOKEN_LIFE.total_seconds()),
            "auth_time": int(recipient.family.authenticated_at.timestamp()),
            "at_hash": half.decode(),
        }
        if recipient.family.amr:
            claims["amr"] = methods(recipient.family.amr)
        if recipient.first and recipient.family.nonce:
            claims["nonce"] = recipient.family.nonce
        if "fhirUser" in recipient.scopes:
            claims["fhirUser"] = fhir_user(recipient.standing, settings.fhir_base)
        return jwt.encode({"alg": keys.ALGORITHM, "kid": key.kid, "typ": "JWT"}, claims, key, [keys.ALGORITHM])


def subject(found: Standing) -> str:
    """The `sub`: one per account and member, never a number that anybody else knows."""
    return subjects.find_or_make(web.db_session(), found.account.id, found.grant.member_id)


def fhir_user(found: Standing, fhir_base: str) -> str:
    """The absolute URL of the person: a Patient, RelatedPerson or Person, as UserInfo tells it (SMART-48)."""
    link, patient_id = found.choice.link, found.choice.member.patient_id
    if link is None:
        return userinfo.address_of(fhir_base, patient_id, None, None)
    return userinfo.address_of(fhir_base, patient_id, link.related_person_id, link.representative.person_id)
