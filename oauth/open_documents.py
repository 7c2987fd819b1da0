"""Documents that apps of any origin read before they have a token."""

from flask import Response

PATHS = ("/.well-known/", "/user-access-brands.json")
"""Where they stand, beside the API's own base; errors there are for programs too."""


def open_to_any_origin(response: Response) -> None:
    """Let browser apps of any origin read it, and what it says of versions and of coming again."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After, X-Request-Id"
