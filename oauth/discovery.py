"""Discovery: one source object, three documents (SMART-1…10; RFC 8414; OpenID Connect Discovery).

A capability stands here only when it works; the API's CapabilityStatement takes its addresses from the same object.
"""

from dataclasses import asdict, dataclass

from flask import Blueprint, Response, json, request, url_for

from consent.data_types import CATEGORIES
from consent.scopes import BY_NAME
from oauth import brands
from oauth.apps.public_keys import ALGORITHMS
from oauth.brands import BrandIdentifier
from oauth.models import AuthMethod
from oauth.open_documents import open_to_any_origin
from oauth.tokens import dpop
from oauth.tokens.system_tokens import INTROSPECT
from service import web
from service.settings import ProgramsRegister, Settings

blueprint = Blueprint("discovery", __name__)
blueprint.after_request(open_to_any_origin)

CAPABILITIES = (
    "launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric",
    "client-confidential-asymmetric", "sso-openid-connect", "context-ehr-patient", "context-standalone-patient",
    "context-banner", "permission-offline", "permission-online", "permission-patient", "permission-user",
    "permission-v1", "permission-v2",
)  # fmt: skip
RESOURCE_TYPES = (
    "AllergyIntolerance", "AuditEvent", "CarePlan", "CareTeam", "Condition", "Consent", "Coverage", "Device",
    "DiagnosticReport", "DocumentReference", "Encounter", "Endpoint", "ExplanationOfBenefit", "Goal",
    "HealthcareService", "Immunization", "InsurancePlan", "Location", "Media", "Medication", "MedicationDispense",
    "MedicationRequest", "Observation", "Organization", "OrganizationAffiliation", "Patient", "Practitioner",
    "PractitionerRole", "Procedure", "Provenance", "Questionnaire", "QuestionnaireResponse", "RelatedPerson",
    "ServiceRequest", "Specimen",
)  # fmt: skip
SYSTEM_TYPES = (*(name for name in RESOURCE_TYPES if name not in BY_NAME), "Group", "PaymentReconciliation")
"""What programs without a person may ask for."""
_DOCUMENT = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
_CLAIM = "http://terminology.hl7.org/CodeSystem/claim-type"
GRANULAR = (
    *(f"{name}.rs?category={value}" for name, values in CATEGORIES.items() for value in values),
    f"DocumentReference.rs?category={_DOCUMENT}|clinical-note",
    *(
        f"ExplanationOfBenefit.rs?type={_CLAIM}|{code}"
        for code in ("pharmacy", "institutional", "professional", "oral", "vision")
    ),
)
"""Table 3A of smart.md."""
_METHODS = (AuthMethod.PRIVATE_KEY, AuthMethod.BASIC, AuthMethod.POST, AuthMethod.NONE)
_ALGORITHMS = tuple(ALGORITHMS.values())


