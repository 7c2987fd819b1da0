"""A person at the member pages: opens them, reads their forms as a browser does, ticks and presses buttons."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from consent import representatives
from consent.models import Basis, ConsentDecision, Grant, LinkScope, RepresentativeLink
from service.accounts.models import Account
from service.plan.models import Member
from tests.factories import make_representative
from tests.oauth.desk import App, Desk


@dataclass
class Form:
    """A form as a browser would send it: hidden and filled fields, ticked boxes. `boxes` are all, ticked or not."""

    action: str
    fields: MultiDict[str, str] = field(default_factory=MultiDict)
    boxes: dict[tuple[str, str], bool] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)

    def changed(self, **given: str | list[str]) -> "MultiDict[str, str]":
        """The fields with some replaced; a list replaces all values of a name."""
        sent = MultiDict(self.fields)
        for name, value in given.items():
            sent.setlist(name, [value] if isinstance(value, str) else value)
        return sent

    def ticked(self, name: str) -> list[str]:
        """The values ticked under a name."""
        return [value for (own, value), on in self.boxes.items() if own == name and on]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._select = self._area = ""
        self._option: str | None = None
        self._button: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""))
            self.forms.append(self._open)
        elif self._open is not None:
            self._read(tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        self._option = None if tag == "option" else self._option
        self._area = "" if tag == "textarea" else self._area
        self._button = None if tag == "button" else self._button

    def handle_data(self, data: str) -> None:
        if self._open is not None and self._area:
            self._open.fields[self._area] += data
        if self._open is None or not data.strip():
            return
        if self._option is not None:
            self._open.options.append((self._option, data.strip()))
        if self._button is not None:
            self._open.buttons.append((*self._button, data.strip()))

    def _read(self, tag: str, given: dict[str, str]) -> None:
        assert self._open is not None
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "input" and given.get("type") in {"checkbox", "radio"}:
            self._open.boxes[name, value] = "checked" in given
            if "checked" in given:
                self._open.fields.add(name, value)
        elif tag == "input":
            self._open.fields.add(name, value)
        elif tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area, self._open.fields[name] = name, ""
        elif tag == "option":
            self._option = value
            if "selected" in given or self._select not in self._open.fields:
                self._open.fields.setlist(self._select, [value])
        elif tag == "button":
            self._button = (name, value)


def forms_of(page: str) -> list[Form]:
    """Every form of a page, in order."""
    reader = _Reader()
    reader.feed(page)
    return reader.forms


def form_to(page: str, path: str) -> Form:
    """The one form of a page that posts to `path`."""
    found = [form for form in forms_of(page) if urlsplit(form.action).path == path]
    assert len(found) == 1, f"{len(found)} forms post to {path}"
    return found[0]


def revoke_forms(page: str) -> list[str]:
    """Where the Revoke buttons of a page post to."""
    return [form.action for form in forms_of(page) if form.action.endswith("/revoke")]


@dataclass
class Reader:
    """A signed-in person with a browser of their own."""

    desk: Desk
    account: Account
    browser: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.desk.app.test_client()
        signed_in = self.desk.sign_in(self.browser, self.account)
        assert signed_in.status_code == 303, signed_in.text

    def get(self, path: str) -> TestResponse:
        """Open a page."""
        return self.browser.get(path)

    def take(self, path: str, member: Member | None = None) -> TestResponse:
        """Take a file by the link of a page that was made for the member; the desk's where none is named."""
        return self.browser.get(path, query_string={"member": (member or self.desk.member).patient_id})

    def press(self, page: TestResponse, path: str, **changed: str | list[str]) -> TestResponse:
        """Send the page's form to `path`, with some fields changed."""
        form = form_to(page.text, path)
        return self.browser.post(form.action, data=form.changed(**changed))

    def ask(self, app: App, **changed: str | None) -> TestResponse:
        """Come from an app; follow until a page of ours or the app's address."""
        answer = self.desk.authorize(self.browser, app, **changed)
        return self.follow(answer)

    def follow(self, answer: TestResponse) -> TestResponse:
        """Follow redirects within our site."""
        while answer.status_code == 303 and answer.location.startswith(("/", "http://localhost/")):
            answer = self.browser.get(answer.location)
        return answer

    def choose(self, page: TestResponse, member: Member) -> TestResponse:
        """Pick a member on the chooser of a request."""
        return self.follow(self.press(page, "/consent/member", selected=member.patient_id))

    def allow(self, page: TestResponse, **changed: str | list[str]) -> TestResponse:
        """Press Allow."""
        return self.press(page, "/consent", answer="allow", **changed)


def represent(desk: Desk, account: Account, member: Member, *, scope: LinkScope = LinkScope.ALL) -> RepresentativeLink:
    """Link an account to a member as guardian."""
    with desk.session() as session:
        account = session.get_one(Account, account.id)
        representative = representatives.representative_of(session, account) or make_representative(session, account)
        return representatives.link(
            session, representative, session.get_one(Member, member.id), basis=Basis.GUARDIAN,
            timezone=desk.settings.plan.timezone, scope=scope,
        )  # fmt: skip


def decisions(desk: Desk) -> list[ConsentDecision]:
    """Every answer that was kept, the first one first."""
    with desk.session() as session:
        return list(session.scalars(select(ConsentDecision).order_by(ConsentDecision.at)))


def grants(desk: Desk) -> list[Grant]:
    """Every grant, the first one first."""
    with desk.session() as session:
        return list(session.scalars(select(Grant).order_by(Grant.created_at)))
