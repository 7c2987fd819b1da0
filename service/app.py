"""Puts the product together: the only module that knows all packages. The lists below are its table of contents."""

from sqlalchemy import Engine

import fhir.directory.routes
import fhir.plan.routes
import fhir.routes
import oauth.brands
import oauth.discovery
import oauth.expiry
import oauth.registering
import oauth.routes
from consent import authorization_requests, grant_notices, link_ends
from fhir.bulk import standing as bulk_standing
from fhir.bulk import work as bulk_work
from fhir.loading import freshness_mails
from oauth.apps import member_notices, policy_watch
from oauth.webhooks import delivery, grant_events
from service import (
    answer_headers,
    cli,
    clock,
    confirmations,
    jobs,
    mail,
    mail_delivery,
    openapi,
    packed_files,
    probes,
    revocations,
)
from service.accounts import (
    email_change_pages,
    expiry,
    kept_form,
    page_rates,
    passkey_pages,
    passwords,
    passwords_pages,
    second_factor_pages,
    session_end_pages,
    sign_in,
    sign_in_code,
)
from service.audit_chain import checkpoints, sealer
from service.developer import app_facts as developer_facts
from service.developer import app_pages as developer_apps
from service.developer import app_steps as developer_steps
from service.developer import invitation_pages as developer_invitations
from service.developer import key_pages as developer_keys
from service.developer import layout as developer_layout
from service.developer import people_pages as developer_people
from service.developer import public_home as developer_public
from service.developer import sign_up as developer_sign_up
from service.developer import trial_pages as developer_trial
from service.developer import usage_pages as developer_usage
from service.developer import webhook_pages as developer_webhooks
from service.door import error_pages, overload, request_guards
from service.jobs import Job
from service.member import help, home, landing, language, layout, member_home, settings_page
from service.member.apps import app_activity, app_narrowing, gallery
from service.member.apps import console as apps
from service.member.consent import consent_screen as consent
from service.member.consent import receipts
from service.member.information import looks, my_information, profile, record_downloads
from service.member.messages import message_pages
from service.member.registering import registration
from service.member.representatives import acting_for, people, representative_requests, select_member
from service.plan import expiry as plan_expiry
from service.plan.logins import recertification, sharing
from service.provider import help as provider_help
from service.provider import home as provider_home
from service.provider import layout as provider_layout
from service.provider import public_home as provider_public
from service.provider.access import access_pages as provider_access
from service.provider.access import authorization_answer
from service.provider.access import clients as provider_clients
from service.provider.access import permissions as provider_permissions
from service.provider.accounts import account_pages as provider_accounts
from service.provider.accounts import delegates as provider_delegates
from service.provider.accounts import invitations as provider_invitations
from service.provider.accounts import profile as provider_profile
from service.provider.claims import claim_pages as provider_claims
from service.provider.claims import eligibility as provider_eligibility
from service.provider.mailbox import mailbox_pages as provider_mailbox
from service.provider.profiles import profile_pages as provider_profiles
from service.provider.registering import contact as provider_contact
from service.provider.registering import going_back as provider_going_back
from service.provider.registering import not_listed as provider_not_listed
from service.provider.registering import registration as provider_registration
from service.provider.registering import terms as provider_terms
from service.provider.registering import validation as provider_validation
from service.provider.remittances import remittance_pages as provider_remittances
from service.reports import transfers
from service.sandbox import code_page, demo_app, design_page, faults, mail_page
from service.settings import Settings
from service.staff import audit_events as staff_audit
from service.staff import colleagues as staff_colleagues
from service.staff import data_freshness as staff_data_freshness
from service.staff import factor_resets as staff_factor_resets
from service.staff import gate as staff_gate
from service.staff import home as staff_home
from service.staff import password_links as staff_password_links
from service.staff import second_looks as staff_second_looks
from service.staff import self_test as staff_self_test
from service.staff import self_test_runner
from service.staff.apps import app_reviews as staff_app_reviews
from service.staff.apps import app_standing as staff_app_standing
from service.staff.apps import developer_organizations as staff_developer_organizations
from service.staff.members import break_glass as staff_break_glass
from service.staff.members import member_lookup as staff_members
from service.staff.members import member_view as staff_member_view
from service.staff.members import pause_lifts as staff_pause_lifts
from service.staff.members import protected_records as staff_protected
from service.staff.providers import authorizations as staff_authorizations
from service.staff.providers import hand_overs as staff_hand_overs
from service.staff.providers import letters as staff_letters
from service.staff.providers import mailbox as staff_mailbox
from service.staff.providers import not_listed as staff_not_listed
from service.staff.providers import provider_profiles as staff_profiles
from service.staff.providers import remittances as staff_remittances
from service.staff.providers import users as staff_users
from service.staff.reports import disclosure_pages as staff_disclosures
from service.staff.reports import report_pages as staff_reports
from service.staff.representatives import representative_links as staff_representative_links
from service.staff.representatives import representative_requests as staff_representatives
from service.staff.texts import plan_texts as staff_plan_texts
from service.watching import logs, tracing
from service.web import LatchstringFlask, prepare, request_id

