"""The system's Chromium for whatever test needs one, in any folder: pytest loads this module as a plugin.

One for each test process: Playwright's synchronous form keeps an event loop in the process, beside which no second one
can be started.
"""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.conftest import require

_ARGUMENTS = (
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-extensions", "--disable-sync", "--disable-dev-shm-usage", "--no-first-run", "--metrics-recording-only",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)  # fmt: skip


def find_chromium() -> str | None:
    """The system's browser, wherever it is; rather the one without windows, which takes a quarter less for a story."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def launch(playwright: Playwright) -> Browser:
    """Start the system's Chromium, headless, cut off from everything but this machine."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=list(_ARGUMENTS))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless, cut off from everything but this machine."""
    require(find_chromium(), "Chromium is not installed: the tests in a browser need it")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
