"""People of the provider portal and the staff console at a browser: codes of authenticator apps, links from mails."""

import re
from typing import Any

import pytest
from sqlalchemy import Select, select

from service.db import make_engine, make_sessions
from service.plan.models import ProviderGroup, Remittance, RemittanceClaim
from service.settings import Settings
from tests.browser.codes import Codes
from tests.browser.conftest import LONG, Story
from tests.browser.looking import WIDTHS
from tests.browser.person import MAIL_SECONDS, Person
from tests.browser.sandbox import Sandbox
from tests.conftest import wait_until

PASSWORD = "Larch-Window-58"


def in_english(width: int) -> pytest.MarkDecorator:
    """How a story of the portal is told, which is in English (docs/decisions/0015): at one width, or at all."""
    widths = list(WIDTHS) if LONG else [width]
    return pytest.mark.parametrize(("width", "language"), [(each, "en") for each in widths], ids=str)


def enter(story: Story, codes: Codes, username: str, path: str) -> Person:
    """A fresh browser in which somebody of the hand-out has come to a page, by password and code."""
    person = story.browser()
    person.open(path)
    person.prefer_language()
    account = story.sandbox.account(username)
    person.sign_in(username)
    if "totp_secret" in account:
        give_code(person, codes, account["totp_secret"])
    return person


def give_code(person: Person, codes: Codes, secret: str) -> None:
    """Enter the code that is asked for after the password."""
    person.heading("Enter the code from your app")
    person.field("Code from your authenticator app").fill(codes.next_of(secret))
    person.press("Continue")


def set_up_factor(person: Person, codes: Codes) -> None:
    """Set up an authenticator app with the key that the page shows, and keep the recovery codes."""
    person.heading("Set up your authenticator app")
    person.look("second-factor")
    secret = person.page.locator(".ls-key code").inner_text().replace(" ", "")
    person.field("Code from your authenticator app").fill(codes.next_of(secret))
    person.press("Confirm and finish")
    person.heading("Your recovery codes")
    person.look("recovery-codes")
    person.follow("I have kept them. Continue")


def accept_terms(person: Person) -> None:
    """Accept every text of the page that asks."""
    person.heading("Please read and accept")
    person.look("terms")
    for box in person.page.get_by_role("checkbox").all():
        box.check()
    person.press("Accept and continue")


def register(person: Person, given: str, family: str, address: str) -> None:
    """From *Your contact information* to the confirmation; the user name is the address's first part."""
    person.heading("Your contact information")
    person.fill(Your_first_name=given, Your_last_name=family, Your_phone="555-555-0100")
    person.field("Your e-mail address").fill(address)
    person.look("contact")
    person.press("Continue")
    person.look("contact-code")
    person.field("Verify Email Address").fill(person.code_from_mail(address, "mail-with-code"))
    person.press("Verify")
    person.look("contact-account")
    person.fill(Username=address.partition("@")[0], Password=PASSWORD, Confirm_password=PASSWORD)
    person.press("Create account")
    person.heading("Registration confirmation")
    person.look("contact-done")


def choose_application(person: Person, name: str | None = None) -> None:
    """Choose in the Applications menu and press Go; without a name take what the menu offers first."""
    if name:
        person.field("Choose an application").select_option(label=name)
    person.press("Go")


def proof_of(sandbox: Sandbox, group: str) -> dict[str, Any]:
    """The numbers of the hand-out that prove a group."""
    found: dict[str, Any] = next(one for one in sandbox.handout["provider_proofs"] if one["group"] == group)
    return found


def newest_mail(sandbox: Sandbox, address: str, words: str, *, more_than: int = 0) -> dict[str, Any]:
    """The newest mail to an address that holds these words, when more than so many have come."""

    def fitting() -> list[dict[str, Any]]:
        return [mail for mail in sandbox.mails_to(address) if words in mail["subject"] + mail["text"]]

    wait_until(lambda: len(fitting()) > more_than, MAIL_SECONDS, f"no mail with “{words}” came")
    return fitting()[0]


def link_of(sandbox: Sandbox, mail: dict[str, Any]) -> str:
    """The path of the link in a mail."""
    found = re.search(re.escape(sandbox.url) + r"(/(?:provider|developers)/\w+/\S+)", mail["text"])
    assert found, mail["text"]
    return found.group(1)


def search_payment(person: Person, number: str) -> None:
    """Search Remittance Inquiry by a payment's number."""
    person.page.locator("#number").fill(number)
    person.press("Search")


def paid_to(sandbox: Sandbox, group: str) -> Remittance:
    """The latest payment of claims to the group."""
    of_it = select(RemittanceClaim.id).where(RemittanceClaim.remittance_id == Remittance.id).exists()
    statement = (
        select(Remittance)
        .join(ProviderGroup, ProviderGroup.id == Remittance.group_id)
        .where(ProviderGroup.legal_name == group, Remittance.number_key.startswith("EFT"), of_it)
        .order_by(Remittance.paid_on.desc())
        .limit(1)
    )
    found: Remittance = only_row(sandbox, statement)
    return found


def only_row(sandbox: Sandbox, statement: Select[Any]) -> Any:
    """The only row that the sandbox's database has for a statement."""
    engine = make_engine(Settings.from_environment(sandbox.environment).database_url)
    with make_sessions(engine)() as session:
        found = session.scalars(statement).one()
    engine.dispose()
    return found
