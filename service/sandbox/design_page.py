"""The design system on one page: every component as it is called, and as it looks. Only in the sandbox."""

import re
from pathlib import Path

from flask import Blueprint, Flask, render_template
from flask.typing import ResponseReturnValue

_TEMPLATES = Path(__file__).parents[1] / "templates"
_LIBRARY = _TEMPLATES / "forms.html"
_MACRO = re.compile(r"{% macro ([a-z]\w*)\((.*?)\) %}", re.S)
_COLOR = re.compile(r"--([a-z0-9-]+): (#[0-9a-f]{3,6})")
_pages = Blueprint("sandbox_design", __name__)


def install(app: Flask) -> None:
    """Add the route, in the sandbox only."""
    if app.extensions["latchstring"].settings.sandbox:
        app.register_blueprint(_pages)


@_pages.get("/sandbox/design")
def page() -> ResponseReturnValue:
    """Every macro of forms.html with its parameters and an example, and the colours of palette.css."""
    return render_template("sandbox/design.html", macros=macros(), colors=colors())


def macros() -> dict[str, str]:
    """The components of the macro library: name and parameters, as they stand there."""
    return {name: " ".join(given.split()) for name, given in _MACRO.findall(_LIBRARY.read_text("utf-8"))}


def colors() -> list[str]:
    """The names of the colours."""
    palette = (_TEMPLATES.parent / "static/palette.css").read_text("utf-8")
    return list(dict.fromkeys(name for name, _value in _COLOR.findall(palette)))
