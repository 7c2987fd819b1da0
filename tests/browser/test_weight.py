"""What a member's page weighs on a phone that comes for the first time: at most 100 kB with all that it loads."""

import pytest
from playwright.sync_api import Browser, StorageState

from tests.browser.codes import Codes
from tests.browser.conftest import Story
from tests.browser.pages import PageMap
from tests.browser.walking import walk, walkers

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
_MOST = 100_000
_OF_OTHERS = ("/provider", "/staff", "/developers", "/sandbox")
_WALKERS = {walker.name: walker for walker in walkers() if walker.of_members}


@pytest.mark.parametrize(("who", "width", "language"), [(who, 360, "es") for who in _WALKERS], ids=str)
def test_no_page_of_members_weighs_more_than_100_kilobytes(
    story: Story, chromium: Browser, codes: Codes, page_map: PageMap, who: str
) -> None:
    person = _WALKERS[who].enters(story, codes)
    person.page.goto(f"{story.sandbox.url}/?lang={story.language}")
    found = walk(page_map, person.page.context, story.sandbox.url, (*_WALKERS[who].starts, *person.ways))
    pages = {path for path in found.pages.values() if not path.startswith(_OF_OTHERS)}
    kept = person.page.context.storage_state()

    weights = {path: _weight(chromium, kept, story.sandbox.url + path) for path in pages}

    heaviest = max(weights, key=weights.__getitem__)
    print(f"{who}: {len(weights)} pages, the heaviest {heaviest} with {weights[heaviest]:,} bytes")
    assert len(weights) >= 10
    assert min(weights.values()) > 40_000, "the type is in it: nothing was kept from another page"
    assert weights[heaviest] < _MOST, {path: weight for path, weight in weights.items() if weight >= _MOST}


def _weight(chromium: Browser, kept: StorageState, address: str) -> int:
    """Bytes over the line, with headers, of the page and all that it loads, in a browser that has nothing yet."""
    context = chromium.new_context(viewport={"width": 360, "height": 740}, storage_state=kept)
    page, loaded = context.new_page(), list[int]()
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.on("Network.loadingFinished", lambda told: loaded.append(int(told["encodedDataLength"])))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    context.close()
    return sum(loaded)
