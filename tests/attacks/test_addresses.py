"""One address, one account: whoever asks at one moment for the same one (security.md, cases 97, 113 and 189)."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from oauth.apps.models import DeveloperInvitation, DeveloperRole
from service.accounts import email_change, invited, opening, passwords
from service.accounts.models import Account, AttemptCounter
from service.app import create_app
from service.developer import inviting
from service.plan.logins import invitations
from service.plan.models import IdKind, PortalInvitation, PortalOrganization, ProviderIdentifier
from service.plan.registering import joining
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters, newest_code
from tests.attacks.offices import LINK, delegate_of, invitee
from tests.attacks.test_email_change import Mover
from tests.developer.newcomer import SIGN_UP
from tests.factories import PASSWORD, make_account, make_developer, make_member, make_organization
from tests.provider.registrant import Registrant, make_clinic, make_payment

CALLERS = 8
ADDRESS = "robin@clinic.example"
_NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
_DEVELOPER_LINK = re.compile(r"http://localhost(/developers/invitation/[\w-]{43})")
_MAIN = re.compile(r"<main.*</main>", re.DOTALL)
_ONCE = re.compile(r'name="csrf_token" value="[^"]+"|href="[^"]*"')

LastStep = Callable[[], TestResponse]
"""Sends the form that opens an account with ADDRESS, or gives it to one; everything before it is done."""


class Callers:
    """People who each are one step from having ADDRESS."""

    def __init__(self, app: Flask, session: Session, settings: Settings) -> None:
        self.app, self.session, self.settings = app, session, settings
        self._numbers = count(1)

    def member(self) -> LastStep:
        person, visitor = make_member(self.session), self._visitor()
        self._commit()
        visitor.get("/register")
        visitor.post(
            "/register", member_id=person.member_number, last_name=person.family_name,
            birth_date=person.birth_date.isoformat(), zip_code=person.zip_code,
        )  # fmt: skip
        visitor.get("/register/email")
        visitor.post("/register/email", email=ADDRESS)
        self._enter_code(visitor, "/register/code")
        return self._credentials(visitor, "/register/account")

    def developer(self) -> LastStep:
        visitor = self._visitor()
        visitor.get("/developers/sign-up")
        visitor.post("/developers/sign-up", **SIGN_UP | {"email": ADDRESS})
        self._enter_code(visitor, "/developers/sign-up/code")
        return self._credentials(visitor, "/developers/sign-up/account")

    def office(self) -> LastStep:
        number = next(self._numbers)
        tax_id, vendor, check = f"0812345{number:02}", f"V9000{number:02}", f"CHK00008{number:02}"
        clinic = make_clinic(self.session, tax_id=tax_id, npi=None, vendor_number=vendor)
        make_payment(self.session, clinic, check)
        self._commit()
        visitor = Registrant(self.app, self._address(), session=self.session, settings=self.settings)
        assert visitor.show_payment("vendor", tax_id=tax_id, number=check, vendor_number=vendor).status_code == 303
        visitor.choose(clinic)
        assert visitor.give_contact(email=ADDRESS).location == "/provider/register/code"
        self._enter_code(visitor, "/provider/register/code")
        return self._credentials(visitor, "/provider/register/account")

    def invited_colleague(self, **office: str) -> LastStep:
        self._commit()
        head = delegate_of(self.session, make_organization(self.session, **office))
        invitations.invite(self.session, head, invitee(ADDRESS), key=self.settings.secret_key)
        self._commit()
        return self._credentials(self._visitor(), LINK.findall(self._letters()[-1])[-1])

    def invited_developer(self) -> LastStep:
        self._commit()
        owner = make_developer(self.session)
        person = inviting.Invitee("Robin", "Vale", ADDRESS, DeveloperRole.DEVELOPER)
        inviting.invite(self.session, owner, person, key=self.settings.secret_key)
        self._commit()
        return self._credentials(self._visitor(), _DEVELOPER_LINK.findall(self._letters()[-1])[-1])

    def mover(self) -> LastStep:
        account = make_account(self.session)
        self._commit()
        mover = Mover(self.app, account, self.session, self.settings)
        assert mover.begin(ADDRESS) == 303
        assert mover.enter(mover.code_to(mover.old)) == 303
        code = mover.code_to(ADDRESS)
        mover.visitor.get("/settings/email/confirm")
        return lambda: mover.visitor.post("/settings/email/confirm", code=code)

    def _commit(self) -> None:
        # Past the limits by network, address and organisation, which would stop most callers.
        self.session.execute(delete(AttemptCounter))
        self.session.commit()

    def _visitor(self) -> Visitor:
        return Visitor(self.app, self._address())

    def _address(self) -> str:
        return f"192.0.2.{next(self._numbers)}"

    def _letters(self) -> list[str]:
        return letters(self.session, self.settings, ADDRESS)

    def _enter_code(self, visitor: Visitor, path: str) -> None:
        visitor.get(path)
        answer = visitor.post(path, code=newest_code(self.session, self.settings, ADDRESS))
        assert answer.status_code == 303, answer.text
        self._commit()

    def _credentials(self, visitor: Visitor, path: str) -> LastStep:
        username = f"robin.vale{next(self._numbers)}"
        assert visitor.get(path).status_code == 200
        return lambda: visitor.post(path, username=username, password=PASSWORD, confirmation=PASSWORD)


KINDS: dict[str, Callable[[Callers], LastStep]] = {
    "member": Callers.member, "developer": Callers.developer, "office": Callers.office,
    "invited colleague": Callers.invited_colleague, "invited developer": Callers.invited_developer,
    "mover": Callers.mover,
}  # fmt: skip
LINKS = {"invited colleague", "invited developer"}


@pytest.fixture
def callers(engine: Engine, session: Session, settings: Settings) -> Callers:
    # The door lets all of them in at once.
    return Callers(create_app(replace(settings, requests_at_once=CALLERS + 1), engine), session, settings)


def _meet(monkeypatch: pytest.MonkeyPatch, engine: Engine, barrier: Barrier) -> None:
    """Let everybody arrive before anybody goes on: right before the index decides, on SQLite before the write lock."""
    hashed = passwords.make_hash(PASSWORD)

    def meeting(function: Callable[..., Any]) -> Callable[..., Any]:
        def met(*args: Any, **given: Any) -> Any:
            barrier.wait(60)
            return function(*args, **given)

        return met

    monkeypatch.setattr(passwords, "make_hash", lambda _password: hashed)
    if engine.dialect.name == "postgresql":
        monkeypatch.setattr(opening, "open_account", meeting(opening.open_account))
        monkeypatch.setattr(email_change, "_set", meeting(email_change._set))
    else:
        monkeypatch.setattr(passwords, "make_hash", meeting(passwords.make_hash))


def _race(steps: list[LastStep]) -> list[TestResponse]:
    with ThreadPoolExecutor(len(steps)) as pool:
        return [one.result() for one in [pool.submit(step) for step in steps]]


def _owners(session: Session) -> int:
    # In a session of its own: an open one would hold SQLite against the application.
    with Session(session.get_bind()) as own:
        return own.scalar(select(func.count()).select_from(Account).where(Account.email_key == ADDRESS)) or 0


def _shown(answer: TestResponse) -> tuple[int, str | None, str]:
    found = _MAIN.search(answer.text)
    return answer.status_code, answer.location, _ONCE.sub("", found[0] if found else "")


@pytest.mark.parametrize("kind", KINDS)
def test_case_189_of_eight_callers_one_has_the_address_and_the_others_are_told_as_if_they_had_come_later(
    callers: Callers, engine: Engine, session: Session, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    steps = [KINDS[kind](callers) for _ in range(CALLERS + 1)]
    with monkeypatch.context() as patched:
        _meet(patched, engine, Barrier(CALLERS))
        answers = _race(steps[:-1])
    assert sorted(one.status_code < 400 for one in answers) == [False] * (CALLERS - 1) + [True]
    assert _owners(session) == 1
    late = steps[-1]()
    losers = {_shown(one) for one in answers if one.status_code >= 400}
    if kind in LINKS:
        # Told so before anything is typed: the page to join with the account there is.
        assert late.status_code == 303 and {status for status, *_ in losers} == {410}
    else:
        assert losers == {_shown(late)}


def test_case_189_of_people_of_every_kind_one_has_the_address(
    callers: Callers, engine: Engine, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A change of address hashes nothing: on SQLite it would be over before the others have met.
    made = [make for kind, make in KINDS.items() if kind != "mover" or engine.dialect.name == "postgresql"]
    steps = [make(callers) for make in made]
    with monkeypatch.context() as patched:
        _meet(patched, engine, Barrier(len(steps)))
        answers = _race(steps)
    assert sum(one.status_code < 400 for one in answers) == 1
    assert all(one.status_code < 500 for one in answers)
    assert _owners(session) == 1


@pytest.mark.parametrize(("kind", "model"), [
    ("invited colleague", PortalInvitation), ("invited developer", DeveloperInvitation),
])  # fmt: skip
def test_case_129_an_invitation_whose_address_was_taken_that_moment_still_works(
    callers: Callers, engine: Engine, session: Session, monkeypatch: pytest.MonkeyPatch,
    kind: str, model: type[PortalInvitation | DeveloperInvitation],
) -> None:  # fmt: skip
    steps = [KINDS[kind](callers) for _ in range(2)]
    with monkeypatch.context() as patched:
        _meet(patched, engine, Barrier(2))
        answers = _race(steps)
    assert sorted(one.status_code for one in answers) == [303, 410]
    session.rollback()
    assert sorted(row.spent_at is None for row in session.scalars(select(model))) == [False, True]


def test_case_097_a_member_number_that_got_an_account_meanwhile_is_no_taken_user_name(
    callers: Callers, engine: Engine, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = callers.member()
    real = opening.open_account

    def faster(own: Session, person: opening.NewPerson, **given: Any) -> Account:
        with Session(engine) as other:
            other.add(_account_of(person.member_id))
            other.commit()
        return real(own, person, **given)

    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets nobody else write between the look and the deed")
    monkeypatch.setattr(opening, "open_account", faster)
    answer = step()
    assert answer.status_code != 500 and "is taken" not in answer.text
    assert _owners(session) == 0


def _account_of(member_id: str | None) -> Account:
    return Account(
        username="another.one", username_key="another.one", email="a@example.org", email_key="a@example.org",
        given_name="Dana", family_name="Reyes", password_hash="-", member_id=member_id,
    )  # fmt: skip


def test_case_113_nobody_opens_an_account_with_an_address_that_can_be_taken_back(
    callers: Callers, session: Session, settings: Settings
) -> None:
    with time_machine.travel(_NOON, tick=False):
        account = make_account(session, email=ADDRESS)
        session.commit()
        mover = Mover(callers.app, account, session, settings)
        path = mover.change("robin.vale@example.org")
        thief = Visitor(callers.app, "192.0.2.99")
        thief.get("/developers/sign-up")
        assert thief.post("/developers/sign-up", **SIGN_UP | {"email": ADDRESS.upper()}).status_code == 303
        page = thief.get("/developers/sign-up/code")
        assert page.status_code == 200 and letters(session, settings, ADDRESS.upper()) == []
        assert "has an account already" in letters(session, settings, "robin.vale@example.org")[-1]
        owner = Visitor(callers.app)
        owner.get(path)
        assert owner.post(path).status_code == 303
        assert mover.email == ADDRESS and _owners(session) == 1


def test_case_113_after_the_72_hours_the_old_address_is_anybodys_and_the_link_is_over(
    callers: Callers, session: Session, settings: Settings
) -> None:
    with time_machine.travel(_NOON, tick=False) as clock:
        account = make_account(session, email=ADDRESS)
        session.commit()
        path = Mover(callers.app, account, session, settings).change("robin.vale@example.org")
        clock.shift(timedelta(hours=72))
        assert callers.developer()().status_code == 303
        assert _owners(session) == 1
        assert Visitor(callers.app).get(path).status_code == 404


def test_case_113_a_link_whose_address_another_account_has_says_so_and_stays(
    callers: Callers, session: Session, settings: Settings
) -> None:
    """So left by a release that did not hold such addresses."""
    account = make_account(session, email=ADDRESS)
    session.commit()
    mover = Mover(callers.app, account, session, settings)
    path = mover.change("robin.vale@example.org")
    other = make_account(session, email=ADDRESS)
    session.commit()
    owner = Visitor(callers.app)
    owner.get(path)
    refused = owner.post(path)
    assert refused.status_code == 404 and "no longer works" in refused.text
    assert mover.email == "robin.vale@example.org"
    other.email = other.email_key = "elsewhere@clinic.example"
    session.commit()
    owner.get(path)
    assert owner.post(path).status_code == 303
    assert mover.email == ADDRESS


def test_case_189_a_registration_into_an_office_and_an_invitation_of_that_office_do_not_wait_for_each_other(
    callers: Callers, engine: Engine, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one write at a time")
    registering = callers.office()
    tax_id = session.scalars(select(ProviderIdentifier.value).where(ProviderIdentifier.kind == IdKind.TAX_ID)).one()
    accepting = callers.invited_colleague(tax_id=tax_id)
    both = Barrier(2)
    hashed = passwords.make_hash(PASSWORD)
    lock, open_invited = joining.lock_organization, opening.open_account

    def locking(*args: Any) -> PortalOrganization:
        both.wait(60)
        return lock(*args)

    def opening_invited(*args: Any, **given: Any) -> Account:
        both.wait(60)
        return open_invited(*args, **given)

    with monkeypatch.context() as patched:
        patched.setattr(passwords, "make_hash", lambda _password: hashed)
        # The one is about to lock the office, the other has, and is about to take the address.
        patched.setattr(joining, "lock_organization", locking)
        opening_meanwhile = SimpleNamespace(open_account=opening_invited, find_by_email=opening.find_by_email)
        patched.setattr(invited, "opening", opening_meanwhile)
        answers = _race([registering, accepting])
    assert [one.status_code for one in answers] == [401, 303]
    assert _owners(session) == 1
