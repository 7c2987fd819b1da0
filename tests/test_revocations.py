"""Nothing that takes something away is forgotten by the journal: watched, ended as a whole, or here is why not."""

import re
from collections.abc import Mapping

import service.app  # noqa: F401 - every table
from service.db import Base
from service.replaying import ENDED_AS_A_WHOLE
from service.revocations import MADE_AGAIN, WATCHED

_TAKES_AWAY = re.compile(
    r"(^|_)(ended|revoked|suspended|disabled|deactivated|blocked|lapsed|paused|voided|withdrawn|undone|spent|terminated"
    r"|narrows|expires|until|status|state|version|scopes?|functions|roles?|classes|offline|merged|block|out|delegate|uris?"
    r"|jwks|introspect|pushed|bound|hash)(_|$)"
)
"""Words of columns that say what somebody may still do, or that something is over."""
_PAGE = "a step of people's or a page's own, minutes long: it begins anew"
_MAIL = "mail and messages on their way: nothing is read by them"
_WORK = "the server's own work, which it does again"
_RECORD = "tells what was done, and gives nothing"
_PLAN = "the plan's own data, which its next delivery brings again (docs/backup.md)"
NOT_WATCHED: Mapping[str, str] = {
    "account.password_hash": "hashes stay out of the journal; a replay refuses one older than credentials_version",
    "access_entry.ended_by_account_id": _RECORD,
    "app_fault": "faults on order, of trials in the sandbox",
    "app_trial": "traces of trials in the sandbox",
    "app_review": "what a review allows stands in client, which is watched",
    "app_review_event": _RECORD,
    "app_check": _RECORD,
    "attempt_counter": "fewer tries are counted than there were, for as long as a counter lasts (an hour at most)",
    "audit_event": _RECORD, "audit_purge": _RECORD, "audit_seal": _RECORD, "audit_sealing": _WORK,
    "authorization_code": "ended as a whole", "access_token": "ended as a whole", "login_session": "ended as a whole",
    "system_token": "ended as a whole", "email_code": "ended as a whole", "mailed_pin": "ended as a whole",
    "portal_invitation": "ended as a whole", "developer_invitation": "ended as a whole",
    "authorization_request": "whoever was asked has the mail still: a yes is asked for again, a no gives nothing",
    "billing_authorization.covers_until": "given with the answer, never changed after it",
    "billing_authorization.ended_by_account_id": _RECORD, "billing_authorization.ended_side": _RECORD,
    "billing_authorization.ended_reason": _RECORD,
    "bulk_export": "programs of the plan's own; made anew under what they may reach then",
    "claimed_value": "used assertions, minutes long; system tokens end as a whole; mails about deliveries come again",
    "client.attestation_version": _RECORD, "client.scope_reasons": _RECORD,
    "client.policy_uri": _RECORD, "client.terms_uri": _RECORD,
    "consent_decision": _RECORD, "grant_change": _RECORD,
    "consent_grant.ended_by_account_id": _RECORD,
    "consent_grant.link_version": "compared with the link's, which is watched",
    "delegate_request": "a question to the plan; it is decided again",
    "developer_organization.disabled_reason": _RECORD, "developer_organization.terms_version": _RECORD,
    "dynamic_registration": "the program that registered the app has the token still",
    "email_change": _PAGE, "email_proof": _PAGE, "pending_authorization": _PAGE, "pending_developer": _PAGE,
    "pending_registration": _PAGE, "portal_registration": _PAGE, "pushed_request": _PAGE, "launch_handle": _PAGE,
    "fetched_key_set": "fetched again", "fhir_load": _WORK, "fhir_load_file": _WORK, "job_lease": _WORK,
    "former_unit": "by which contract a day is reported: takes nothing from anybody, and comes with the roster",
    "known_device": "a device that was known is known again; passwords and codes are asked for all the same",
    "member": _PLAN, "member_group": _PLAN, "member_merge": _PLAN, "provider_access_opt_out": _PLAN,
    "provider_group": _PLAN, "provider_identifier": _PLAN, "provider_address": _PLAN, "provider_contact": _PLAN,
    "practitioner_affiliation": _PLAN, "profile_change": _PLAN, "remittance": _PLAN, "remittance_file": _PLAN,
    "remittance_claim": _PLAN, "resource": _PLAN, "resource_version": _PLAN,
    "message_thread": _RECORD, "not_listed_request": _RECORD, "app_report": _RECORD,
    "outbox_mail": _MAIL, "webhook_endpoint": _MAIL, "webhook_message": _MAIL, "notice": _MAIL,
    "pending_act": "what a second person said no to is asked again, and needs two people again",
    "provider_staff.deactivated_by_account_id": _RECORD,
    "recovery_code": "one spent since can be spent again (docs/backup.md, with second factors removed since)",
    "refresh_token": "one spent since ends its family as soon as both are used (decision 88)",
    "representative_request": "a question to the plan; what it gave is a link, which is watched",
    "representative_link.blocked_by_account_id": _RECORD, "representative_link.block_reason": _RECORD,
    "representative_link.block_reviewed_at": _RECORD,
    "self_test_run": _WORK, "signing_key": "an older key is published until the same day",
    "support_look": "a look lasts 15 minutes, in a login session, which ends as a whole",
    "personal_representative": _RECORD,
    "terms_acceptance": _RECORD, "trace_step": "traces of trials in the sandbox",
    "token_family.dpop_bound_at": "goes back together with the key and the tokens that are bound to it",
    "token_family.scope": "met with the grant's at each use, which are watched",
}  # fmt: skip
"""By table or column: why a replay need not do it again."""
GIVES: Mapping[str, str] = {
    "accountable_disclosure": _RECORD, "api_transfer": _RECORD, "app_logo": "a picture", "audit_subject": _RECORD,
    "body_dictionary": _WORK, "bulk_file": "files of bulk_export", "consent_page": _RECORD,
    "developer_organization_event": _RECORD, "fhir_load_waiting": _WORK, "fhir_source": _WORK, "funnel_day": _RECORD,
    "member_group_entry": _PLAN, "member_merge_resource": _PLAN, "message_attachment": _RECORD,
    "passkey": "opens; one removed since opens again (decision 88)", "plan_edition": "texts: published again",
    "policy_watch": _WORK, "portal_organization": "names an office; its rights are watched", "practitioner": _PLAN,
    "provider_access_sent": _RECORD, "provider_group_version": _RECORD, "refusal_day": _RECORD,
    "registration_proof": _RECORD, "remittance_line": _PLAN, "report_day": _WORK, "representative_evidence": _RECORD,
    "representative_request_event": _RECORD, "revocation": "the journal itself", "secure_message": _RECORD,
    "sharing_sign": "blocks nobody", "subject": "a name for apps", "thread_reading": _RECORD,
    "totp": "opens; one removed since opens again (decision 88)", "visibility_epoch": "replicas are made anew",
}  # fmt: skip
"""Of the other tables: why a row that is missing after a restore leaves nobody with more than they had."""


