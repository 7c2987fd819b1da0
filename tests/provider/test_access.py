"""Tax ID & NPI access: a provider adds by a check; a firm finds its client, names the contact, follows the answer."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    PortalFunction,
    ProviderAddress,
    ProviderGroup,
    ProviderStaff,
    RegistrationProof,
    StaffStatus,
)
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.consent.firm import CONTACT, Firm
from tests.factories import make_contact, make_entry, make_group, make_payment, make_portal_staff

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAMED = {"contact_name": CONTACT.name, "contact_email": CONTACT.email, "contact_phone": CONTACT.phone}
NUMBERS = {"tax_id": "07-1234501", "number": "7000001"}
EVERYTHING = ["remittances", "claims", "eligibility"]


class Browser(Visitor):
    """A person's browser; what the test has open is committed before each request, or SQLite would wait for it."""

    session: Session

    def get(self, path: str) -> TestResponse:
        """Open a page."""
        self.session.commit()
        return super().get(path)

    def post_without_token(self, path: str, **form: Any) -> TestResponse:
        """Post just these fields."""
        self.session.commit()
        return super().post_without_token(path, **form)


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


@pytest.fixture
def biller(app: Flask, firm: Firm) -> Visitor:
    """The firm's delegate, signed in."""
    return signed_in(app, firm.session, firm.staff)


@pytest.fixture
def clinic(session: Session) -> ProviderGroup:
    """A group that the plan paid by check 7100001."""
    made = make_group(session, tax_id="093334504", npi="2900416761", vendor_number="V100004", dba_name="Cedar Walk-In")
    make_payment(session, made, "7100001", payee_npi="2900416761", payee_vendor_number="V100004")
    session.commit()
    return made


def browser(app: Flask, session: Session) -> Browser:
    made = Browser(app)
    made.session = session
    return made


def signed_in(app: Flask, session: Session, staff: ProviderStaff) -> Browser:
    visitor = browser(app, session)
    session.commit()
    assert visitor.enter(staff.account).status_code == 303
    visitor.get("/provider/access")
    return visitor


def words(page: str) -> str:
    """The text of a page as people read it."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<main", 1)[1])))


def ask(biller: Visitor, firm: Firm, **given: object) -> AuthorizationRequest:
    """Go the firm's three steps."""
    biller.get("/provider/access/clients/new")
    biller.post("/provider/access/clients/new", **NUMBERS)
    biller.post("/provider/access/clients/new/contact", **NUMBERS, group_id=firm.client.id)
    form = {**NUMBERS, "group_id": firm.client.id, **NAMED, "functions": EVERYTHING, **given}
    answer = biller.post("/provider/access/clients/new/ask", **form)
    assert answer.status_code == 303, words(answer.text)
    biller.get(answer.location)
    firm.session.expire_all()
    return firm.session.scalars(select(AuthorizationRequest).order_by(AuthorizationRequest.asked_at.desc())).first()  # type: ignore[return-value]


def test_a_provider_adds_a_tax_id_and_npi_with_a_check_in_hand(
    app: Flask, session: Session, clinic: ProviderGroup
) -> None:
    sibling = make_group(session, tax_id="093334504")
    staff = make_portal_staff(session)
    session.commit()
    office = signed_in(app, session, staff)
    assert "None yet" in words(office.page.text)
    office.get("/provider/access/add")
    added = office.post("/provider/access/add", tax_id="09-3334504", number="7100001", npi="2900416761")
    assert added.status_code == 303
    shown = words(office.get(added.location).text)
    assert "Added. Your account reaches" in shown and "Cedar Walk-In" in shown
    assert reach.groups_of_entries(session, staff.id) == [clinic], f"not {sibling.name}, which shares the Tax ID"
    proof = session.scalars(select(RegistrationProof)).one()
    assert (proof.group_id, proof.account_id, proof.by_vendor_number) == (clinic.id, staff.account_id, False)
    listed = words(office.get("/provider/access").text)
    assert "09-3334504" in listed
    assert "2900416761" in listed
    assert "Proven with a check, EFT or notice" in listed


