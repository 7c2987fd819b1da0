"""How many pages one network address, and one account, may open in a minute (service/rates.py)."""

from flask import g, request
from flask_babel import lazy_gettext as _

from service import web
from service.accounts.throttling import network_of
from service.web import ALWAYS_THERE, LatchstringFlask, PageError


class TooManyPages(PageError):
    """More pages than anybody reads: a program, or many people behind one address."""

    status = 429
    plain = True
    title = _("Please wait a minute")
    sentence = _(
        "So many pages were opened from your account, or from the network you are in, that we have to slow down. "
        "Nothing was lost. Wait a minute, then open the page again."
    )

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.retry_after = seconds


def install(app: LatchstringFlask) -> None:
    """Count the pages of every network address."""
    app.before_pages(_count_address)


def count_account(account_id: str) -> None:
    """Count this request for who is signed in, once; raises TooManyPages."""
    if "account_counted" not in g:
        g.account_counted = True
        _require(web.seconds_to_wait(web.latchstring().limits.account, account_id))


def _count_address() -> None:
    if request.endpoint in ALWAYS_THERE:
        return
    _require(web.seconds_to_wait(web.latchstring().limits.address, network_of(request.remote_addr)))


def _require(seconds: int) -> None:
    if seconds:
        raise TooManyPages(seconds)
