"""A person with a browser without JavaScript: walks our pages by plain HTTP until an app's address is reached."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

from tests.factories import PASSWORD

_MOST_PAGES = 12


@dataclass
class Form:
    """One form of a page as a browser would send it, without any button pressed."""

    action: str
    values: list[tuple[str, str]] = field(default_factory=list)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Forms(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._button: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        if not self.forms:
            return
        if tag == "input" and given.get("type") in {"checkbox", "radio"} and "checked" not in given:
            return
        if tag == "input" and given.get("name"):
            self.forms[-1].values.append((given["name"], given.get("value", "")))
        if tag == "button":
            self._button = (given.get("name", ""), given.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._button and data.strip():
            self.forms[-1].buttons[data.strip()] = self._button
            self._button = None


@dataclass
class Visitor:
    """Somebody with a user name and the tests' password."""

    username: str
    browser: requests.Session = field(default_factory=requests.Session)
    seen: list[str] = field(default_factory=list)

    def walk(self, start: str, callback: str, answer: str = "Allow") -> str:
        """Go from an app's authorization link through sign-in and consent; the address the app is called back at."""
        response = self.browser.get(start, allow_redirects=False, timeout=30)
        for _ in range(_MOST_PAGES):
            if response.is_redirect:
                target = urljoin(response.url, response.headers["Location"])
                if target.startswith(callback):
                    return target
                response = self.browser.get(target, allow_redirects=False, timeout=30)
            else:
                response = self._act(response, answer)
        raise AssertionError(f"no end after {self.seen}")

    def filled(self, url: str, button: str) -> Form:
        """The one form of a page of ours with this button, its action absolute."""
        page = self.browser.get(url, timeout=60)
        reader = _Forms()
        reader.feed(page.text)
        (found,) = (form for form in reader.forms if button in form.buttons)
        return Form(urljoin(page.url, found.action), found.values, found.buttons)

    def sign_in(self, base_url: str) -> None:
        """Sign in at the plan's own page."""
        form = self._act(self.browser.get(f"{base_url}/sign-in", timeout=30), "Sign in")
        assert form.is_redirect, form.text

    def _act(self, page: requests.Response, answer: str) -> requests.Response:
        assert page.status_code == 200, page.text
        reader = _Forms()
        reader.feed(page.text)
        for form in reader.forms:
            if "Sign in" in form.buttons and any(name == "password" for name, _ in form.values):
                return self._send(page, form, "Sign in", {"username": self.username, "password": PASSWORD})
            if answer in form.buttons:
                return self._send(page, form, answer, {})
        raise AssertionError(page.text)

    def _send(self, page: requests.Response, form: Form, button: str, filled: dict[str, str]) -> requests.Response:
        self.seen.append(button)
        name, value = form.buttons[button]
        sent = [(key, filled.get(key, old)) for key, old in form.values] + ([(name, value)] if name else [])
        return self.browser.post(urljoin(page.url, form.action), data=sent, allow_redirects=False, timeout=30)
