"""A person who registers for the portal, page by page, and the rows of the plan that they can prove."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.clock import now
from service.plan.models import (
    MailedPin,
    PaymentMethod,
    PlanStaff,
    ProviderAddress,
    ProviderGroup,
    ProviderStaff,
    Remittance,
    RemittanceFile,
    StaffRole,
)
from service.sealing import unseal
from service.settings import Settings
from tests.accounts.visitor import Visitor, newest_code
from tests.factories import PASSWORD, make_account, make_group, make_plan_staff

TAX_ID, NPI, VENDOR = "071234501", "2900179195", "V100001"
CHECK = "CHK0000777"
_numbers = count(1)


def make_clinic(session: Session, **given: Any) -> ProviderGroup:
    """Alder Creek: a group with a current and an outdated address."""
    values = {
        "tax_id": TAX_ID, "npi": NPI, "vendor_number": VENDOR, "legal_name": "Alder Creek Medical Associates PC",
        "dba_name": "Alder Creek Medical",
    }  # fmt: skip
    group = make_group(session, **values | given)
    make_address(session, group, line="3 Old Sample Rd", current=False)
    make_address(session, group)
    return group


def make_address(session: Session, group: ProviderGroup, **given: Any) -> ProviderAddress:
    """An address on the plan's file."""
    values: dict[str, Any] = {
        "use": "practice", "line": "100 Sample Mill Rd", "city": "Lowell", "state": "MA", "zip_code": "01852",
    }  # fmt: skip
    made = ProviderAddress(group_id=group.id, **values | given)
    session.add(made)
    session.flush()
    return made


def make_payment(session: Session, group: ProviderGroup | None, number: str = CHECK, **given: Any) -> Remittance:
    """A payment of yesterday to the group."""
    unique = f"{number}-{next(_numbers)}"
    file = RemittanceFile(name="test.835", content_hash=unique, control_number="000000001", sender="test")
    session.add(file)
    session.flush()
    values: dict[str, Any] = {
        "number": number, "number_key": number, "method": PaymentMethod.CHECK, "amount_cents": 12_345,
        "paid_on": days_ago(1), "document": b"", "content_hash": unique,
    }  # fmt: skip
    made = Remittance(file_id=file.id, group_id=group.id if group else None, **values | given)
    session.add(made)
    session.flush()
    return made


def days_ago(days: int) -> date:
    """The day so long ago."""
    return now().date() - timedelta(days=days)


def make_clerk(session: Session) -> PlanStaff:
    """A person of provider services."""
    return make_plan_staff(session, StaffRole.PROVIDER_SERVICES, account=make_account(session, username="clerk"))


