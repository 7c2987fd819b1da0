"""Dead ends of the staff console: those that roll back whatever the request had begun, and those that keep it."""

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.plan.models import Member
from service.plan.staff import own_records
from service.staff.gate import current_staff
from service.web import PageError, db_session, request_id


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


class OwnRecordUntold(OwnRecord):
    """Such a person is the only privacy officer."""

    sentence = _(
        "Plan staff do not open their own record here; use your member account. That you tried was kept. There is no "
        "other privacy officer who could be told."
    )


class LookupsExhausted(PageError):
    """More look-ups in an hour than anybody's work needs."""

    status = 429
    title = _("That is more look-ups than we allow in an hour")
    sentence = _("To protect members, each person can look up only so many in an hour. Please go on in an hour.")


def own_record(member: Member, tag: str) -> ResponseReturnValue:
    """The page of one's own record, where no reason is asked: that it was tried is kept by the page's `tag`, and told.

    There is nothing of the record on it.
    """
    is_told = own_records.keep_try(db_session(), current_staff(), member, tag, reference=request_id())
    return told(OwnRecord() if is_told else OwnRecordUntold())


def told(error: PageError) -> ResponseReturnValue:
    """The page of a dead end, answered without raising: what was counted and recorded before it stays."""
    return render_template("errors/page.html", error=error, reference=request_id()), error.status
