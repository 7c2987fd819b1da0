"""security.md, cases 134 and 142, and rule N: offices reach their own claims, and look-ups of members are watched."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from threading import Barrier, Thread
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.accounts.models import AttemptCounter
from service.app import create_app
from service.audit import Outcome
from service.clock import now
from service.mail import OutboxMail
from service.plan.models import StaffRole
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.conftest import MovableClock
from tests.factories import make_plan_staff
from tests.provider.office import Office, billed, office, shape
from tests.provider.test_claims import numbers
from tests.provider.test_eligibility import coverage

__all__ = ["office"]
CLAIMS, ELIGIBILITY = "/provider/claims", "/provider/eligibility"
WHY = {"purpose": "treatment", "reason_text": "new patient"}
NAMES = ("north", "south", "west")


def canaries(name: str) -> tuple[str, ...]:
    """What nobody but the group of that name may ever see."""
    return f"CLM-{name}-1".upper(), f"Note of {name}-1", f"EFT-{name}-1", f"Canary-{name}", f"Group {name}"


@pytest.fixture
def desks(office: Office) -> dict[str, Visitor]:
    """Three offices, each with one group, one member and one claim of its own; two share their Tax ID."""
    for name in NAMES:
        shared = {"tax_id": "082234502"} if name != "west" else {}
        office.group(name, **shared)
        office.member(name)
        office.load(billed(f"{name}-1", name, office.groups[name]), coverage(name))
    desks = {name: office.browser(office.login(office.groups[name])) for name in NAMES}
    office.events()
    return desks


def ways_to(name: str) -> dict[str, Callable[[Visitor], TestResponse]]:
    """Every way in which somebody may try to see a group's claim, by a name for the failure message."""

    def post(path: str, **form: str) -> Callable[[Visitor], TestResponse]:
        def ask(desk: Visitor) -> TestResponse:
            desk.get(path)
            return desk.post(path, **form)

        return ask

    born = {"birth_date": "1956-04-30"}
    return {
        "list": lambda desk: desk.get(CLAIMS),
        "list by parameters": lambda desk: desk.get(f"{CLAIMS}?claim_number=CLM-{name}-1&groups={name}"),
        "detail": lambda desk: desk.get(f"{CLAIMS}/{name}-1"),
        "head": lambda desk: desk.browser.head(f"{CLAIMS}/{name}-1"),
        "number": post(CLAIMS, claim_number=f"CLM-{name}-1"),
        "dates": post(CLAIMS, served_from="2020-01-01", served_to="2026-12-31"),
        "status": post(CLAIMS, status="active"),
        "member": post(CLAIMS, member_number=f"M-{name}", **WHY),
        "name": post(CLAIMS, last_name=f"Canary-{name}", **born, **WHY),
        "member without reason": post(CLAIMS, member_number=f"M-{name}"),
        "eligibility without reason": post(ELIGIBILITY, member_number=f"M-{name}", **born),
        "profile": lambda desk: desk.get("/provider/profile"),
        "contact": lambda desk: desk.get("/provider/contact"),
        "home": lambda desk: desk.get("/provider/home"),
    }


def test_each_group_sees_its_own_and_no_byte_of_anothers(desks: dict[str, Visitor]) -> None:
    for mine, theirs in itertools.permutations(NAMES, 2):
        for way, ask in ways_to(theirs).items():
            answer = ask(desks[mine])
            # What was typed comes back in its field; that tells nothing.
            told = (answer.text + str(answer.headers)).replace(f'value="Canary-{theirs}"', "")
            told = told.replace(f'value="CLM-{theirs}-1"', "")
            for canary in canaries(theirs):
                assert canary not in told, (mine, theirs, way, canary)
    for name, desk in desks.items():
        assert numbers(desk.get(CLAIMS).text) == [f"CLM-{name}-1".upper()]
        assert desk.get(f"{CLAIMS}/{name}-1").status_code == 200


def test_anothers_claim_looks_like_one_that_does_not_exist(desks: dict[str, Visitor]) -> None:
    desk = desks["north"]
    nowhere = ("no-such-claim", "south-2", "..", quote("' OR 1=1 --"), "x" * 200, quote("south-1\n"), "%F0%9F%92%8A")
    expected = shape(desk.get(f"{CLAIMS}/south-1"))

    assert expected[0] == 404
    for claim_id in nowhere:
        assert shape(desk.get(f"{CLAIMS}/{claim_id}")) == expected, claim_id
    theirs, nothing = desk.browser.head(f"{CLAIMS}/south-1"), desk.browser.head(f"{CLAIMS}/south-2")
    assert (theirs.status_code, theirs.content_length) == (nothing.status_code, nothing.content_length)