def test_the_vendor_number_and_a_non_payment_notice_prove_too(
    app: Flask, session: Session, clinic: ProviderGroup
) -> None:
    make_payment(session, clinic, "NP0000077", amount_cents=0)
    staff = make_portal_staff(session)
    session.commit()
    office = signed_in(app, session, staff)
    office.get("/provider/access/add")
    form = {"tax_id": "093334504", "vendor_number": "v100004"}
    assert office.post("/provider/access/add", number="0000077", **form).status_code == 400
    assert office.post("/provider/access/add", number="NP 0000077", **form).status_code == 303
    office.get("/provider/access/add")
    again = office.post("/provider/access/add", number="7100001", **form)
    assert again.status_code == 400
    assert "You have this Tax ID and NPI already" in words(again.text)
    assert session.scalar(select(func.count()).select_from(AccessEntry)) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"tax_id": "093334505"}, {"number": "7100002"}, {"npi": "2900258387"}, {"npi": "", "vendor_number": "V100005"}],
)
def test_a_wrong_number_is_never_named(
    app: Flask, session: Session, clinic: ProviderGroup, wrong: dict[str, str]
) -> None:
    make_group(session, tax_id="093334505", npi="2900258387", vendor_number="V100005")
    office = signed_in(app, session, make_portal_staff(session))
    session.commit()
    office.get("/provider/access/add")
    right = {"tax_id": "093334504", "number": "7100001", "npi": "2900416761"}
    answer = office.post("/provider/access/add", **right | wrong)
    assert answer.status_code == 400
    assert "These numbers do not match a recent payment" in words(answer.text)
    assert "usa-form-group--error" not in answer.text


def test_numbers_without_their_form_are_told_by_field(app: Flask, session: Session) -> None:
    office = signed_in(app, session, make_portal_staff(session))
    office.get("/provider/access/add")
    answer = office.post("/provider/access/add", tax_id="12", number="??", npi="1234567890")
    text = words(answer.text)
    assert answer.status_code == 400
    for sentence in ("A Tax ID has 9 digits", "as it stands on the check", "An NPI has 10 digits"):
        assert sentence in text
    answer = office.post("/provider/access/add", tax_id="093334504", number="7100001")
    assert "Type 2 NPI or the vendor number" in words(answer.text)


def test_after_five_wrong_numbers_the_page_says_so(app: Flask, session: Session, clinic: ProviderGroup) -> None:
    office = signed_in(app, session, make_portal_staff(session))
    office.get("/provider/access/add")
    form = {"tax_id": "093334504", "npi": "2900416761"}
    assert [office.post("/provider/access/add", number=f"99{n}", **form).status_code for n in range(6)] == [
        *[400] * 5, 429,
    ]  # fmt: skip
    answer = office.post("/provider/access/add", number="7100001", **form)
    assert answer.status_code == 429
    assert "too many tries" in words(answer.text)


def test_everybody_sees_the_list_and_only_the_application_changes_it(
    app: Flask, session: Session, firm: Firm, clinic: ProviderGroup
) -> None:
    office = make_portal_staff(session, functions=[PortalFunction.REMITTANCES.value])
    make_entry(session, office, tax_id="093334504")
    waiting = make_portal_staff(session, status=StaffStatus.AWAITING_PIN)
    clerk = make_portal_staff(session, firm.organization, functions=[])
    session.commit()
    listed = signed_in(app, session, office)
    assert "Cedar Walk-In" in words(listed.page.text)
    assert "/provider/access/add" not in listed.page.text
    assert listed.get("/provider/access/add").status_code == 403
    assert "Enter the PIN" in words(signed_in(app, session, waiting).page.text)
    asking = signed_in(app, session, clerk)
    assert "/provider/access/clients/new" not in asking.page.text
    assert asking.get("/provider/access/clients/new").status_code == 403
    assert browser(app, session).get("/provider/access").location == "/sign-in?next=/provider/access"


def test_each_kind_of_organisation_has_its_own_pages(app: Flask, session: Session, biller: Visitor) -> None:
    assert biller.get("/provider/access/add").location == "/provider/access"
    office = signed_in(app, session, make_portal_staff(session))
    assert office.get("/provider/access/clients/new").location == "/provider/access"
    office.get("/provider/access/add")
    assert office.post("/provider/access/clients/new", **NUMBERS).status_code == 404


