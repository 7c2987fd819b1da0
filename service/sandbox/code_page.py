"""The codes of the sandbox's authenticator apps on a page. Outside of the sandbox it does not exist."""

from flask import Blueprint, Flask, render_template, request
from flask.typing import ResponseReturnValue

from service.sandbox import codes
from service.web import settings

_pages = Blueprint("sandbox_code", __name__)


def install(app: Flask) -> None:
    """Add the page, in the sandbox only."""
    if app.extensions["latchstring"].settings.sandbox:
        app.register_blueprint(_pages)


@_pages.get("/sandbox/code")
def page() -> ResponseReturnValue:
    """The six digits of `username` now, and the people who have some."""
    wanted = request.args.get("username", "").strip()
    try:
        found = codes.current(settings(), wanted) if wanted else None
    except codes.NoFactor:
        return _page(wanted, None), 404
    return _page(wanted, found)


def _page(wanted: str, found: tuple[str, int] | None) -> str:
    return render_template("sandbox/code.html", wanted=wanted, found=found, people=codes.with_factor())
