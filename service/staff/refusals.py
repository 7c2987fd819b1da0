"""Dead ends of the staff console: those that roll back whatever the request had begun, and those that keep it."""

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.web import PageError, request_id


class NothingChanged(PageError):
    """Somebody else was faster, or the rules forbid it; `sentence` says which."""

    status = 409
    title = _("Nothing was changed")

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class OwnRecord(PageError):
    """A person of the plan wants to look at their own record here."""

    status = 403
    title = _("This is your own record")
    sentence = _(
        "Plan staff do not open their own record here; use your member account. That you tried was kept, and a privacy "
        "officer was told."
    )


class LookupsExhausted(PageError):
    """More look-ups in an hour than anybody's work needs."""

    status = 429
    title = _("That is more look-ups than we allow in an hour")
    sentence = _("To protect members, each person can look up only so many in an hour. Please go on in an hour.")


def told(error: PageError) -> ResponseReturnValue:
    """The page of a dead end, answered without raising: what was counted and recorded before it stays."""
    return render_template("errors/page.html", error=error, reference=request_id()), error.status
