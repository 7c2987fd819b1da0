"""Walks through the product by its links, as somebody of each audience, and finds a page for each address there is.

What the walk finds is what people find: a page to which nothing leads is not found, and the tests say so.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext

from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.pages import PageMap
from tests.browser.person import Person
from tests.browser.plain_app import PlainApp
from tests.browser.portal import enter

_LINK = re.compile(r'<a\b[^>]*\bhref="(/[^"#]*)')
_MOST_OF_A_KIND = 2
_PLAN_STAFF = ("ruth", "gwen", "olivia", "nora")
_APPS = ("Kitchen Table Ledger", "Kitchen Table Diary", "Kitchen Table Clock")


@dataclass(frozen=True)
class Walker:
    """Somebody who walks: who they are, how they come in, from where they set out; `of_members` is in two languages."""

    name: str
    enters: Callable[[Story, Codes], Person]
    starts: tuple[str, ...]
    of_members: bool = False


@dataclass
class Found:
    """What a walk has found: an address of a page for each endpoint, and the endpoints that answer with files."""

    pages: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)


def walkers() -> tuple[Walker, ...]:
    """Everybody whose pages there are."""
    return (
        Walker("stranger", _stranger, ("/", "/provider", "/developers", "/sandbox/mail", "/sandbox/code", "/gallery",
               "/password-reset", "/sandbox/app", "/sandbox/design"), of_members=True),
        Walker("member", _member, ("/member", "/start", "/confirm-password"), of_members=True),
        Walker("representative", _as("susan", "/member", member=1), ("/member",), of_members=True),
        Walker("developer", _as("ines", "/developers/apps"), ("/developers/apps",)),
        Walker("office", _as("marge", "/provider/home"), ("/provider/home", "/provider/claims", "/provider/eligibility",
               "/provider/remittances", "/provider/profiles/", "/provider/access", "/provider/accounts/")),
        Walker("billing firm", _as("nadia", "/provider/home"), ("/provider/home", "/provider/access")),
        Walker("office without a proof", _as("peter", "/provider/home"), ("/provider/home", "/provider/validate")),
        *(Walker(f"plan staff {name}", _as(name, "/staff/"), ("/staff/",)) for name in _PLAN_STAFF),
    )  # fmt: skip


def walk(pages: PageMap, context: BrowserContext, base: str, starts: tuple[str, ...]) -> Found:
    """Follow every link from `starts`, some of each kind, by GET; nothing is pressed."""
    found, seen, kinds = Found(), set[str](), dict[str, int]()
    ahead = list(starts)
    while ahead:
        path = ahead.pop(0)
        endpoint = pages.endpoint_of(path)
        if path in seen or endpoint is None or kinds.get(endpoint, 0) >= _MOST_OF_A_KIND:
            continue
        seen.add(path)
        kinds[endpoint] = kinds.get(endpoint, 0) + 1
        answer = context.request.get(base + path)
        if not answer.ok:
            continue
        if "text/html" not in answer.headers.get("content-type", ""):
            found.files.add(endpoint)
            continue
        reached = urlsplit(answer.url)
        arrived = f"{reached.path}?{reached.query}" if reached.query else reached.path
        if at := pages.endpoint_of(arrived):
            found.pages.setdefault(at, arrived)
        ahead += [link for link in _links(answer.text()) if link not in seen]
    return found


def _links(page: str) -> Iterator[str]:
    for link in _LINK.findall(page):
        path = html.unescape(link)
        # The same page in another language is not another page.
        if "lang=" not in path:
            yield path


def _stranger(story: Story, _codes: Codes) -> Person:
    return story.browser()


def _as(username: str, path: str, *, member: int | None = None) -> Callable[[Story, Codes], Person]:
    def enters(story: Story, codes: Codes) -> Person:
        person = enter(story, codes, username, path)
        if member is not None:
            person.field("Select member").select_option(index=member)
            person.press("Continue")
        return person

    return enters


def _member(story: Story, _codes: Codes) -> Person:
    """A member with three apps: one that may come in, one paused, one that is over; and one that asks."""
    person = story.browser()
    apps = [PlainApp(person.page, story.site, story.sandbox, name) for name in _APPS]
    for number, app in enumerate(apps):
        app.launch()
        if number == 0:
            person.prefer_language()
            person.sign_in("thomas")
        person.press("Allow")
        app.receive()
        app.read()
    for deed in ("pause", "revoke"):
        person.open("/apps")
        with person.page.expect_navigation():
            person.page.locator(f"form[action$='/{deed}'] button").first.click()
    person.ways.append(urlsplit(person.page.url).path)
    PlainApp(person.page, story.site, story.sandbox, "Kitchen Table Scale").launch()
    person.ways.append(person.page.url.removeprefix(story.sandbox.url))
    return person