@dataclass
class Registrant(Visitor):
    """Somebody at a browser without JavaScript who registers; each step posts the form of the page at hand."""

    session: Session = field(kw_only=True)
    settings: Settings = field(kw_only=True)
    name: tuple[str, str] = field(default=("Pat", "Moss"), kw_only=True)

    @property
    def email(self) -> str:
        """Their address."""
        return f"{self.username}@clinic.example"

    @property
    def username(self) -> str:
        """Their user name."""
        return ".".join(self.name).lower()

    def show_payment(self, path: str = "npi", **changed: str) -> TestResponse:
        """Send the numbers of a payment."""
        second = {"npi": NPI} if path == "npi" else {"vendor_number": VENDOR}
        self.get(f"/provider/register/provider/{path}")
        return self.post(
            f"/provider/register/provider/{path}", **{"tax_id": TAX_ID, "number": CHECK, **second} | changed
        )

    def ask_for_pin(self, tax_id: str = TAX_ID) -> TestResponse:
        """Choose US Mail."""
        self.get("/provider/register/provider/mail")
        return self.post("/provider/register/provider/mail", tax_id=tax_id)

    def choose(self, group: ProviderGroup | str) -> TestResponse:
        """Choose the provider from the matches."""
        self.get("/provider/register/choose")
        return self.post("/provider/register/choose", provider=group if isinstance(group, str) else group.id)

    def give_reason(self, **form: str) -> TestResponse:
        """Say why the delegate cannot assist."""
        self.get("/provider/register/reason")
        return self.post("/provider/register/reason", **{"reason": "left"} | form)

    def give_contact(self, **changed: str) -> TestResponse:
        """Say who one is."""
        given, family = self.name
        told = {"given_name": given, "family_name": family, "phone": "555-555-0100", "email": self.email}
        self.get("/provider/register/contact")
        return self.post("/provider/register/contact", **told | changed)

    def enter_code(self) -> TestResponse:  # type: ignore[override]
        """Enter the code out of the e-mail."""
        self.get("/provider/register/code")
        return self.post("/provider/register/code", code=newest_code(self.session, self.settings, self.email))

    def open_account(self, **changed: str) -> TestResponse:
        """Choose user name and password."""
        told = {"username": self.username, "password": PASSWORD, "confirmation": PASSWORD}
        self.get("/provider/register/account")
        return self.post("/provider/register/account", **told | changed)

    def finish(self) -> TestResponse:
        """From the contact page to the confirmation."""
        assert self.give_contact().location == "/provider/register/code"
        assert self.enter_code().location == "/provider/register/account"
        return self.open_account()

    def register(self, group: ProviderGroup, path: str = "npi", **payment: str) -> None:
        """All steps with a payment; a reason is given where one is asked for."""
        assert self.show_payment(path, **payment).location == "/provider/register/choose"
        if self.choose(group).location == "/provider/register/reason":
            assert self.give_reason().location == "/provider/register/contact"
        assert self.finish().location == "/provider/register/done"

    def register_by_mail(self, group: ProviderGroup) -> None:
        """All steps with US Mail."""
        assert self.ask_for_pin().location == "/provider/register/choose"
        assert self.choose(group).location == "/provider/register/contact"
        assert self.finish().location == "/provider/register/done"

    def come_in(self) -> TestResponse:
        """Sign in, accept what is asked, and open the portal's home."""
        assert self.sign_in(self.username, following="/provider/home").location == "/provider/home"
        self.show_factor_if_asked()
        return self.accept_terms()

    def show_factor_if_asked(self) -> None:
        """A delegate is asked to set an authenticator app up before anything else: do so, and sign in with it."""
        asked = self.get("/provider/home").location or ""
        if asked.startswith("/settings/second-factor/set-up"):
            self.sign_in_with_factor(self.login().account, following="/provider/home")

    def accept_terms(self) -> TestResponse:
        """Accept the terms where they are asked for, and open the portal's home."""
        answer = self.get("/provider/home")
        if answer.location and answer.location.startswith("/provider/terms"):
            page = self.get(answer.location)
            versions = {text.document: text.version for text in self.settings.plan.terms if text.title in page.text}
            assert self.post("/provider/terms?next=/provider/home", **versions).location == "/provider/home"
            answer = self.get("/provider/home")
        return answer

    def enter_pin(self, pin: str) -> TestResponse:
        """Enter a PIN on Validate your account."""
        self.get("/provider/validate")
        return self.post("/provider/validate", pin=pin)

    def login(self) -> ProviderStaff:
        """The login of this person, read anew."""
        with Session(self.session.get_bind(), expire_on_commit=False) as own:
            every = own.scalars(select(ProviderStaff)).all()
            return next(staff for staff in every if staff.account.username == self.username)


def newest_pin(session: Session, settings: Settings) -> str:
    """The PIN that waits for the printer."""
    with Session(session.get_bind()) as own:
        rows = own.scalars(select(MailedPin).where(MailedPin.sealed != "").order_by(MailedPin.created_at.desc()))
        return unseal(settings.secret_key, "mailed-pin", rows.first().sealed)  # type: ignore[union-attr]


def new_registrant(
    app: Flask, session: Session, settings: Settings, name: tuple[str, str] = ("Pat", "Moss")
) -> Registrant:
    """A person with a browser and network of their own."""
    return Registrant(app, f"192.0.2.{next(_numbers) % 250 + 1}", session=session, settings=settings, name=name)


def read(session: Session, model: type) -> list[object]:
    """Every row of a table, in a session of its own."""
    with Session(session.get_bind(), expire_on_commit=False) as own:
        return list(own.scalars(select(model)).all())
