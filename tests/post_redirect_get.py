"""Whatever a form has done is shown by a page of its own: 303, then GET, so that Back, Forward and Reload send nothing.

Every test that uses the application watches it: a form that answers with a page fails the test, unless `WITH_A_PAGE`
says why it must. Refused forms (4xx) are no deeds; they come back with what was typed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response, request

from service.web import answers_with_pages

_SECRET = "shows a secret this once, which is kept nowhere to be shown by another page"
_SEARCH = "changes nothing: it looks up by numbers of people, which no address may hold"
_STEP = "changes nothing: it shows what would be done, and the form that does it"
_TICKS = "its second button ticks the parts of the password's rule and saves nothing"
WITH_A_PAGE: dict[str, str] = {
    "developer_apps.register": _SECRET,
    "developer_facts.rotate_secret": _SECRET,
    "developer_webhooks.change": _SECRET,
    "developer_webhooks.rotate_secret": _SECRET,
    "developer_invitations.create": _TICKS,
    "developer_sign_up.account": _TICKS,
    "passwords.choose": _TICKS,
    "provider_contact.account": _TICKS,
    "provider_invitations.create": _TICKS,
    "registration.account": _TICKS,
    "provider_authorization.allow": "the key in the address is spent by the answer: no page can be asked for with it",
    "provider_authorization.refuse": "the key in the address is spent by the answer: no page can be asked for with it",
    "provider_accounts.create": _STEP,
    "provider_claims.search": _SEARCH,
    "provider_clients.choose": _STEP,
    "provider_clients.contact": _STEP,
    "provider_clients.numbers": _STEP,
    "provider_eligibility.check": _SEARCH,
    "provider_mailbox.send": "changes nothing: billing firms are told whom to ask instead",
    "provider_remittances.search": _SEARCH,
    "provider_validation.index": _STEP,
    "staff_audit.search": _SEARCH,
    "staff_mailbox.answer": "changes nothing: its second button puts a ready answer into the field",
    "staff_members.look_up": _SEARCH,
    "staff_representative_links.look_up": _SEARCH,
    "staff_users.preview": _STEP,
}
"""Forms whose answer is a page, by endpoint, and why."""


@contextmanager
def watching(app: Flask) -> Iterator[None]:
    """Fail at the end if a form of the application was answered with a page that no reason is given for."""
    found: set[str] = set()

    def _look(response: Response) -> Response:
        is_page = response.mimetype == "text/html" and answers_with_pages()
        if request.method == "POST" and response.status_code < 300 and is_page:
            found.add(str(request.endpoint))
        return response

    app.after_request(_look)
    yield
    assert not found - set(WITH_A_PAGE), f"answered with a page, not 303 (tests/post_redirect_get.py): {sorted(found)}"
