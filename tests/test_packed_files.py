"""Style sheets and scripts go out packed; what has not changed is not sent again; pages are not packed."""

import gzip

import brotli
import pytest
from flask import Flask

_SHEET = "/static/uswds/css/uswds.css"


@pytest.mark.parametrize(("encoding", "unpack"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
def test_a_style_sheet_is_packed_and_known_again(app: Flask, encoding: str, unpack) -> None:  # type: ignore[no-untyped-def]
    browser = app.test_client()
    plain = browser.get(_SHEET, buffered=True)
    packed = browser.get(_SHEET, headers={"Accept-Encoding": encoding}, buffered=True)
    assert plain.content_encoding is None and packed.content_encoding == encoding
    assert unpack(packed.data) == plain.data and len(packed.data) < len(plain.data) / 9
    assert "Accept-Encoding" in packed.headers["Vary"]
    known = {"Accept-Encoding": encoding, "If-None-Match": packed.headers["ETag"]}
    assert browser.get(_SHEET, headers=known, buffered=True).status_code == 304


def test_pages_are_not_packed(app: Flask) -> None:
    page = app.test_client().get("/sign-in", headers={"Accept-Encoding": "br, gzip"})
    assert page.status_code == 200 and page.content_encoding is None
