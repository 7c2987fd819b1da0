"""One page holds a form for each of several subjects, by its query: what was typed about one stays with it."""

import html

from flask import Flask
from sqlalchemy.orm import Session

from service.plan.models import StaffRole
from service.reports import disclosures
from tests.conftest import MovableClock
from tests.factories import make_member
from tests.late import form_again, sign_in_again
from tests.member.pages import form_to
from tests.reports.test_disclosures import told
from tests.staff.console import make_clerk

_WORDS = "Immunizations of 2024, not of 2025."


def test_what_was_typed_to_correct_one_entry_is_not_shown_for_another(
    app: Flask, session: Session, clock: MovableClock
) -> None:
    clerk, member = make_clerk(app, session, StaffRole.PRIVACY_OFFICER), make_member(session)
    first, second = (
        disclosures.record(session, member, told(recipient=who), by_account_id=clerk.account.id).id
        for who in ("First Agency", "Second Agency")
    )
    session.commit()
    page = f"/staff/reports/disclosures/of/{member.patient_id}"
    sent = form_to(clerk.browser.get(f"{page}?corrects={first}").text, page).changed(description=_WORDS)
    clock.advance(16 * 60)
    assert clerk.browser.browser.post(page, data=sent).status_code == 303
    sign_in_again(clerk.browser, clerk.account, "/sign-in")

    for other in (f"{page}?corrects={second}", page):
        shown = html.unescape(clerk.browser.get(other).text)
        assert _WORDS not in shown and "is not on this page now" not in shown, other
    again = form_again(clerk.browser.get(f"{page}?lang=en&corrects={first}"), page)
    assert again.fields["description"].strip() == _WORDS and again.fields["corrects"] == first
