"""The pages on which an authenticator app is set up, for tests."""

import html
import re

from werkzeug.test import TestResponse

from tests.accounts.factors import code_of
from tests.accounts.visitor import Visitor

OFFERED = re.compile(r'name="offered" value="([^"]+)"')
KEY = re.compile(r'class="ls-key"><code translate="no">([A-Z2-7 ]+)<')


def set_up(visitor: Visitor, path: str = "/settings/second-factor/set-up") -> tuple[str, TestResponse]:
    """Set an app up from the page at `path`: its secret, and the page with the recovery codes."""
    page = visitor.get(path).text
    found = KEY.search(page)
    assert found
    secret = found[1].replace(" ", "")
    return secret, codes_after(visitor, visitor.post(path, offered=offered(page), code=code_of(secret)))


def codes_after(visitor: Visitor, answer: TestResponse) -> TestResponse:
    """The page with the recovery codes, where the answer to a form leads there; else the answer."""
    if answer.status_code == 303 and answer.location.startswith("/settings/second-factor/recovery-codes/new"):
        return visitor.get(answer.location)
    return answer


def offered(page: str) -> str:
    """The sealed key that a page of setting up offers."""
    found = OFFERED.search(page)
    assert found
    return html.unescape(found[1])
