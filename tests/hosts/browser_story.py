"""The whole story in a browser, over hosts that a proxy takes in turn: connect an app, see it, revoke it."""

import time
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from tests import chromium
from tests.browser.smart_app import AppSite, SmartApp

_SECONDS = 60
"""What a person may need for it (the promise is theirs, so that a script keeps it with ease)."""


def tell(url: str, handout: Mapping[str, Any], username: str = "thomas") -> float:
    """Tell it as this member of the sandbox; how many seconds it took. What goes otherwise fails an assertion."""
    member = next(one for one in handout["accounts"] if one["username"] == username)
    with AppSite() as site, sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        # The proxy's certificate is by an authority of this run's own.
        context = browser.new_context(viewport={"width": 360, "height": 740}, ignore_https_errors=True)
        tab, began = context.new_page(), time.monotonic()
        app = SmartApp(tab, site, handout["fhir_base"])
        app.launch()
        _sign_in(tab, member)
        tab.get_by_role("button", name="Allow", exact=True).click()
        assert app.wait_until_back() == "done", app.text("problem")
        assert app.text("patient-id") == member["members"][0]["fhir_id"] and int(app.text("claims")) > 0
        assert app.press("refresh") == "done" and app.press("read") == "done", app.text("problem")
        console = context.new_page()
        console.goto(f"{url}/apps")
        console.get_by_role("button", name="Revoke", exact=True).click()
        expect(console.get_by_role("heading", name="Access ended")).to_be_visible()
        assert app.press("read") == "failed" and {status for _, status in app.calls} == {401}, app.calls
        assert app.press("refresh") == "failed", app.calls
        seconds = time.monotonic() - began
        browser.close()
    assert seconds <= _SECONDS, seconds
    return seconds


def _sign_in(tab: Page, member: Mapping[str, Any]) -> None:
    tab.get_by_label("Username").fill(member["username"])
    tab.get_by_label("Password", exact=True).fill(member["password"])
    tab.get_by_role("button", name="Sign in", exact=True).click()
