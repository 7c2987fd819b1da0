"""Where a person goes after sign-in: a path of ours, never another site."""

from urllib.parse import SplitResult, urlsplit

from flask import request

_LONGEST = 2_000


def local_path(wanted: str | None) -> str | None:
    """`wanted` if it is a path of this site, else None: no host, no `//evil`, no backslash, no control character."""
    if not wanted or len(wanted) > _LONGEST or not wanted.startswith("/") or wanted.startswith("//"):
        return None
    if "\\" in wanted or any(not "\x20" < letter < "\x7f" for letter in wanted):
        return None
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return None
    return None if parts.scheme or parts.netloc or parts.path.startswith("//") else wanted


def here() -> str:
    """The page being asked for, as a local path to come back to; a form comes back to the page it stood on."""
    asked = request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else None
    return local_path(asked or came_from().path) or "/"


def came_from() -> SplitResult:
    """The address that the browser names as the one it came from; an empty one where it names none, or no address."""
    try:
        return urlsplit(request.referrer or "")
    except ValueError:
        return urlsplit("")


def came_from_page(path: str) -> str:
    """This page of ours, as the browser came from it: with its search, if it names it."""
    before = came_from()
    return f"{path}?{before.query}" if before.path == path and before.query else path
