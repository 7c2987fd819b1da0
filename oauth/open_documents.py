"""Documents that apps of any origin read before they have a token."""

from flask import Response

from service import web

PATHS = ("/.well-known/", "/user-access-brands.json")
"""Where they stand, beside the API's own base; errors there are for programs too."""
TAKEN = "Authorization, DPoP, Content-Type, Accept, Prefer, If-None-Match, If-Modified-Since, X-Request-Id"
"""Headers that a browser app may send to the API, and to what it reads before: many send the same with each request."""
_METHODS = "GET, HEAD, OPTIONS"


def open_to_any_origin(response: Response) -> Response:
    """Let browser apps of any origin read it, and what it says of versions and of coming again.

    A browser that asks beforehand (OPTIONS) is told what it may send.
    """
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After, X-Request-Id"
    if web.request_itself().method == "OPTIONS":
        # Below the API's base Flask names the methods of every other route that takes the path as well.
        response.headers["Allow"] = response.headers["Access-Control-Allow-Methods"] = _METHODS
        response.headers["Access-Control-Allow-Headers"] = TAKEN
        response.headers["Access-Control-Max-Age"] = "600"
    return response
