"""Every page there is, found by walking: no barrier in light or dark, both languages, 320 pixels, twice the text.

A new page is walked to by itself; one to which no link leads must be named in `pages.ELSEWHERE`, with the story that
looks at it, and that story fails if it does not. `BROWSER_LONG=1` walks as everybody; without it as members and
strangers, of whose pages none may be missing.
"""

from typing import Any

import pytest

from tests.browser.codes import Codes
from tests.browser.conftest import LONG, Story
from tests.browser.looking import problems_of_any_page
from tests.browser.pages import ELSEWHERE, OF_OTHERS, PageMap
from tests.browser.walking import walk, walkers
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1_500)]
WALKERS = {walker.name: walker for walker in walkers() if LONG or walker.of_members}


@pytest.fixture(scope="module")
def seen() -> set[str]:
    """The endpoints whose pages were looked at."""
    return set()


def _languages() -> list[Any]:
    """Who walks in which language: members and strangers in one, in the long form in both; the others in English."""
    return [
        pytest.param(name, 1280, language, id=f"{name}-{language}")
        for number, (name, walker) in enumerate(WALKERS.items())
        for language in (("en", "es") if LONG and walker.of_members else ("es",) if number == 1 else ("en",))
    ]


@pytest.mark.parametrize(("who", "width", "language"), _languages())
def test_no_page_on_the_way_has_a_barrier(
    story: Story, page_map: PageMap, codes: Codes, seen: set[str], who: str
) -> None:
    walker = WALKERS[who]
    person = walker.enters(story, codes)
    person.page.goto(f"{story.sandbox.url}/?lang={story.language}")
    found = walk(page_map, person.page.context, story.sandbox.url, (*walker.starts, *person.ways))
    problems = []
    for endpoint, path in found.pages.items():
        if endpoint in seen and story.language == "en":
            continue
        person.open(path)
        problems += [f"{path} ({endpoint}): {problem}" for problem in problems_of_any_page(person.page)]
    seen |= set(found.pages)
    assert found.pages and not problems, "\n".join(problems)


def test_no_page_is_forgotten(page_map: PageMap, seen: set[str]) -> None:
    every = page_map.pages()
    assert set(ELSEWHERE) <= every, "named, and gone"
    if not LONG:
        every = {endpoint for endpoint in every if not endpoint.startswith(OF_OTHERS)}
    assert every - seen - set(ELSEWHERE) == set()


def test_every_page_that_is_named_has_its_story() -> None:
    for story in set(ELSEWHERE.values()):
        file, test = story.split("::")
        assert f"\ndef {test}(" in (ROOT / f"tests/browser/{file}.py").read_text(encoding="utf-8"), story
