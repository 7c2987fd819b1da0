"""Registration for the provider portal under attack (security.md, cases 122 to 128 and 137)."""

import itertools
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Engine, event, func, select, text, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from service.accounts.models import Account, LoginSession
from service.audit import AuditEvent, Outcome
from service.clock import now
from service.db import Base, make_sessions
from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    IdKind,
    MailedPin,
    OrganizationKind,
    PortalOrganization,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
    StaffRole,
    StaffStatus,
)
from service.plan.registering import joining, mailed_pins, payment_proof, registration_end
from service.plan.registering.mailed_pins import LettersUsedUp, NoAddress, PinRefused
from service.plan.registering.payment_proof import ProofRefused, ShownPayment, TooManyTries
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.conftest import MovableClock
from tests.factories import (
    make_account,
    make_group,
    make_npi,
    make_organization,
    make_plan_staff,
    make_portal_staff,
)
from tests.provider.registrant import (
    CHECK,
    NPI,
    TAX_ID,
    VENDOR,
    Registrant,
    days_ago,
    make_address,
    make_clinic,
    make_payment,
    new_registrant,
    newest_pin,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RIGHT = {"tax_id": TAX_ID, "number": CHECK, "npi": NPI, "vendor_number": VENDOR}
WRONG = {
    # of another group, of nobody, and no such number at all
    "tax_id": ["082234502", "999999999", "12"],
    "number": ["CHK0000778", "CHK0000776", "NP1", "*"],
    "npi": ["2900258387", make_npi(5), "2900179190", "abc"],
    "vendor_number": ["V100002", "V1", "?"],
}


@pytest.fixture
def clinic(session: Session) -> ProviderGroup:
    """A clinic with a check, beside a hospital with another."""
    made = make_clinic(session)
    make_payment(session, made)
    hospital = make_group(session, tax_id="082234502", npi="2900258387", vendor_number="V100002")
    make_payment(session, hospital, "CHK0000778")
    session.commit()
    return made


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


def wrong_payments(second: str) -> Iterator[dict[str, str]]:
    """Every combination of right and wrong numbers but the one that is all right."""
    fields = ("tax_id", "number", second)
    for chosen in itertools.product((False, True), repeat=3):
        if all(chosen):
            continue
        choices = [[RIGHT[name]] if good else WRONG[name][:2] for name, good in zip(fields, chosen, strict=True)]
        for values in itertools.product(*choices):
            # The hospital's own three numbers belong together.
            if values != ("082234502", "CHK0000778", WRONG[second][0]):
                yield dict(zip(fields, values, strict=True))
    for name in fields:
        for bad in WRONG[name][2:]:
            yield {**{field: RIGHT[field] for field in fields}, name: bad}


@pytest.mark.parametrize(("path", "second"), [("npi", "npi"), ("vendor", "vendor_number")])
def test_case_122_whatever_is_wrong_gets_one_text_and_one_status(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup, path: str, second: str
) -> None:
    seen, tried = set(), 0
    for numbers in wrong_payments(second):
        # A fresh Tax ID counter for each: the limit is case 123.
        with Session(session.get_bind()) as own:
            own.execute(text("DELETE FROM attempt_counter"))
            own.commit()
        answer = new_registrant(app, session, settings).show_payment(path, **numbers)
        # What was typed stands in the form again, as it would after any try; all else is the same.
        reference = re.compile(r'[0-9a-f]{8}-[0-9a-f-]{27}|value="[^"]*"')
        seen.add((answer.status_code, reference.sub("", answer.text)))
        tried += 1
    assert tried > 20
    assert len(seen) == 1
    status, page = seen.pop()
    assert status == 400
    assert "We could not match these numbers" in page and "US Mail" in page


@contextmanager
def counted_statements(engine: Engine) -> Iterator[list[str]]:
    """The statements that run meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_case_122_whatever_is_wrong_costs_the_same_statements(
    engine: Engine, session: Session, clinic: ProviderGroup
) -> None:
    sessions = make_sessions(engine)
    work = set()
    for number, given in enumerate(wrong_payments("npi")):
        shown = ShownPayment(given["tax_id"], given["number"], given["npi"])
        with sessions() as own, counted_statements(engine) as statements:
            with pytest.raises(ProofRefused):
                payment_proof.verify(own, shown, network=f"n{number}", days=180)
            work.add(tuple(statements))
            own.rollback()
    assert len(work) == 1


def test_case_123_five_failures_a_day_for_a_tax_id_whatever_the_numbers_and_the_spelling(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup, clock: MovableClock
) -> None:
    spellings = ("071234501", "07-1234501", " 07 1234501 ", "07.1234501", "\uff10\uff17-1234501")
    for number, spelling in enumerate(spellings):
        # Sequential numbers around the known one, each from a network of its own.
        answer = new_registrant(app, session, settings).show_payment(tax_id=spelling, number=f"CHK000078{number}")
        assert answer.status_code == 400
    with capture_logs() as logged:
        assert new_registrant(app, session, settings).show_payment().status_code == 429
    assert [line["limits"] for line in logged if line["event"] == "payment_proof_limit_reached"] == [["tax_id"]]
    with Session(session.get_bind()) as own:
        refused = own.scalars(select(AuditEvent).where(AuditEvent.outcome == Outcome.REFUSED)).all()
        assert [(row.tag, row.detail) for row in refused] == [("plan:payment_proof:verify", {"limits": ["tax_id"]})]
    assert TAX_ID not in repr(logged)
    clock.advance(86_401)
    assert new_registrant(app, session, settings).show_payment().status_code == 303


def test_case_123_right_proofs_are_not_counted(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    for _ in range(7):
        assert new_registrant(app, session, settings).show_payment().status_code == 303


def test_case_123_ten_failures_from_one_network(
    session: Session, settings: Settings, clinic: ProviderGroup, pat: Registrant
) -> None:
    for number in range(10):
        assert pat.show_payment(tax_id=f"0799999{number:02}").status_code == 400
    assert pat.show_payment().status_code == 429


def test_case_123_two_hundred_failures_an_hour_altogether(session: Session, clinic: ProviderGroup) -> None:
    for number in range(payment_proof.EVERYBODY):
        with pytest.raises(ProofRefused) as refusal:
            payment_proof.verify(session, ShownPayment(f"0{number:08}", "X", NPI), network=f"{number}", days=180)
        assert refusal.type is ProofRefused
    with pytest.raises(TooManyTries):
        payment_proof.verify(session, ShownPayment(TAX_ID, CHECK, NPI), network="fresh", days=180)


def test_case_123_a_burst_in_parallel_gets_no_more_tries(
    engine: Engine, session: Session, clinic: ProviderGroup
) -> None:
    sessions = make_sessions(engine)

    def attempt(number: int) -> int:
        with sessions.begin() as own:
            try:
                payment_proof.verify(own, ShownPayment(TAX_ID, f"C{number}", NPI), network=f"{number}", days=180)
            except ProofRefused as refusal:
                return refusal.status
        return 200

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(30)))
    assert (answers.count(400), answers.count(429)) == (5, 25)


def test_case_123_a_payment_of_another_vendor_or_too_old_is_no_proof(
    clinic: ProviderGroup, session: Session, app: Flask, settings: Settings
) -> None:
    make_payment(session, clinic, "OLD1", paid_on=days_ago(181))
    session.commit()
    assert new_registrant(app, session, settings).show_payment(number="OLD1").status_code == 400
    assert new_registrant(app, session, settings).show_payment("vendor", vendor_number="V100002").status_code == 400
    assert new_registrant(app, session, settings).show_payment(number="CHK0000778").status_code == 400


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


def test_case_127_before_the_pin_no_delegate_is_named(app: Flask, session: Session, waiting: ProviderStaff) -> None:
    dora = make_account(session, given_name="Dora", family_name="Dell", email="dora@victim.example")
    make_portal_staff(session, waiting.organization, account=dora, is_delegate=True, phone="555-555-7777")
    session.commit()
    stranger = Visitor(app)
    stranger.enter(waiting.account)
    pages = {path: stranger.get(path) for path in ("/provider/delegate/", "/provider/home", "/provider/remittances")}
    for page in pages.values():
        assert not re.search("Dora|Dell|dora@victim.example|555-555-7777", page.text)
    assert pages["/provider/delegate/"].location == "/provider/validate"
    assert pages["/provider/remittances"].status_code == 403
    assert "enter your PIN first" in pages["/provider/remittances"].text
    assert 'href="/provider/validate"' in pages["/provider/remittances"].text
    waiting.status = StaffStatus.ACTIVE
    session.commit()
    assert "dora@victim.example" in stranger.get("/provider/delegate/").text
    assert "Dora Dell" in stranger.get("/provider/home").text


def test_case_127_the_second_has_access_at_once_and_delegate_status_on_a_word_only(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    first = new_registrant(app, session, settings)
    first.register(clinic)
    second = new_registrant(app, session, settings, ("Lee", "Ford"))
    second.register(clinic)
    login = second.login()
    assert (login.status, login.is_delegate) == (StaffStatus.ACTIVE, False)
    with Session(session.get_bind()) as own:
        assert own.scalars(select(DelegateRequest)).one().staff_id == login.id
        assert own.scalar(select(func.count()).where(AccessEntry.staff_id == login.id)) == 1
    told = letters(session, settings, first.email)[-1]
    assert "Lee Ford" in told and "waits for your word" in told


def test_case_127_before_the_proof_a_registered_group_looks_like_any_other(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    def walk(name: str) -> list[tuple[int, str]]:
        who = new_registrant(app, session, settings, (name, "Post"))
        steps = [who.show_payment(number="WRONG"), who.ask_for_pin(), who.get("/provider/register/choose"),
                 who.choose(clinic), who.get("/provider/register/reason"), who.give_contact()]  # fmt: skip
        hide = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|name=\"csrf_token\" value=\"[^\"]+\"")
        return [(step.status_code, hide.sub("", step.text)) for step in steps]

    before = walk("Ann")
    new_registrant(app, session, settings).register(clinic)
    assert walk("Ben") == before


def test_case_127_two_first_registrants_at_once_make_one_delegate(
    engine: Engine, session: Session, clinic: ProviderGroup
) -> None:
    accounts = [make_account(session).id for _ in range(8)]
    session.commit()
    sessions, gate = make_sessions(engine), threading.Barrier(8)

    def join(account_id: str) -> bool:
        gate.wait(10)
        with sessions.begin() as own:
            organization = joining.lock_organization(own, OrganizationKind.PROVIDER, TAX_ID, "Alder Creek")
            account = own.get_one(Account, account_id)
            return joining.enlist(own, account, organization, phone="1").is_delegate

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(join, accounts)) == 1
    with Session(engine) as own:
        assert own.scalar(select(func.count()).select_from(PortalOrganization)) == 1
        assert own.scalar(select(func.count()).where(ProviderStaff.is_delegate.is_(True))) == 1
        assert own.scalar(select(func.count()).select_from(ProviderStaff)) == 8


@pytest.mark.parametrize("name", ["St Mary Clinic", "St. Mary  Clinic", "ST MARY CLINIC", "\u0405t Mary Clinic"])
def test_case_128_groups_of_one_name_are_told_apart_by_ids_and_never_matched_by_name(
    session: Session, app: Flask, settings: Settings, name: str
) -> None:
    mine = make_clinic(session, legal_name="St. Mary Clinic", dba_name="")
    other = make_group(session, legal_name=name, tax_id="082234502", npi="2900258387")
    make_payment(session, mine)
    session.commit()
    pat = new_registrant(app, session, settings)
    assert pat.show_payment().status_code == 303
    page = pat.get("/provider/register/choose").text
    assert other.id not in page and mine.id in page
    assert "•••••4501" in page and "•••••4502" not in page and TAX_ID not in page
    pat.choose(mine)
    pat.finish()
    firm = new_registrant(app, session, settings, ("Kim", "Ledger"))
    firm.get("/provider/register/billing")
    # A firm may be called like a clinic; it is another organisation, by its Tax ID.
    assert firm.post("/provider/register/billing", name=name, tax_id="961112223").status_code == 303
    firm.finish()
    assert firm.login().organization_id != pat.login().organization_id
    assert firm.login().is_delegate


def test_case_137_fields_that_no_form_asks_for_are_ignored_and_logged(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    other = make_organization(session)
    session.commit()
    new_registrant(app, session, settings).register(clinic)
    extra = {"role": "administrator", "org_id": other.id, "organization_id": other.id, "is_admin": "true",
             "verified": "1", "is_delegate": "true", "group_id": "x", "status": "active"}  # fmt: skip
    sly = new_registrant(app, session, settings, ("Sam", "Sly"))
    with capture_logs() as logged:
        sly.show_payment(**extra)
        sly.choose(clinic)
        sly.give_reason(**extra)
        sly.give_contact(**extra)
        sly.enter_code()
        assert sly.open_account(**extra).status_code == 303
    login = sly.login()
    assert (login.is_delegate, login.organization.tax_id) == (False, TAX_ID)
    warned = [line for line in logged if line["event"] == "unknown_form_fields"]
    assert len(warned) == 4
    assert set(warned[0]["fields"]) == set(extra)
    with Session(session.get_bind()) as own:
        rows = own.scalars(select(AuditEvent).where(AuditEvent.tag == "provider:registration:unknown_fields")).all()
        assert [row.count for row in rows] == [len(extra)] * 4


def test_case_137_a_field_name_that_is_none_is_counted_and_not_written_down(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    with capture_logs() as logged:
        new_registrant(app, session, settings).show_payment(**{"Maria Alvarez 123-45-6789": "x"})
    (warned,) = [line for line in logged if line["event"] == "unknown_form_fields"]
    assert (warned["fields"], warned["count"]) == ([], 1)


@pytest.mark.parametrize(
    "name", ["Refund http://evil.example/x", "Refund at evil.example/x", "A\r\n\r\nURGENT", "www.evil"]
)
def test_case_154_no_link_or_second_line_becomes_the_name_of_an_organisation(
    app: Flask, session: Session, name: str
) -> None:
    firm = Visitor(app)
    firm.get("/provider/register/billing")
    refused = firm.post("/provider/register/billing", name=name, tax_id="991234567")
    assert refused.status_code == 400 and "Please enter the name in one line" in refused.text
    told = {"contact_name": "Al Ford", "contact_email": "al@ford.example", "contact_phone": "555-555-0101"}
    firm.get("/provider/not-listed")
    assert firm.post("/provider/not-listed", organization_name=name, **told).status_code == 400
    firm.get("/provider/not-listed")
    good = {"organization_name": "Alder & Birch (North) #2, Inc."}
    assert firm.post("/provider/not-listed", **good, **told | {"contact_name": name}).status_code == 400
    firm.get("/provider/not-listed")
    assert firm.post("/provider/not-listed", **good, **told).status_code == 303


def test_a_proof_under_way_ends_when_somebody_signs_out_of_that_browser(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    other = make_account(session, given_name="Mallory", family_name="Bee")
    session.commit()
    pat = new_registrant(app, session, settings)
    pat.show_payment()
    assert pat.choose(clinic).location == "/provider/register/contact"
    pat.sign_in(other)
    pat.get("/settings")
    assert pat.post("/sign-out").status_code == 303
    assert pat.get("/provider/register/contact").status_code == 401
    pat.sign_in(other)
    assert pat.get("/provider/register/contact").status_code == 401


def test_a_proof_that_a_signed_in_person_went_on_with_is_nobody_elses(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    owner, other = make_account(session), make_account(session, given_name="Mallory", family_name="Bee")
    session.commit()
    pat = new_registrant(app, session, settings)
    pat.sign_in(owner)
    pat.show_payment()
    assert pat.choose(clinic).location == "/provider/register/contact"
    # They walk away: their session ends by itself.
    session.execute(update(LoginSession).values(ended_at=now()))
    session.commit()
    assert pat.get("/provider/register/contact").status_code == 401
    pat.sign_in(other)
    assert pat.get("/provider/register/contact").status_code == 401
    assert pat.post("/provider/register/contact", phone="555-555-0101").status_code == 401
    session.execute(update(LoginSession).values(ended_at=now()))
    session.commit()
    pat.sign_in(owner)
    assert pat.get("/provider/register/contact").status_code == 200
    assert pat.post("/provider/register/contact", phone="555-555-0101").location == "/provider/register/done"
