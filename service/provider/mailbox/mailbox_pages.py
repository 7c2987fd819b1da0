"""The secure mailbox of the provider portal: write to the plan, read its answers, send and take files."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts import kept_form
from service.accounts.message_forms import files_of_message, take_messages
from service.accounts.page_files import as_download
from service.plan.logins import portal_staff, reach
from service.plan.mailbox import message_schemas, messages, threads
from service.plan.mailbox.messages import TooManyMessages
from service.plan.mailbox.plain_text import shown_line
from service.plan.models import MessageThread, OrganizationKind, StaffStatus, ThreadTopic
from service.plan.providers.numbers import shown_tax_id
from service.provider.gate import PinFirst, current_staff, require_staff
from service.web import NotFoundPage, db_session, load_form, settings

blueprint = Blueprint("provider_mailbox", __name__, url_prefix="/provider/mailbox")
take_messages(
    blueprint, ("send", "reply"),
    meant_for=lambda session, account: portal_staff.find_active(session, account) is not None,
)  # fmt: skip
TOPICS = (ThreadTopic.QUESTION, ThreadTopic.ADD_FACILITY)
"""What an office may begin a thread about."""


@blueprint.get("/")
@require_staff
def index() -> ResponseReturnValue:
    """Every thread of this login, the latest first."""
    _require_pin()
    listed = threads.list_for_login(db_session(), current_staff(), page=_page())
    return render_template("provider/mailbox/index.html", listed=listed, sent=request.args.get("sent", ""))


@blueprint.get("/new")
@require_staff
def compose() -> ResponseReturnValue:
    """A new message; for `topic=add_facility` the *Registration message* with the ids held now."""
    _require_pin()
    return _compose_page(_topic(request.args), {}, {})


@blueprint.post("/new")
@kept_form.keeping(lambda: url_for("provider_mailbox.compose", topic=_topic(request.form).value))
@require_staff
def send() -> ResponseReturnValue:
    """Begin a thread."""
    _require_pin()
    topic = _topic(request.form)
    if topic is ThreadTopic.ADD_FACILITY and _is_billing_firm():
        return _compose_page(topic, {}, {})
    form, errors = load_form(message_schemas.NewThread())
    files = files_of_message(errors)
    if not errors:
        try:
            messages.open_thread(
                db_session(), current_staff(), topic, form["subject"], form["body"], files, plan=settings().plan
            )  # fmt: skip
            return redirect(url_for("provider_mailbox.index", sent="yes"), 303)
        except TooManyMessages as refusal:
            errors = {"_schema": [refusal.sentence]}
    return _compose_page(topic, request.form, errors), 400


@blueprint.get("/<uuid:thread_id>")
@require_staff
def thread(thread_id: UUID) -> ResponseReturnValue:
    """A thread, which is read from now on."""
    found = _get(thread_id)
    messages.mark_read(db_session(), found, current_staff().account_id)
    return _thread_page(found, {}, {})


@blueprint.post("/<uuid:thread_id>/reply")
@kept_form.keeping(lambda thread_id: url_for("provider_mailbox.thread", thread_id=thread_id))
@require_staff
def reply(thread_id: UUID) -> ResponseReturnValue:
    """Write again in a thread."""
    found = _get(thread_id)
    form, errors = load_form(message_schemas.Reply())
    files = files_of_message(errors)
    if not errors:
        try:
            messages.reply(db_session(), found, current_staff(), form["body"], files, plan=settings().plan)
            return redirect(url_for("provider_mailbox.thread", thread_id=found.id, sent="yes"), 303)
        except TooManyMessages as refusal:
            errors = {"_schema": [refusal.sentence]}
    return _thread_page(found, request.form, errors), 400


@blueprint.get("/<uuid:thread_id>/files/<uuid:attachment_id>")
@require_staff
def attachment(thread_id: UUID, attachment_id: UUID) -> ResponseReturnValue:
    """A file of the thread, as a download."""
    try:
        file = messages.take_file(
            db_session(), _get(thread_id), str(attachment_id), account_id=current_staff().account_id
        )
    except threads.UnknownAttachment:
        raise NotFoundPage from None
    return as_download(file.name, file.media_type, file.content)


def _require_pin() -> None:
    if current_staff().status is not StaffStatus.ACTIVE:
        raise PinFirst


def _get(thread_id: UUID) -> MessageThread:
    _require_pin()
    try:
        return threads.get_of_login(db_session(), current_staff(), str(thread_id))
    except threads.UnknownThread:
        raise NotFoundPage from None


def _topic(given: Any) -> ThreadTopic:
    asked = given.get("topic", "")
    return next((topic for topic in TOPICS if topic.value == asked), ThreadTopic.QUESTION)


def _page() -> int:
    return min(max(request.args.get("page", 1, type=int), 1), 10_000)


def _is_billing_firm() -> bool:
    return current_staff().organization.kind is OrganizationKind.BILLING


def _compose_page(topic: ThreadTopic, typed: Any, errors: dict[str, list[str]]) -> str:
    entries = reach.entries_of(db_session(), current_staff().id) if topic is ThreadTopic.ADD_FACILITY else []
    return render_template(
        "provider/mailbox/compose.html", topic=topic.value, typed=typed, errors=errors, entries=entries,
        is_billing_firm=_is_billing_firm(), shown_tax_id=shown_tax_id,
    )  # fmt: skip


def _thread_page(found: MessageThread, typed: Any, errors: dict[str, list[str]]) -> str:
    page = _page()
    messages.record_reading(db_session(), found, current_staff().account_id, source="provider")
    written, has_earlier = threads.messages_of(db_session(), found, page=page)
    return render_template(
        "provider/mailbox/thread.html", thread=found, subject=shown_line(found.subject), messages=written,
        page=page, has_earlier=has_earlier, typed=typed, errors=errors, me=current_staff().account_id,
        sent=request.args.get("sent", ""),
    )  # fmt: skip
