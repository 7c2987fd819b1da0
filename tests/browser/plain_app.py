"""An app without a browser library: the authorization code flow by hand, for pages without JavaScript."""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import requests
from playwright.sync_api import Page

from tests.browser.sandbox import Sandbox
from tests.browser.smart_app import SCOPE, AppSite


class PlainApp:
    """A confidential app (client_secret_basic) with a fixed address on `localhost`, so that nobody can pose as it."""

    def __init__(self, page: Page, site: AppSite, sandbox: Sandbox, name: str = "Kitchen Table Ledger") -> None:
        self._page, self._sandbox = page, sandbox
        self._redirect_uri = f"http://localhost:{site.port}/thanks/{quote(name)}"
        self.name = name
        self._credentials = sandbox.app_credentials(self.name, self._redirect_uri)
        self.tokens: dict[str, Any] = {}

    def launch(self, scope: str = SCOPE) -> None:
        """Send the browser to the plan's authorization endpoint."""
        self._verifier, self._state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": self._credentials[0], "redirect_uri": self._redirect_uri,
            "scope": scope, "state": self._state, "aud": self._sandbox.fhir_base,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        # The page of ours that comes next may send the browser on to the app at once.
        self._page.goto(f"{self._sandbox.url}/oauth/authorize?{urlencode(asked)}")

    def receive(self) -> int:
        """Wait for the code at the app and exchange it; the token endpoint's status."""
        self._page.wait_for_url(lambda url: url.startswith(self._redirect_uri))
        answer = parse_qs(urlsplit(self._page.url).query)
        assert answer["state"] == [self._state]
        assert answer["iss"] == [self._sandbox.url]
        exchange = {"grant_type": "authorization_code", "code": answer["code"][0],
                    "redirect_uri": self._redirect_uri, "code_verifier": self._verifier}  # fmt: skip
        return self._ask_for_tokens(exchange)

    def refresh(self) -> int:
        """Use the refresh token; the token endpoint's status."""
        return self._ask_for_tokens({"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]})

    def read(self) -> requests.Response:
        """Ask for the patient's claims."""
        return requests.get(
            f"{self._sandbox.fhir_base}/ExplanationOfBenefit",
            params={"patient": self.tokens["patient"]},
            headers={"Authorization": f"Bearer {self.tokens['access_token']}", "Accept": "application/fhir+json"},
            timeout=10,
        )

    def _ask_for_tokens(self, form: dict[str, str]) -> int:
        answer = requests.post(f"{self._sandbox.url}/oauth/token", data=form, auth=self._credentials, timeout=10)
        if answer.ok:
            self.tokens |= answer.json()
        return answer.status_code
