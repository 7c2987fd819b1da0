"""An answer to a program: a body that is there, and headers that go out as they are."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class _Given(Headers):
    """Headers taken as they come: the library would look at each by itself, and through all for each that is added."""

    def __init__(self, every: Iterable[tuple[str, str]]) -> None:
        self._list = list(every)
        texts = "".join([value for _name, value in self._list])
        if "\n" in texts or "\r" in texts:
            raise ValueError("Header values must not contain newline characters.")


class WholeAnswer(Response):
    """An answer with a body of known length and no Location.

    The library would copy its headers once more, to mend what such an answer does not have.
    """

    automatically_set_content_length = False

    def __init__(self, body: bytes, status: int, content_type: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        length = ("Content-Length", str(len(body)))
        every = _Given([("Content-Type", content_type), length, *headers])
        super().__init__(body, status, every, direct_passthrough=True)

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        """The headers as they are."""
        return self.headers
