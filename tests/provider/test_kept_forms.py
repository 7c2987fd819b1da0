"""A session of the portal runs out over a form: what was typed stands in it again after the sign-in."""

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.models import MessageThread, ProviderStaff
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.conftest import MovableClock
from tests.factories import make_entry, make_group
from tests.late import KEPT, form_again, late, send_late
from tests.member.pages import form_to
from tests.oauth.desk import Committing
from tests.provider.test_access import EVERYTHING, NAMED, NUMBERS, Firm, signed_in
from tests.staff.console import make_office

_BODY = "The payment of March is missing.\r\n\r\n  Please look at it."
_NEW = "/provider/mailbox/new"


def test_a_message_and_an_answer(app: Flask, session: Session, clock: MovableClock) -> None:
    office = make_office(app, session)
    visitor = office.browser

    shown = send_late(visitor, office.account, clock, f"{_NEW}?topic=question", _NEW, subject="Payment", body=_BODY)

    form = form_again(shown, _NEW)
    assert form.fields["subject"] == "Payment" and form.fields["body"].split() == _BODY.split()
    assert visitor.browser.post(_NEW, data=form.fields).status_code == 303
    assert KEPT not in visitor.get(_NEW).text
    session.commit()
    with Committing(app) as own:
        page = f"/provider/mailbox/{own.scalars(select(MessageThread)).one().id}"
    again = send_late(visitor, office.account, clock, page, f"{page}/reply", body=_BODY)
    assert form_again(again, f"{page}/reply").fields["body"].split() == _BODY.split()


def test_the_second_step_of_a_new_account(office: Visitor, delegate: ProviderStaff, clock: MovableClock) -> None:
    page = "/provider/accounts/new"
    office.get(page)
    second = office.post(page, given_name="Ann", family_name="Ash", email="ann@alder.example")
    sent = form_to(second.text, page).changed(phone="555-010-0177", functions=["claims"], create="yes")

    shown = late(office, delegate.account, clock, page, sent)

    form = form_again(shown, page)
    assert "New account for Ann Ash" in shown.text and form.fields["phone"] == "555-010-0177"
    assert form.fields["email"] == "ann@alder.example" and form.ticked("functions") == ["claims"]


def test_a_change_of_the_profile_and_why(app: Flask, session: Session, clock: MovableClock) -> None:
    group = make_group(session, tax_id="061234567")
    office = make_office(app, session, functions=["profiles"])
    make_entry(session, office.staff, tax_id="061234567")
    session.commit()
    page = f"/provider/profiles/{group.id}/ask/add_practitioner"
    form = form_to(office.browser.get(page).text, page)
    name = next(one for one in form.fields if one != "csrf_token")

    shown = send_late(office.browser, office.account, clock, page, page, **{name: "Rowan"})

    assert form_again(shown, page).fields[name] == "Rowan"


def test_the_last_step_of_asking_a_client_begins_with_the_numbers_and_loses_nothing(
    app: Flask, session: Session, settings: Settings, clock: MovableClock
) -> None:
    firm = Firm(session, settings)
    biller = signed_in(app, session, firm.staff)
    first = "/provider/access/clients/new"
    biller.get(first)
    biller.post(first, **NUMBERS)
    asks = biller.post(f"{first}/contact", **NUMBERS, group_id=firm.client.id)
    sent = form_to(asks.text, f"{first}/ask").changed(**NAMED, functions=EVERYTHING[:1])

    shown = late(biller, firm.staff.account, clock, f"{first}/ask", sent)

    numbers = form_again(shown, first)
    assert numbers.fields["tax_id"] == NUMBERS["tax_id"].replace("-", "")
    assert numbers.fields["number"] == NUMBERS["number"]
    biller.browser.post(first, data=numbers.fields)
    last = biller.browser.post(f"{first}/contact", data=numbers.changed(group_id=firm.client.id))
    form = form_to(last.text, f"{first}/ask")
    assert {name: form.fields[name] for name in NAMED} == NAMED and form.ticked("functions") == EVERYTHING[:1]
