"""Plain HTTP as an app speaks it: no redirect followed, no cookie kept, no proxy of the environment, TLS verified."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

from urllib3 import HTTPHeaderDict, PoolManager, Retry, Timeout

from service.conformance.verdicts import Failed, NotOffered, expect, expect_status

Fields = Mapping[str, str] | Sequence[tuple[str, str]]
_TIMEOUT = Timeout(connect=10, read=30)
# A kept connection that the server closed meanwhile is opened again; nothing else is tried twice.
_RETRY = Retry(
    total=2, connect=2, read=0, status=0, other=0, redirect=False, raise_on_redirect=False,
    respect_retry_after_header=False,
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What came back. `url` is the address that was asked."""

    url: str
    status: int
    headers: HTTPHeaderDict
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def target(self) -> str | None:
        """Where a redirect leads, as an absolute address; None for any other answer."""
        location = self.headers.get("Location")
        return urljoin(self.url, location) if location and 300 <= self.status < 400 else None

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises Failed for anything else."""
        try:
            found = json.loads(self.body)
        except ValueError:
            raise Failed("a JSON object", f"{self.media_type or 'no content type'} that is no JSON") from None
        expect(isinstance(found, dict), "a JSON object", type(found).__name__)
        content: dict[str, Any] = found
        return content


def expect_refusal(answer: Answer, of: str) -> None:
    """Raise Failed unless the caller was not believed. Raises NotOffered where the server judges nobody for a while."""
    if answer.status == 429:
        raise NotOffered(f"after earlier refusals the server asks to wait {answer.headers.get('Retry-After')} seconds")
    expect_status(answer.status, {400, 401}, of)


class Wire:
    """Sends requests. `ca_file` holds the certificates to trust instead of the machine's own."""

    def __init__(self, ca_file: Path | None = None) -> None:
        self.ca_file = ca_file
        self._pool = PoolManager(ca_certs=str(ca_file) if ca_file else None, retries=_RETRY, timeout=_TIMEOUT)

    def get(self, url: str, **headers: str) -> Answer:
        """GET; header names are written with underscores."""
        return self.send("GET", url, headers=headers)

    def post(self, url: str, fields: Fields, **headers: str) -> Answer:
        """POST a form."""
        return self.send("POST", url, fields=fields, headers=headers)

    def send(self, method: str, url: str, *, fields: Fields | None = None, headers: Mapping[str, str]) -> Answer:
        """Any request; `fields` become a form body. Raises urllib3's HTTPError when nobody answers."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        body = None if fields is None else urlencode(fields)
        if body is not None:
            given.setdefault("Content-Type", "application/x-www-form-urlencoded")
        answer = self._pool.request(method, url, body=body, headers=given, redirect=False)
        return Answer(url, answer.status, answer.headers, answer.data)