@dataclass(frozen=True)
class Discovery:
    """Everything the three documents say."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    pushed_authorization_request_endpoint: str
    registration_endpoint: str | None
    jwks_uri: str
    revocation_endpoint: str
    introspection_endpoint: str
    userinfo_endpoint: str
    end_session_endpoint: str
    management_endpoint: str
    user_access_brand_bundle: str
    user_access_brand_identifier: BrandIdentifier
    service_documentation: str
    op_policy_uri: str
    op_tos_uri: str
    scopes_supported: tuple[str, ...]
    capabilities: tuple[str, ...]
    response_types_supported: tuple[str, ...] = ("code",)
    response_modes_supported: tuple[str, ...] = ("query",)
    grant_types_supported: tuple[str, ...] = ("authorization_code", "refresh_token", "client_credentials")
    token_endpoint_auth_methods_supported: tuple[str, ...] = _METHODS
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = _ALGORITHMS
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = _METHODS
    revocation_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = _ALGORITHMS
    # RFC 8414 §2: an access token type beside the methods says that such a token is taken (SMART-76).
    introspection_endpoint_auth_methods_supported: tuple[str, ...] = (*_METHODS[:-1], "Bearer")
    introspection_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = _ALGORITHMS
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    authorization_response_iss_parameter_supported: bool = True
    # Asked of single apps only (RFC 9126 §5).
    require_pushed_authorization_requests: bool = False
    dpop_signing_alg_values_supported: tuple[str, ...] = dpop.ALGORITHMS
    ui_locales_supported: tuple[str, ...] = ("en", "es")
    subject_types_supported: tuple[str, ...] = ("public",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    claims_supported: tuple[str, ...] = (
        "iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "amr", "nonce", "at_hash", "fhirUser",
    )  # fmt: skip
    prompt_values_supported: tuple[str, ...] = ("none", "login", "consent", "select_account")
    claims_parameter_supported: bool = False
    request_parameter_supported: bool = False
    # Left out it would mean true (OpenID Connect Discovery §3).
    request_uri_parameter_supported: bool = False


_SMART = (
    "issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "grant_types_supported",
    "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported", "scopes_supported",
    "response_types_supported", "management_endpoint", "registration_endpoint",
    "introspection_endpoint", "revocation_endpoint", "code_challenge_methods_supported", "capabilities",
    "user_access_brand_bundle", "user_access_brand_identifier", "pushed_authorization_request_endpoint",
    "authorization_response_iss_parameter_supported", "dpop_signing_alg_values_supported", "userinfo_endpoint",
    "end_session_endpoint",
)  # fmt: skip
_ONLY_SMART = frozenset({
    "capabilities", "management_endpoint", "user_access_brand_bundle", "user_access_brand_identifier",
})  # fmt: skip
_ONLY_OPENID = frozenset({
    "userinfo_endpoint", "end_session_endpoint", "subject_types_supported", "id_token_signing_alg_values_supported",
    "claims_supported", "prompt_values_supported", "claims_parameter_supported", "request_parameter_supported",
    "request_uri_parameter_supported",
})  # fmt: skip


def describe(settings: Settings) -> Discovery:
    """The one source. Addresses are those people use, not those behind a proxy."""

    def at(endpoint: str) -> str:
        return settings.base_url + url_for(endpoint)

    off = settings.programs_register is ProgramsRegister.OFF
    return Discovery(
        issuer=settings.base_url,
        authorization_endpoint=at("oauth.authorize"),
        token_endpoint=at("oauth.token"),
        pushed_authorization_request_endpoint=at("oauth.par"),
        registration_endpoint=None if off else at("registering.register"),
        jwks_uri=at("oauth.jwks"),
        revocation_endpoint=at("oauth.revoke"),
        introspection_endpoint=at("oauth.introspect"),
        userinfo_endpoint=at("oauth.userinfo"),
        end_session_endpoint=at("oauth.end_session"),
        management_endpoint=at("apps.index"),
        user_access_brand_bundle=brands.address(settings),
        user_access_brand_identifier=brands.identifier(settings),
        service_documentation=at("developer_public.index"),
        op_policy_uri=at("developer_public.rules"),
        op_tos_uri=at("developer_public.terms"),
        scopes_supported=scopes_supported(),
        capabilities=CAPABILITIES,
    )


def scopes_supported() -> tuple[str, ...]:
    """Every scope that may be asked for, in v1, v2 and granular form (SMART-6)."""
    resources = [
        f"{context}/{name}.{suffix}"
        for context, types in (("patient", RESOURCE_TYPES), ("user", RESOURCE_TYPES), ("system", SYSTEM_TYPES))
        for name in ("*", *types)
        for suffix in ("read", "rs", "r", "s")
    ]
    granular = [f"{context}/{scope}" for context in ("patient", "user", "system") for scope in GRANULAR]
    words = ("openid", "fhirUser", "launch", "launch/patient", "online_access", "offline_access")
    return (*words, INTROSPECT, *resources, *granular)


@blueprint.get("/fhir/r4/.well-known/smart-configuration")
def smart_configuration() -> Response:
    """SMART App Launch, conformance: appended to the FHIR base, JSON whatever is accepted."""
    every = asdict(describe(web.settings()))
    return _document({name: every[name] for name in _SMART})


@blueprint.get("/.well-known/oauth-authorization-server")
def authorization_server() -> Response:
    """RFC 8414 §3."""
    every = asdict(describe(web.settings()))
    return _document({name: value for name, value in every.items() if name not in _ONLY_SMART | _ONLY_OPENID})


@blueprint.get("/.well-known/openid-configuration")
def openid_configuration() -> Response:
    """OpenID Connect Discovery §4."""
    every = asdict(describe(web.settings()))
    return _document({name: value for name, value in every.items() if name not in _ONLY_SMART})


def _document(content: dict[str, object]) -> Response:
    said = {name: value for name, value in content.items() if value is not None}
    response = Response(json.dumps(said), content_type="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    response.add_etag()
    response.make_conditional(request)
    return response
