"""Sign-on: the ID token and what it stands on (conformance A3; SMART-48 to 50)."""

import json
from base64 import urlsafe_b64decode
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from service.clock import now
from service.conformance import launches
from service.conformance.launch import Launch
from service.conformance.requirement import Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import Failed, expect, expect_status

_CONFIGURATION = (
    "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
    "subject_types_supported", "id_token_signing_alg_values_supported",
)  # fmt: skip
_PEOPLE = frozenset({"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"})
_LEEWAY = 60


def decode(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT, not verified; raises Failed unless it is one."""
    pieces = token.split(".")
    expect(len(pieces) == 3, "an id_token of three parts", len(pieces))
    try:
        header, claims = (json.loads(urlsafe_b64decode(piece + "=" * (-len(piece) % 4))) for piece in pieces[:2])
    except ValueError:
        raise Failed("an id_token of JSON parts", "something else") from None
    return header, claims


def _well_formed(trial: Trial) -> None:
    header, claims = _parts(trial)
    expect(header and claims, "an id_token with header and claims", "an empty one")


def _configuration(trial: Trial) -> None:
    issuer = str(_parts(trial)[1].get("iss", "")).rstrip("/")
    answer = trial.wire.get(f"{issuer}/.well-known/openid-configuration")
    expect_status(answer.status, {200}, "the OpenID configuration of the token's issuer")
    expect(answer.media_type == "application/json", "application/json", answer.media_type)
    missing = [name for name in _CONFIGURATION if not answer.json().get(name)]
    expect(not missing, "every field that OpenID Connect Discovery requires", f"no {', '.join(missing)}")
    algorithms = answer.json()["id_token_signing_alg_values_supported"]
    expect("RS256" in algorithms, "RS256 in id_token_signing_alg_values_supported", algorithms)


def _keys(trial: Trial) -> None:
    rsa = [key for key in _jwks(trial) if key.get("kty") == "RSA" and key.get("n") and key.get("e")]
    expect(rsa, "an RSA key at jwks_uri", "none")


def _header(trial: Trial) -> None:
    header = _parts(trial)[0]
    expect(header.get("alg") == "RS256", "alg RS256", header.get("alg"))
    known = {key.get("kid") for key in _jwks(trial)}
    expect(header.get("kid") in known, "a kid of jwks_uri", "another" if header.get("kid") else "none")


def _signature(trial: Trial) -> None:
    keys = KeySet.import_key_set({"keys": [key for key in _jwks(trial) if key.get("kty") == "RSA"]})
    try:
        jwt.decode(_launch(trial).held("id_token"), keys, algorithms=["RS256"])
    except JoseError as refused:
        raise Failed("a signature that verifies", type(refused).__name__) from None


def _issuer(trial: Trial) -> None:
    found = _parts(trial)[1].get("iss")
    expect(found == trial.openid.get("issuer"), "iss as the OpenID configuration's issuer", "another")
    expect(found == trial.smart.get("issuer"), "iss as the SMART configuration's issuer", "another")


def _audience(trial: Trial) -> None:
    found, wanted = _parts(trial)[1].get("aud"), _launch(trial).app.id
    expect(found in (wanted, [wanted]), "the app's client_id as aud", "another")


def _times(trial: Trial) -> None:
    claims, moment = _parts(trial)[1], now().timestamp()
    expires, issued = claims.get("exp"), claims.get("iat")
    expect(isinstance(expires, int) and expires > moment - _LEEWAY, "exp in the future", "past or none")
    expect(isinstance(issued, int) and issued < moment + _LEEWAY, "iat not in the future", "future or none")


def _subject(trial: Trial) -> None:
    found = _parts(trial)[1].get("sub")
    expect(isinstance(found, str) and 0 < len(found.strip()) < 256, "sub of 1 to 255 characters", "none or another")


def _nonce(trial: Trial) -> None:
    found = _parts(trial)[1].get("nonce")
    expect(found == _launch(trial).asked["nonce"], "the nonce that was sent", "another" if found else "none")


def _fhir_user(trial: Trial) -> None:
    launch = _launch(trial)
    kind, path = _who(trial, _parts(trial)[1].get("fhirUser"))
    answer = trial.read(path, launch.access_token)
    expect_status(answer.status, {200}, "a read of fhirUser with the access token")
    expect(answer.json().get("resourceType") == kind, f"a {kind}", answer.json().get("resourceType"))


def _fhir_user_alone(trial: Trial) -> None:
    launch = launches.alone(trial, "openid fhirUser")
    _kind, path = _who(trial, decode(launch.held("id_token"))[1].get("fhirUser"))
    answer = trial.read(path, launch.access_token)
    expect_status(answer.status, {200}, "a read of fhirUser with openid and fhirUser alone")


def _launch(trial: Trial) -> Launch:
    trial.require("sso-openid-connect")
    return launches.symmetric(trial)


def _who(trial: Trial, claim: object) -> tuple[str, str]:
    """The type and the path below the FHIR base of a fhirUser, absolute or relative."""
    expect(isinstance(claim, str) and claim, "fhirUser", "none")
    path = str(claim).removeprefix(f"{trial.fhir_base}/")
    kind, _, identity = path.partition("/")
    expect(kind in _PEOPLE and identity, f"fhirUser below the FHIR base, one of {sorted(_PEOPLE)}", "another address")
    return kind, path


def _jwks(trial: Trial) -> list[dict[str, Any]]:
    answer = trial.wire.get(str(trial.openid.get("jwks_uri")))
    expect_status(answer.status, {200}, "jwks_uri")
    keys: list[dict[str, Any]] = answer.json().get("keys") or []
    expect(keys, "keys at jwks_uri", "none")
    return keys


def _parts(trial: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
    return decode(_launch(trial).held("id_token"))


REQUIREMENTS = (
    Requirement("openid.well_formed", "A3", "the id_token is a JWT", _well_formed),
    Requirement("openid.configuration", "A3", "its issuer publishes an OpenID configuration", _configuration),
    Requirement("openid.keys", "A3, SMART-49", "the issuer's RSA keys are published", _keys),
    Requirement("openid.header", "A3, SMART-49", "it is signed RS256 and names its key", _header),
    Requirement("openid.signature", "A3, SMART-49", "its signature verifies", _signature),
    Requirement("openid.issuer", "A3, 1A", "iss is the issuer of both documents", _issuer),
    Requirement("openid.audience", "A3", "aud is the app", _audience),
    Requirement("openid.times", "A3", "exp and iat are right", _times),
    Requirement("openid.subject", "A3", "sub is there", _subject),
    Requirement("openid.nonce", "A3", "the nonce comes back", _nonce),
    Requirement("openid.fhir_user", "A3, SMART-48", "fhirUser names a person that can be read", _fhir_user),
    Requirement("openid.fhir_user_alone", "SMART-50", "fhirUser alone lets that one be read", _fhir_user_alone),
)
