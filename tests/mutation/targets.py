"""Which modules are made wrong, by which tests that should be noticed, and which wrongs change nothing."""

from collections.abc import Mapping

AUTHORIZATION: Mapping[str, tuple[str, ...]] = {
    "consent/policy.py": ("tests/consent", "tests/fhir/test_visibility.py", "tests/attacks/test_support_view.py"),
    "consent/scopes.py": ("tests/consent",),
    "fhir/storage/granting.py": ("tests/fhir/test_visibility.py", "tests/fhir/test_plan_base.py"),
    "oauth/tokens/protector.py": ("tests/oauth/test_tokens.py", "tests/oauth/test_dpop.py"),
    "oauth/tokens/token_rows.py": ("tests/oauth/test_tokens.py", "tests/oauth/test_expiry.py"),
    "service/member/acting.py": ("tests/member", "tests/attacks/test_personal_representatives.py"),
    "service/provider/gate.py": ("tests/provider",),
    "service/staff/gate.py": ("tests/staff", "tests/attacks/test_staff_roles.py"),
}
"""Every predicate of these that says who may do what is taken away in turn, and each must be missed: 100 %."""
MUTATED: Mapping[str, tuple[str, ...]] = {
    "consent/policy.py": AUTHORIZATION["consent/policy.py"],
    "oauth/authorization/flows.py": ("tests/oauth", "tests/attacks/test_authorization_endpoint.py"),
    "oauth/exchanges/code_exchange.py": ("tests/oauth", "tests/attacks/test_codes.py"),
    "oauth/exchanges/refresh_exchange.py": ("tests/oauth", "tests/attacks/test_refresh_and_revocation.py"),
    "oauth/exchanges/client_credentials.py": ("tests/oauth/test_backend_clients.py",),
    "oauth/exchanges/standing.py": ("tests/oauth",),
    "oauth/exchanges/theft.py": ("tests/attacks/test_refresh_and_revocation.py",),
    "fhir/store.py": ("tests/fhir",),
    "fhir/search/clauses.py": ("tests/fhir",),
    "fhir/storage/granting.py": AUTHORIZATION["fhir/storage/granting.py"],
    "service/audit.py": ("tests/test_audit.py",),
    "service/audit_chain/links.py": ("tests/attacks/test_audit_chain.py",),
    "service/audit_chain/sealer.py": ("tests/attacks/test_audit_chain.py",),
    "service/audit_chain/verifier.py": ("tests/attacks/test_audit_chain.py",),
    "service/audit_chain/checkpoints.py": ("tests/attacks/test_audit_chain.py",),
    "service/audit_chain/purging.py": ("tests/attacks/test_audit_chain.py",),
    "service/audit_chain/stubs.py": ("tests/attacks/test_audit_chain.py",),
}
"""Of these at least 90 of 100 mutants must be noticed."""
TESTS = (
    "tests/consent", "tests/test_audit.py", "tests/test_single_use.py",
    "tests/oauth/test_tokens.py", "tests/oauth/test_flow.py", "tests/oauth/test_expiry.py", "tests/oauth/test_dpop.py",
    "tests/oauth/test_backend_clients.py", "tests/oauth/test_pushing.py", "tests/oauth/test_launching.py",
    "tests/oauth/test_prompts.py",
    "tests/fhir/test_visibility.py", "tests/fhir/test_searching.py", "tests/fhir/test_reading.py",
    "tests/fhir/test_paging.py", "tests/fhir/test_includes.py", "tests/fhir/test_plan_base.py",
    "tests/fhir/test_one_gate.py", "tests/fhir/test_consents.py", "tests/fhir/test_audit_events.py",
    "tests/fhir/test_backend_clients.py", "tests/fhir/test_provider_index.py", "tests/member/test_preview.py",
    "tests/attacks/test_codes.py", "tests/attacks/test_refresh_and_revocation.py",
    "tests/attacks/test_authorization_endpoint.py", "tests/attacks/test_token_endpoint.py",
    "tests/attacks/test_audit_chain.py", "tests/attacks/test_audit_purges.py",
    "tests/attacks/test_grant_changes.py", "tests/attacks/test_end_session.py",
    "tests/attacks/test_personal_representatives.py", "tests/attacks/test_representatives_by_age.py",
    "tests/attacks/test_support_view.py", "tests/attacks/test_staff_roles.py", "tests/attacks/test_consent_screen.py",
    "tests/attacks/test_fhir_other_peoples_data.py", "tests/attacks/test_provider_claims.py",
    "tests/attacks/test_billing_reach.py", "tests/provider/test_home.py", "tests/staff/test_users.py",
)  # fmt: skip
"""The tests of which those are run that reach a line."""
ON_BOTH = ("test_searching", "test_visibility", "test_provider_index")
"""Of these the PostgreSQL half is run too, for what is written for it alone; of the others the SQLite half does."""
EQUIVALENT: Mapping[str, str] = {}
"""By a mutant's name without its line: why it changes nothing that anybody could see."""
