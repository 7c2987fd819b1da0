"""Mailed PINs under attack (security.md, cases 124, 125 and 134)."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Connection, Engine, event, func, select, text
from sqlalchemy.orm import Session

from service.clock import now
from service.db import Base, make_sessions
from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    IdKind,
    MailedPin,
    PortalRegistration,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
    StaffRole,
    StaffStatus,
)
from service.plan.registering import mailed_pins, registration_end
from service.plan.registering.mailed_pins import LettersUsedUp, NoAddress, PinRefused
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.conftest import MovableClock
from tests.factories import make_group, make_organization, make_plan_staff, make_portal_staff
from tests.provider.registrant import (
    NPI,
    TAX_ID,
    VENDOR,
    Registrant,
    make_address,
    new_registrant,
    newest_pin,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def pat(app: Flask, session: Session, settings: Settings) -> Registrant:
    return new_registrant(app, session, settings)


@pytest.fixture
def waiting(session: Session, clinic: ProviderGroup) -> ProviderStaff:
    """A login of the clinic that waits for its PIN."""
    organization = make_organization(session, tax_id=TAX_ID)
    made = make_portal_staff(session, organization, status=StaffStatus.AWAITING_PIN, functions=[])
    session.commit()
    return made


def test_case_124_a_pin_has_40_bits_and_is_kept_as_digest_and_sealed(
    session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup
) -> None:
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    session.commit()
    pin = newest_pin(session, settings)
    assert re.fullmatch(r"[23456789A-HJKMNP-Z]{10}", pin)
    assert 31**10 > 2**40
    with Session(session.get_bind()) as own:
        stored = repr([own.execute(text(f'SELECT * FROM "{name}"')).all() for name in Base.metadata.tables])
    assert pin not in stored
    clerk = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    mailed_pins.take_for_printing(session, key=settings.secret_key, by=clerk)
    session.commit()
    row = session.scalars(select(MailedPin)).one()
    session.refresh(row)
    assert (row.sealed, row.printed_at is not None) == ("", True)
    assert mailed_pins.take_for_printing(session, key=settings.secret_key, by=clerk) == []


@pytest.mark.parametrize(
    ("after", "good"),
    [(timedelta(days=29, hours=23, minutes=59, seconds=59), True), (timedelta(days=30), False)],
)
def test_case_124_a_pin_lasts_thirty_days_by_the_second(
    session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup, after: timedelta, good: bool
) -> None:
    with time_machine.travel(NOON, tick=False):
        mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
        session.commit()
    pin = newest_pin(session, settings)
    with time_machine.travel(NOON + after, tick=False):
        if good:
            registration_end.enter_pin(session, waiting, pin, key=settings.secret_key)
            assert waiting.status is StaffStatus.ACTIVE
            return
        with pytest.raises(PinRefused):
            registration_end.enter_pin(session, waiting, pin, key=settings.secret_key)
    with time_machine.travel(NOON + timedelta(days=1), tick=False), pytest.raises(PinRefused):
        # A clock set back revives nothing.
        registration_end.enter_pin(session, waiting, pin, key=settings.secret_key)


def test_case_124_five_wrong_tries_end_a_pin(
    app: Flask, session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup
) -> None:
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    session.commit()
    pin = newest_pin(session, settings)
    visitor = Visitor(app)
    visitor.sign_in(waiting.account)
    for _ in range(5):
        visitor.get("/provider/validate")
        assert visitor.post("/provider/validate", pin="2" * 10).status_code == 400
    visitor.get("/provider/validate")
    answer = visitor.post("/provider/validate", pin=pin)
    assert answer.status_code == 400
    assert "did not work" in answer.text
    with Session(session.get_bind()) as own:
        assert own.scalars(select(MailedPin)).one().voided_at is not None


def test_case_124_a_new_pin_voids_the_old(
    app: Flask, session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup
) -> None:
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    session.commit()
    old = newest_pin(session, settings)
    visitor = Visitor(app)
    visitor.sign_in(waiting.account)
    visitor.get("/provider/validate")
    assert visitor.post("/provider/validate/new-letter").status_code == 303
    visitor.get("/provider/validate")
    assert visitor.post("/provider/validate", pin=old).status_code == 400
    visitor.get("/provider/validate")
    assert "PIN accepted" in visitor.post("/provider/validate", pin=newest_pin(session, settings)).text


def test_case_124_three_letters_in_thirty_days_for_one_office_whoever_asks(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup, clock: MovableClock
) -> None:
    for name in ("Ann", "Ben", "Cid"):
        new_registrant(app, session, settings, (name, "Post")).register_by_mail(clinic)
    late = new_registrant(app, session, settings, ("Dee", "Post"))
    late.ask_for_pin()
    answer = late.choose(clinic)
    assert answer.status_code == 400
    assert "At most 3 letters" in answer.text
    clock.advance(30 * 86_400 + 1)
    new_registrant(app, session, settings, ("Dee", "Post")).register_by_mail(clinic)


def test_case_124_three_letters_in_a_parallel_burst(
    engine: Engine, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    organization = make_organization(session, tax_id=TAX_ID)
    logins = [
        make_portal_staff(session, organization, status=StaffStatus.AWAITING_PIN, functions=[]).id for _ in range(8)
    ]
    session.commit()
    sessions = make_sessions(engine)

    def ask(staff_id: str) -> bool:
        with sessions.begin() as own:
            try:
                mailed_pins.send(own, own.get_one(ProviderStaff, staff_id), clinic.id, key=settings.secret_key)
            except LettersUsedUp:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, logins)) == 3


def test_case_124_the_address_comes_from_the_plans_file_only(
    session: Session, settings: Settings, clinic: ProviderGroup, pat: Registrant
) -> None:
    make_address(session, clinic, use="correspondence", line="PO Box 7005")
    make_address(session, clinic, use="mailing", line="PO Box 1", current=False)
    session.commit()
    pat.ask_for_pin()
    pat.choose(clinic)
    pat.give_contact(address="1 Thief St", line="1 Thief St", city="Elsewhere")
    pat.enter_code()
    pat.open_account()
    with Session(session.get_bind()) as own:
        assert own.scalars(select(MailedPin)).one().address == {
            "name": "", "line": "PO Box 7005", "city": "Lowell", "state": "MA", "zip_code": "01852"
        }  # fmt: skip


def test_case_124_without_a_current_address_there_is_no_letter_and_no_account(
    session: Session, settings: Settings, waiting: ProviderStaff
) -> None:
    moved = make_group(session)
    make_address(session, moved, current=False)
    with pytest.raises(NoAddress):
        mailed_pins.send(session, waiting, moved.id, key=settings.secret_key)


def test_case_125_of_twenty_right_pins_in_parallel_one_counts(
    engine: Engine, session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup
) -> None:
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    session.commit()
    pin, staff_id, sessions = newest_pin(session, settings), waiting.id, make_sessions(engine)
    gate = threading.Barrier(8)

    def enter(number: int) -> bool:
        if number < 8:
            gate.wait(10)
        with sessions.begin() as own:
            try:
                staff = own.get_one(ProviderStaff, staff_id)
                registration_end.enter_pin(own, staff, pin, key=settings.secret_key)
            except PinRefused:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(20))) == 1
    with Session(engine) as own:
        assert own.scalar(select(func.count()).select_from(AccessEntry)) == 1
        assert own.scalar(select(func.count()).where(ProviderStaff.is_delegate.is_(True))) == 1


@pytest.mark.parametrize("elsewhere", [False, True])
def test_case_125_a_pin_and_a_payment_found_meanwhile_do_not_wait_for_each_other(
    app: Flask, engine: Engine, session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup,
    elsewhere: bool,
) -> None:  # fmt: skip
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one write at a time")
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    waiting.account.given_name, waiting.account.family_name = "Pat", "Moss"
    if elsewhere:
        waiting.organization = make_organization(session)
    session.commit()
    pin, staff_id = newest_pin(session, settings), waiting.id
    pat = new_registrant(app, session, settings)
    pat.show_payment()
    pat.choose(clinic)
    pat.give_contact()
    registration_id = session.scalars(select(PortalRegistration.id)).one()
    met = threading.Barrier(2)

    def meet(
        connection: Connection, _cursor: object, statement: str, _values: object, _context: object, _many: bool
    ) -> None:
        if statement.startswith(connection.info.get("meets before", "\0")):
            connection.info.clear()
            with suppress(threading.BrokenBarrierError):
                met.wait(5)

    def enter(own: Session, staff: ProviderStaff) -> None:
        with suppress(PinRefused):
            registration_end.enter_pin(own, staff, pin, key=settings.secret_key)

    def join(own: Session, staff: ProviderStaff) -> None:
        registration = own.get_one(PortalRegistration, registration_id)
        registration_end.finish_with_account(own, registration, staff.account, phone="1", key=settings.secret_key)

    def run(work: Callable[[Session, ProviderStaff], None], before: str) -> None:
        with make_sessions(engine).begin() as own:
            staff = own.get_one(ProviderStaff, staff_id)
            own.connection().info["meets before"] = before
            work(own, staff)

    event.listen(engine, "before_cursor_execute", meet)
    try:
        with ThreadPoolExecutor(2) as pool:
            # The one has what it takes first and is about to take the office; the other has that, and wants the PIN.
            runs = (
                pool.submit(run, enter, "INSERT INTO portal_organization"),
                pool.submit(run, join, "UPDATE mailed_pin"),
            )
            for one in runs:
                one.result(30)
    finally:
        event.remove(engine, "before_cursor_execute", meet)
    session.expire_all()
    assert waiting.status is StaffStatus.ACTIVE and len(reach.entries_of(session, waiting.id)) == 1


def test_case_125_the_right_pin_of_another_tax_id_is_refused(
    session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup
) -> None:
    other = make_group(session)
    make_address(session, other)
    stranger = make_portal_staff(session, make_organization(session), status=StaffStatus.AWAITING_PIN, functions=[])
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    session.commit()
    pin = newest_pin(session, settings)
    mailed_pins.send(session, stranger, other.id, key=settings.secret_key)
    with pytest.raises(PinRefused):
        registration_end.enter_pin(session, stranger, pin, key=settings.secret_key)
    nobody = make_portal_staff(session, status=StaffStatus.AWAITING_PIN, functions=[])
    with pytest.raises(PinRefused):
        registration_end.enter_pin(session, nobody, pin, key=settings.secret_key)
    assert stranger.status is StaffStatus.AWAITING_PIN
    registration_end.enter_pin(session, waiting, pin, key=settings.secret_key)


@pytest.mark.parametrize(
    ("sibling", "own"),
    [
        ({"npi": NPI, "vendor_number": "V100009"}, {"npi": NPI, "vendor_number": VENDOR, "office_id": None}),
        ({"npi": NPI, "vendor_number": VENDOR, "office_id": "10001"},
         {"npi": NPI, "vendor_number": VENDOR, "office_id": "10002"}),
        ({"vendor_number": "V100009"}, {"npi": NPI, "vendor_number": None, "office_id": None}),
    ],
    ids=["one NPI", "one NPI and vendor number", "one Tax ID"],
)  # fmt: skip
def test_case_134_a_mailed_pin_opens_no_sibling_with_the_same_numbers(
    session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup,
    sibling: dict[str, str], own: dict[str, str | None],
) -> None:  # fmt: skip
    make_group(session, tax_id=TAX_ID, **sibling)
    session.add(ProviderIdentifier(group_id=clinic.id, kind=IdKind.OFFICE_ID, value="10002"))
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    session.commit()

    registration_end.enter_pin(session, waiting, newest_pin(session, settings), key=settings.secret_key)

    assert reach.groups_of_entries(session, waiting.id) == [clinic]
    (entry,) = reach.entries_of(session, waiting.id)
    assert {name: getattr(entry, name) for name in own} == own


def test_case_134_a_pin_that_would_open_a_sibling_is_left_to_plan_staff_and_stays_good(
    app: Flask, session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup
) -> None:
    make_group(session, tax_id=TAX_ID, npi=NPI, vendor_number=VENDOR)
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    session.commit()
    pin = newest_pin(session, settings)
    visitor = Visitor(app)
    visitor.enter(waiting.account)
    visitor.get("/provider/validate")

    refused = visitor.post("/provider/validate", pin=pin)

    assert refused.status_code == 409
    assert "Please call us" in refused.text
    session.refresh(waiting)
    assert (waiting.status, reach.entries_of(session, waiting.id)) == (StaffStatus.AWAITING_PIN, [])
    session.add(ProviderIdentifier(group_id=clinic.id, kind=IdKind.OFFICE_ID, value="10002"))
    session.commit()
    visitor.get("/provider/validate")
    assert "PIN accepted" in visitor.post("/provider/validate", pin=pin).text
    assert reach.groups_of_entries(session, waiting.id) == [clinic]


def test_case_134_a_pin_takes_the_numbers_that_are_valid_now(
    session: Session, settings: Settings, waiting: ProviderStaff, clinic: ProviderGroup
) -> None:
    npis = {"2900000000": (2, now().date()), "2900000001": (1, None)}
    session.add_all(
        ProviderIdentifier(group_id=clinic.id, kind=IdKind.NPI, value=value, npi_type=kind, valid_until=until)
        for value, (kind, until) in npis.items()
    )
    mailed_pins.send(session, waiting, clinic.id, key=settings.secret_key)
    session.commit()

    registration_end.enter_pin(session, waiting, newest_pin(session, settings), key=settings.secret_key)

    assert [entry.npi for entry in reach.entries_of(session, waiting.id)] == [NPI]