def test_a_firm_goes_from_the_check_to_access_in_one_yes(
    app: Flask, session: Session, settings: Settings, firm: Firm, biller: Visitor
) -> None:
    session.add(
        ProviderAddress(
            group_id=firm.client.id, use="practice", line="3 Old Sample Rd", city="Lowell", state="MA",
            zip_code="01852", current=False,
        )
    )  # fmt: skip
    session.commit()
    assert "No clients yet" in words(biller.page.text)
    biller.get("/provider/access/clients/new")
    choice = biller.post("/provider/access/clients/new", **NUMBERS)
    assert firm.client.name in words(choice.text)
    assert "3 Old Sample Rd, Lowell" in words(choice.text)
    naming = biller.post("/provider/access/clients/new/contact", **NUMBERS, group_id=firm.client.id)
    assert "not yourself, your manager or a co-worker" in words(naming.text)
    sent = biller.post(
        "/provider/access/clients/new/ask", **NUMBERS, group_id=firm.client.id, **NAMED, functions=EVERYTHING
    )
    wait = words(biller.get(sent.location).text)
    assert "Please ask Pat Moss (pat.moss@clinic.example) to watch for an e-mail" in wait
    assert "Waiting for your client" in words(biller.get("/provider/access").text)

    contact = browser(app, session)
    address = f"/provider/authorize/{firm.secret()}"
    contact.get(address)
    thanks = contact.post(f"{address}/yes", functions=EVERYTHING)
    assert "You said yes" in words(thanks.text)
    listed = words(biller.get("/provider/access").text)
    assert "Approved" in listed
    assert "Remittance Inquiry, Claims Inquiry, Eligibility" in listed


def test_the_contact_s_no_with_its_reason_stands_beside_the_request(
    app: Flask, session: Session, firm: Firm, biller: Visitor
) -> None:
    ask(biller, firm)
    contact, address = browser(app, session), f"/provider/authorize/{firm.secret()}"
    contact.get(address)
    empty = contact.post(f"{address}/no", reason="   ")
    assert empty.status_code == 400
    assert empty.text.count("Please give a reason") == 2, "once in the summary, once at the field"
    assert "You said no" in words(contact.post(f"{address}/no", reason="They left <b>us</b>.").text)
    listed = biller.get("/provider/access").text
    assert "Refused" in words(listed)
    assert "They left &lt;b&gt;us&lt;/b&gt;." in listed
    assert "Ask anew" in words(listed)


def test_the_contact_may_limit_functions_and_dates(app: Flask, firm: Firm, biller: Visitor, session: Session) -> None:
    ask(biller, firm)
    contact, address = browser(app, session), f"/provider/authorize/{firm.secret()}"
    contact.get(address)
    for wrong in (
        {"functions": []}, {"functions": ["claims"], "covers_from": "yesterday"},
        {"functions": ["claims"], "covers_from": "2026-02-01", "covers_until": "2026-01-01"},
    ):  # fmt: skip
        assert contact.post(f"{address}/yes", **wrong).status_code == 400
    contact.post(f"{address}/yes", functions=["claims"], covers_from="01/15/2026", covers_until="")
    given = session.scalars(select(BillingAuthorization)).one()
    assert given.functions == ["claims"]
    assert str(given.covers_from) == "2026-01-15"
    shown = words(biller.get(f"/provider/access/clients/{given.request_id}").text)
    assert "from Jan 15, 2026 on" in shown


def test_without_a_check_the_firm_is_told_that_the_plan_looks_first(firm: Firm, biller: Visitor) -> None:
    asked = ask(biller, firm, number="")
    assert asked.status is AuthorizationStatus.AWAITING_PLAN
    assert "Our staff verify your contact first" in words(biller.page.text)
    assert "Waiting for the plan" in words(biller.get("/provider/access").text)


def test_a_wrong_check_or_tax_id_keeps_the_firm_on_the_first_page(firm: Firm, biller: Visitor) -> None:
    biller.get("/provider/access/clients/new")
    answer = biller.post("/provider/access/clients/new", tax_id="071234501", number="123")
    assert answer.status_code == 400
    assert "do not match a recent payment" in words(answer.text)
    answer = biller.post("/provider/access/clients/new", tax_id="990000000", number="")
    assert answer.status_code == 400
    assert "We found no provider" in words(answer.text)
    assert biller.post("/provider/access/clients/new", tax_id="abc").status_code == 400
    assert biller.post("/provider/access/clients/new/contact").status_code == 400
    assert biller.post("/provider/access/clients/new/ask").status_code == 400
    swapped = biller.post("/provider/access/clients/new/contact", **NUMBERS, group_id="not-a-uuid")
    assert swapped.status_code == 400
    assert "Please choose your client" in words(swapped.text)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("contact_email", "robin@keystone.example", "not by you, your manager or a co-worker"),
        ("contact_email", "boss@keystone.example", "your own organization's domain"),
        ("contact_email", "nobody", "like name@example.org"),
        ("contact_name", "Win money http://evil.example", "in letters only"),
        ("contact_name", "A\nSubject: x", "in letters only"),
        ("contact_phone", "call me", "phone number with area code"),
        ("functions", [], "choose at least one"),
    ],
)
def test_a_contact_that_cannot_answer_is_refused_with_words(
    firm: Firm, biller: Visitor, session: Session, field: str, value: object, sentence: str
) -> None:
    biller.get("/provider/access/clients/new")
    form = {**NUMBERS, "group_id": firm.client.id, **NAMED, "functions": EVERYTHING, field: value}
    answer = biller.post("/provider/access/clients/new/ask", **form)
    assert answer.status_code == 400
    assert sentence in words(answer.text)
    assert session.scalar(select(func.count()).select_from(AuthorizationRequest)) == 0


