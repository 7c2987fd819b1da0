"""The form of a message with files, as offices and the plan send it in the secure mailbox: its limits and its files."""

from collections.abc import Callable, Collection

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from service.accounts.models import Account
from service.accounts.page_files import accept_files, forbid_scripts, received_files
from service.plan.mailbox import attachments
from service.plan.mailbox.attachments import CheckedFile
from service.plan.mailbox.office_files import UnusableFile
from service.web import PageError

_FIELDS = 512 * 1024


class MessageTooLong(PageError):
    """The whole form is larger than a message with five files."""

    status = 413
    title = _("Your message was too large")
    sentence = _("A message has up to 20,000 characters and 5 files of up to 10 MB each. Go back and send fewer files.")


def take_messages(
    blueprint: Blueprint, endpoints: Collection[str], *, meant_for: Callable[[Session, Account], bool]
) -> None:
    """Let the named endpoints take messages with files from the people meant; no script runs where they are shown."""
    most = attachments.MOST_FILES * attachments.MOST_BYTES + _FIELDS
    accept_files(blueprint, endpoints, most_bytes=most, meant_for=meant_for)
    forbid_scripts(blueprint)
    blueprint.register_error_handler(RequestEntityTooLarge, _too_large)


def files_of_message(errors: dict[str, list[str]]) -> list[CheckedFile]:
    """The files that were chosen; of one that cannot be taken the sentence is put into `errors`."""
    try:
        return attachments.check_all(received_files("files", most_bytes=attachments.MOST_BYTES))
    except UnusableFile as refusal:
        errors.setdefault("files", []).append(f"{refusal.name}: {refusal.sentence}")
        return []


def _too_large(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(MessageTooLong())
