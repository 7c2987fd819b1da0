"""A static SMART app on an origin of its own: pages of ours around the unmodified npm `fhirclient`."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Page, Response

_PAGES = Path(__file__).parent / "app"
FHIR_CLIENT = Path(__file__).parents[1] / "clients/node_modules/fhirclient/build/fhir-client.js"
SCOPE = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/ExplanationOfBenefit.rs"
_FILES = {
    "/launch": _PAGES / "launch.html",
    "/launch.js": _PAGES / "launch.js",
    "/callback": _PAGES / "callback.html",
    "/callback.js": _PAGES / "callback.js",
    "/fhir-client.js": FHIR_CLIENT,
    "/thanks": _PAGES / "thanks.html",
}


class AppSite:
    """Serves the app's pages on a free port of 127.0.0.1 while the context lasts."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class SmartApp:
    """The app in one browser tab, and what went over the wire between it and the plan."""

    def __init__(self, page: Page, site: AppSite, fhir_base: str, client_id: str = "browser-app") -> None:
        self.page = page
        self._origin, self._fhir_base, self._client_id = site.origin, fhir_base, client_id
        self.calls: list[tuple[str, int]] = []
        page.on("response", self._note)

    def launch(self, scope: str = SCOPE) -> None:
        """Standalone launch; ends on the plan's first page."""
        query = urlencode({"base": self._fhir_base, "client": self._client_id, "scope": scope})
        self.page.goto(f"{self._origin}/launch?{query}")
        self.page.wait_for_url(lambda url: not url.startswith(self._origin))

    def be_launched(self, address: str) -> None:
        """Launch from the portal, which sends the browser to this address; ends on the plan's first page."""
        self.page.goto(address)
        self.page.wait_for_url(lambda url: not url.startswith(self._origin))

    def wait_until_back(self) -> str:
        """Wait until the app has the browser again and has ended its work; how that ended: done or failed."""
        self.page.wait_for_url(lambda url: url.startswith(f"{self._origin}/callback"))
        return self._wait_for_end()

    def press(self, button: str) -> str:
        """Press Read or Refresh; how it ended. `calls` then holds that press's calls alone."""
        self.calls.clear()
        self.page.locator(f"#{button}").click()
        return self._wait_for_end()

    def text(self, field: str) -> str:
        """What the app shows in a field."""
        return self.page.locator(f"#{field}").inner_text()

    def _wait_for_end(self) -> str:
        outcome = self.page.locator("#outcome", has_not_text="working")
        outcome.wait_for()
        return outcome.inner_text()

    def _note(self, response: Response) -> None:
        kind = response.request.resource_type
        if kind in {"fetch", "xhr"} and response.request.method != "OPTIONS":
            path = urlsplit(response.url).path
            self.calls.append((f"{response.request.method} {path}", response.status))


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        file = _FILES.get(urlsplit(self.path).path)
        if file is None:
            self.send_error(404)
            return
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if file.suffix == ".js" else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    log_message: Callable[..., None] = lambda *_: None
