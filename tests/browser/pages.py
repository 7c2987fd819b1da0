"""Which pages there are, by endpoint; and those to which no link leads, with the stories that look at them."""

from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException

from service.app import create_app
from service.db import make_engine
from service.settings import Settings

_APIS = ("/fhir/", "/directory/", "/plan/", "/oauth/", "/.well-known/")
OF_OTHERS = ("provider_", "staff_", "developer_")
"""How the endpoints of offices, plan staff and developers begin, whose pages are in English alone (decision 15)."""
ELSEWHERE: dict[str, str] = {
    "email_change.confirm": "test_passkeys::test_member_changes_the_address_and_takes_it_back",
    "email_change.undo": "test_passkeys::test_member_changes_the_address_and_takes_it_back",
    "email_change.undone": "test_passkeys::test_member_changes_the_address_and_takes_it_back",
    "passkeys.remove": "test_passkeys::test_member_adds_a_passkey_signs_in_with_it_and_removes_it",
    "passkeys.rename": "test_passkeys::test_member_adds_a_passkey_signs_in_with_it_and_removes_it",
    "people.decided": "test_coming_of_age::test_a_new_adult_registers_reads_what_ended_and_decides",
    "people.of_age": "test_coming_of_age::test_a_new_adult_registers_reads_what_ended_and_decides",
    "second_factor.remove": "test_going_back_accounts::test_factors_are_set_up_shown_and_removed",
    "sign_in_code.enter": "test_passkeys::test_member_changes_the_address_and_takes_it_back",
    "passwords.back_to_code": "test_accounts::test_password_is_changed_by_the_one_path",
    "passwords.changed": "test_accounts::test_password_is_changed_by_the_one_path",
    "passwords.choose": "test_accounts::test_password_is_changed_by_the_one_path",
    "registration.email": "test_accounts::test_member_registers_on_the_way_from_an_app",
    "registration.code": "test_accounts::test_member_registers_on_the_way_from_an_app",
    "registration.account": "test_accounts::test_member_registers_on_the_way_from_an_app",
    "representative_requests.show":
        "test_representatives::test_request_link_two_members_in_two_tabs_and_the_member_ends_it",
    "second_factor.recovery_codes": "test_going_back_accounts::test_factors_are_set_up_shown_and_removed",
    "second_factor.show_recovery_codes": "test_passkeys::test_member_adds_a_passkey_signs_in_with_it_and_removes_it",
    "second_factor.enter": "test_passkeys::test_member_adds_a_passkey_signs_in_with_it_and_removes_it",
    "developer_apps.edit": "test_developers::test_developers_pages_are_readable",
    "developer_invitations.show": "test_developer_people::test_colleague_is_invited_and_keys_are_changed",
    "developer_keys.show": "test_developer_people::test_colleague_is_invited_and_keys_are_changed",
    "developer_sign_up.account": "test_developers::test_developer_signs_up_and_the_app_works_at_once",
    "developer_sign_up.code": "test_developers::test_developer_signs_up_and_the_app_works_at_once",
    "developer_sign_up.join": "test_developer_people::test_member_becomes_a_developer_with_their_account",
    "provider_authorization.ask": "test_billing_firm::test_request_is_sent_again_and_lapses_after_thirty_days",
    "provider_contact.account": "test_provider_portal::test_office_registers_by_check_and_looks_up_a_payment",
    "provider_contact.code": "test_provider_portal::test_office_registers_by_check_and_looks_up_a_payment",
    "provider_contact.contact": "test_provider_portal::test_office_registers_by_check_and_looks_up_a_payment",
    "provider_contact.done": "test_provider_portal::test_office_registers_by_check_and_looks_up_a_payment",
    "provider_invitations.show": "test_provider_portal::test_delegate_creates_a_colleague_and_another_delegate",
    "provider_not_listed.sent": "test_provider_portal::test_provider_who_is_not_listed_asks_for_help",
    "provider_registration.choose": "test_provider_portal::test_office_registers_by_check_and_looks_up_a_payment",
    "provider_registration.reason": "test_provider_portal::test_office_whose_delegate_has_left_goes_on",
    "provider_remittances.show": "test_provider_portal::test_office_registers_by_check_and_looks_up_a_payment",
    "provider_terms.index": "test_provider_portal::test_office_registers_by_check_and_looks_up_a_payment",
    "provider_validation.become_delegate": "test_provider_registration::test_colleague_by_letter_asks_to_be_delegate",
    "staff_disclosures.show": "test_support_view::test_officer_gives_the_account_of_disclosures",
    "staff_factor_resets.of_member": "test_support_view::test_member_services_look_and_the_member_sees_it",
    "staff_member_view.show": "test_support_view::test_member_services_look_and_the_member_sees_it",
    "staff_members.ask": "test_support_view::test_member_services_look_and_the_member_sees_it",
    "staff_password_links.of_member": "test_support_view::test_member_services_look_and_the_member_sees_it",
    "staff_pause_lifts.ask": "test_support_view::test_members_pause_of_a_representatives_app_may_be_lifted",
    "staff_remittances.show": "test_unassigned_remittances::test_staff_give_a_payment_to_its_group_and_take_it_back",
    "staff_remittances.show_assigned":
        "test_unassigned_remittances::test_staff_give_a_payment_to_its_group_and_take_it_back",
}  # fmt: skip
"""Pages in the midst of something, to which a form, a search or a mail leads; and the story that must look at each."""
NO_PAGES = frozenset({
    "my_information.file", "probes.live", "probes.metrics", "probes.ready", "record_downloads.bundle",
    "record_downloads.pdf",
    "app_activity.download_all", "app_activity.download_one", "brands.bundle", "gallery.come_back", "landing.index",
    "openapi.document", "provider_home.go", "provider_mailbox.attachment",
    "provider_profiles.change_form", "provider_profiles.index", "provider_remittances.as_835",
    "provider_remittances.as_csv", "provider_remittances.as_fhir", "provider_remittances.as_pdf",
    "receipts.download_json", "receipts.download_pdf", "representative_requests.blank_form",
    "representative_requests.file", "representative_requests.filled_form", "sandbox_mail.listed",
    "session_end.left", "staff_mailbox.attachment", "staff_representatives.file",
})  # fmt: skip
"""Addresses that answer with a file, or send on to a page."""


def story_pages(story: str) -> set[str]:
    """The endpoints whose pages a story (file::test) must look at."""
    return {endpoint for endpoint, looker in ELSEWHERE.items() if looker == story}


class PageMap:
    """The addresses of the application as it is served with these settings."""

    def __init__(self, settings: Settings) -> None:
        engine = make_engine(settings.database_url)
        self._map = create_app(settings, engine).url_map
        engine.dispose()

    def endpoint_of(self, path: str, method: str = "GET") -> str | None:
        """The endpoint that answers at a path; None where none does, and for the interfaces of apps."""
        split = urlsplit(path)
        if split.path.startswith(_APIS):
            return None
        try:
            endpoint: str = self._map.bind("localhost").match(split.path, method)[0]
        except HTTPException:
            return None
        return None if endpoint == "static" else endpoint

    def pages(self) -> set[str]:
        """Every endpoint that answers people's GET with a page."""
        rules = (rule for rule in self._map.iter_rules() if "GET" in (rule.methods or ()))
        found = {rule.endpoint for rule in rules if not rule.rule.startswith(_APIS)}
        return found - NO_PAGES - {"static"}
