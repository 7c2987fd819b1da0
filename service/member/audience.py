"""For whom a page is that everybody shares: sign-in, second factor, passwords and settings.

They stand in the frame of the person's own place, and in its language: people of offices, app developers and people of
the plan would else be shown the phone lines and the help of members.
"""

from flask import request

from service.accounts.next_page import local_path
from service.accounts.sessions import current_login, half_login
from service.member.landing import Place, landing_of
from service.web import db_session

_FRAMES = {
    Place.MEMBER: "layout.html", Place.PROVIDER: "provider/layout.html", Place.DEVELOPER: "developer/layout.html",
    Place.STAFF: "staff/frame.html",
}  # fmt: skip
_PATHS = {Place.PROVIDER: "/provider/", Place.DEVELOPER: "/developers/", Place.STAFF: "/staff/"}
_PUBLIC = (Place.PROVIDER, Place.DEVELOPER)
"""Places with pages that anybody may open."""
_SHARED = {"sign_in", "sign_in_code", "second_factor", "passkeys", "passwords", "email_change", "settings_page"}


def is_shared() -> bool:
    """Whether the page at hand is one that people of every kind come to."""
    return request.blueprint in _SHARED


def frame() -> str:
    """The template that the page at hand stands in."""
    return _FRAMES[place()]


def place() -> Place:
    """The place of the page at hand: where the person is or wants to go, if it is theirs; else their own."""
    here = next((one for one in _PUBLIC if f"{request.path}/".startswith(_PATHS[one])), None)
    if here is not None:
        return here
    wanted = _wanted()
    login = current_login() or half_login()
    if login is None:
        # An address says nothing about who asks: the staff console is not shown to exist where it was only guessed.
        return wanted if wanted is not None and (wanted in _PUBLIC or is_shared()) else Place.MEMBER
    landing = landing_of(db_session(), login.account)
    if wanted in landing.places:
        return wanted
    return landing.only or Place.MEMBER


def _wanted() -> Place | None:
    paths = [f"{path.split('?')[0]}/" for path in (request.path, local_path(request.args.get("next"))) if path]
    return next((one for one, start in _PATHS.items() if any(path.startswith(start) for path in paths)), None)
