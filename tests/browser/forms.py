"""Which story goes back after each form of a member's own place, and why after some none does.

What a telling with scripts is said here to send, it must have sent (`Story.end`).
"""

_FORMS = "test_going_back::test_back_after_every_form_sends_nothing_again_and_repeats_no_confirmation"
_REGISTERS = "test_going_back_accounts::test_registering_as_a_member"
_FACTORS = "test_going_back_accounts::test_factors_are_set_up_shown_and_removed"
_ADDRESS = "test_going_back_accounts::test_the_address_and_the_password_are_changed"
_CHOOSES = "test_going_back_members::test_pages_after_back_name_the_member_for_whom_one_acts_now"
_ENDS = "test_going_back_members::test_a_member_ends_and_shuts_out_and_lets_an_app_be_connected_again"
_ASKS = "test_going_back_members::test_a_request_to_act_is_sent_answered_and_taken_back_once"
_GALLERY = "test_going_back_members::test_an_app_is_reported_once_and_launched"
_SESSIONS = "test_going_back_members::test_sessions_end_and_no_page_comes_back_from_the_browser_s_keeping"
_TAKEN_BACK = "test_going_back_members::test_an_address_is_taken_back_and_the_next_sign_in_asks_for_a_code"
GONE_BACK: dict[str, str] = {
    "acting_for.stop": _ASKS,
    "app_narrowing.narrow": _FORMS,
    "apps.pause": _FORMS,
    "apps.release": _ENDS,
    "apps.resume": _FORMS,
    "apps.revoke": _FORMS,
    "consent.choose": _CHOOSES,
    "consent.decide": _FORMS,
    "consent.leave": "test_going_back_members::test_who_acts_for_nobody_any_more_goes_back_to_the_app",
    "consent.take_longer": _CHOOSES,
    "email_change.confirm": _ADDRESS,
    "email_change.send_again": _TAKEN_BACK,
    "email_change.start": _ADDRESS,
    "email_change.undo": _TAKEN_BACK,
    "gallery.launch": _GALLERY,
    "gallery.report": _GALLERY,
    "messages.choose_mails": _FORMS,
    "messages.mark_unread": _ENDS,
    "passkeys.add": _FACTORS,
    "passkeys.remove": _FACTORS,
    "passkeys.rename": _FACTORS,
    "passkeys.show": _FACTORS,
    "passwords.choose": _ADDRESS,
    "passwords.enter_code": _ADDRESS,
    "passwords.reset": _ADDRESS,
    "people.decide": "test_going_back_members::test_a_new_adult_decides_once",
    "people.end": _ENDS,
    "people.shut_out": _ENDS,
    "registration.account": _REGISTERS,
    "registration.code": _REGISTERS,
    "registration.email": _REGISTERS,
    "registration.representative": "test_going_back_accounts::test_registering_as_a_representative",
    "registration.start": _REGISTERS,
    "representative_requests.answer": _ASKS,
    "representative_requests.send": _ASKS,
    "representative_requests.withdraw": _ASKS,
    "second_factor.enter": _FACTORS,
    "second_factor.recovery_codes": _FACTORS,
    "second_factor.remove": _FACTORS,
    "second_factor.set_up": _FACTORS,
    "select_member.choose": _CHOOSES,
    "settings_page.choose_language": _FORMS,
    "settings_page.end_other_sessions": _SESSIONS,
    "settings_page.end_session": _SESSIONS,
    "sign_in.confirm_password": _SESSIONS,
    "sign_in.sign_in": _FORMS,
    "sign_in.sign_out": _SESSIONS,
    "sign_in_code.enter": _TAKEN_BACK,
    "sign_in_code.send_again": _TAKEN_BACK,
}
"""Forms by endpoint, and the story (file::test) that goes back after each."""
_ASKED_BY_SCRIPT = "sent by a script on the page, which gets a question to sign and no page: nothing is gone back to"
NOT_GONE_BACK: dict[str, str] = {
    "passkeys.ask_to_make": _ASKED_BY_SCRIPT,
    "passkeys.ask_to_show": _ASKED_BY_SCRIPT,
    "session_end.keep": "sent by the script of the dialog, while the page stays: nothing is gone back to",
}
"""Forms after which no story goes back, and why."""
PLACE = ("service.member.", "service.accounts.")
"""Where the views of a member's own place stand; those of offices and developers among them begin as `OF_OTHERS`."""


def story_forms(story: str) -> set[str]:
    """The endpoints of the forms that a story (file::test) sends and goes back after."""
    return {endpoint for endpoint, teller in GONE_BACK.items() if teller == story}
