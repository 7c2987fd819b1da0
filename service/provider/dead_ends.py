"""Dead ends of inquiries, answered without raising: what was counted and recorded before them has to stay."""

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.web import NotFoundPage, PageError, request_id


class LookupsExhausted(PageError):
    """More look-ups in an hour than any office needs."""

    status = 429
    title = _("That is more look-ups than we allow in an hour")
    sentence = _(
        "To protect members, each account can look up only so many in an hour. Please wait an hour and go on then. "
        "If your work needs more, call us."
    )


def not_found() -> ResponseReturnValue:
    """The page that does not exist, and the one that is not theirs."""
    return _told(NotFoundPage())


def too_many_lookups() -> ResponseReturnValue:
    """The page of a login that has to wait."""
    body, status = _told(LookupsExhausted())
    return body, status, {"Retry-After": "3600"}


def _told(error: PageError) -> tuple[str, int]:
    return render_template("errors/page.html", error=error, reference=request_id()), error.status
