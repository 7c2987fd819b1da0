"""Back, Forward and Reload after a form, as every story of them looks at it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Request, Response

from tests.browser.person import Person


def goes_back(person: Person, *, steps: int = 1, statuses: tuple[int, ...] = (200,)) -> None:
    """Back leads to pages that are asked for anew, in plain words; forward too. Nothing is sent."""
    page = person.page
    with sends_nothing(page):
        for go in (*[page.go_back] * steps, *[page.go_forward] * steps, *[page.go_back] * steps):
            answer = moved(go)
            if answer is not None:
                assert answer.request.method == "GET" and answer.status in statuses, answer.url
            assert page.locator("h1").count() == 1


def back(page: Page) -> Response:
    """Go back to a page that is asked for anew."""
    answer = moved(page.go_back)
    assert answer is not None
    return answer


def moved(go: Callable[[], Response | None]) -> Response | None:
    """What a step in the browser's history brings; None where it sends for nothing."""
    return go()


@contextmanager
def sends_nothing(page: Page) -> Iterator[None]:
    """Fail if the tab sends a form meanwhile."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.url)

    page.on("request", note)
    yield
    page.remove_listener("request", note)
    assert sent == [], "sent again"
