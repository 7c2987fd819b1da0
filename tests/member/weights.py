"""What a page weighs for a phone that comes for the first time, reckoned from what the server sends.

`tests/browser/test_weight.py` weighs the same on the line, for the pages of the sandbox.
"""

import re

from werkzeug.test import TestResponse

from tests.conftest import ROOT
from tests.member.pages import Reader

MOST_BYTES = 100_000
_LOADED = re.compile(r'<(?:link rel="(?:stylesheet|icon)"[^>]*? href|script src)="(/static/[^"]+)"')
_TYPE = ("sourcesanspro-regular-webfont.woff2", "sourcesanspro-bold-webfont.woff2")
"""The type that every page is set in."""
_HEADERS = 500
"""Bytes of the headers of an answer, about."""


def weight_of(reader: Reader, page: TestResponse) -> int:
    """Bytes of a page with all that it loads; logos further down, which wait, are not counted."""
    fonts = [(ROOT / "service/static/uswds/fonts/source-sans-pro" / name).stat().st_size for name in _TYPE]
    sent = [_size(reader, address) for address in _LOADED.findall(page.text)]
    assert len(sent) >= 4, "three style sheets and a script"
    return len(page.data) + sum(fonts) + sum(sent) + _HEADERS * (1 + len(fonts) + len(sent))


def _size(reader: Reader, address: str) -> int:
    with reader.browser.get(address, headers={"Accept-Encoding": "br"}) as answer:
        return len(answer.data)
