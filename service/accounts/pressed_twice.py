"""A form that was sent twice, by a button pressed twice: its person is led to where the first press has got to.

Some forms renew the browser's cookie, so that the token of the second one is over. Nothing is done for it, and its
person would read that the page has expired, though what they wanted is done. `static/one-press.js` holds the second
press back where scripts run.
"""

from collections.abc import Callable, Mapping

from flask import Blueprint, current_app, redirect, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from service.web import FormExpired

Where = Callable[[], str | None]
"""Where the first press has led; None where none has got through, so that the page has expired indeed."""


def lead_on(blueprint: Blueprint, ways: Mapping[str, Where]) -> None:
    """Answer a form without a good token by the way of its endpoint (named without the blueprint)."""

    @blueprint.errorhandler(CSRFError)
    def _led_on(_error: CSRFError) -> ResponseReturnValue:
        # A form of ours has a token, however old; one without comes from elsewhere.
        sent_from_here = bool(request.form.get("csrf_token"))
        way = ways.get((request.endpoint or "").rpartition(".")[2]) if sent_from_here else None
        address = way() if way else None
        if address is None:
            return current_app.handle_user_exception(FormExpired())
        return redirect(address, 303)
