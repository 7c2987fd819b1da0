"""The member's browser, without JavaScript: keeps cookies, signs in, answers the consent page, ends an app's access."""

from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit
from urllib.request import Request

from service.conformance import forms
from service.conformance.forms import Form
from service.conformance.sandbox_file import Account
from service.conformance.verdicts import Failed
from service.conformance.wire import Answer, Fields, Wire

Ticks = Callable[[list[str]], set[str]]
"""From the types of information the consent page offers, those that shall stand ticked."""
_MOST_PAGES = 16


@dataclass(frozen=True)
class Landing:
    """Where a walk ended: the parameters the app was called back with, or the page the member was left on."""

    parameters: dict[str, str] | None
    page: Answer
    consented: bool = False


class Browser:
    """One browser of one person."""

    def __init__(self, wire: Wire, account: Account) -> None:
        self._wire, self._account, self._jar = wire, account, CookieJar()

    def get(self, url: str) -> Answer:
        """Open an address; redirects are not followed."""
        return self._send("GET", url)

    def post(self, url: str, fields: Fields) -> Answer:
        """Send a form; redirects are not followed."""
        return self._send("POST", url, fields)

    def walk(self, answer: Answer, home: str, ticks: Ticks = set) -> Landing:
        """From `answer` through sign-in and consent until `home`, an app's address, is called or no way leads on."""
        consented = False
        for _ in range(_MOST_PAGES):
            if answer.target is not None:
                if leads_to(answer.target, home):
                    return Landing(parameters_of(answer.target), answer, consented)
                answer = self.get(answer.target)
                continue
            form = _way_on(answer)
            if form is None:
                return Landing(None, answer, consented)
            consented = consented or form.has("answer", "data")
            answer = self._fill(answer, form, ticks)
        raise Failed(f"an end within {_MOST_PAGES} pages", f"no end at {urlsplit(answer.url).path}")

    def open(self, url: str) -> Answer:
        """Open a page of the server, signing in on the way if asked; raises Failed unless a page comes."""
        answer = self.get(url)
        for _ in range(_MOST_PAGES):
            if answer.target is not None:
                answer = self.get(answer.target)
            elif (form := _sign_in(forms.read(answer.text).forms)) is not None:
                answer = self._fill(answer, form, set)
            elif answer.status == 200:
                return answer
            else:
                break
        raise Failed("a page", f"{answer.status} at {urlsplit(answer.url).path}")

    def press(self, page: Answer, form: Form) -> Answer:
        """Send a form of `page` as it stands."""
        return self.post(urljoin(page.url, form.action), form.filled())

    def _fill(self, page: Answer, form: Form, ticks: Ticks) -> Answer:
        typed = {"username": self._account.username, "password": self._account.password}
        boxes = {}
        if form.has("answer", "data"):
            boxes["data"] = ticks(form.offered("data"))
            # Whatever is not ticked by itself, such as very personal topics: the run looks at a whole record.
            boxes["sensitive"] = set(form.offered("sensitive"))
        sent = form.filled(typed, boxes)
        if form.has("answer"):
            sent.append(("answer", form.offered("answer")[0]))
        return self.post(urljoin(page.url, form.action), sent)

    def _send(self, method: str, url: str, fields: Fields | None = None) -> Answer:
        asked = Request(url)  # noqa: S310 (never opened: the standard library's cookie jar reads it)
        self._jar.add_cookie_header(asked)
        cookie = asked.get_header("Cookie")
        headers = {"Accept": "text/html", **({"Cookie": cookie} if cookie else {})}
        answer = self._wire.send(method, url, fields=fields, headers=headers)
        self._jar.extract_cookies(_Received(answer), asked)  # type: ignore[arg-type]  # the jar asks for info() alone
        return answer


class _Received:
    """An answer as the standard library's cookie jar asks for it."""

    def __init__(self, answer: Answer) -> None:
        self._headers = answer.headers

    def info(self) -> Any:
        """The headers, with `get_all`."""
        return self._headers


def _way_on(answer: Answer) -> Form | None:
    """The form a person fills to go on: sign-in, password again, choosing a member, or consent."""
    if answer.status != 200:
        return None
    found = forms.read(answer.text).forms
    for form in found:
        if form.has("answer", "request"):
            return form
    return _sign_in(found) or next((form for form in found if form.has("selected", "request")), None)


def _sign_in(found: list[Form]) -> Form | None:
    return next((form for form in found if form.has("password") and not form.has("new_password")), None)


def leads_to(url: str, home: str) -> bool:
    """Whether `url` is the address `home`, whatever its parameters."""
    there, wanted = urlsplit(url), urlsplit(home)
    return (there.scheme, there.netloc, there.path) == (wanted.scheme, wanted.netloc, wanted.path)


def parameters_of(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
