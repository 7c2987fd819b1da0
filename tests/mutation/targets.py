"""Which modules are made wrong, by which tests that should be noticed, and which wrongs change nothing."""

from collections.abc import Mapping

AUTHORIZATION: Mapping[str, tuple[str, ...]] = {
    "consent/policy.py": ("tests/consent", "tests/fhir/test_visibility.py", "tests/attacks/test_support_view.py"),
    "consent/scopes.py": ("tests/consent",),
    "fhir/storage/granting.py": (
        "tests/fhir/test_visibility.py", "tests/fhir/test_plan_base.py", "tests/fhir/test_one_gate.py",
    ),
    "oauth/tokens/protector.py": (
        "tests/oauth/test_tokens.py", "tests/oauth/test_dpop.py", "tests/oauth/test_backend_clients.py",
    ),
    "oauth/tokens/token_rows.py": (
        "tests/oauth/test_tokens.py", "tests/oauth/test_expiry.py", "tests/oauth/test_introspection.py",
        "tests/attacks/test_representatives_by_age.py", "tests/attacks/test_refresh_and_revocation.py",
    ),
    "service/member/acting.py": (
        "tests/member/test_pages.py", "tests/member/test_consent.py", "tests/attacks/test_personal_representatives.py",
    ),
    "service/provider/gate.py": ("tests/provider", "tests/attacks/test_provider_registration.py"),
    "service/staff/gate.py": (
        "tests/attacks/test_staff_roles.py", "tests/accounts/test_second_factors.py", "tests/member/test_pages.py",
    ),
}  # fmt: skip
"""Every predicate of these that says who may do what is taken away in turn, and each must be missed: 100 %."""
MUTATED: Mapping[str, tuple[str, ...]] = {
    "consent/policy.py": AUTHORIZATION["consent/policy.py"],
    "consent/scopes.py": AUTHORIZATION["consent/scopes.py"],
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
    "tests/oauth/test_prompts.py", "tests/oauth/test_introspection.py", "tests/accounts/test_second_factors.py",
    "tests/fhir/test_visibility.py", "tests/fhir/test_searching.py", "tests/fhir/test_reading.py",
    "tests/fhir/test_paging.py", "tests/fhir/test_includes.py", "tests/fhir/test_plan_base.py",
    "tests/fhir/test_one_gate.py", "tests/fhir/test_consents.py", "tests/fhir/test_audit_events.py",
    "tests/fhir/test_backend_clients.py", "tests/fhir/test_provider_index.py", "tests/member/test_preview.py",
    "tests/member/test_pages.py", "tests/member/test_consent.py",
    "tests/attacks/test_codes.py", "tests/attacks/test_refresh_and_revocation.py",
    "tests/attacks/test_authorization_endpoint.py", "tests/attacks/test_token_endpoint.py",
    "tests/attacks/test_audit_chain.py", "tests/attacks/test_audit_purges.py",
    "tests/attacks/test_grant_changes.py", "tests/attacks/test_end_session.py",
    "tests/attacks/test_personal_representatives.py", "tests/attacks/test_representatives_by_age.py",
    "tests/attacks/test_support_view.py", "tests/attacks/test_staff_roles.py", "tests/attacks/test_consent_screen.py",
    "tests/attacks/test_fhir_other_peoples_data.py", "tests/attacks/test_provider_claims.py",
    "tests/attacks/test_billing_reach.py", "tests/attacks/test_provider_registration.py",
    "tests/provider/test_home.py", "tests/provider/test_accounts.py", "tests/provider/test_invitations.py",
    "tests/provider/test_registration.py", "tests/staff/test_users.py",
)  # fmt: skip
"""The tests of which those are run that reach a line."""
ON_BOTH = ("test_searching", "test_visibility", "test_provider_index")
"""Of these the PostgreSQL half is run too, for what is written for it alone; of the others the SQLite half does."""
_NO_TOKEN = "not token or len(token) > _MAX_TOKEN or (not token.isascii())"
_SPARED = "a look-up is spared: no digest of such a text is kept, and the refusal is the same"
EQUIVALENT: Mapping[str, str] = {
    "consent/scopes.py: guard removed: if query is None:": "what follows reads no query as one without parameters",
    f"oauth/tokens/protector.py: guard removed: if {_NO_TOKEN}:": _SPARED,
    f"oauth/tokens/protector.py: part left out: not token of {_NO_TOKEN}": _SPARED,
    f"oauth/tokens/protector.py: part left out: len(token) > _MAX_TOKEN of {_NO_TOKEN}": _SPARED,
    f"oauth/tokens/protector.py: part left out: not token.isascii() of {_NO_TOKEN}": _SPARED,
    "oauth/tokens/protector.py: part left out: given.query_string of "
    "given.query_string and 'access_token' in given.args":
        "the parsing of a query is spared where there is none",
    "oauth/tokens/token_rows.py: part left out: found.link_scope of narrowed and found.link_scope":
        "said for the type checker: only a link is ever narrowed, and every link has its scope",
    "oauth/tokens/token_rows.py: part left out: found.link_valid_from is not None of "
    "found.representative_account_id == found.account_id and found.l":
        "said for the type checker: every link has its first moment, and without a link the first part has refused",
    "service/staff/gate.py: part left out: held[0] is not session of held is None or held[0] is not session":
        "a second line, as in the gates of members and providers: error pages of the console ask nobody's role again",
    "consent/policy.py: constant: '*'":
        "any name that is of no type does: what is allowed has it not, and so a wildcard is spelt out",
    "fhir/store.py: part left out: access.person_id is None of "
    "access.person_id is None or person_id != access.person_id":
        "said for the type checker: no address names nobody",
    "fhir/store.py: part left out: asked.patients is not None of asked.patients is not None and of_some":
        "said for the type checker: `of_some` has asked it",
    "fhir/store.py: part left out: known is not None of known is not None or asked.total is Total.NONE":
        "a count is spared: that of the statement is the same",
}  # fmt: skip
"""By a mutant's name without its line: why it changes nothing that anybody could see."""
