"""Dead ends of the staff console that roll back whatever the request had begun."""

from flask_babel import lazy_gettext as _

from service.web import PageError


class NothingChanged(PageError):
    """Somebody else was faster, or the rules forbid it; `sentence` says which."""

    status = 409
    title = _("Nothing was changed")

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
