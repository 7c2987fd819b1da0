"""The shapes of the mailbox's forms, the same for both sides."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, missing

from service.plan.mailbox.messages import MOST_CHARACTERS

_FILL_IN = "Please fill this in."


class Words(fields.String):
    """Text as people type it: line ends as browsers send them are turned back, and nothing else is changed."""

    default_error_messages = {"required": _FILL_IN, "null": _FILL_IN, "invalid": _FILL_IN}

    def __init__(self, most: int, *, required: bool = True) -> None:
        super().__init__(required=required, load_default=missing if required else "")
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(value).replace("\r\n", "\n")
        if self.required and not text.strip():
            raise ValidationError(_FILL_IN)
        if len(text) > self._most:
            raise ValidationError(
                f"This is longer than {self._most:,} characters. Please shorten it, or attach a file."
            )
        if "\0" in text:
            raise ValidationError("This holds a character that cannot be kept. Please type it anew.")
        return text


class Reply(Schema):
    """A message in a thread that exists."""

    body = Words(MOST_CHARACTERS)


class NewThread(Schema):
    """A message that begins a thread."""

    subject = Words(200)
    body = Words(MOST_CHARACTERS)