def test_anothers_numbers_and_members_look_like_ones_that_do_not_exist(desks: dict[str, Visitor]) -> None:
    desk = desks["north"]

    def ask(path: str, **form: str) -> tuple[int, str]:
        desk.get(path)
        status, text, _ = shape(desk.post(path, **form))
        for value in form.values():
            text = text.replace(f'value="{value}"', "")
        return status, text

    assert ask(CLAIMS, claim_number="CLM-SOUTH-1") == ask(CLAIMS, claim_number="CLM-SOUTH-9")
    assert ask(CLAIMS, member_number="M-SOUTH") == ask(CLAIMS, member_number="M-SOUTX")
    assert ask(CLAIMS, member_number="M-SOUTH", **WHY) == ask(CLAIMS, member_number="M-SOUTX", **WHY)
    born = {"birth_date": "1956-04-30"}
    assert ask(CLAIMS, last_name="Canary-south", **born) == ask(CLAIMS, last_name="Canary-soutx", **born)
    assert ask(ELIGIBILITY, member_number="M-SOUTH", **born) == ask(ELIGIBILITY, member_number="M-SOUTX", **born)


def test_a_claim_cannot_be_changed_through_the_inquiry(desks: dict[str, Visitor]) -> None:
    desk = desks["north"]
    desk.get(CLAIMS)
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        answer = desk.browser.open(f"{CLAIMS}/north-1", method=method)
        assert answer.status_code in {403, 405}, method
    assert desk.post_without_token(CLAIMS, claim_number="CLM-NORTH-1").status_code == 403


def test_case_134_a_billing_firm_sees_what_was_approved_and_nothing_else(office: Office) -> None:
    hospital, emergency = (office.group(name, tax_id="082234502") for name in ("hospital", "emergency"))
    office.member("ann")
    office.load(
        billed("h-old", "ann", hospital, "2025-12-31"), billed("h-new", "ann", hospital, "2026-01-01"),
        billed("h-late", "ann", hospital, "2026-07-01"), billed("e-new", "ann", emergency, "2026-01-01"),
    )  # fmt: skip
    whole, _ = office.client_of(hospital)
    dated, _ = office.client_of(hospital, covers_from=date(2026, 1, 1), covers_until=date(2026, 6, 30))
    remittances_only, _ = office.client_of(hospital, functions=["remittances"])

    desk = office.browser(whole)
    assert numbers(desk.get(CLAIMS).text) == ["CLM-H-LATE", "CLM-H-NEW", "CLM-H-OLD"], (
        "earlier ones too, unless limited"
    )
    assert shape(desk.get(f"{CLAIMS}/e-new")) == shape(desk.get(f"{CLAIMS}/nothing"))
    desk = office.browser(dated)
    assert numbers(desk.get(CLAIMS).text) == ["CLM-H-NEW"]
    for claim_id in ("h-old", "h-late", "e-new"):
        assert shape(desk.get(f"{CLAIMS}/{claim_id}")) == shape(desk.get(f"{CLAIMS}/nothing"))
    desk.get(CLAIMS)
    assert numbers(desk.post(CLAIMS, claim_number="CLM-H-OLD").text) == []
    desk.get(CLAIMS)
    assert numbers(desk.post(CLAIMS, member_number="M-ANN").text) == ["CLM-H-NEW"]
    assert numbers(office.browser(remittances_only).get(CLAIMS).text) == []


