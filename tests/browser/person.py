"""A person at the plan's pages: reads the words of their language, fills in fields, presses buttons."""

import re
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page

from tests.browser.looking import Looks
from tests.browser.sandbox import Sandbox
from tests.browser.words import Words
from tests.conftest import wait_until

_CODE = re.compile(r"\b\d{6}\b")
MAIL_SECONDS = 60


@dataclass
class Person:
    """Somebody at a browser tab; every page they come to is looked at."""

    page: Page
    sandbox: Sandbox
    words: Words
    looks: Looks
    ways: list[str] = field(default_factory=list)
    """Addresses that this person has come by, for those who go on from them."""

    def open(self, path: str, look: str | None = None) -> None:
        """Type an address of the plan, and look at the page under this name."""
        self.page.goto(self.sandbox.url + path)
        if look:
            self.look(look)

    def look(self, name: str) -> None:
        """Look at the page that is open."""
        self.looks.at(self.page, name)

    def fill(self, **by_label: str) -> None:
        """Fill in fields: label with underscores for spaces = value."""
        for label, value in by_label.items():
            self.field(label.replace("_", " ")).fill(value)

    def field(self, label: str) -> Locator:
        """The field with this (English) label."""
        return self.page.get_by_label(self.words(label), exact=True)

    def button(self, text: str) -> Locator:
        """The button with this (English) text."""
        return self.page.get_by_role("button", name=self.words(text), exact=True)

    def press(self, text: str) -> None:
        """Press the button with this (English) text and wait for the page it leads to."""
        with self.page.expect_navigation():
            self.button(text).click()

    def follow(self, text: str) -> None:
        """Follow the link with this (English) text in the page's main part."""
        with self.page.expect_navigation():
            self.page.get_by_role("main").get_by_role("link", name=self.words(text), exact=True).click()

    def reads(self, text: str, **values: str) -> None:
        """Wait until the page shows this (English) text."""
        self.page.get_by_text(self.words(text, **values)).first.wait_for()

    def heading(self, text: str, **values: str) -> None:
        """Wait until the page's main heading is this (English) text."""
        self.page.get_by_role("heading", level=1, name=self.words(text, **values), exact=True).wait_for()

    def prefer_language(self) -> None:
        """Choose the story's language by the link in the header, as a person would who does not read English."""
        if self.words.language == "es":
            with self.page.expect_navigation():
                self.page.get_by_role("link", name="Español", exact=True).click()

    def sign_in(self, username: str, password: str | None = None) -> None:
        """Fill in the sign-in page that is open, and press its button."""
        self.heading("Sign in")
        self.fill(Username=username, Password=password or self.sandbox.account(username)["password"])
        self.press("Sign in")

    def open_settings(self) -> None:
        """Own name in the upper right corner, then Settings."""
        self.page.locator("header summary").click()
        with self.page.expect_navigation():
            self.page.get_by_role("banner").get_by_role("link", name=self.words("Settings"), exact=True).click()
        self.heading("Settings")

    def code_from_mail(self, address: str, look: str) -> str:
        """The newest 6-digit code on the sandbox's mail page, read in a second tab."""
        wait_until(lambda: bool(self.codes_for(address)), MAIL_SECONDS, "no mail with a code came")
        second = self.page.context.new_page()
        second.goto(f"{self.sandbox.url}/sandbox/mail?to={address}")
        self.looks.at(second, look)
        code = _CODE.search(second.locator("article pre").first.inner_text())
        second.close()
        assert code
        return code.group()

    def codes_for(self, address: str) -> list[str]:
        """The mails to an address that hold a code."""
        return [mail["text"] for mail in self.sandbox.mails_to(address) if _CODE.search(mail["text"])]
