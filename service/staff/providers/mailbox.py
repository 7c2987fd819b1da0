"""The Mailbox tab: what offices wrote, who answers, and the answers."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts import kept_form
from service.accounts.message_forms import files_of_message, take_messages
from service.accounts.page_files import as_download
from service.plan.mailbox import message_schemas, messages, threads
from service.plan.mailbox.messages import MAILBOX_ROLE, NotOnTheTeam, TooManyMessages
from service.plan.mailbox.plain_text import shown_line
from service.plan.mailbox.threads import Queue
from service.plan.models import MessageThread
from service.plan.staff import plan_staff
from service.plan.staff.plan_staff import NotOneself
from service.staff.gate import current_staff, require_role
from service.staff.schemas import Answer, Assignment
from service.web import NotFoundPage, db_session, load_form, settings

blueprint = Blueprint("staff_mailbox", __name__, url_prefix="/staff/mailbox")
take_messages(
    blueprint, ("answer",), meant_for=lambda session, account: plan_staff.find(session, account) is not None
)  # fmt: skip


@blueprint.get("/")
@require_role(MAILBOX_ROLE)
def index() -> ResponseReturnValue:
    """A queue: open, mine or all."""
    asked = request.args.get("queue", "")
    queue = next((each for each in Queue if each.value == asked), Queue.OPEN)
    listed = threads.list_for_plan(db_session(), current_staff(), queue, page=_page())
    return render_template("staff/mailbox.html", listed=listed, queue=queue.value)


@blueprint.get("/<uuid:thread_id>")
@require_role(MAILBOX_ROLE)
def thread(thread_id: UUID) -> ResponseReturnValue:
    """A thread, which this person has read from now on."""
    found = _get(thread_id)
    messages.mark_read(db_session(), found, current_staff().account_id)
    return _thread_page(found, {}, {})


@blueprint.post("/<uuid:thread_id>/answer")
@kept_form.keeping(lambda thread_id: url_for("staff_mailbox.thread", thread_id=thread_id))
@require_role(MAILBOX_ROLE)
def answer(thread_id: UUID) -> ResponseReturnValue:
    """Answer, or put a canned reply into the answer first."""
    found, session, by = _get(thread_id), db_session(), current_staff()
    form, errors = load_form(Answer())
    if form.get("insert"):
        return _thread_page(found, {"body": _with_canned(found, form)}, {})
    errors |= load_form(message_schemas.Reply())[1]
    files = files_of_message(errors)
    if errors:
        return _thread_page(found, request.form, errors), 400
    try:
        messages.answer(session, found, by, form["body"], files)
        if form["close"]:
            messages.close(session, found, by=by)
    except (NotOneself, TooManyMessages) as refusal:
        return _thread_page(found, request.form, {"_schema": [refusal.sentence]}), 403
    return redirect(url_for("staff_mailbox.thread", thread_id=found.id, done="sent"), 303)


@blueprint.post("/<uuid:thread_id>/assign")
@require_role(MAILBOX_ROLE)
def assign(thread_id: UUID) -> ResponseReturnValue:
    """Give the thread to oneself, to a colleague or back to all."""
    found, session = _get(thread_id), db_session()
    form, errors = load_form(Assignment())
    to = plan_staff.get(session, form["to"]) if not errors and form["to"] else None
    try:
        if errors or (form["to"] and to is None):
            raise NotOnTheTeam
        messages.assign(session, found, to, by=current_staff())
    except (NotOneself, NotOnTheTeam) as refusal:
        return _thread_page(found, {}, {"to": [refusal.sentence]}), 403
    return redirect(url_for("staff_mailbox.thread", thread_id=found.id, done="assigned"), 303)


@blueprint.post("/<uuid:thread_id>/close")
@require_role(MAILBOX_ROLE)
def close(thread_id: UUID) -> ResponseReturnValue:
    """Nobody owes an answer any more."""
    return _turn(thread_id, messages.close, "closed")


@blueprint.post("/<uuid:thread_id>/reopen")
@require_role(MAILBOX_ROLE)
def reopen(thread_id: UUID) -> ResponseReturnValue:
    """There is something to do after all."""
    return _turn(thread_id, messages.reopen, "reopened")


@blueprint.get("/<uuid:thread_id>/files/<uuid:attachment_id>")
@require_role(MAILBOX_ROLE)
def attachment(thread_id: UUID, attachment_id: UUID) -> ResponseReturnValue:
    """A file of the thread, as a download."""
    try:
        file = messages.take_file(
            db_session(), _get(thread_id), str(attachment_id), account_id=current_staff().account_id
        )
    except threads.UnknownAttachment:
        raise NotFoundPage from None
    return as_download(file.name, file.media_type, file.content)


def _turn(thread_id: UUID, verb: Any, done: str) -> ResponseReturnValue:
    found = _get(thread_id)
    try:
        verb(db_session(), found, by=current_staff())
    except NotOneself as refusal:
        return _thread_page(found, {}, {"_schema": [refusal.sentence]}), 403
    return redirect(url_for("staff_mailbox.thread", thread_id=found.id, done=done), 303)


def _get(thread_id: UUID) -> MessageThread:
    try:
        return threads.get(db_session(), str(thread_id))
    except threads.UnknownThread:
        raise NotFoundPage from None


def _page() -> int:
    return min(max(request.args.get("page", 1, type=int), 1), 10_000)


def _with_canned(found: MessageThread, form: dict[str, Any]) -> str:
    canned = settings().plan.canned_replies
    chosen = next((each for place, each in enumerate(canned) if str(place) == form.get("canned")), None)
    typed: str = form.get("body", "")
    if chosen is None:
        return typed
    names = {
        "{name}": messages.owner_of(db_session(), found).account.given_name,
        "{staff}": current_staff().account.full_name,
    }  # fmt: skip
    text = chosen.text.strip()
    for mark, name in names.items():
        text = text.replace(mark, shown_line(name))
    return f"{typed.rstrip()}\n\n{text}" if typed.strip() else text


def _thread_page(found: MessageThread, typed: Any, errors: dict[str, list[str]]) -> str:
    session, page = db_session(), _page()
    messages.record_reading(session, found, current_staff().account_id, source="plan")
    written, has_earlier = threads.messages_of(session, found, page=page)
    return render_template(
        "staff/thread.html", thread=found, subject=shown_line(found.subject), messages=written, page=page,
        has_earlier=has_earlier, typed=typed, errors=errors, me=current_staff(),
        login=messages.owner_of(session, found),
        team=plan_staff.with_role(session, MAILBOX_ROLE), canned=list(enumerate(settings().plan.canned_replies)),
        done=request.args.get("done", ""),
    )  # fmt: skip
