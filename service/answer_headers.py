"""The headers that every answer carries."""

from collections.abc import Iterator

from flask import Flask, Response, g

from service.web import notes, request_id, request_itself, settings

_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
    "img-src 'self' data:; form-action 'self'"
)


def install(app: Flask) -> None:
    """Add them to each answer, unless its view said otherwise; installed first, and so called last."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    """Add what every answer carries, unless its view said otherwise."""
    headers = response.headers
    # One walk through what is there: Headers.setdefault would walk once for each name.
    given = {name.lower() for name, _ in headers}
    for name, value in _common():
        if name.lower() not in given:
            headers.add(name, value)
    return response


def _common() -> Iterator[tuple[str, str]]:
    yield "X-Request-Id", request_id()
    yield "X-Content-Type-Options", "nosniff"
    yield "X-Frame-Options", "DENY"
    yield "Referrer-Policy", "same-origin"
    yield "Content-Security-Policy", _content_security()
    if request_itself().endpoint != "static":
        yield "Cache-Control", "no-store"
    if (left := g.get("rate")) is not None:
        yield from left.headers()
    if settings().https:
        yield "Strict-Transport-Security", "max-age=63072000; includeSubDomains"


def _content_security() -> str:
    form_action = notes().get("form_action")
    return f"{_POLICY} {form_action}" if form_action else _POLICY