BLUEPRINTS = (
    # what every page stands in
    layout.blueprint,
    session_end_pages.blueprint,
    # anyone
    home.blueprint,
    landing.blueprint,
    help.blueprint,
    sign_in.blueprint,
    sign_in_code.blueprint,
    second_factor_pages.blueprint,
    passkey_pages.blueprint,
    passwords_pages.blueprint,
    email_change_pages.blueprint,
    # members and their representatives
    registration.blueprint,
    member_home.blueprint,
    select_member.blueprint,
    consent.blueprint,
    apps.blueprint,
    app_narrowing.blueprint,
    app_activity.blueprint,
    receipts.blueprint,
    gallery.blueprint,
    people.blueprint,
    acting_for.blueprint,
    representative_requests.blueprint,
    message_pages.blueprint,
    my_information.blueprint,
    record_downloads.blueprint,
    looks.blueprint,
    profile.blueprint,
    settings_page.blueprint,
    # provider offices and billing firms
    provider_layout.blueprint,
    provider_public.blueprint,
    provider_registration.blueprint,
    provider_contact.blueprint,
    provider_going_back.blueprint,
    provider_not_listed.blueprint,
    provider_terms.blueprint,
    provider_validation.blueprint,
    provider_home.blueprint,
    provider_remittances.blueprint,
    provider_claims.blueprint,
    provider_eligibility.blueprint,
    provider_access.blueprint,
    provider_clients.blueprint,
    provider_permissions.blueprint,
    authorization_answer.blueprint,
    provider_accounts.blueprint,
    provider_delegates.blueprint,
    provider_invitations.blueprint,
    provider_profiles.blueprint,
    provider_profile.blueprint,
    provider_mailbox.blueprint,
    provider_help.blueprint,
    # app developers
    developer_layout.blueprint,
    developer_public.blueprint,
    developer_sign_up.blueprint,
    developer_people.blueprint,
    developer_invitations.blueprint,
    developer_apps.blueprint,
    developer_steps.blueprint,
    developer_facts.blueprint,
    developer_keys.blueprint,
    developer_webhooks.blueprint,
    developer_usage.blueprint,
    # the plan's own people
    staff_home.blueprint,
    staff_mailbox.blueprint,
    staff_app_reviews.blueprint,
    staff_app_standing.blueprint,
    staff_developer_organizations.blueprint,
    staff_users.blueprint,
    staff_not_listed.blueprint,
    staff_hand_overs.blueprint,
    staff_second_looks.blueprint,
    staff_letters.blueprint,
    staff_authorizations.blueprint,
    staff_remittances.blueprint,
    staff_profiles.blueprint,
    staff_members.blueprint,
    staff_member_view.blueprint,
    staff_password_links.blueprint,
    staff_factor_resets.blueprint,
    staff_representatives.blueprint,
    staff_representative_links.blueprint,
    staff_break_glass.blueprint,
    staff_protected.blueprint,
    staff_reports.blueprint,
    staff_disclosures.blueprint,
    staff_data_freshness.blueprint,
    staff_audit.blueprint,
    staff_plan_texts.blueprint,
    staff_colleagues.blueprint,
    staff_pause_lifts.blueprint,
    staff_self_test.blueprint,
    # apps
    oauth.discovery.blueprint,
    oauth.brands.blueprint,
    oauth.routes.blueprint,
    oauth.registering.blueprint,
    fhir.routes.blueprint,
    fhir.directory.routes.blueprint,
    fhir.plan.routes.blueprint,
    openapi.blueprint,
    # who runs it
    probes.blueprint,
)
"""Every page and endpoint."""

INSTALLERS = (
    confirmations.install,
    language.install,
    sign_in.install,
    kept_form.install,
    page_rates.install,
    staff_gate.install,
    oauth.routes.install,
    fhir.routes.install,
    fhir.directory.routes.install,
    fhir.plan.routes.install,
    # in the sandbox only
    developer_trial.install,
    faults.install,
    code_page.install,
    mail_page.install,
    design_page.install,
    demo_app.install,
    # around all others
    probes.install,
    # last, before the whole application
    overload.install,
)
"""What a package sets up beside its routes."""

JOBS = (
    Job("mail", 0.5, mail_delivery.Delivery().run, apart=True),
    Job("seals of the audit", 1.0, sealer.run),
    Job("checkpoints of the audit", checkpoints.EVERY_SECONDS, checkpoints.run),
    Job("ends of grants", 2.0, grant_events.run),
    Job("ends of representatives' grants", 60.0, grant_events.run_links),
    Job("representatives' links that are over", 60.0, link_ends.run),
    Job("webhooks", 1.0, delivery.run),
    Job("certification", 3_600.0, recertification.run),
    Job("sharing", 300.0, sharing.run),
    Job("news of grants", 5.0, grant_notices.run),
    Job("members of apps", 5.0, member_notices.run),
    Job("privacy policies", 10.0, policy_watch.run, apart=True),
    Job("freshness of data", 60.0, freshness_mails.run),
    Job("lapsed authorization requests", 60.0, jobs.janitor((authorization_requests.mark_lapsed,))),
    Job("bulk exports", 0.5, bulk_work.run, apart=True),
    Job("old exports", 60.0, bulk_standing.delete_over),
    Job("self-test", 2.0, self_test_runner.carry_out, apart=True),
    Job("revocations", 2.0, revocations.write_late),
    Job("report days", 600.0, transfers.count_finished_days, apart=True),
    Job(
        "janitor",
        300.0,
        jobs.janitor(
            (*expiry.SWEEPS, *plan_expiry.SWEEPS, *oauth.expiry.SWEEPS, jobs.delete_claimed_values, mail.delete_old)
        ),
        apart=True,
    ),
)
"""What the worker does, and how often in seconds."""


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> LatchstringFlask:
    """The WSGI application; settings come from the environment when none are given."""
    settings = settings or Settings.from_environment()
    clock.obey(settings.clock_file)
    logs.configure()
    passwords.season(settings.password_peppers)
    if not settings.testing:
        logs.guard_crashes()
    app = LatchstringFlask("service")
    prepare(app, settings, engine)
    answer_headers.install(app)
    packed_files.install(app)
    error_pages.install(app)
    request_guards.install(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for install in INSTALLERS:
        install(app)
    cli.install(app, JOBS)
    tracing.install(app, settings, request_id)
    return app