def _suspicious() -> set[str]:
    return {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if _TAKES_AWAY.search(column.name)
    }


def test_a_column_that_takes_something_away_is_watched_or_says_why_not() -> None:
    watched = {f"{table}.{column}" for table, columns in WATCHED.items() for column in columns}
    open_ones = {one for one in _suspicious() - watched if not {one, one.partition(".")[0]} & NOT_WATCHED.keys()}
    assert not open_ones, "watch these in service/revocations.py, or say in NOT_WATCHED why an older value does no harm"


def test_a_table_whose_rows_take_something_away_by_being_there_is_made_again_or_says_why_not() -> None:
    every = [set(WATCHED), set(ENDED_AS_A_WHOLE) | {one.partition(".")[0] for one in NOT_WATCHED}, set(GIVES)]
    assert set(Base.metadata.tables) - set().union(*every) == set()
    assert set(GIVES) <= set(Base.metadata.tables) - every[0] - every[1], "one reason is enough"
    assert set(MADE_AGAIN) <= set(WATCHED)


def test_what_is_made_again_has_all_that_a_row_needs() -> None:
    for name, words in MADE_AGAIN.items():
        table = Base.metadata.tables[name]
        (key,) = table.primary_key.columns
        kept = {key.name, *WATCHED[name], *words}
        assert kept == set(table.columns.keys()), "what is neither journalled nor given is lost"


def test_no_reason_is_given_for_what_is_watched_or_is_not_there() -> None:
    tables, columns = set(Base.metadata.tables), _suspicious()
    for named in NOT_WATCHED:
        table, _, column = named.partition(".")
        assert table in tables and (not column or named in columns), named
        assert column or table not in WATCHED, f"{table}: name its columns one by one"
        assert not column or column not in WATCHED.get(table, ()), named
    assert {one for one, why in NOT_WATCHED.items() if why == "ended as a whole"} == set(ENDED_AS_A_WHOLE)


def test_what_ends_as_a_whole_has_the_column_and_is_not_watched_too() -> None:
    for name, column in ENDED_AS_A_WHOLE.items():
        assert column in Base.metadata.tables[name].columns and name not in WATCHED