def test_case_134_eligibility_keeps_to_the_dates_that_a_client_allowed(office: Office) -> None:
    client, later = office.group("client"), office.group("later")
    office.member("ann")
    office.load(coverage("ann"), billed("a1", "ann", client, "2025-03-01"))
    staff, _ = office.client_of(client, covers_from=date(2025, 1, 1), covers_until=date(2025, 12, 31))
    desk = office.browser(staff)

    def check(day: str, **why: str) -> str:
        desk.get(ELIGIBILITY)
        return desk.post(
            ELIGIBILITY, member_number="M-ANN", birth_date="1956-04-30", service_date=day, **why
        ).text  # fmt: skip

    for day in ("2025-01-01", "2025-12-31"):
        assert "Canary-ann" in check(day)
    office.events()
    for day in ("2024-12-31", "2026-01-01"):
        for page in (check(day), check(day, **WHY)):
            assert "Your account reaches no provider yet" in page
            assert "Canary-ann" not in page
    assert len(office.events()) == 2, "nobody was looked up"
    # A second client that allows the day lets in for itself, and the first's claims are no relation then.
    _, second = office.client_of(later, functions=["eligibility"], covers_from=date(2026, 1, 1))
    second.organization_id = staff.organization_id
    office.session.commit()
    assert "Please tell us why you ask" in check("2026-01-01")
    assert "Canary-ann" in check("2026-01-01", **WHY)
    assert office.events()[-1].detail == {"groups": [later.id]}


def test_case_134_a_shared_tax_id_is_split_by_npi_for_offices_too(desks: dict[str, Visitor], office: Office) -> None:
    both = office.browser(office.login(entries=({"tax_id": "082234502"},)))

    assert set(numbers(both.get(CLAIMS).text)) == {"CLM-NORTH-1", "CLM-SOUTH-1"}
    assert numbers(desks["north"].get(CLAIMS).text) == ["CLM-NORTH-1"]


def test_case_135_what_ends_is_gone_at_the_next_request(office: Office) -> None:
    client = office.group("client")
    office.member("ann")
    office.load(billed("a1", "ann", client))
    staff, authorization = office.client_of(client)
    desk = office.browser(staff)
    assert desk.get(f"{CLAIMS}/a1").status_code == 200

    authorization.ended_at = now()
    office.session.commit()

    assert desk.get(f"{CLAIMS}/a1").status_code == 404
    assert numbers(desk.get(CLAIMS).text) == []


def test_case_142_a_look_up_needs_a_relation_or_a_reason(desks: dict[str, Visitor], office: Office) -> None:
    desk = desks["north"]
    desk.get(CLAIMS)
    assert "Why do you ask about this member?" not in desk.post(CLAIMS, member_number="M-NORTH").text
    for path, form in ((CLAIMS, {}), (ELIGIBILITY, {"birth_date": "1956-04-30"})):
        desk.get(path)
        before = len(office.events())
        answer = desk.post(path, member_number="M-SOUTH", **form)
        assert "Why do you ask about this member?" in answer.text
        assert len(office.events()) == before, "nothing was looked up yet"
        for why in (
            {"purpose": "", "reason_text": ""},
            {"purpose": "treatment", "reason_text": ""},
            {"reason_text": "new patient"},
            {"purpose": "nosiness", "reason_text": "new patient"},
            {"purpose": "treatment", "reason_text": "  "},
        ):
            answer = desk.post(path, member_number="M-SOUTH", **form, **why)
            assert "Why do you ask about this member?" in answer.text, why
            assert len(office.events()) == before, why


def test_case_142_each_look_up_is_written_down_with_its_reason(desks: dict[str, Visitor], office: Office) -> None:
    desk = desks["north"]
    before = len(office.events())
    desk.get(CLAIMS)
    desk.post(CLAIMS, member_number="M-SOUTH", **WHY)
    desk.get(ELIGIBILITY)
    desk.post(ELIGIBILITY, member_number="M-SOUTH", birth_date="1956-04-30", purpose="payment", reason_text="bill 7")
    _, claims, eligibility = office.events()[before:]

    assert (claims.tag, claims.reason, claims.count) == ("provider:member:lookup", "treatment: new patient", 0)
    assert (eligibility.tag, eligibility.reason) == ("provider:eligibility:lookup", "payment: bill 7")
    assert claims.member_id == eligibility.member_id != None  # noqa: E711 (both, and somebody)
    assert claims.account_id == eligibility.account_id is not None


@pytest.fixture
def strict(settings: Settings, engine: Engine) -> Flask:
    """The application with a norm of 3 look-ups an hour and room for 5."""
    return create_app(replace(settings, lookup_norm_per_hour=3, lookup_limit_per_hour=5), engine)


@pytest.fixture
def watched(strict: Flask, session: Session) -> Office:
    """An office there, with a member of its own, and a privacy officer who is told."""
    office = Office(strict, session)
    office.member("ann")
    office.load(billed("a1", "ann", office.group("mine")), coverage("ann"))
    make_plan_staff(session, StaffRole.PRIVACY_OFFICER, StaffRole.PROVIDER_SERVICES)
    session.commit()
    return office


