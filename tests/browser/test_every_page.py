"""Every page there is, found by walking: no barrier in light or dark, both languages, 320 pixels, twice the text.

A new page is walked to by itself; one to which no link leads must be told of in ELSEWHERE, with the story that looks
at it. `BROWSER_LONG=1` walks as everybody; without it as members and strangers, whose pages none may be missing of.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from service.app import create_app
from service.db import make_engine
from service.settings import Settings
from tests.browser.codes import Codes
from tests.browser.conftest import LONG, Story
from tests.browser.looking import problems_of_any_page
from tests.browser.sandbox import Sandbox
from tests.browser.walking import page_endpoints, walk, walkers
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1_500)]
WALKERS = {walker.name: walker for walker in walkers() if LONG or walker.of_members}
_OTHERS = ("provider_", "staff_", "developer_")
ELSEWHERE: dict[str, str] = {
    "passwords.back_to_code": "test_accounts",
    "passwords.changed": "test_accounts",
    "passwords.choose": "test_accounts",
    "registration.email": "test_accounts",
    "registration.code": "test_accounts",
    "registration.account": "test_accounts",
    "representative_requests.show": "test_representatives",
    "second_factor.recovery_codes": "test_provider_registration",
    "second_factor.enter": "test_provider_portal",
    "developer_sign_up.code": "test_developers",
    "developer_sign_up.account": "test_developers",
    "provider_authorization.ask": "test_billing_firm",
    "provider_contact.contact": "test_provider_registration",
    "provider_contact.code": "test_provider_registration",
    "provider_contact.account": "test_provider_registration",
    "provider_contact.done": "test_provider_registration",
    "provider_invitations.show": "test_provider_portal",
    "provider_registration.choose": "test_provider_registration",
    "provider_registration.reason": "test_provider_registration",
    "provider_remittances.show": "test_provider_portal",
    "provider_terms.index": "test_provider_registration",
    "staff_member_view.show": "test_support_view",
    "staff_members.ask": "test_support_view",
    "staff_password_links.of_member": "test_support_view",
}
"""Pages in the midst of something, to which only a form or a mail leads, and the stories that look at them."""
REASONS: dict[str, str] = {
    "email_change.confirm": "between two codes by mail; test_email_change walks it by the pages' forms",
    "email_change.undo": "behind the secret of a mail",
    "email_change.undone": "after that, said once",
    "passkeys.remove": "of somebody with a passkey; test_passkeys",
    "passkeys.rename": "of somebody with a passkey; test_passkeys",
    "people.of_age": "for somebody who has just turned 18, whom no sandbox has for long",
    "second_factor.remove": "for somebody with an authenticator app; walked to by offices in the long form",
    "sign_in_code.enter": "after signs that several people share a login",
    "developer_apps.edit": "of an app that may still be changed; its form is that of a new app",
    "developer_invitations.show": "behind the secret of a mail; the provider portal's is the same template",
    "developer_keys.show": "of an app with keys, which the sandbox's developers have none of",
    "developer_sign_up.join": "for an account that is signed in and no developer",
    "provider_not_listed.sent": "a sentence of thanks",
    "provider_validation.become_delegate": "for a login whose office has no delegate",
    "staff_disclosures.show": "found by a search",
    "staff_factor_resets.of_member": "of the member one looks at; a colleague's is the same template",
    "staff_pause_lifts.ask": "of the member one looks at, where they paused an app of their representative",
    "staff_remittances.show": "found by a search",
    "staff_remittances.show_assigned": "after an assignment by hand",
}
"""Pages that no story looks at, and why."""
NO_PAGES = frozenset({
    "my_information.file", "probes.live", "probes.metrics", "probes.ready", "record_downloads.bundle",
    "record_downloads.pdf",
    "app_activity.download_all", "app_activity.download_one", "brands.bundle", "gallery.come_back", "landing.index",
    "openapi.document", "provider_home.go", "provider_mailbox.attachment",
    "provider_profiles.change_form", "provider_profiles.index", "provider_remittances.as_835",
    "provider_remittances.as_csv", "provider_remittances.as_fhir", "provider_remittances.as_pdf",
    "receipts.download_json", "receipts.download_pdf", "representative_requests.blank_form",
    "representative_requests.file", "representative_requests.filled_form", "sandbox_mail.listed",
    "staff_mailbox.attachment", "staff_representatives.file",
})  # fmt: skip
"""Addresses that answer with a file, or send on to a page."""


@pytest.fixture(scope="module")
def seen() -> set[str]:
    """The endpoints whose pages were looked at."""
    return set()


@pytest.fixture
def whole(sandbox: Sandbox) -> Iterator[Flask]:
    """The application as the sandbox serves it, for its map of addresses."""
    settings = Settings.from_environment(sandbox.environment)
    engine = make_engine(settings.database_url)
    yield create_app(settings, engine)
    engine.dispose()


def _languages() -> list[Any]:
    """Who walks in which language: members and strangers in one, in the long form in both; the others in English."""
    return [
        pytest.param(name, 1280, language, id=f"{name}-{language}")
        for number, (name, walker) in enumerate(WALKERS.items())
        for language in (("en", "es") if LONG and walker.of_members else ("es",) if number == 1 else ("en",))
    ]


@pytest.mark.parametrize(("who", "width", "language"), _languages())
def test_no_page_on_the_way_has_a_barrier(story: Story, whole: Flask, codes: Codes, seen: set[str], who: str) -> None:
    walker = WALKERS[who]
    person = walker.enters(story, codes)
    person.page.goto(f"{story.sandbox.url}/?lang={story.language}")
    found = walk(whole, person.page.context, story.sandbox.url, (*walker.starts, *person.ways))
    problems = []
    for endpoint, path in found.pages.items():
        if endpoint in seen and story.language == "en":
            continue
        person.open(path)
        problems += [f"{path} ({endpoint}): {problem}" for problem in problems_of_any_page(person.page)]
    seen |= set(found.pages)
    assert found.pages and not problems, "\n".join(problems)


def test_no_page_is_forgotten(whole: Flask, seen: set[str]) -> None:
    every = page_endpoints(whole) - NO_PAGES
    if not LONG:
        every = {endpoint for endpoint in every if not endpoint.startswith(_OTHERS)}
    assert every - seen - set(ELSEWHERE) - set(REASONS) == set()
    assert (set(ELSEWHERE) | set(REASONS) | NO_PAGES) <= page_endpoints(whole), "told of, and gone"
    assert all((ROOT / f"tests/browser/{story}.py").exists() for story in ELSEWHERE.values())
