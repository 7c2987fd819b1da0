"""What a browser calls itself, in the few words by which a person knows it again: "Chrome, Windows"."""

_PROGRAMS = {
    # Each pretends to be those below it, so the order decides.
    "Edg": "Edge", "OPR/": "Opera", "SamsungBrowser/": "Samsung Internet", "Firefox/": "Firefox", "FxiOS/": "Firefox",
    "CriOS/": "Chrome", "Chrome/": "Chrome", "Chromium/": "Chromium", "Safari/": "Safari",
}  # fmt: skip
_SYSTEMS = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "CrOS": "Chromebook",
    "Mac OS X": "Mac", "Linux": "Linux",
}  # fmt: skip


def name_of(user_agent: str | None) -> str:
    """Program and system of a User-Agent header; the header's beginning where it names neither, empty without one."""
    given = user_agent or ""
    found = (_first(_PROGRAMS, given), _first(_SYSTEMS, given))
    return ", ".join(filter(None, found)) or given[:60]


def _first(names: dict[str, str], given: str) -> str:
    return next((name for mark, name in names.items() if mark in given), "")