def look_up(desk: Visitor, number: str = "M-ANN") -> TestResponse:
    """One look-up by Claims Inquiry."""
    desk.get(CLAIMS)
    return desk.post(CLAIMS, member_number=number, **WHY)


def test_case_142_too_many_look_ups_alert_staff_once_and_then_stop(watched: Office, clock: MovableClock) -> None:
    staff = watched.login(watched.groups["mine"])
    desk = watched.browser(staff)
    for number in range(1, 6):
        # Both applications share the count; nobody found counts like somebody found.
        if number % 2:
            assert look_up(desk, f"M-NOBODY-{number}").status_code == 200
        else:
            desk.get(ELIGIBILITY)
            form = {"member_number": "M-ANN", "birth_date": "1956-04-30"}
            assert desk.post(ELIGIBILITY, **form).status_code == 200
        alerts = watched.events("provider:lookup:over_norm")
        assert len(alerts) == (1 if number > 3 else 0), number

    refused = look_up(desk)
    assert refused.status_code == 429
    assert "CLM-A1" not in refused.text
    assert refused.headers["Retry-After"] == "3600"
    desk.get(ELIGIBILITY)
    assert desk.post(ELIGIBILITY, member_number="M-ANN", birth_date="1956-04-30").status_code == 429
    assert [one.outcome for one in watched.events("provider:lookup:refuse")] == [Outcome.REFUSED] * 2
    assert numbers(desk.get(CLAIMS).text) == ["CLM-A1"], "one's own claims without naming a member stay"
    assert numbers(watched.browser(watched.login(watched.groups["mine"])).get(CLAIMS).text) == ["CLM-A1"]
    (alert,) = watched.session.scalars(select(OutboxMail).where(OutboxMail.template == "lookup_alert")).all()
    watched.session.commit()
    mail = letters(watched.session, watched.app.extensions["latchstring"].settings, alert.recipient)[-1]
    assert staff.account.username in mail
    assert "M-ANN" not in mail
    assert "Canary" not in mail

    clock.advance(3_601)
    desk.enter(staff.account, following="/provider/home")
    assert look_up(desk).status_code == 200


def test_case_142_a_question_for_the_reason_is_no_look_up(watched: Office) -> None:
    desk = watched.browser(watched.login(watched.groups["mine"]))
    for _ in range(7):
        desk.get(CLAIMS)
        assert "Why do you ask" in desk.post(CLAIMS, member_number="M-NOBODY").text

    assert look_up(desk).status_code == 200
    assert watched.events("provider:lookup:over_norm") == []


def test_case_142_a_page_link_saves_no_look_up_of_another_member(watched: Office) -> None:
    mine = watched.groups["mine"]
    watched.member("bob")
    watched.load(
        *(billed(f"many{number}", "ann", mine) for number in range(25)),
        *(billed(f"more{number}", "bob", mine) for number in range(25)),
    )  # fmt: skip
    desk = watched.browser(watched.login(mine))
    answer = look_up(desk)
    after = answer.text.partition('name="after" value="')[2].partition('"')[0]
    assert after

    for _ in range(6):
        desk.get(CLAIMS)
        assert desk.post(CLAIMS, member_number="M-ANN", after=after, **WHY).status_code == 200, "a page of the same"
    statuses = []
    for _ in range(6):
        desk.get(CLAIMS)
        statuses.append(desk.post(CLAIMS, member_number="M-BOB", after=after, **WHY).status_code)
    assert statuses == [200, 200, 200, 200, 429, 429]


def test_case_142_parallel_look_ups_do_not_pass_the_limit(watched: Office, database_url: str) -> None:
    staff = watched.login(watched.groups["mine"])
    desks = [watched.browser(staff) for _ in range(4)]
    for desk in desks:
        desk.get(CLAIMS)
    barrier, statuses = Barrier(len(desks)), []

    def burst(desk: Visitor) -> None:
        barrier.wait()
        for _ in range(3):
            statuses.append(desk.post(CLAIMS, member_number="M-ANN", **WHY).status_code)

    threads = [Thread(target=burst, args=(desk,)) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] * 5 + [429] * 7
    counted = watched.session.scalars(
        select(AttemptCounter.count).where(AttemptCounter.key == f"member-lookup:{staff.account_id}")
    )
    assert list(counted) == [12]