def test_a_firm_sends_again_withdraws_and_asks_anew(
    firm: Firm, biller: Visitor, session: Session, settings: Settings
) -> None:
    asked = ask(biller, firm)
    page = f"/provider/access/clients/{asked.id}"
    assert biller.post(f"{page}/resend").status_code == 303
    assert len(letters(session, settings, CONTACT.email)) == 2
    assert biller.post(f"{page}/withdraw").status_code == 303
    assert "Withdrawn" in words(biller.get(page).text)
    late = biller.post(f"{page}/resend")
    assert late.status_code == 400
    assert "not open any more" in words(late.text)
    assert biller.post(f"{page}/withdraw").status_code == 400
    biller.get(f"/provider/access/clients/new?again={asked.id}")
    assert 'value="071234501"' in biller.page.text
    biller.post("/provider/access/clients/new", **NUMBERS)
    naming = biller.post("/provider/access/clients/new/contact", **NUMBERS, group_id=firm.client.id)
    assert f'value="{CONTACT.email}"' in naming.text
    assert ask(biller, firm).id != asked.id


def test_a_second_request_while_one_is_open_is_refused_with_words(firm: Firm, biller: Visitor) -> None:
    ask(biller, firm)
    form = {**NUMBERS, "group_id": firm.client.id, **NAMED, "functions": EVERYTHING}
    answer = biller.post("/provider/access/clients/new/ask", **form)
    assert answer.status_code == 400
    assert "You have asked this client already" in words(answer.text)


def test_a_lapsed_request_says_so_on_every_page(app: Flask, session: Session, firm: Firm) -> None:
    with time_machine.travel(NOON, tick=False):
        make_contact(session, firm.client, CONTACT.email)
        session.commit()
        firm.ask(number=None)
        address = f"/provider/authorize/{firm.secret()}"
    with time_machine.travel(NOON + timedelta(days=30), tick=False):
        assert "Lapsed" in words(signed_in(app, session, firm.staff).page.text)
        answer = browser(app, session).get(address)
        assert answer.status_code == 410
        assert "This request has lapsed" in words(answer.text)


def test_a_provider_s_delegate_limits_and_ends_and_sees_the_look_ups(
    app: Flask, session: Session, firm: Firm, biller: Visitor
) -> None:
    ask(biller, firm)
    contact, address = browser(app, session), f"/provider/authorize/{firm.secret()}"
    contact.get(address)
    contact.post(f"{address}/yes", functions=EVERYTHING)
    given = session.scalars(select(BillingAuthorization)).one()
    owner = make_portal_staff(session, is_delegate=True)
    make_entry(session, owner, tax_id="071234501")
    session.commit()
    office = signed_in(app, session, owner)
    assert "Keystone Billing LLC" in words(office.page.text)
    page = f"/provider/access/permissions/{given.id}"
    assert "Nothing so far" in words(office.get(page).text)
    assert office.post(f"{page}/limit", functions=[]).status_code == 400
    assert office.post(f"{page}/limit", functions=["profiles"]).status_code == 400
    assert office.post(f"{page}/limit", functions=["claims"], covers_until="2026-12-31").status_code == 303
    session.refresh(given)
    assert (given.functions, str(given.covers_until), given.version) == (["claims"], "2026-12-31", 2)
    session.commit()
    assert office.post(f"{page}/end", reason="They left").status_code == 303
    assert "They left" in words(office.get(page).text)
    office.get("/provider/access/add")
    assert office.post(f"{page}/end").status_code == 400
    assert "by the provider" in words(biller.get(f"/provider/access/clients/{given.request_id}").text)


def test_posts_without_the_page_s_token_are_refused(firm: Firm, biller: Visitor) -> None:
    for path in ("/provider/access/add", "/provider/access/clients/new", "/provider/access/clients/new/ask"):
        assert biller.post_without_token(path, **NUMBERS).status_code == 403
