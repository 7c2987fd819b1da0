"""Registering by US Mail, and providers who are not listed."""

import pytest
from sqlalchemy.orm import Session

from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    EntrySource,
    MailedPin,
    NotListedRequest,
    ProviderGroup,
    ProviderStaff,
    RegistrationProof,
    RequestStatus,
    StaffStatus,
)
from service.plan.registering import not_listed
from service.settings import Settings
from tests.factories import make_account, make_npi
from tests.provider.conftest import Person
from tests.provider.registrant import (
    NPI,
    TAX_ID,
    make_clinic,
    newest_pin,
    read,
)


def test_the_menu_is_empty_until_the_mailed_pin_is_entered(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    mel = person("Mel", "Post")
    mel.register_by_mail(clinic)
    assert "A letter with your PIN" in mel.get("/provider/register/done").text
    assert mel.come_in().status_code == 200
    waiting = mel.login()
    assert (waiting.status, waiting.is_delegate, waiting.functions) == (StaffStatus.AWAITING_PIN, False, [])
    assert read(session, AccessEntry) == [] and read(session, RegistrationProof) == []

    pin = newest_pin(session, settings)
    answer = mel.enter_pin(f"{pin[:5].lower()} - {pin[5:]}")

    assert answer.status_code == 200 and "PIN accepted. Your account is validated." in answer.text
    assert 'href="/provider/home">Continue' in answer.text and "authenticator app" in answer.text
    mel.show_factor_if_asked()
    assert mel.get("/provider/home").location.startswith("/provider/terms")
    assert "Delegate/Site Administrator Terms of Use" in mel.get("/provider/terms").text
    assert mel.accept_terms().status_code == 200
    login = mel.login()
    assert (login.status, login.is_delegate) == (StaffStatus.ACTIVE, True)
    (entry,) = read(session, AccessEntry)
    assert (entry.tax_id, entry.npi, entry.source) == (TAX_ID, NPI, EntrySource.MAILED_PIN)
    assert mel.get("/provider/validate").location == "/provider/home"


def test_of_two_groups_under_one_tax_id_the_pin_opens_the_one_that_got_the_letter(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    make_clinic(session, npi=make_npi(31), vendor_number="V9", dba_name="Alder Creek Imaging")
    session.commit()
    mel = person("Mel", "Post")
    assert mel.ask_for_pin().location == "/provider/register/choose"
    page = mel.get("/provider/register/choose").text
    assert "Alder Creek Imaging" in page and "Alder Creek Medical" in page and "My provider is not listed" in page
    assert "•••••4501" in page and TAX_ID not in page
    mel.choose(clinic)
    mel.finish()
    mel.come_in()
    mel.enter_pin(newest_pin(session, settings))
    with Session(session.get_bind()) as own:
        assert [group.id for group in reach.groups_of_entries(own, mel.login().id)] == [clinic.id]


def test_a_person_who_waits_for_a_pin_may_register_with_a_payment_meanwhile(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    mel = person("Mel", "Post")
    mel.register_by_mail(clinic)
    mel.come_in()
    mel.show_payment()
    mel.choose(clinic)
    mel.get("/provider/register/contact")
    assert mel.post("/provider/register/contact", phone="555-555-0100").location == "/provider/register/done"
    assert (mel.login().status, mel.login().is_delegate) == (StaffStatus.ACTIVE, True)
    assert mel.get("/provider/validate").location is not None
    assert all(row.voided_at and not row.sealed for row in read(session, MailedPin))
    assert len(read(session, ProviderStaff)) == 1


def test_a_provider_that_is_not_listed_leads_to_a_form_for_e_services(
    clinic: ProviderGroup, person: Person, session: Session
) -> None:
    pat = person()
    pat.show_payment()
    assert pat.choose("not_listed").location == "/provider/not-listed"
    pat.get("/provider/not-listed")
    told = {"organization_name": "Fern Street Therapy", "contact_name": "Pat Moss", "contact_email": "pat@fern.example",
            "contact_phone": "555-555-0100", "tax_id": "07-7654321", "npi": "", "message": "New since May"}  # fmt: skip
    assert pat.post("/provider/not-listed", **told | {"contact_phone": "x"}).status_code == 400
    assert pat.post("/provider/not-listed", **told).location == "/provider/not-listed/sent"
    assert "contact you to assist" in pat.get("/provider/not-listed/sent").text
    (kept,) = read(session, NotListedRequest)
    assert (kept.organization_name, kept.tax_id, kept.status) == (
        "Fern Street Therapy",
        "077654321",
        RequestStatus.OPEN,
    )


def test_a_not_listed_request_is_decided_once(session: Session) -> None:
    clerk = make_account(session)
    asked = not_listed.ask(session, not_listed.NotListed("Fern", "Pat", "pat@fern.example", "1"), network="n")
    assert [one.id for one in not_listed.open_requests(session)] == [asked.id]
    done = not_listed.decide(session, asked.id, RequestStatus.APPROVED, "loaded", by_account_id=clerk.id)
    assert (done.status, done.resolution, done.handled_by_account_id) == (RequestStatus.APPROVED, "loaded", clerk.id)
    assert not_listed.open_requests(session) == []
    with pytest.raises(not_listed.HandledAlready):
        not_listed.decide(session, asked.id, RequestStatus.REFUSED, "no", by_account_id=clerk.id)


def test_not_listed_forms_are_limited(session: Session) -> None:
    form = not_listed.NotListed("Fern", "Pat", "pat@fern.example", "1")
    for _ in range(not_listed.PER_NETWORK):
        not_listed.ask(session, form, network="n")
    with pytest.raises(not_listed.TooManyForms):
        not_listed.ask(session, form, network="n")


def test_by_mail_the_reason_is_asked_after_the_pin_only(
    clinic: ProviderGroup, person: Person, session: Session, settings: Settings
) -> None:
    person().register(clinic)
    mel = person("Mel", "Post")
    mel.register_by_mail(clinic)
    mel.come_in()
    accepted = mel.enter_pin(newest_pin(session, settings)).text
    assert "PIN accepted" in accepted and 'href="/provider/become-delegate">Continue' in accepted
    assert "authenticator" not in accepted
    assert (mel.login().status, mel.login().is_delegate) == (StaffStatus.ACTIVE, False)
    mel.get("/provider/become-delegate")
    assert mel.post("/provider/become-delegate", reason="on_leave").location == "/provider/home"
    (asked,) = read(session, DelegateRequest)
    assert asked.reason == "on_leave"
    assert mel.get("/provider/become-delegate").location == "/provider/home"


def test_an_unknown_tax_id_by_mail_offers_the_form(clinic: ProviderGroup, person: Person) -> None:
    answer = person().ask_for_pin("99-9999999")
    assert answer.status_code == 400
    assert "My provider is not listed" in answer.text
