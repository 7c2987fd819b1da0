"""Fixtures of the browser stories: a sandbox as from `make run`, a SMART app, and a person.

`BROWSER_LONG=1` tells every story in both languages and both widths; without it each is told once.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import Browser, BrowserContext, Request

from service.settings import Settings
from tests.browser.codes import Codes
from tests.browser.forms import story_forms
from tests.browser.looking import AXE, WIDTHS, Looks
from tests.browser.pages import PageMap, story_pages
from tests.browser.person import Person
from tests.browser.sandbox import Sandbox, running_sandbox
from tests.browser.smart_app import FHIR_CLIENT, AppSite, SmartApp
from tests.browser.words import Words
from tests.conftest import require

LONG = os.environ.get("BROWSER_LONG") == "1"
_PATIENCE_MS = 15_000


def told(width: int, language: str) -> pytest.MarkDecorator:
    """How a story is told in the short form; in the long form in every width and language."""
    every = [(each_width, each_language) for each_width in WIDTHS for each_language in ("en", "es")]
    return pytest.mark.parametrize(
        ("width", "language"), every if LONG else [(width, language)], ids=lambda value: str(value)
    )


@pytest.fixture(scope="function" if LONG else "module")
def sandbox(
    chromium: Browser, sandbox_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sandbox]:  # fmt: skip
    """A sandbox of this file's own, as from `make run`; of each story's own where stories are told several times."""
    require(FHIR_CLIENT.exists() and AXE.exists(), "npm packages are missing: run `make browser` (needs node and npm)")
    with running_sandbox(sandbox_template, tmp_path_factory.mktemp("var")) as running:
        yield running


@pytest.fixture(scope="module")
def codes_by_url() -> dict[str, Codes]:
    """Which codes were used, by sandbox."""
    return {}


@pytest.fixture
def codes(sandbox: Sandbox, codes_by_url: dict[str, Codes]) -> Codes:
    """The authenticator apps of this sandbox's people."""
    return codes_by_url.setdefault(sandbox.url, Codes(sandbox))


@pytest.fixture(scope="session")
def app_site() -> Iterator[AppSite]:
    """The SMART app's web site, on an origin of its own."""
    with AppSite() as site:
        yield site


@pytest.fixture(scope="session")
def page_map(sandbox_template: Path) -> PageMap:
    """The addresses of the sandbox's pages."""
    return PageMap(Settings.from_environment({"VAR": str(sandbox_template)}))


@dataclass
class Story:
    """One story told in one width and language: opens browsers and looks at what they show.

    `due` are the endpoints of which it must look at a page, `forms` those to which it must send a form.
    """

    chromium: Browser
    sandbox: Sandbox
    site: AppSite
    name: str
    width: int
    language: str
    pages: PageMap
    due: set[str] = field(default_factory=set)
    forms: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._contexts: list[BrowserContext] = []
        self._looks: list[Looks] = []
        self._steps: list[tuple[str, float]] = []
        self._began = monotonic()

    def browser(self, *, scripts: bool = True) -> Person:
        """A person at a fresh browser; the story's pictures are numbered over all its browsers."""
        context = self.chromium.new_context(
            viewport={"width": self.width, "height": WIDTHS[self.width]}, java_script_enabled=scripts, locale="en-US"
        )
        context.set_default_timeout(_PATIENCE_MS)
        context.on("request", self._note_form)
        self._contexts.append(context)
        looks = Looks(self.name, self.language, self.width, self.pages, self.due, scripts)
        if self._looks:
            looks.seen = self._looks[0].seen
        self._looks.append(looks)
        return Person(context.new_page(), self.sandbox, Words(self.language), looks)

    def app(self, person: Person, client_id: str = "browser-app") -> SmartApp:
        """The SMART app in the person's browser tab."""
        return SmartApp(person.page, self.site, self.sandbox.fhir_base, client_id)

    def step(self, what: str) -> None:
        """Note that a part of the story has ended."""
        self._steps.append((what, monotonic()))

    @property
    def seconds(self) -> float:
        """How long the story has taken by now."""
        return monotonic() - self._began

    def end(self) -> None:
        """Close the browsers, print what the steps took, and fail if a page did not look right or was not come to."""
        for context in self._contexts:
            context.close()
        before = self._began
        for what, at in self._steps:
            print(f"{at - before:6.1f} s  {what}", file=sys.stderr)
            before = at
        for looks in self._looks:
            looks.require_good()
        assert not self.due, "tests/browser/pages.py says that this story looks at them"
        assert not self.forms, "tests/browser/forms.py says that this story sends them"

    def _note_form(self, request: Request) -> None:
        if request.method == "POST" and request.url.startswith(self.sandbox.url):
            self.forms.discard(str(self.pages.endpoint_of(request.url, "POST")))


@pytest.fixture
def story(
    chromium: Browser, sandbox: Sandbox, app_site: AppSite, page_map: PageMap, width: int, language: str,
    request: pytest.FixtureRequest,
) -> Iterator[Story]:  # fmt: skip
    """The story that a test tells."""
    test = request.node.originalname
    # Without scripts nothing can be looked at by axe-core, nor some things done: the telling with them does it.
    is_plain = request.node.callspec.params.get("scripts") is False
    told_as = f"{request.path.stem}::{test}"
    due, forms = (set(), set()) if is_plain else (story_pages(told_as), story_forms(told_as))
    made = Story(chromium, sandbox, app_site, test.removeprefix("test_"), width, language, page_map, due, forms)
    yield made
    made.end()
