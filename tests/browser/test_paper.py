"""Pages on paper: a card that is longer than a sheet begins where the page before it ends."""

from io import BytesIO

import pytest
from pypdf import PdfReader

from tests.browser.conftest import Story, told

pytestmark = pytest.mark.browser
_LINE = "Another type of information"
_LONG = """(text) => {
  const line = document.createElement("p");
  line.textContent = text;
  for (let count = 0; count < 60; count++) document.querySelector("main .ls-app").append(line.cloneNode(true));
}"""


@told(1280, "en")
def test_a_card_longer_than_a_sheet_leaves_no_sheet_nearly_empty(story: Story) -> None:
    thomas = story.browser()
    thomas.open("/settings")
    thomas.prefer_language()
    thomas.sign_in("thomas")
    thomas.open("/settings")
    thomas.page.emulate_media(media="print")
    thomas.page.evaluate(_LONG, _LINE)
    first, second, *_rest = PdfReader(BytesIO(thomas.page.pdf(format="Letter"))).pages
    assert _LINE in first.extract_text() and _LINE in second.extract_text()
    story.step("printed")
